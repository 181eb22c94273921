//! What holds of a store whatever the database.

use weir::loader::batch::Outcome;
use weir::queue::line;
use weir::record::Kind;
use weir::tenants::Merge;

use crate::loading::{Loading, counted};
use crate::records::{person, record, with};

on_both! {
    a_person_is_a_row_with_typed_columns
    a_field_may_have_any_name
    a_type_clash_makes_a_column_text_and_fails_nothing
    a_link_before_its_company_and_its_person_is_stored_at_once
    an_event_finds_its_person_and_company_also_when_they_come_later
    a_repeated_event_is_one_row
    an_event_of_nobody_has_its_tenant_from_its_source
    by_arrival_the_last_record_wins_and_a_repeat_does_not
    an_own_object_has_its_view_and_can_be_deleted
    an_object_that_has_another_ones_name_or_key_is_refused
    a_link_that_is_deleted_is_shown_no_more
    a_bad_record_costs_itself_alone_and_is_kept_whole
    rejected_events_are_not_for_the_store
}

fn a_person_is_a_row_with_typed_columns(mut loading: Loading) {
    let value = r#"{"Email":"Ada@x.org","EmailOptOut":"true","MasterAvatarTypeCode":16,"Plan__gc":"gold",
        "Big__gc":12345678901234567890123}"#;
    loading.load(&[person("m1/person", value)]);
    let sql = "SELECT key, email, name, email_opt_out, master_avatar_type_code, plan__gc, big__gc, user_ids, \
               modified_by, created_at FROM acme_person";
    assert_eq!(
        loading.ask(sql),
        [
            "ada@x.org|Ada@x.org|NULL|1|16|gold|12345678901234567890123|[\"ada\"]|/acme/web|2026-05-28T20:26:40.000Z"
        ]
    );
    assert!(loading.ask("SELECT id FROM acme_person")[0].starts_with("1P01"));
}

fn a_field_may_have_any_name(mut loading: Loading) {
    for (number, name) in ["a.b", "c d", "e'f", "g\\\"h", "i\\\\j", "ö"].iter().enumerate() {
        let value = format!(
            "{{\"Email\":\"ada@x.org\",\"{name}__gc\":{number},\"{name}t__gc\":true,\"{name}s__gc\":\"x\"}}"
        );
        loading.load(&[person(&format!("{number}/person"), &value)]);
    }
    let sql =
        "SELECT a_b__gc, c_d__gc, e_f__gc, g_h__gc, i_j__gc, ___gc, g_ht__gc, i_js__gc FROM acme_person";
    assert_eq!(loading.ask(sql), ["0|1|2|3|4|5|1|x"]);
}

fn a_type_clash_makes_a_column_text_and_fails_nothing(mut loading: Loading) {
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org","Score__gc":7}"#)]);
    assert_eq!(loading.ask("SELECT score__gc + 1 FROM acme_person"), ["8"]);
    loading.load(&[record(
        Kind::Person,
        "bob@x.org",
        "2/person",
        r#"{"Email":"bob@x.org","Score__gc":"high"}"#,
    )]);
    assert_eq!(loading.ask("SELECT score__gc FROM acme_person ORDER BY key"), ["7", "high"]);
}

fn a_link_before_its_company_and_its_person_is_stored_at_once(mut loading: Loading) {
    let link = r#"{"Email":"Ada@x.org","CompanyId":"1P02X","CompanyName":"Acme"}"#;
    loading.load(&[record(Kind::Link, "ada@x.org", "1/link.0", link)]);
    let sql = "SELECT person_email, company_id, company_name, person_id = (SELECT id FROM acme_person) \
               FROM acme_company_person";
    assert_eq!(loading.ask(sql), ["Ada@x.org|1P02X|Acme|1"]);
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org","Name":"Ada"}"#)]);
    assert_eq!(loading.ask("SELECT email, name FROM acme_person"), ["ada@x.org|Ada"], "its own email");
    loading.load(&[record(Kind::Link, "ada@x.org", "3/link.0", link)]);
    assert_eq!(loading.ask("SELECT email FROM acme_person"), ["ada@x.org"]);
}

