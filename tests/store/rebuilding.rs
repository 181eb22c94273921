//! A store that is made anew from the queue, beside its loader.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use weir::loader::batch::apply;
use weir::loader::rebuild::{OpenPast, Order, RebuildError, Rebuilt, rebuild};
use weir::queue::reader::{Next, ReadError, ReadRecord, Reader};
use weir::queue::subscription::{Gone, Partition, Position};
use weir::record::{Kind, derived_id};
use weir::store::Store;
use weir::store::erase::erase;
use weir::store::merge::merge;
use weir::store::registry::Declared;
use weir::store::row::RowKey;
use weir::tenants::Merge;

use crate::loading::{Loading, OBJECTS, known, wanted};
use crate::records::{RECEIVED, ada, person, record, with};

on_both! {
    rows_are_replaced_by_what_the_queue_says_and_keep_gainsights_ids
    what_is_loaded_meanwhile_is_there_and_once
    a_loader_waits_while_rows_are_replaced_and_loses_nothing
    a_queue_that_is_made_anew_meanwhile_is_not_taken_for_the_rest
    one_tenants_rows_alone_are_replaced
    what_the_queue_has_no_more_is_not_lost_unless_that_is_accepted
    a_rebuild_that_fails_changes_nothing
    fields_that_only_the_queue_has_get_their_columns
    who_was_erased_stays_out_of_what_is_made_anew
    companies_that_were_merged_are_one_in_what_is_made_anew
    an_erasure_or_a_merge_meanwhile_stands_and_the_rebuild_changes_nothing
    joined_ids_and_users_of_companies_are_made_anew
}

/// A queue of one partition that still has these records.
struct Queue(Vec<ReadRecord>);

struct Reading(VecDeque<ReadRecord>);

impl Reader for Reading {
    fn next(&mut self, _: Duration) -> Result<Next, ReadError> {
        Ok(self.0.pop_front().map_or(Next::End, Next::Record))
    }
}

fn people() -> Partition {
    Partition { topic: "weir.people".to_owned(), number: 0 }
}

impl Queue {
    fn of(records: impl IntoIterator<Item = ReadRecord>) -> Self {
        Queue((0..).zip(records).map(|(offset, record)| ReadRecord { offset, ..record }).collect())
    }

    fn end(&self) -> i64 {
        self.0.last().map_or(0, |record| record.offset + 1)
    }

    fn between(&self, from: &Position, to: &Position) -> (Box<dyn Reader>, Vec<Gone>) {
        let at = |position: &Position| position.0.get(&people()).copied().unwrap_or_default();
        let (from, to) = (at(from), at(to));
        let first = self.0.first().map_or(to, |record| record.offset).min(to);
        let records = self.0.iter().filter(|record| (from..to).contains(&record.offset));
        let gone = (first > from).then(|| (people(), from..first));
        (Box::new(Reading(records.cloned().collect())), gone.into_iter().collect())
    }
}

/// Loads `records` of a queue up to `to` as a loader does.
fn load(store: &mut dyn Store, records: &[ReadRecord], from: Option<i64>, to: i64) {
    let wanted = wanted(&OBJECTS);
    let mut registry = known(store, Declared::default());
    store.begin().unwrap();
    assert!(store.advance("store", &people(), from, to).unwrap());
    apply(store, &mut registry, &wanted.rules, records, None).unwrap();
    store.commit().unwrap();
}

fn rebuild_from(loading: &mut Loading, queue: &Queue) -> Result<Rebuilt, RebuildError> {
    run(loading, None, false, &mut |from, to| Ok(queue.between(from, to)))
}

fn run(
    loading: &mut Loading,
    tenant: Option<&str>,
    accepts_loss: bool,
    past: OpenPast<'_>,
) -> Result<Rebuilt, RebuildError> {
    let wanted = wanted(&OBJECTS);
    rebuild(&mut *loading.store, &Order { wanted: &wanted, tenant, accepts_loss }, past)
}

