//! A loader whose queue can't vouch for what it gave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir::loader::{Loader, Plan};
use weir::observe::metrics::Metrics;
use weir::queue::reader::{ReadError, ReadRecord};
use weir::queue::subscription::{Batch, Most, Notice, Partition, Position, Subscription};
use weir::store::Store;
use weir::store::sqlite::SqliteStore;

use crate::harness::{PATIENCE, wait_until};
use crate::loading::wanted;
use crate::records::person;

/// One record, before which the queue dropped five. It can be loaded once the queue `is_settled`.
struct Feed {
    record: Option<ReadRecord>,
    is_settled: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Subscription for Feed {
    fn next_batch(&mut self, _: Most, wait: Duration) -> Result<Batch, ReadError> {
        let mut batch = Batch::default();
        let Some(record) = self.record.take() else {
            thread::sleep(wait);
            return Ok(batch);
        };
        let partition = Partition { topic: record.topic.clone(), number: record.partition };
        batch.notices.push(Notice::Missed(partition.clone(), 0..5));
        batch.records.push(record);
        batch.position.0.insert(partition, 6);
        Ok(batch)
    }

    fn seek(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        Ok(Position::default())
    }

    fn settle(&mut self) -> Result<(), ReadError> {
        self.asked.store(true, Ordering::SeqCst);
        if self.is_settled.load(Ordering::SeqCst) { Ok(()) } else { Err(ReadError("a full disk".to_owned())) }
    }

    fn commit(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }
}

/// A queue that hands over a partition that somebody else has loaded.
struct Handed {
    partition: Option<Partition>,
    committed: Arc<Mutex<Position>>,
}

impl Subscription for Handed {
    fn next_batch(&mut self, _: Most, wait: Duration) -> Result<Batch, ReadError> {
        thread::sleep(wait);
        let notices = self.partition.take().map(|partition| Notice::Assigned(vec![partition]));
        Ok(Batch { notices: notices.into_iter().collect(), ..Batch::default() })
    }

    fn seek(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        Ok(Position::default())
    }

    fn commit(&mut self, position: &Position) -> Result<(), ReadError> {
        self.committed.lock().unwrap().0.extend(position.0.clone());
        Ok(())
    }
}

#[test]
fn the_queue_is_told_how_far_a_partition_is_loaded_that_was_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.sqlite");
    let loaded = Partition { topic: "acme.people".to_owned(), number: 2 };
    let mut store = SqliteStore::open(&file).unwrap();
    store.begin().unwrap();
    assert!(store.advance("store", &loaded, None, 7).unwrap());
    store.commit().unwrap();
    drop(store);
    let committed = Arc::new(Mutex::new(Position::default()));
    let (telling, partition) = (Arc::clone(&committed), loaded.clone());
    let plan = Plan {
        alone: None,
        wanted: wanted(&["person"]),
        queue: Box::new(move || {
            let handed = Handed { partition: Some(partition.clone()), committed: Arc::clone(&telling) };
            Ok(Box::new(handed) as Box<dyn Subscription>)
        }),
        store: Box::new(move || Ok(Box::new(SqliteStore::open(&file)?) as Box<dyn Store>)),
    };
    let loader = Loader::start(plan, Arc::new(Metrics::new([]).unwrap())).unwrap();
    wait_until("the queue to be told", || committed.lock().unwrap().0.get(&loaded) == Some(&7));
    drop(loader);
}

/// A queue on which nothing comes.
struct Silence;

impl Subscription for Silence {
    fn next_batch(&mut self, _: Most, wait: Duration) -> Result<Batch, ReadError> {
        thread::sleep(wait);
        Ok(Batch::default())
    }

    fn seek(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        Ok(Position::default())
    }

    fn commit(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }
}

#[test]
fn a_loader_with_nothing_to_load_notices_that_its_database_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.sqlite");
    let plan = Plan {
        alone: None,
        wanted: wanted(&["person"]),
        queue: Box::new(|| Ok(Box::new(Silence) as Box<dyn Subscription>)),
        store: Box::new(move || Ok(Box::new(SqliteStore::open(&file)?) as Box<dyn Store>)),
    };
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let ready = metrics.load.ready.with_label_values(&["store"]);
    let loader = Loader::start(plan, Arc::clone(&metrics)).unwrap();
    wait_until("readiness", || ready.get() == 1);
    let connection = rusqlite::Connection::open(dir.path().join("store.sqlite")).unwrap();
    connection.execute_batch("DROP TABLE weir_progress").unwrap();
    wait_until("the loss", || ready.get() == 0);
    drop(loader);
}

/// The numbers that `sql` gives.
fn numbers(dir: &TempDir, sql: &str) -> Vec<i64> {
    let connection = rusqlite::Connection::open(dir.path().join("store.sqlite")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn nothing_is_loaded_before_the_queue_has_it_for_good_and_what_is_missing_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.sqlite");
    let (is_settled, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (settled, asking) = (Arc::clone(&is_settled), Arc::clone(&asked));
    let record = ReadRecord { offset: 5, ..person("1/person", r#"{"Email":"ada@x.org"}"#) };
    let plan = Plan {
        alone: None,
        wanted: wanted(&["person"]),
        queue: Box::new(move || {
            let (is_settled, asked) = (Arc::clone(&settled), Arc::clone(&asking));
            Ok(Box::new(Feed { record: Some(record.clone()), is_settled, asked }) as Box<dyn Subscription>)
        }),
        store: Box::new(move || Ok(Box::new(SqliteStore::open(&file)?) as Box<dyn Store>)),
    };
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let mut loader = Loader::start(plan, Arc::clone(&metrics)).unwrap();
    for _ in 0..2 {
        asked.store(false, Ordering::SeqCst);
        wait_until("another try", || asked.load(Ordering::SeqCst));
        assert!(numbers(&dir, "SELECT next FROM weir_progress").is_empty(), "not for good yet");
    }
    assert_eq!(numbers(&dir, "SELECT count(*) FROM acme_person"), [0]);
    let missed = metrics.load.missed.with_label_values(&["store"]);
    assert_eq!(missed.get(), 0);
    is_settled.store(true, Ordering::SeqCst);
    wait_until("the record", || numbers(&dir, "SELECT next FROM weir_progress") == [6]);
    loader.stop();
    assert!(loader.join_by(Instant::now() + PATIENCE));
    assert_eq!(numbers(&dir, "SELECT count(*) FROM acme_person"), [1]);
    assert_eq!(missed.get(), 5);
}
