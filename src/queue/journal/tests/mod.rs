//! What the journal promises, tried out on real files.

mod archive;
mod durability;
mod frames;
mod model;
mod reading;
mod space;
mod stories;
mod subscription;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Condvar;
use std::time::Duration;

use futures_util::FutureExt;
use tempfile::TempDir;

use super::consumers::Consumer;
use super::reader::{Begin, JournalReader};
use super::*;
use crate::config::{Ack, WhenFull};
use crate::queue::completion::NotDurable;
use crate::queue::reader::{Next, ReadRecord, Reader, StartAt};
use crate::record::topics::TopicId;
use crate::record::{Header, Kind};

pub(super) fn config(journal_bytes: u64) -> QueueConfig {
    QueueConfig {
        brokers: None,
        create_topics: false,
        ack: Ack::Kafka,
        journal_bytes,
        free_bytes: 0,
        when_full: WhenFull::Refuse,
        kafka: Default::default(),
    }
}

/// The topics of the records here.
const TOPICS: [&str; 2] = ["weir.people", "weir.companies"];

/// Person records with these values.
fn records(values: &[&str]) -> Records {
    let mut records = Records::new(7);
    values.iter().for_each(|value| add(&mut records, 0, value));
    records
}

fn add(records: &mut Records, topic: usize, value: &str) {
    let mut draft = records.draft(Kind::Person, TopicId::of(TOPICS[topic]));
    draft.key(&[b"acme", value.as_bytes()]).header(Header::Id, &[value.as_bytes(), b"/person"]);
    draft.value(|out| out.extend_from_slice(value.as_bytes()));
}

/// A journal in a directory of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn open(&self) -> JournalQueue {
        self.open_with(&config(1 << 30))
    }

    fn open_with(&self, config: &QueueConfig) -> JournalQueue {
        JournalQueue::open(&self.dir(), config, &Topics::default(), Arc::new(Metrics::new([]).unwrap()))
            .unwrap()
    }

    fn open_on(&self, disk: &TestDisk, config: &QueueConfig) -> JournalQueue {
        let metrics = Arc::new(Metrics::new([]).unwrap());
        JournalQueue::open_on(Arc::new(disk.clone()), &self.dir(), config, None, Meters::journal(&metrics))
            .unwrap()
    }

    /// Writes `values` in one request, in a run of the writer of their own.
    fn write(&self, values: &[&str]) {
        let queue = self.open();
        put(&queue, values).unwrap().unwrap();
        close(&queue);
    }

    fn reader(&self, begin: Begin, until_end: bool) -> JournalReader {
        JournalReader::open(&self.dir(), begin, until_end, BTreeSet::new()).unwrap()
    }

    fn read(&self) -> Vec<ReadRecord> {
        let mut reader = self.reader(Begin::From(StartAt::Oldest), true);
        std::iter::from_fn(|| next(&mut reader)).collect()
    }

    fn values(&self) -> Vec<String> {
        self.read().into_iter().map(value).collect()
    }

    fn segments(&self) -> Vec<u64> {
        segment::list(&self.dir()).unwrap()
    }

    fn bytes(&self) -> u64 {
        let len = |base| std::fs::metadata(segment::path(&self.dir(), base)).unwrap().len();
        self.segments().into_iter().map(len).sum()
    }

    fn last_segment(&self) -> PathBuf {
        segment::path(&self.dir(), *self.segments().last().unwrap())
    }

    fn commit(&self, name: &str, next: u64) {
        Consumer::open(&self.dir(), name, &BTreeSet::new()).unwrap().commit(next).unwrap();
    }
}

fn put(queue: &JournalQueue, values: &[&str]) -> Result<Result<(), NotDurable>, Refused> {
    queue.enqueue(records(values)).map(wait)
}

fn wait(receipt: Receipt) -> Result<(), NotDurable> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(receipt)
}

fn close(queue: &JournalQueue) {
    assert_eq!(queue.close(Instant::now() + Duration::from_secs(180)), 0);
}

fn value(record: ReadRecord) -> String {
    String::from_utf8(record.value).unwrap()
}

/// The next record, if there is one now.
fn next(reader: &mut JournalReader) -> Option<ReadRecord> {
    match reader.next(Duration::ZERO).unwrap() {
        Next::Record(record) => Some(record),
        Next::Idle | Next::End => None,
    }
}

/// Waits for what must come some time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(180);
    while !holds() {
        assert!(Instant::now() < give_up, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A disk that fails, waits and fills up as told.
#[derive(Clone, Debug, Default)]
struct TestDisk(Arc<(Mutex<Faults>, Condvar)>);

#[derive(Debug, Default)]
struct Faults {
    fail_write: bool,
    fail_sync: bool,
    hold_sync: bool,
    syncs: usize,
    full: bool,
    /// Lengths that were synced, by inode.
    synced: BTreeMap<u64, u64>,
    /// Segments whose names were synced.
    named: BTreeSet<u64>,
}

impl TestDisk {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// What a loss of power leaves of a journal: of every segment what was synced, if its name was.
    fn without_power(&self, place: &Place) -> Place {
        let left = Place::new();
        close(&left.open());
        let named = self.0.0.lock().unwrap().named.clone();
        for base in place.segments().into_iter().filter(|base| named.contains(base)) {
            let path = segment::path(&place.dir(), base);
            let ino = std::fs::metadata(&path).unwrap().ino();
            let len = self.0.0.lock().unwrap().synced.get(&ino).copied().unwrap_or(0);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(segment::path(&left.dir(), base), &bytes[..usize::try_from(len).unwrap()])
                .unwrap();
        }
        left
    }

    fn syncs(&self) -> usize {
        self.0.0.lock().unwrap().syncs
    }
}

impl Disk for TestDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.make_dir(dir)
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        RealDisk.create(path, mode)
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        RealDisk.cut(file, len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.0.0.lock().unwrap().fail_write {
            // As a disk that fills up: some of it gets through.
            RealDisk.write(file, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut faults = self.0.0.lock().unwrap();
        faults.syncs += 1;
        while faults.hold_sync {
            faults = self.0.1.wait(faults).unwrap();
        }
        if faults.fail_sync {
            return Err(io::Error::other("no sync"));
        }
        let metadata = file.metadata()?;
        faults.synced.insert(metadata.ino(), metadata.len());
        RealDisk.sync(file)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.0.lock().unwrap().named.extend(segment::list(dir)?);
        RealDisk.sync_dir(dir)
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(if self.0.0.lock().unwrap().full { 0 } else { u64::MAX })
    }
}