fn named(id: &str, name: &str, time: &str) -> ReadRecord {
    with(person(id, &format!(r#"{{"Email":"ada@x.org","Name":"{name}"}}"#)), "ce_time", time)
}

fn of_tenant(tenant: &str, record: ReadRecord) -> ReadRecord {
    let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
    let key = key.replace("acme\x1f", &format!("{tenant}\x1f"));
    with(ReadRecord { key: Some(key.into_bytes()), ..record }, "ce_source", &format!("/{tenant}/web"))
}

fn rows_are_replaced_by_what_the_queue_says_and_keep_gainsights_ids(mut loading: Loading) {
    let event = record(Kind::Event, "ada", "3/event.x", "{}");
    let bad = record(Kind::Person, "bob@x.org", "4/person", "[1]");
    let queue = Queue::of([
        named("1/person", "New", "2026-05-02T00:00:00Z"),
        named("2/person", "Old", "2026-05-01T00:00:00Z"),
        event.clone(),
        bad.clone(),
    ]);
    // What another configuration, or a bug, has made of it.
    loading.rules.merge.insert("acme".to_owned(), Merge::Arrival);
    loading.load(&queue.0);
    loading.load(&[record(Kind::Person, "eve@x.org", "9/person", r#"{"Email":"eve@x.org"}"#), bad]);
    load(&mut *loading.store, &[], None, queue.end());
    let mut row = loading.store.rows(&[&ada()]).unwrap().remove(0).unwrap();
    row.gsid = Some("1P01GS".to_owned());
    loading.store.begin().unwrap();
    loading.store.rows(&[&ada()]).unwrap();
    loading.store.put_rows(&[(&ada(), &row)]).unwrap();
    loading.store.commit().unwrap();
    let people = "SELECT key, name, gsid, user_ids FROM acme_person ORDER BY key";
    assert_eq!(loading.ask(people), ["ada@x.org|Old|1P01GS|[\"ada\"]", "eve@x.org|NULL|NULL|[]"]);

    let done = rebuild_from(&mut loading, &queue).unwrap();
    assert_eq!(done, Rebuilt { records: 4, gone: Vec::new() });
    assert_eq!(loading.ask(people), ["ada@x.org|New|1P01GS|[\"ada\"]"]);
    assert_eq!(loading.ask("SELECT event_id, user_id FROM acme_event"), ["3/event.x|ada"]);
    assert_eq!(loading.ask("SELECT \"offset\", reason FROM weir_failed"), ["3|value_invalid"], "once");
    assert_eq!(loading.ask("SELECT next FROM weir_progress"), ["4"]);
    // A repeat is still known as one.
    load(&mut *loading.store, &[event], Some(4), 5);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_event"), ["1"]);
    let left = loading.files().into_iter().filter(|name| name.contains("rebuild"));
    assert!(left.count() <= 1, "the one that is attached");
}

#[test]
fn what_a_killed_rebuild_has_left_in_a_folder_is_removed_by_the_next() {
    let mut loading = Loading::on_sqlite();
    let (dead, other) = ("store.sqlite.rebuild-2147483646", "store.sqlite.rebuild-x");
    for name in [dead, other] {
        loading.put_file(name);
    }
    load(&mut *loading.store, &[], None, 1);
    rebuild_from(&mut loading, &Queue::of([person("1/person", "{}")])).unwrap();
    let files = loading.files();
    assert!(!files.iter().any(|name| name == dead) && files.iter().any(|name| name == other), "{files:?}");
    let own = format!("store.sqlite.rebuild-{}", std::process::id());
    assert!(files.contains(&own), "{files:?}");
    loading.store = loading.another();
    assert!(!loading.files().contains(&own));
}

fn what_is_loaded_meanwhile_is_there_and_once(mut loading: Loading) {
    let event = |id: usize| record(Kind::Event, "ada", &format!("{id}/event.x"), "{}");
    let queue = Queue::of((0..30).map(event));
    load(&mut *loading.store, &queue.0[..10], None, 10);
    let mut other = loading.another();
    let mut loaded = 10;
    // Each time that the rebuild looks, there is more; from the last round on the loader has to wait.
    let done = run(&mut loading, None, false, &mut |from, to| {
        if loaded < 30 {
            load(&mut *other, &queue.0[loaded..loaded + 10], Some(loaded as i64), loaded as i64 + 10);
            loaded += 10;
        }
        Ok(queue.between(from, to))
    });
    assert_eq!(done.unwrap().records, 30);
    let counts = "SELECT count(*), count(DISTINCT event_id) FROM acme_event";
    assert_eq!(loading.ask(counts), ["30|30"]);
    load(&mut *other, &[record(Kind::Event, "ada", "31/event.x", "{}")], Some(30), 31);
    assert_eq!(loading.ask(counts), ["31|31"], "and it goes on");
}

fn a_loader_waits_while_rows_are_replaced_and_loses_nothing(mut loading: Loading) {
    let event = |id: i64| record(Kind::Event, "ada", &format!("{id}/event.x"), "{}");
    let queue = Queue::of((0..5).map(event));
    load(&mut *loading.store, &queue.0[..1], None, 1);
    let (mut other, mut late) = (loading.another(), Some(loading.another()));
    let (tell, told) = mpsc::channel();
    let mut next = 1;
    let mut thread = None;
    let done = run(&mut loading, None, false, &mut |from, to| {
        if next < 4 {
            load(&mut *other, &queue.0[next..=next], Some(next as i64), next as i64 + 1);
            next += 1;
        } else if let Some(mut late) = late.take() {
            // The last look: nothing but this transaction may come before the rows are replaced.
            let (last, tell) = (queue.0[4].clone(), tell.clone());
            thread = Some(thread::spawn(move || {
                load(&mut *late, &[last], Some(4), 5);
                tell.send(()).unwrap();
            }));
            assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "the loader went on");
        }
        Ok(queue.between(from, to))
    });
    assert_eq!(done.unwrap().records, 4);
    thread.unwrap().join().unwrap();
    assert_eq!(loading.ask("SELECT count(*), count(DISTINCT event_id) FROM acme_event"), ["5|5"]);
}

fn a_queue_that_is_made_anew_meanwhile_is_not_taken_for_the_rest(mut loading: Loading) {
    let queue = Queue::of([person("1/person", r#"{"Email":"ada@x.org"}"#), person("2/person", "{}")]);
    load(&mut *loading.store, &queue.0, None, 2);
    let mut other = loading.another();
    let refused = run(&mut loading, None, false, &mut |from, to| {
        load(&mut *other, &[], Some(2), 1);
        Ok(queue.between(from, to))
    });
    assert!(refused.unwrap_err().to_string().ends_with("run this command again"));
    assert_eq!(loading.ask("SELECT key FROM acme_person"), ["ada@x.org"]);
}

fn one_tenants_rows_alone_are_replaced(mut loading: Loading) {
    let queue = Queue::of([
        person("1/person", r#"{"Email":"ada@x.org","Name":"Ada"}"#),
        of_tenant("other", person("2/person", r#"{"Email":"ada@x.org","Name":"Theirs"}"#)),
    ]);
    load(&mut *loading.store, &queue.0, None, 2);
    let wrong = Queue::of([
        person("1/person", r#"{"Email":"ada@x.org","Name":"Anew"}"#),
        of_tenant("other", person("2/person", r#"{"Email":"ada@x.org","Name":"Wrong"}"#)),
    ]);
    let done = run(&mut loading, Some("acme"), false, &mut |from, to| Ok(wrong.between(from, to)));
    assert_eq!(done.unwrap().records, 1);
    assert_eq!(loading.ask("SELECT name FROM acme_person"), ["Anew"]);
    let row = RowKey { tenant: "other".to_owned(), ..ada() };
    let row = loading.store.rows(&[&row]).unwrap().remove(0).unwrap();
    assert_eq!(row.value("Name"), Some("\"Theirs\""));
}

fn what_the_queue_has_no_more_is_not_lost_unless_that_is_accepted(mut loading: Loading) {
    let mut queue = Queue::of([
        person("1/person", r#"{"Email":"ada@x.org","Name":"Ada"}"#),
        record(Kind::Person, "bob@x.org", "2/person", r#"{"Email":"bob@x.org"}"#),
    ]);
    load(&mut *loading.store, &queue.0, None, 2);
    queue.0.remove(0);
    let refused = rebuild_from(&mut loading, &queue).unwrap_err();
    assert!(matches!(&refused, RebuildError::Gone(gone) if *gone == [(people(), 0..1)]), "{refused:?}");
    let keys = "SELECT key FROM acme_person ORDER BY key";
    assert_eq!(loading.ask(keys), ["ada@x.org", "bob@x.org"]);
    let done = run(&mut loading, None, true, &mut |from, to| Ok(queue.between(from, to))).unwrap();
    assert_eq!(done, Rebuilt { records: 1, gone: vec![(people(), 0..1)] });
    assert_eq!(loading.ask(keys), ["bob@x.org"]);
}

fn a_rebuild_that_fails_changes_nothing(mut loading: Loading) {
    let queue = Queue::of([person("1/person", r#"{"Email":"ada@x.org","Name":"Ada"}"#)]);
    load(&mut *loading.store, &queue.0, None, 1);
    let failed = run(&mut loading, None, false, &mut |_, _| Err(ReadError("Kafka is away".to_owned())));
    assert_eq!(failed.unwrap_err().to_string(), "Kafka is away");
    // As late as possible: within the transaction.
    let mut other = loading.another();
    let mut looks = 0;
    let failed = run(&mut loading, None, false, &mut |from, to| {
        looks += 1;
        if looks > 3 {
            return Err(ReadError("Kafka is away".to_owned()));
        }
        load(&mut *other, &[], Some(looks), looks + 1);
        Ok(queue.between(from, to))
    });
    assert_eq!((failed.unwrap_err().to_string().as_str(), looks), ("Kafka is away", 4));
    loading.store = loading.another();
    if let Some(left) = loading.schemas() {
        assert!(!left.iter().any(|name| name == "weir-rebuild"), "{left:?}");
    }
    assert_eq!(loading.ask("SELECT name FROM acme_person"), ["Ada"]);
    load(&mut *other, &[], Some(4), 5);
    assert_eq!(rebuild_from(&mut loading, &queue).unwrap().records, 1, "the next one goes well");
}

fn fields_that_only_the_queue_has_get_their_columns(mut loading: Loading) {
    load(&mut *loading.store, &[person("1/person", r#"{"Email":"ada@x.org","Plan__gc":"gold"}"#)], None, 1);
    let queue = Queue::of([person("1/person", r#"{"Email":"ada@x.org","Seats__gc":7,"Plan__gc":null}"#)]);
    rebuild_from(&mut loading, &queue).unwrap();
    assert_eq!(loading.ask("SELECT plan__gc, seats__gc + 1 FROM acme_person"), ["NULL|8"]);
}

fn who_was_erased_stays_out_of_what_is_made_anew(mut loading: Loading) {
    let event = |user: &str, id: &str| record(Kind::Event, user, id, "{}");
    let queue = Queue::of([
        person("1/person", r#"{"Email":"ada@x.org"}"#),
        event("ada", "2/event.x"),
        event("phone", "3/event.x"),
        event("bob", "4/event.x"),
        // Of which the store has not known until now.
        with(person("5/person", r#"{"Email":"ada@x.org"}"#), "ce_userid", "phone"),
    ]);
    load(&mut *loading.store, &queue.0[..4], None, 4);
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap();
    load(&mut *loading.store, &[], Some(4), 5);
    assert_eq!(rebuild_from(&mut loading, &queue).unwrap().records, 5);
    assert_eq!(loading.ask("SELECT count(*) FROM weir_row"), ["0"]);
    assert_eq!(loading.ask("SELECT user_id FROM acme_event"), ["bob"]);
    assert_eq!(loading.ask("SELECT count(*) FROM weir_suppressed"), ["3"]);
    load(&mut *loading.store, &[event("phone", "6/event.x"), event("ada", "7/event.x")], Some(5), 7);
    assert_eq!(loading.ask("SELECT user_id FROM acme_event"), ["bob"], "later as well");
}

fn company(name: &str) -> RowKey {
    RowKey { tenant: "acme".to_owned(), object: "company".to_owned(), key: name.to_owned() }
}

fn companies() -> Queue {
    let of = |name: &str, fields: &str| {
        record(Kind::Company, name, &format!("{name}/company"), &format!(r#"{{"Name":"{name}"{fields}}}"#))
    };
    let id = derived_id("1P02", "acme", "Old");
    let link = format!(r#"{{"Email":"ada@x.org","CompanyId":"{id}"}}"#);
    let link = record(Kind::Link, "ada@x.org", "3/link.0", &link);
    Queue::of([of("Old", r#","Industry":"Rockets""#), link, of("New", "")])
}

fn companies_that_were_merged_are_one_in_what_is_made_anew(mut loading: Loading) {
    let queue = companies();
    load(&mut *loading.store, &queue.0, None, queue.end());
    merge(&mut *loading.store, &company("Old"), &company("New"), RECEIVED).unwrap();
    rebuild_from(&mut loading, &queue).unwrap();
    assert_eq!(loading.ask("SELECT name, industry FROM acme_company"), ["New|Rockets"]);
    assert_eq!(loading.ask("SELECT person_email, company_name FROM acme_company_person"), ["ada@x.org|New"]);
}

fn joined_ids_and_users_of_companies_are_made_anew(mut loading: Loading) {
    let alias = |id: &str, value: &str| record(Kind::Alias, "phone", id, value);
    let of_ada = with(record(Kind::Company, "Acme", "3/company", r#"{"Name":"Acme"}"#), "ce_userid", "phone");
    let queue = Queue::of([
        person("1/person", r#"{"Email":"ada@x.org"}"#),
        alias("2/alias.0", r#"{"previousId":"phone","userId":"ada"}"#),
        of_ada,
    ]);
    load(&mut *loading.store, &queue.0, None, queue.end());
    // By a record that the queue no longer has.
    let stray = alias("4/alias.0", r#"{"previousId":"phone","userId":"bob"}"#);
    loading.load(&[with(stray, "ce_time", "2026-05-28T20:10:00Z")]);
    assert_eq!(loading.ask("SELECT user_id FROM weir_user"), ["ada"]);
    rebuild_from(&mut loading, &queue).unwrap();
    let users = "SELECT user_id, person, told FROM weir_user ORDER BY user_id";
    assert_eq!(loading.ask(users), ["ada|ada@x.org|ada@x.org", "phone|ada@x.org|NULL"]);
    assert_eq!(loading.ask("SELECT user_id, into_id FROM weir_join"), ["phone|ada"]);
    assert_eq!(loading.ask("SELECT person_email, company_name FROM acme_company_person"), ["ada@x.org|Acme"]);
}

fn an_erasure_or_a_merge_meanwhile_stands_and_the_rebuild_changes_nothing(mut loading: Loading) {
    let queue = companies();
    load(&mut *loading.store, &queue.0, None, queue.end());
    let mut other = loading.another();
    let mut merges = || drop(merge(&mut *other, &company("Old"), &company("New"), RECEIVED).unwrap());
    let mut erasing = loading.another();
    let mut erases = || drop(erase(&mut *erasing, &ada(), RECEIVED).unwrap());
    let meanwhile: [&mut dyn FnMut(); 2] = [&mut merges, &mut erases];
    for happens in meanwhile {
        let failed = run(&mut loading, None, false, &mut |from, to| {
            happens();
            Ok(queue.between(from, to))
        });
        let sentence = failed.unwrap_err().to_string();
        assert!(sentence.contains("erased or companies were merged in the meantime"), "{sentence}");
    }
    let rows = "SELECT (SELECT count(*) FROM acme_company), (SELECT count(*) FROM acme_person)";
    assert_eq!(loading.ask(rows), ["1|0"]);
    rebuild_from(&mut loading, &queue).unwrap();
    assert_eq!(loading.ask(rows), ["1|0"]);
}
