//! User ids that are one user's, and users who belong to a company without anybody having said who they are.

use weir::loader::batch::Outcome;
use weir::queue::reader::ReadRecord;
use weir::record::{Kind, derived_id};
use weir::store::erase::{Erased, erase};
use weir::store::row::RowKey;

use crate::loading::{Loading, counted};
use crate::records::{RECEIVED, ada, person, record, with};

on_both! {
    what_comes_under_a_joined_id_is_of_the_same_person_whatever_comes_first
    ids_are_joined_along_chains_and_in_circles
    an_id_that_is_joined_anew_leaves_nothing_behind
    equal_ids_of_two_tenants_never_meet
    a_join_of_an_id_with_itself_changes_nothing
    a_join_that_can_not_be_read_is_filed
    both_ids_of_an_erased_person_are_forgotten_and_stay_out
    an_id_that_is_joined_with_an_erased_one_is_erased_as_well
    whoever_an_erased_id_is_joined_into_stays
    an_id_that_was_erased_as_one_of_many_takes_the_others_along
    an_erased_person_is_not_remembered_by_the_ids_of_others
    a_user_of_a_company_is_linked_once_it_is_known_who_that_is_whatever_comes_first
    a_link_of_a_record_is_shown_rather_than_that_of_a_user
    a_link_that_was_deleted_later_is_not_shown_for_a_user
    users_of_merged_companies_are_linked_to_the_one_that_stays
    companies_of_an_erased_user_are_forgotten_and_others_loaded
}

fn at(record: ReadRecord, minute: u8) -> ReadRecord {
    with(record, "ce_time", &format!("2026-05-28T19:{minute:02}:00Z"))
}

