//! Several loaders at once on one PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weir::loader::{Loader, Plan};
use weir::observe::metrics::Metrics;
use weir::queue::reader::{ReadError, ReadRecord};
use weir::queue::subscription::{Batch, Most, Partition, Position, Subscription};
use weir::record::Kind;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::registry::Declared;
use weir::store::{Store, StoreError};

use crate::harness::postgres::{Asking, Database};
use crate::harness::{PATIENCE, wait_until};
use crate::loading::{Loading, OBJECTS, wanted};
use crate::records::{ada, person, record, with};

/// One partition of a queue, from memory.
struct Feed {
    records: Arc<Vec<ReadRecord>>,
    next: usize,
}

impl Feed {
    fn partition(&self) -> Partition {
        let first = &self.records[0];
        Partition { topic: first.topic.clone(), number: first.partition }
    }
}

impl Subscription for Feed {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        let mut batch = Batch::default();
        if self.next == self.records.len() {
            thread::sleep(wait);
            return Ok(batch);
        }
        // Many batches, so that the loaders meet often.
        let end = self.records.len().min(self.next + most.records.min(16));
        batch.records = self.records[self.next..end].to_vec();
        self.next = end;
        batch.position.0.insert(self.partition(), i64::try_from(end).unwrap());
        Ok(batch)
    }

    fn seek(&mut self, position: &Position) -> Result<(), ReadError> {
        let next = position.0.get(&self.partition()).copied().unwrap_or_default();
        self.next = usize::try_from(next).unwrap();
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        let end = i64::try_from(self.records.len()).unwrap();
        Ok(Position([(self.partition(), end)].into()))
    }

    fn commit(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }
}

/// Starts a loader of `records`, which counts in `opened` how often it connects.
fn start(url: &str, records: Vec<ReadRecord>, opened: &Arc<AtomicUsize>) -> Loader {
    let (target, records, opened) = (Target::read(url).unwrap(), Arc::new(records), Arc::clone(opened));
    let plan = Plan {
        alone: None,
        wanted: wanted(&OBJECTS),
        queue: Box::new(move || {
            Ok(Box::new(Feed { records: Arc::clone(&records), next: 0 }) as Box<dyn Subscription>)
        }),
        store: Box::new(move || {
            opened.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(PostgresStore::open(&target)?) as Box<dyn Store>)
        }),
    };
    Loader::start(plan, Arc::new(Metrics::new([]).unwrap())).unwrap()
}

/// Waits until a session in the database of `asking` waits for a lock.
pub(super) fn wait_for_a_wait(asking: &Asking) {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("one to wait for the other", || asking.ask(sql) == ["1"]);
}

fn on_partition(number: i32, offset: usize, record: ReadRecord) -> ReadRecord {
    ReadRecord { partition: number, offset: i64::try_from(offset).unwrap(), ..record }
}

