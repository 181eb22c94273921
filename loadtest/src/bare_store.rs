//! The least that keeps the same rows: for each batch of the loader's size, those that it changes, as they are in the
//! end, written with one prepared upsert, in one transaction. What they are is worked out beforehand, in memory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use weir::config::Config;
use weir::loader::batch::apply;
use weir::queue::journal::reader::{Begin, JournalReader};
use weir::queue::reader::{Next, ReadRecord, Reader, StartAt};
use weir::queue::subscription::Partition;
use weir::setup;
use weir::store::erase::{Erase, Exceptions};
use weir::store::join::{Join, Joins, Known, Member, MemberLink, UserKey};
use weir::store::load::{EventLoad, Identity};
use weir::store::merge::{Alias, Aliases};
use weir::store::registry::{Column, ObjectName, Registry, SeenField};
use weir::store::row::{Row, RowKey};
use weir::store::sqlite;
use weir::store::suppress::{Hash, Salt};
use weir::store::{Failed, Progress, RunLoad, Store, StoreError, User};

use crate::load::remove;

/// Records of one batch: as many as the loader takes at once where there are many.
pub const BATCH: usize = sqlite::BATCH.records;

/// What writing them has cost.
pub struct Written {
    pub records: u64,
    pub cpu_us: f64,
    pub seconds: f64,
}

/// Writes the rows that the journal of `config` makes.
pub fn run(config: &Config) -> Result<Written, Box<dyn Error>> {
    let path = config.data.store(Path::new("by-hand.sqlite"));
    remove(&path);
    let bare = Connection::open(&path)?;
    bare.pragma_update(None, "journal_mode", "WAL")?;
    bare.pragma_update(None, "synchronous", "FULL")?;
    bare.execute_batch(SCHEMA)?;
    let begin = Begin::From(StartAt::Oldest);
    let mut reader = JournalReader::open(&config.data.journal(), begin, true, BTreeSet::new())?;
    let wanted = setup::store::wanted(config);
    let mut registry = Registry::new(wanted.declared.clone());
    let mut memory = Memory::default();
    let mut written = Written { records: 0, cpu_us: 0.0, seconds: 0.0 };
    loop {
        let mut batch: Vec<ReadRecord> = Vec::new();
        while batch.len() < BATCH {
            let Next::Record(record) = reader.next(Duration::ZERO)? else { break };
            batch.push(record);
        }
        if batch.is_empty() {
            return Ok(written);
        }
        let counts = apply(&mut memory, &mut registry, &wanted.rules, &batch, None)?;
        written.records += counts.values().sum::<u64>();
        let (rows, events) = (memory.changed(), std::mem::take(&mut memory.events));
        let (begun, cpu) = (Instant::now(), own_cpu_us());
        write(&bare, &rows, &events)?;
        written.seconds += begun.elapsed().as_secs_f64();
        written.cpu_us += own_cpu_us() - cpu;
    }
}

const SCHEMA: &str = "
    CREATE TABLE row (tenant TEXT, object TEXT, key TEXT, id TEXT, fields TEXT, written TEXT, created_ms INTEGER,
        modified_ms INTEGER, modified_by TEXT, PRIMARY KEY (tenant, object, key)) WITHOUT ROWID;
    CREATE TABLE event (tenant TEXT, source TEXT, event_id TEXT, topic TEXT, contract TEXT, name TEXT, version TEXT,
        user_id TEXT, time INTEGER, received_ms INTEGER, properties TEXT)";

/// What a batch changed of a row: key, id, fields, who wrote them, created, modified and by whom.
type Changed = (RowKey, String, String, String, i64, i64, String);
/// An event: tenant, source, id, topic, contract, name, version, user, time, receipt, properties.
type Event = (String, String, String, [Option<String>; 5], i64, i64, String);

fn write(bare: &Connection, rows: &[Changed], events: &[Event]) -> rusqlite::Result<()> {
    bare.execute_batch("BEGIN IMMEDIATE")?;
    let mut upsert = bare.prepare_cached(
        "INSERT INTO row VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET \
         fields = excluded.fields, written = excluded.written, modified_ms = excluded.modified_ms, \
         modified_by = excluded.modified_by",
    )?;
    for (key, id, fields, written, created, modified, by) in rows {
        let RowKey { tenant, object, key } = key;
        upsert.execute(params![tenant, object, key, id, fields, written, created, modified, by])?;
    }
    let mut insert =
        bare.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    for (tenant, source, id, [topic, contract, name, version, user], time, received, properties) in events {
        let of_event =
            params![tenant, source, id, topic, contract, name, version, user, time, received, properties];
        insert.execute(of_event)?;
    }
    bare.execute_batch("COMMIT")
}

/// What this thread has used of a processor, in microseconds.
pub fn own_cpu_us() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default()).as_secs_f64()
        * 1e6
}

/// A store in memory.
#[derive(Default)]
struct Memory {
    rows: HashMap<RowKey, Row>,
    seen: HashSet<Identity>,
    changed: BTreeSet<RowKey>,
    events: Vec<Event>,
}