fn alias(previous: &str, user: &str, minute: u8) -> ReadRecord {
    let value = format!(r#"{{"previousId":"{previous}","userId":"{user}"}}"#);
    at(record(Kind::Alias, previous, &format!("{previous}-{user}-{minute}/alias.0"), &value), minute)
}

fn identify(user: &str, email: &str, minute: u8) -> ReadRecord {
    let value = format!(r#"{{"Email":"{email}"}}"#);
    let record = record(Kind::Person, email, &format!("{user}-{email}-{minute}/person"), &value);
    at(with(record, "ce_userid", user), minute)
}

fn event(user: &str) -> ReadRecord {
    record(Kind::Event, user, &format!("{user}/event.x"), "{}")
}

fn company(user: &str, name: &str, minute: u8) -> ReadRecord {
    let value = format!(r#"{{"Name":"{name}"}}"#);
    let record = record(Kind::Company, name, &format!("{name}-{user}-{minute}/company"), &value);
    at(with(record, "ce_userid", user), minute)
}

fn id_of(company: &str) -> String {
    derived_id("1P02", "acme", company)
}

const PEOPLE: &str = "SELECT key, user_ids FROM acme_person ORDER BY key";
const OWNERS: &str = "SELECT e.user_id, (SELECT p.key FROM acme_person p WHERE p.id = e.person_id) \
    FROM acme_event e ORDER BY e.user_id";
const LINKS: &str = "SELECT person_email, company_name FROM acme_company_person ORDER BY 1, 2";

/// Every table that may know of a user: users, joins, members, events.
fn held(loading: &Loading) -> Vec<String> {
    loading.ask(
        "SELECT (SELECT count(*) FROM weir_user), (SELECT count(*) FROM weir_join), \
         (SELECT count(*) FROM weir_member), (SELECT count(*) FROM weir_event)",
    )
}

/// What `sql` finds, with arrays as both databases write them.
fn ask(loading: &Loading, sql: &str) -> Vec<String> {
    loading.ask(sql).into_iter().map(|row| row.replace("\", \"", "\",\"")).collect()
}

fn what_comes_under_a_joined_id_is_of_the_same_person_whatever_comes_first(mut loading: Loading) {
    let all = [alias("phone", "ada", 1), identify("ada", "ada@x.org", 2), event("phone"), event("ada")];
    for first in 0..all.len() {
        // A tenant of its own for each order.
        let tenant = format!("t{first}");
        let of_tenant = |record: &ReadRecord| {
            let key = String::from_utf8(record.key.clone().unwrap()).unwrap().replace("acme", &tenant);
            ReadRecord {
                key: Some(key.into_bytes()),
                ..with(record.clone(), "ce_source", &format!("/{tenant}/web"))
            }
        };
        for place in 0..all.len() {
            loading.load(&[of_tenant(&all[(first + place) % all.len()])]);
        }
    }
    let users = "SELECT tenant, user_id, person FROM weir_user ORDER BY tenant, user_id";
    let expected = |tenant| ["ada", "phone"].map(|id| format!("t{tenant}|{id}|ada@x.org"));
    assert_eq!(loading.ask(users), (0..all.len()).flat_map(expected).collect::<Vec<_>>());
}

fn ids_are_joined_along_chains_and_in_circles(mut loading: Loading) {
    loading.load(&[event("a"), event("b"), event("c"), identify("c", "ada@x.org", 1)]);
    loading.load(&[alias("a", "b", 2)]);
    assert_eq!(loading.ask(OWNERS), ["a|NULL", "b|NULL", "c|ada@x.org"]);
    loading.load(&[alias("b", "c", 3)]);
    assert_eq!(loading.ask(OWNERS), ["a|ada@x.org", "b|ada@x.org", "c|ada@x.org"]);
    assert_eq!(ask(&loading, PEOPLE), ["ada@x.org|[\"a\",\"b\",\"c\"]"]);
    loading.load(&[alias("c", "a", 4), identify("b", "bob@x.org", 5)]);
    assert_eq!(
        loading.ask(OWNERS),
        ["a|bob@x.org", "b|bob@x.org", "c|bob@x.org"],
        "a leads to b, nowhere else"
    );
}

fn an_id_that_is_joined_anew_leaves_nothing_behind(mut loading: Loading) {
    loading.load(&[identify("phone", "ada@x.org", 1), alias("phone", "left", 2), event("left")]);
    assert_eq!(loading.ask(OWNERS), ["left|ada@x.org"]);
    loading.load(&[alias("phone", "right", 3), event("right")]);
    assert_eq!(loading.ask(OWNERS), ["left|NULL", "right|ada@x.org"]);
    loading.load(&[alias("phone", "left", 2)]);
    assert_eq!(loading.ask(OWNERS), ["left|NULL", "right|ada@x.org"], "a repeat");
    assert_eq!(held(&loading), ["2|1|0|2"]);
}

fn equal_ids_of_two_tenants_never_meet(mut loading: Loading) {
    let other = ReadRecord {
        key: Some(b"other\x1fphone".to_vec()),
        ..with(alias("phone", "ada", 1), "ce_source", "/other/web")
    };
    loading.load(&[identify("ada", "ada@x.org", 1), event("phone"), other]);
    assert_eq!(loading.ask(OWNERS), ["phone|NULL"]);
    assert_eq!(ask(&loading, PEOPLE), ["ada@x.org|[\"ada\"]"]);
}

fn a_join_of_an_id_with_itself_changes_nothing(mut loading: Loading) {
    let counts = loading.load(&[identify("ada", "ada@x.org", 1), alias("ada", "ada", 2)]);
    assert_eq!(counted(&counts), [("alias", Outcome::Loaded, 1), ("person", Outcome::Loaded, 1)]);
    assert_eq!(
        (held(&loading), ask(&loading, PEOPLE)),
        (vec!["1|0|0|0".to_owned()], vec!["ada@x.org|[\"ada\"]".to_owned()])
    );
}

fn a_join_that_can_not_be_read_is_filed(mut loading: Loading) {
    let long = "x".repeat(1_001);
    let records = [
        record(Kind::Alias, "phone", "1/alias.0", r#"{"previousId":"phone"}"#),
        record(Kind::Alias, "phone", "2/alias.0", r#"{"userId":""}"#),
        record(Kind::Alias, "", "3/alias.0", r#"{"userId":"ada"}"#),
        record(Kind::Alias, "phone", "4/alias.0", &format!(r#"{{"userId":"{long}"}}"#)),
    ];
    assert_eq!(counted(&loading.load(&records)), [("alias", Outcome::Failed, 4)]);
    let reasons = ["value_invalid", "value_invalid", "key_invalid", "key_too_long"];
    assert_eq!(loading.ask("SELECT reason FROM weir_failed ORDER BY id"), reasons);
    assert_eq!(held(&loading), ["0|0|0|0"]);
}

fn both_ids_of_an_erased_person_are_forgotten_and_stay_out(mut loading: Loading) {
    loading.load(&[identify("ada", "ada@x.org", 1), alias("phone", "ada", 2), event("phone"), event("ada")]);
    let (theirs, erased) = erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    assert_eq!(erased, Erased { rows: 1, user_ids: 2, events: 2, ..Erased::default() });
    assert_eq!(held(&loading), ["0|0|0|0"]);
    assert!(theirs.have_sent(r#"{"type":"alias","previousId":"phone","userId":7}"#));
    let counts = loading.load(&[event("phone"), event("ada"), alias("phone", "bob", 3)]);
    assert_eq!(counted(&counts), [("alias", Outcome::Suppressed, 1), ("event", Outcome::Suppressed, 2)]);
    assert_eq!(held(&loading), ["0|0|0|0"]);
}

fn an_id_that_is_joined_with_an_erased_one_is_erased_as_well(mut loading: Loading) {
    loading.load(&[
        identify("ada", "ada@x.org", 1),
        event("phone"),
        event("tablet"),
        alias("tablet", "phone", 1),
    ]);
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    assert_eq!(counted(&loading.load(&[alias("phone", "ada", 3)])), [("alias", Outcome::Suppressed, 1)]);
    assert_eq!(held(&loading), ["0|0|0|0"], "also what was joined with it before");
    let counts = loading.load(&[event("phone"), event("tablet")]);
    assert_eq!(counted(&counts), [("event", Outcome::Suppressed, 2)]);
}

fn whoever_an_erased_id_is_joined_into_stays(mut loading: Loading) {
    loading.load(&[identify("ada", "ada@x.org", 1), identify("bob", "bob@x.org", 1), event("bob")]);
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    assert_eq!(counted(&loading.load(&[alias("ada", "bob", 3)])), [("alias", Outcome::Suppressed, 1)]);
    assert_eq!(loading.ask(OWNERS), ["bob|bob@x.org"]);
    // And an id that is somebody else's by what was said later.
    loading.load(&[alias("phone", "bob", 5), event("phone"), alias("phone", "ada", 4)]);
    assert_eq!(loading.ask(OWNERS), ["bob|bob@x.org", "phone|bob@x.org"]);
}

fn an_id_that_was_erased_as_one_of_many_takes_the_others_along(mut loading: Loading) {
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    loading.load(&[alias("phone", "ada", 1), event("phone"), event("ada")]);
    assert_eq!(
        counted(&loading.load(&[identify("ada", "ada@x.org", 2)])),
        [("person", Outcome::Suppressed, 1)]
    );
    assert_eq!(held(&loading), ["0|0|0|0"]);
    assert_eq!(counted(&loading.load(&[event("phone")])), [("event", Outcome::Suppressed, 1)]);
}

fn an_erased_person_is_not_remembered_by_the_ids_of_others(mut loading: Loading) {
    loading.load(&[
        identify("phone", "ada@x.org", 1),
        identify("bob", "bob@x.org", 2),
        alias("phone", "bob", 3),
    ]);
    assert_eq!(ask(&loading, PEOPLE), ["ada@x.org|[]", "bob@x.org|[\"bob\",\"phone\"]"]);
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    assert_eq!(
        loading.ask("SELECT user_id, person, told FROM weir_user ORDER BY user_id"),
        ["bob|bob@x.org|bob@x.org", "phone|bob@x.org|NULL"]
    );
}

fn a_user_of_a_company_is_linked_once_it_is_known_who_that_is_whatever_comes_first(mut loading: Loading) {
    loading.load(&[event("ada"), event("phone"), company("ada", "Acme", 1)]);
    assert_eq!(loading.ask(LINKS), Vec::<String>::new());
    loading.load(&[identify("ada", "ada@x.org", 2), alias("phone", "ada", 3)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme"]);
    let of_events = "SELECT user_id, company_id FROM acme_event ORDER BY user_id";
    let acme = id_of("Acme");
    assert_eq!(loading.ask(of_events), [format!("ada|{acme}"), format!("phone|{acme}")]);
    loading.load(&[identify("bob", "bob@x.org", 1), company("bob", "Acme", 2), company("phone", "Acme", 4)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme", "bob@x.org|Acme"], "each once");
    loading.load(&[company("bob", "Beta", 5)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme", "bob@x.org|Acme", "bob@x.org|Beta"]);
    // Who turns out to be somebody else brings the company along.
    loading.load(&[identify("bob", "eve@x.org", 6)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme", "eve@x.org|Acme", "eve@x.org|Beta"]);
    let shown = loading.store.member_links("acme", Some("eve@x.org"), None).unwrap();
    let shown: Vec<_> = shown.into_iter().map(|link| (link.email, link.company)).collect();
    let mut expected = ["Acme", "Beta"].map(|name| ("eve@x.org".to_owned(), id_of(name)));
    expected.sort();
    assert_eq!(shown, expected);
    assert_eq!(loading.store.member_links("acme", None, Some(&acme)).unwrap().len(), 2);
    assert_eq!(loading.store.member_links("other", None, None).unwrap(), []);
}

fn link(email: &str, company: &str, minute: u8) -> ReadRecord {
    let value = format!(r#"{{"Email":"{email}","CompanyId":"{}","CompanyName":"of link"}}"#, id_of(company));
    at(record(Kind::Link, &email.to_lowercase(), &format!("{email}-{company}/link.0"), &value), minute)
}

fn a_link_of_a_record_is_shown_rather_than_that_of_a_user(mut loading: Loading) {
    loading.load(&[identify("ada", "ada@x.org", 1), company("ada", "Acme", 1), link("ADA@x.org", "Acme", 2)]);
    let sql = "SELECT person_email, company_name, modified_by FROM acme_company_person";
    assert_eq!(loading.ask(sql), ["ADA@x.org|Acme|/acme/web"]);
}

fn a_link_that_was_deleted_later_is_not_shown_for_a_user(mut loading: Loading) {
    let keys = format!(r#"{{"object":"company_person","keys":{{"CompanyId":"{}"}}}}"#, id_of("Acme"));
    let gone = at(record(Kind::Deleted, "ada@x.org", "1/deleted", &keys), 5);
    loading.load(&[identify("ada", "ada@x.org", 1), company("ada", "Acme", 4), gone]);
    assert_eq!(loading.ask(LINKS), Vec::<String>::new());
    loading.load(&[company("ada", "Acme", 6)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme"]);
}

fn users_of_merged_companies_are_linked_to_the_one_that_stays(mut loading: Loading) {
    loading.load(&[
        identify("ada", "ada@x.org", 1),
        company("ada", "Acme Ltd", 2),
        company("bob", "Acme", 2),
    ]);
    let key =
        |name: &str| RowKey { tenant: "acme".to_owned(), object: "company".to_owned(), key: name.to_owned() };
    weir::store::merge::merge(&mut *loading.store, &key("Acme Ltd"), &key("Acme"), RECEIVED).unwrap();
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme"]);
    loading.load(&[company("ada", "Acme", 3), company("ada", "Acme Ltd", 4)]);
    assert_eq!(loading.ask(LINKS), ["ada@x.org|Acme"]);
}

fn companies_of_an_erased_user_are_forgotten_and_others_loaded(mut loading: Loading) {
    loading.load(&[identify("ada", "ada@x.org", 1), company("ada", "Acme", 2)]);
    let (_, erased) = erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    assert_eq!((erased.links, held(&loading)), (1, vec!["0|0|0|0".to_owned()]));
    let counts = loading.load(&[company("ada", "Beta", 3), person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    assert_eq!(counted(&counts), [("company", Outcome::Loaded, 1), ("person", Outcome::Suppressed, 1)]);
    assert_eq!(loading.ask("SELECT name FROM acme_company ORDER BY 1"), ["Acme", "Beta"]);
    assert_eq!((held(&loading), loading.ask(LINKS)), (vec!["0|0|0|0".to_owned()], Vec::new()));
}