/// Each writes other fields of the same people, and every tenth record has a new field, with a name that gives the same
/// column at both.
#[test]
fn two_loaders_write_the_same_new_rows_and_new_fields_and_none_is_lost() {
    let database = Database::new();
    let records = |number: i32, name: fn(usize) -> String| -> Vec<ReadRecord> {
        let of = |index: usize| {
            let (key, field) = (format!("p{:03}@x.org", index % 100), name(index / 10));
            let value = format!(r#"{{"Email":"{key}","F{number}":{index},"{field}":{index}}}"#);
            on_partition(number, index, record(Kind::Person, &key, &format!("{number}-{index}"), &value))
        };
        (0..400).map(of).collect()
    };
    let opened = Arc::default();
    let mut loaders = [
        start(&database.url, records(0, |place| format!("NewField{place}__gc")), &opened),
        start(&database.url, records(1, |place| format!("newField{place}__gc")), &opened),
    ];
    let asking = database.session();
    let done = "SELECT coalesce(sum(next), 0) FROM weir_progress";
    wait_until("both to have loaded all", || {
        asking.try_to("SELECT FROM weir_progress").is_ok() && asking.ask(done) == ["800"]
    });
    for loader in &mut loaders {
        loader.stop();
        assert!(loader.join_by(Instant::now() + PATIENCE));
    }
    assert_eq!(opened.load(Ordering::Relaxed), 2, "a new field of the other is no reason to begin anew");
    assert_eq!(asking.ask("SELECT count(*), count(f0), count(f1) FROM weir_acme.person"), ["100|100|100"]);
    let named = "SELECT count(*), count(DISTINCT \"column\") FROM weir_field WHERE object = 'person'";
    assert_eq!(asking.ask(named), ["82|82"]);
    let columns = "SELECT count(*) FROM information_schema.columns \
                   WHERE table_schema = 'weir_acme' AND table_name = 'person' AND column_name LIKE 'new_field%'";
    assert_eq!(asking.ask(columns), ["80"]);
    // A field of each loader, at whatever column it got.
    for field in ["NewField7__gc", "newField7__gc"] {
        let column =
            asking.ask(&format!("SELECT \"column\" FROM weir_field WHERE field = '{field}'")).remove(0);
        let sql = format!(
            "SELECT key, {column} FROM weir_acme.person WHERE {column} IS NOT NULL ORDER BY key LIMIT 1"
        );
        assert_eq!(asking.ask(&sql), ["p070@x.org|70"], "{field}");
    }
}

#[test]
fn of_two_sessions_on_one_partition_the_second_is_fenced_off() {
    let database = Database::new();
    let open = || PostgresStore::open(&Target::read(&database.url).unwrap()).unwrap();
    let (mut first, mut second) = (open(), open());
    let partition = Partition { topic: "weir.people".to_owned(), number: 3 };
    let asking = database.session();
    for (from, to) in [(None, 10), (Some(10), 20)] {
        first.begin().unwrap();
        assert!(first.advance("store", &partition, from, to).unwrap());
        let partition = partition.clone();
        let waiting = thread::spawn(move || {
            second.begin().unwrap();
            let advanced = second.advance("store", &partition, from, to + 5).unwrap();
            second.rollback();
            (second, advanced)
        });
        wait_for_a_wait(&asking);
        first.commit().unwrap();
        let (store, advanced) = waiting.join().unwrap();
        assert!(!advanced);
        second = store;
    }
    assert_eq!(first.progress("store").unwrap(), [(partition, 20)].into());
}

/// As the loaders of people and of links do, which come at the same moment: the second has read the row before the
/// first has written it. First the row is new, then it is there.
#[test]
fn two_transactions_that_write_one_row_both_have_their_fields_in_it() {
    let mut first = Loading::on_postgres();
    let (url, asking) = first.postgres();
    for round in 0..2 {
        let at = |minute: i32| format!("2026-05-28T20:0{round}:0{minute}Z");
        let own = format!(r#"{{"Email":"ada@x.org","Name":"Ada {round}"}}"#);
        let own = with(person(&format!("{round}/person"), &own), "ce_time", &at(0));
        first.store.begin().unwrap();
        first.store.rows(&[&ada()]).unwrap();
        first.apply(&[own]).unwrap();
        let other = format!(r#"{{"Email":"ada@x.org","Comments":"{round}"}}"#);
        let other = with(person(&format!("{round}/other"), &other), "ce_time", &at(1));
        let link = r#"{"Email":"Ada@x.org","CompanyId":"1P02X","CompanyName":"Acme"}"#;
        let link = record(Kind::Link, "ada@x.org", &format!("{round}/link.0"), link);
        let mut second = Loading::beside(&url);
        let waiting = thread::spawn(move || {
            let records = [other, link];
            let loaded = second.try_to_load(&records);
            assert!(matches!(loaded, Err(StoreError::Overtaken(_))), "{loaded:?}");
            second.load(&records);
        });
        wait_for_a_wait(&asking);
        first.store.commit().unwrap();
        waiting.join().unwrap();
        let row = format!("ada@x.org|Ada {round}|{round}");
        assert_eq!(first.ask("SELECT email, name, comments FROM acme_person"), [row]);
    }
    assert_eq!(first.ask("SELECT company_name FROM acme_company_person"), ["Acme"]);
}

/// Neither sees what the other is about to write. First the ids are joined first, then the person is told first.
#[test]
fn two_transactions_that_join_ids_and_say_who_one_is_find_each_other() {
    let mut first = Loading::on_postgres();
    let (url, asking) = first.postgres();
    for round in 0..2 {
        let (id, phone) = (format!("ada-{round}"), format!("phone-{round}"));
        let value = format!(r#"{{"previousId":"{phone}","userId":"{id}"}}"#);
        let alias = record(Kind::Alias, &phone, &format!("{round}/alias.0"), &value);
        let ada = person(&format!("{round}/person"), r#"{"Email":"ada@x.org"}"#);
        let mut both = [alias, with(ada, "ce_userid", &id)];
        both.rotate_left(round);
        let [one, other] = both;
        first.store.begin().unwrap();
        first.apply(&[one]).unwrap();
        let mut second = Loading::beside(&url);
        let waiting = thread::spawn(move || {
            let loaded = second.try_to_load(std::slice::from_ref(&other));
            if matches!(loaded, Err(StoreError::Overtaken(_))) {
                second.load(&[other]);
            }
        });
        wait_for_a_wait(&asking);
        first.store.commit().unwrap();
        waiting.join().unwrap();
        let users =
            format!("SELECT user_id, person FROM weir_user WHERE user_id LIKE '%-{round}' ORDER BY 1");
        assert_eq!(first.ask(&users), [id, phone].map(|id| format!("{id}|ada@x.org")));
    }
}

#[test]
fn who_did_not_know_of_new_fields_begins_again_with_them() {
    let mut first = Loading::on_postgres();
    let (url, _) = first.postgres();
    let mut second = Loading::beside(&url);
    first.load(&[person("1/person", r#"{"Email":"ada@x.org","Plan__gc":"gold"}"#)]);
    let record = person("2/person", r#"{"Email":"ada@x.org","plan__gc":"silver"}"#);
    assert!(matches!(second.try_to_load(std::slice::from_ref(&record)), Err(StoreError::Overtaken(_))));
    second.declare(Declared::default());
    second.load(&[record]);
    assert_eq!(first.ask("SELECT plan__gc, plan__gc_2 FROM acme_person"), ["gold|silver"]);
}

#[test]
fn several_that_start_at_once_make_the_tables_once() {
    let database = Database::new();
    let open = || PostgresStore::open(&Target::read(&database.url).unwrap()).map(drop);
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    assert_eq!(database.session().ask("SELECT version FROM weir_store"), ["5"]);
}