impl Memory {
    fn changed(&mut self) -> Vec<Changed> {
        let changed = std::mem::take(&mut self.changed);
        let of_row = |key: RowKey| {
            let row = self.rows.get(&key)?;
            let (fields, written) = (row.fields_json(), row.written_json());
            let by = row.modified_by.to_string();
            Some((key, row.id.clone(), fields, written, row.created_ms, row.modified_ms, by))
        };
        changed.into_iter().filter_map(of_row).collect()
    }
}

/// Nobody was erased.
impl Erase for Memory {
    fn exceptions(&mut self) -> Result<Exceptions, StoreError> {
        Ok(Exceptions { salt: Salt::new(&[]), suppresses: false, merges: false, joins: false })
    }

    fn suppressed(&mut self, hashes: &[Hash]) -> Result<Vec<Option<Hash>>, StoreError> {
        Ok(vec![None; hashes.len()])
    }

    fn suppress(&mut self, _: (&str, &Hash), _: &[Hash], _: i64) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_users(&mut self, _: &str, _: &[&str]) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn overwrite(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn suppressed_with(&mut self, _: &Hash) -> Result<Vec<Hash>, StoreError> {
        Ok(Vec::new())
    }

    fn remove_person(&mut self, _: &RowKey) -> Result<(u64, u64), StoreError> {
        Ok((0, 0))
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// No company is part of another.
impl Aliases for Memory {
    fn aliases(&mut self, _: &[&RowKey]) -> Result<Vec<Alias>, StoreError> {
        Ok(Vec::new())
    }

    fn parts(&mut self, _: &RowKey) -> Result<Vec<Alias>, StoreError> {
        Ok(Vec::new())
    }

    fn put_alias(&mut self, _: &Alias, _: i64) -> Result<(), StoreError> {
        Ok(())
    }

    fn move_links(&mut self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// No ids are joined.
impl Joins for Memory {
    fn hold_joins(&mut self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn joins(&mut self, _: &[&UserKey]) -> Result<Vec<Join>, StoreError> {
        Ok(Vec::new())
    }

    fn put_joins(&mut self, _: &[Join]) -> Result<(), StoreError> {
        Ok(())
    }

    fn users(&mut self, _: &[&UserKey]) -> Result<Vec<Known>, StoreError> {
        Ok(Vec::new())
    }

    fn put_owners(&mut self, _: &[(&UserKey, Option<&str>)]) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_members(&mut self, _: &[Member]) -> Result<(), StoreError> {
        Ok(())
    }

    fn member_links(
        &mut self,
        _: &str,
        _: Option<&str>,
        _: Option<&str>,
    ) -> Result<Vec<MemberLink>, StoreError> {
        Ok(Vec::new())
    }
}

impl Store for Memory {
    fn begin(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn rollback(&mut self) {}

    fn progress(&mut self, _: &str) -> Result<Progress, StoreError> {
        Ok(Progress::default())
    }

    fn advance(&mut self, _: &str, _: &Partition, _: Option<i64>, _: i64) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn see(&mut self, identities: &[Identity], _: i64) -> Result<Vec<bool>, StoreError> {
        Ok(identities.iter().map(|identity| !self.seen.insert(*identity)).collect())
    }

    fn forget(&mut self, _: i64) -> Result<(), StoreError> {
        Ok(())
    }

    fn rows(&mut self, keys: &[&RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        Ok(keys.iter().map(|key| self.rows.get(*key).cloned()).collect())
    }

    fn put_rows(&mut self, rows: &[(&RowKey, &Row)]) -> Result<(), StoreError> {
        for (key, row) in rows {
            self.rows.insert((*key).clone(), (*row).clone());
            self.changed.insert((*key).clone());
        }
        Ok(())
    }

    fn put_users(&mut self, _: &[User]) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_events(&mut self, events: &[(&str, &EventLoad<'_>)]) -> Result<(), StoreError> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        self.events.extend(events.iter().map(|(tenant, event)| {
            let EventLoad { topic, contract, name, version, user_id, .. } = event;
            let texts = [topic, contract, name, version, user_id].map(|one| text(*one));
            let (source, id) = (event.source.to_owned(), event.event_id.to_owned());
            let properties = event.properties.to_owned();
            ((*tenant).to_owned(), source, id, texts, event.when.ns, event.received_ms, properties)
        }));
        Ok(())
    }

    fn put_failed(&mut self, _: &[Failed]) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_run_loads(&mut self, _: &[RunLoad]) -> Result<(), StoreError> {
        Ok(())
    }

    fn fields(&mut self) -> Result<Vec<(ObjectName, SeenField)>, StoreError> {
        Ok(Vec::new())
    }

    fn put_field(&mut self, _: &ObjectName, _: &SeenField) -> Result<(), StoreError> {
        Ok(())
    }

    fn put_view(&mut self, _: &ObjectName, _: &[Column]) -> Result<(), StoreError> {
        Ok(())
    }
}