fn an_event_finds_its_person_and_company_also_when_they_come_later(mut loading: Loading) {
    let event = record(Kind::Event, "ada", "1/event.tickets", r#"{"ticketId":"T-1"}"#);
    let event = with(with(event, "ce_topic", "Ticket Actions"), "ce_eventname", "Ticket Closed");
    loading.load(&[event]);
    let sql = "SELECT user_id, topic, name, time, person_id IS NULL, company_id FROM acme_event";
    assert_eq!(loading.ask(sql), ["ada|Ticket Actions|Ticket Closed|2026-05-28T20:00:00.000Z|1|NULL"]);
    let link = r#"{"Email":"ada@x.org","CompanyId":"1P02X"}"#;
    let link = record(Kind::Link, "ada@x.org", "3/link.0", link);
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org"}"#), link]);
    assert_eq!(loading.ask(sql), ["ada|Ticket Actions|Ticket Closed|2026-05-28T20:00:00.000Z|0|1P02X"]);
    let second = r#"{"Email":"ada@x.org","CompanyId":"1P02Y"}"#;
    loading.load(&[record(Kind::Link, "ada@x.org", "4/link.0", second)]);
    assert_eq!(loading.ask("SELECT company_id FROM acme_event"), ["NULL"], "of two companies, none");
}

fn a_repeated_event_is_one_row(mut loading: Loading) {
    let event = record(Kind::Event, "ada", "1/event.tickets", "{}");
    loading.load(&[event.clone(), event.clone()]);
    assert_eq!(counted(&loading.load(&[event])), [("event", Outcome::Repeat, 1)]);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_event"), ["1"]);
}

fn an_event_of_nobody_has_its_tenant_from_its_source(mut loading: Loading) {
    loading.load(&[record(Kind::Event, "", "1/event.tickets", "{}")]);
    assert_eq!(loading.ask("SELECT user_id, person_id FROM acme_event"), ["NULL|NULL"]);
}

fn by_arrival_the_last_record_wins_and_a_repeat_does_not(mut loading: Loading) {
    loading.rules.merge.insert("acme".to_owned(), Merge::Arrival);
    let first = person("1/person", r#"{"Email":"ada@x.org","Name":"A"}"#);
    let older =
        with(person("2/person", r#"{"Email":"ada@x.org","Name":"B"}"#), "ce_time", "2020-01-01T00:00:00Z");
    loading.load(&[first.clone(), older]);
    assert_eq!(counted(&loading.load(&[first])), [("person", Outcome::Repeat, 1)]);
    assert_eq!(loading.ask("SELECT name FROM acme_person"), ["B"]);
}

fn an_own_object_has_its_view_and_can_be_deleted(mut loading: Loading) {
    let key = "deal__gc\x1fZ1";
    let value = r#"{"object":"deal__gc","keys":{"ZohoId__gc":"Z1"},"fields":{"Amount__gc":10.50}}"#;
    loading.load(&[record(Kind::Object, key, "r1-1/object", value)]);
    let amount = loading.either("10.5", "10.50");
    let sql = "SELECT key, zoho_id__gc, amount__gc, deleted_at FROM acme_deal__gc";
    assert_eq!(loading.ask(sql), [format!("{key}|Z1|{amount}|NULL")]);
    let gone =
        record(Kind::Deleted, key, "r2-1/deleted", r#"{"object":"deal__gc","keys":{"ZohoId__gc":"Z1"}}"#);
    loading.load(&[with(gone, "ce_time", "2026-05-28T20:10:00Z")]);
    assert_eq!(loading.ask(sql), [format!("{key}|Z1|{amount}|2026-05-28T20:10:00.000Z")]);
}

fn an_object_that_has_another_ones_name_or_key_is_refused(mut loading: Loading) {
    let value = |object: &str| format!(r#"{{"object":"{object}","keys":{{"Id__gc":"1"}},"fields":{{}}}}"#);
    let records = [
        record(Kind::Object, "person\u{1f}1", "1/object", &value("person")),
        record(Kind::Object, "deal__gc\u{1f}1", "2/object", &value("case__gc")),
        record(Kind::Deleted, "event\u{1f}1", "3/deleted", &value("event")),
    ];
    assert_eq!(
        counted(&loading.load(&records)),
        [("deleted", Outcome::Failed, 1), ("object", Outcome::Failed, 2)]
    );
    assert_eq!(loading.ask("SELECT count(*) FROM weir_row"), ["0"]);
}

fn a_link_that_is_deleted_is_shown_no_more(mut loading: Loading) {
    loading.load(&[record(
        Kind::Link,
        "ada@x.org",
        "1/link.0",
        r#"{"Email":"ada@x.org","CompanyId":"1P02X"}"#,
    )]);
    let keys = r#"{"object":"company_person","keys":{"Email":"ada@x.org","CompanyId":"1P02X"}}"#;
    let gone = with(record(Kind::Deleted, "ada@x.org", "2/deleted", keys), "ce_time", "2026-05-28T20:10:00Z");
    loading.load(&[gone]);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_company_person"), ["0"]);
}

fn a_bad_record_costs_itself_alone_and_is_kept_whole(mut loading: Loading) {
    let bad = record(Kind::Person, "bob@x.org", "1/person", "[1]");
    let long = record(Kind::Person, &"x".repeat(1_001), "2/person", "{}");
    let counts = loading.load(&[bad.clone(), person("3/person", r#"{"Email":"ada@x.org"}"#), long]);
    assert_eq!(counted(&counts), [("person", Outcome::Loaded, 1), ("person", Outcome::Failed, 2)]);
    let failed = loading.ask("SELECT loader, tenant, topic, partition, \"offset\", reason FROM weir_failed");
    assert_eq!(failed[0], "store|acme|weir.people|0|1|value_invalid");
    assert!(failed[1].ends_with("|key_too_long"));
    let kept = &loading.ask("SELECT record FROM weir_failed")[0];
    assert_eq!(line::read(kept).unwrap().value, bad.value);
}

fn rejected_events_are_not_for_the_store(mut loading: Loading) {
    assert!(loading.load(&[record(Kind::Rejected, "", "1/rejected", "{}")]).is_empty());
}
