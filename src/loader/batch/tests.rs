//! Batches loaded into SQLite, and the rows that any tool then sees.

use tempfile::TempDir;

use super::*;
use crate::store::sqlite::SqliteStore;

const RECEIVED: i64 = 1_780_000_000_000;

/// A store in a file, and what its loader knows.
struct Loading {
    dir: TempDir,
    store: SqliteStore,
    registry: Registry,
    rules: Rules,
}

impl Loading {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("store.sqlite")).unwrap();
        let mut registry = Registry::default();
        let mut loading = {
            for object in ["person", "company", "company_person", "event"] {
                registry.know(&ObjectName { tenant: "acme".to_owned(), object: object.to_owned() });
            }
            Loading {
                dir,
                store,
                registry,
                rules: Rules { loader: "store".to_owned(), seen_days: 7, ..Rules::default() },
            }
        };
        for object in loading.registry.objects().cloned().collect::<Vec<_>>() {
            loading.store.put_view(&object, &loading.registry.columns(&object)).unwrap();
        }
        loading
    }

    fn load(&mut self, records: &[ReadRecord]) -> Counts {
        self.store.begin().unwrap();
        let counts = apply(&mut self.store, &mut self.registry, &self.rules, records, None).unwrap();
        self.store.commit().unwrap();
        counts
    }

    /// What any tool sees: rows of texts, `NULL` for nothing.
    fn ask(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.dir.path().join("store.sqlite")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let texts = (0..columns).map(|index| {
                Ok(match row.get_ref(index)? {
                    rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => format!("{number:?}"),
                    other => other.as_str()?.to_owned(),
                })
            });
            Ok(texts.collect::<rusqlite::Result<Vec<String>>>()?.join("|"))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn record(kind: Kind, key: &str, id: &str, value: &str) -> ReadRecord {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    ReadRecord {
        topic: "weir.people".to_owned(),
        partition: 0,
        offset: 1,
        timestamp_ms: RECEIVED,
        key: (!key.is_empty()).then(|| format!("acme\x1f{key}").into_bytes()),
        headers: vec![
            header("ce_type", kind.ce_type()),
            header("ce_id", id),
            header("ce_source", "/acme/web"),
            header("ce_time", "2026-05-28T20:00:00.000Z"),
        ],
        value: value.as_bytes().to_vec(),
    }
}

fn with(mut record: ReadRecord, name: &str, value: &str) -> ReadRecord {
    record.headers.retain(|(other, _)| other != name);
    record.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    record
}

fn person(id: &str, value: &str) -> ReadRecord {
    with(record(Kind::Person, "ada@x.org", id, value), "ce_userid", "ada")
}

fn counted(counts: &Counts) -> Vec<(&'static str, Outcome, u64)> {
    counts.iter().map(|((label, outcome), count)| (*label, *outcome, *count)).collect()
}

#[test]
fn a_person_is_a_row_with_typed_columns() {
    let mut loading = Loading::new();
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

#[test]
fn numbers_are_integers_or_doubles_that_are_the_same_or_their_digits() {
    let mut loading = Loading::new();
    let cases = [
        ("12", "12"),
        ("-0.5", "-0.5"),
        ("1.10", "1.1"),
        ("1e3", "1000.0"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0.1234567890123456", "0.1234567890123456"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("0.12345678901234567890123", "0.12345678901234567890123"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("1e-400", "1e-400"),
        ("0e-400", "0.0"),
        ("\" 12 \"", "12"),
        ("\"1.5\"", "1.5"),
        ("\"abc\"", "NULL"),
        ("\"\"", "NULL"),
        ("true", "NULL"),
        ("[1]", "NULL"),
        ("null", "NULL"),
    ];
    for (number, (json, _)) in cases.iter().enumerate() {
        let value = format!("{{\"Name\":\"C{number:02}\",\"Arr\":{json}}}");
        loading.load(&[record(Kind::Company, &format!("C{number:02}"), "m/company", &value)]);
    }
    let expected: Vec<_> = cases.iter().map(|(_, shown)| (*shown).to_owned()).collect();
    assert_eq!(loading.ask("SELECT arr FROM acme_company ORDER BY key"), expected);
}

#[test]
fn texts_dates_and_times_are_shown_as_such_or_not_at_all() {
    let mut loading = Loading::new();
    let object = ObjectName { tenant: "acme".to_owned(), object: "company".to_owned() };
    let types = [("At__gc", crate::store::types::FieldType::DateTime)];
    let types = types.map(|(field, field_type)| (field.to_owned(), field_type)).into();
    loading.registry = Registry::new([(object.clone(), types)].into());
    let value = r#"{"Name":12.0,"RenewalDate":"2026-02-28T23:00:00-05:00","OriginalContractDate":"2026-02-30",
        "Status":{"a":1},"At__gc":"2026-02-28T23:00:00-05:00"}"#;
    loading.load(&[record(Kind::Company, "12", "m/company", value)]);
    let sql = "SELECT name, renewal_date, original_contract_date, status, at__gc FROM acme_company";
    assert_eq!(loading.ask(sql), ["12.0|2026-02-28|NULL|{\"a\":1}|2026-03-01T04:00:00.000Z"]);
}

#[test]
fn a_field_may_have_any_name() {
    let mut loading = Loading::new();
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

#[test]
fn a_type_clash_makes_a_column_text_and_fails_nothing() {
    let mut loading = Loading::new();
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

#[test]
fn a_link_before_its_company_and_its_person_is_stored_at_once() {
    let mut loading = Loading::new();
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

#[test]
fn an_event_finds_its_person_and_company_also_when_they_come_later() {
    let mut loading = Loading::new();
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

#[test]
fn a_repeated_event_is_one_row() {
    let mut loading = Loading::new();
    let event = record(Kind::Event, "ada", "1/event.tickets", "{}");
    loading.load(&[event.clone(), event.clone()]);
    assert_eq!(counted(&loading.load(&[event])), [("event", Outcome::Repeat, 1)]);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_event"), ["1"]);
}

#[test]
fn an_event_of_nobody_has_its_tenant_from_its_source() {
    let mut loading = Loading::new();
    loading.load(&[record(Kind::Event, "", "1/event.tickets", "{}")]);
    assert_eq!(loading.ask("SELECT user_id, person_id FROM acme_event"), ["NULL|NULL"]);
}

#[test]
fn by_arrival_the_last_record_wins_and_a_repeat_does_not() {
    let mut loading = Loading::new();
    loading.rules.merge.insert("acme".to_owned(), Merge::Arrival);
    let first = person("1/person", r#"{"Email":"ada@x.org","Name":"A"}"#);
    let older =
        with(person("2/person", r#"{"Email":"ada@x.org","Name":"B"}"#), "ce_time", "2020-01-01T00:00:00Z");
    loading.load(&[first.clone(), older]);
    assert_eq!(counted(&loading.load(&[first])), [("person", Outcome::Repeat, 1)]);
    assert_eq!(loading.ask("SELECT name FROM acme_person"), ["B"]);
}

#[test]
fn an_own_object_has_its_view_and_can_be_deleted() {
    let mut loading = Loading::new();
    let key = "deal__gc\x1fZ1";
    let value = r#"{"object":"deal__gc","keys":{"ZohoId__gc":"Z1"},"fields":{"Amount__gc":10.50}}"#;
    loading.load(&[record(Kind::Object, key, "r1-1/object", value)]);
    let sql = "SELECT key, zoho_id__gc, amount__gc, deleted_at FROM acme_deal__gc";
    assert_eq!(loading.ask(sql), [format!("{key}|Z1|10.5|NULL")]);
    let gone =
        record(Kind::Deleted, key, "r2-1/deleted", r#"{"object":"deal__gc","keys":{"ZohoId__gc":"Z1"}}"#);
    loading.load(&[with(gone, "ce_time", "2026-05-28T20:10:00Z")]);
    assert_eq!(loading.ask(sql), [format!("{key}|Z1|10.5|2026-05-28T20:10:00.000Z")]);
}

#[test]
fn an_object_that_has_another_ones_name_or_key_is_refused() {
    let mut loading = Loading::new();
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

#[test]
fn a_link_that_is_deleted_is_shown_no_more() {
    let mut loading = Loading::new();
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

#[test]
fn a_bad_record_costs_itself_alone_and_is_kept_whole() {
    let mut loading = Loading::new();
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

#[test]
fn rejected_events_are_not_for_the_store() {
    let mut loading = Loading::new();
    assert!(loading.load(&[record(Kind::Rejected, "", "1/rejected", "{}")]).is_empty());
}
