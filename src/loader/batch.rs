//! One batch of records of one partition, loaded as a whole: what is read before, what is worked out in memory, what
//! is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::joined::{self, Said};
use super::kept_out::{self, Read};
use crate::queue::line;
use crate::queue::reader::ReadRecord;
use crate::queue::subscription::Partition;
use crate::record::Kind;
use crate::store::join::{Join, Member, UserKey};
use crate::store::load::{EventLoad, Fault, Identity, LINK, Load, MemberLoad, RowLoad, load, rank};
use crate::store::registry::{ObjectName, Registry};
use crate::store::row::{Applied, Row, RowKey};
use crate::store::{Failed, RunLoad, Store, StoreError, User};
use crate::tenants::Merge;

const DAY_MS: i64 = 86_400_000;

/// What a configuration says of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Name of the loader.
    pub loader: String,
    /// Who wins, by tenant; the default for those that are not named.
    pub merge: HashMap<String, Merge>,
    /// How many days a repeat is known as one.
    pub seen_days: i64,
    /// Whether it is counted what became of the records of runs.
    pub counts_runs: bool,
    /// What alone is loaded; none: everything.
    pub only: Option<Only>,
}

/// Some of one tenant's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// Id of the tenant.
    pub tenant: String,
    /// Which of its records.
    pub kinds: BTreeSet<Kind>,
}

impl Only {
    /// Whether `record` is one of them.
    fn has(&self, record: &ReadRecord) -> bool {
        let kind = record.header("ce_type").and_then(Kind::of_ce_type);
        sender_tenant(record) == Some(&self.tenant) && kind.is_some_and(|kind| self.kinds.contains(&kind))
    }
}

impl Rules {
    /// Whether `record` is loaded at all.
    pub(super) fn has(&self, record: &ReadRecord) -> bool {
        self.only.as_ref().is_none_or(|only| only.has(record))
    }

    fn merge(&self, tenant: &str) -> Merge {
        self.merge.get(tenant).copied().unwrap_or_default()
    }

    /// The person that the user of `load` is.
    pub(super) fn user(&self, load: &Load<'_>) -> Option<User> {
        let user = load.user.as_ref()?;
        Some(User {
            tenant: load.tenant.to_owned(),
            user_id: user.user_id.to_owned(),
            person: user.person.to_owned(),
            rank: rank(user.when, user.received_ms, self.merge(load.tenant)),
        })
    }

    /// Whom the user of `load` is joined with.
    pub(super) fn join(&self, load: &Load<'_>) -> Option<Join> {
        let join = load.join.as_ref()?;
        Some(Join {
            user: UserKey { tenant: load.tenant.to_owned(), user_id: join.user_id.to_owned() },
            into: join.into.clone(),
            rank: rank(join.when, join.received_ms, self.merge(load.tenant)),
        })
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It changed something.
    Loaded,
    /// It was loaded before.
    Repeat,
    /// What it says is known better.
    Older,
    /// It stands in `weir_failed`.
    Failed,
    /// It is of somebody who was erased, and kept out.
    Suppressed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 5] =
        [Outcome::Loaded, Outcome::Repeat, Outcome::Older, Outcome::Failed, Outcome::Suppressed];

    /// The `outcome` label of `weir_load_records_total`.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Loaded => "loaded",
            Outcome::Repeat => "repeat",
            Outcome::Older => "older",
            Outcome::Failed => "failed",
            Outcome::Suppressed => "suppressed",
        }
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Loaded => Outcome::Loaded,
            Applied::Repeat => Outcome::Repeat,
            Applied::Noted | Applied::Older => Outcome::Older,
        }
    }
}

/// How many records had which outcome, by the label of what they are.
pub type Counts = BTreeMap<(&'static str, Outcome), u64>;

/// What a batch writes.
#[derive(Default)]
struct Writes<'a> {
    said: Said,
    members: BTreeMap<(UserKey, String), Member>,
    events: Vec<(&'a str, &'a EventLoad<'a>)>,
    failed: Vec<Failed>,
    counts: Counts,
    /// By the ids of runs and the names of their batches.
    runs: BTreeMap<(&'a [u8], &'a [u8]), RunLoad>,
}

/// Loads `records` within a transaction that the caller has begun; those that are known to be `refused` are only filed.
///
/// # Errors
/// The store's; the transaction and what `registry` has learnt are then to be taken back.
pub fn apply(
    store: &mut dyn Store,
    registry: &mut Registry,
    rules: &Rules,
    records: &[ReadRecord],
    refused: Option<&str>,
) -> Result<Counts, StoreError> {
    let now_ms = Timestamp::now().as_millisecond();
    let (reads, exceptions) = kept_out::read(store, rules, records, refused.is_some())?;
    let are_joined = joined::hold(store, rules, &reads, exceptions.joins)?;
    let loads = || reads.iter().filter_map(Read::load);
    let day = now_ms / DAY_MS;
    let remembered: Vec<Identity> = loads()
        .filter(|load| needs_memory(load, rules.merge(load.tenant)))
        .map(|load| load.identity)
        .collect();
    let mut repeats = store.see(&remembered, day)?.into_iter();
    let mut rows = Rows::read(store, loads())?;
    let mut writes = Writes::default();
    for (record, read) in records.iter().zip(&reads) {
        let outcome = match read {
            Read::Foreign => continue,
            Read::Load(load) => {
                let merge = rules.merge(load.tenant);
                let is_repeat = needs_memory(load, merge) && repeats.next().unwrap_or_default();
                if is_repeat { Outcome::Repeat } else { writes.take(load, rules, &mut rows) }
            }
            Read::Suppressed(gone) => {
                writes.said.gone.extend(gone.clone());
                Outcome::Suppressed
            }
            Read::Faulty(fault) => {
                let mut failed = failed(rules, record, *fault, now_ms);
                if let Some(why) = refused {
                    why.clone_into(&mut failed.detail);
                }
                writes.failed.push(failed);
                Outcome::Failed
            }
        };
        writes.count(record, outcome);
        if rules.counts_runs {
            writes.count_run(record, outcome);
        }
    }
    grow(store, registry, loads()).map_err(StoreError::of_no_record)?;
    store.put_rows(&rows.changed())?;
    if exceptions.merges {
        store.move_links()?;
    }
    store.put_members(&writes.members.into_values().collect::<Vec<_>>())?;
    store.put_events(&writes.events)?;
    store.put_failed(&writes.failed)?;
    if !writes.runs.is_empty() {
        store.put_run_loads(&writes.runs.into_values().collect::<Vec<_>>())?;
    }
    joined::settle(store, (&writes.said, are_joined), &exceptions.salt, now_ms)?;
    store.forget(day - rules.seen_days)?;
    Ok(writes.counts)
}

impl<'a> Writes<'a> {
    /// Works out what `load` changes. Of several rows the last is what the record is about.
    fn take(&mut self, load: &'a Load<'a>, rules: &Rules, rows: &mut Rows<'a>) -> Outcome {
        let merge = rules.merge(load.tenant);
        let applied = load.rows.iter().map(|row| rows.change(row, merge)).last();
        self.said.users.extend(rules.user(load));
        self.said.joins.extend(rules.join(load));
        self.members(load);
        self.events.extend(load.event.as_ref().map(|event| (load.tenant, event)));
        applied.map_or(Outcome::Loaded, Outcome::from)
    }

    fn members(&mut self, load: &Load<'_>) {
        let Some(MemberLoad { user_id, company, source, when, received_ms }) = &load.member else { return };
        let user = UserKey { tenant: load.tenant.to_owned(), user_id: (*user_id).to_owned() };
        let new = Member {
            user: user.clone(),
            company: company.clone(),
            created_ms: *received_ms,
            created_by: (*source).to_owned(),
            told_ms: when.ns / 1_000_000,
        };
        let known = self.members.entry((user, company.clone())).or_insert_with(|| new.clone());
        known.told_ms = known.told_ms.max(new.told_ms);
        if new.created_ms < known.created_ms {
            (known.created_ms, known.created_by) = (new.created_ms, new.created_by);
        }
    }

    fn count(&mut self, record: &ReadRecord, outcome: Outcome) {
        let label = record.header("ce_type").and_then(Kind::of_ce_type).map_or("other", Kind::label);
        *self.counts.entry((label, outcome)).or_default() += 1;
    }

    fn count_run(&mut self, record: &'a ReadRecord, outcome: Outcome) {
        let of_run = record.header("weir_run").zip(record.header("weir_batch"));
        let Some((run, batch)) = of_run else { return };
        let text = |value| String::from_utf8_lossy(value).into_owned();
        let load = self.runs.entry((run, batch)).or_insert_with(|| RunLoad {
            run: text(run),
            batch: text(batch),
            partition: Partition { topic: record.topic.clone(), number: record.partition },
            loaded: 0,
            failed: 0,
            kept_out: 0,
        });
        match outcome {
            Outcome::Loaded | Outcome::Repeat | Outcome::Older => load.loaded += 1,
            Outcome::Failed => load.failed += 1,
            Outcome::Suppressed => load.kept_out += 1,
        }
    }
}

/// The rows that a batch changes, in the order of their keys: all loaders lock them in the same order.
struct Rows<'a>(BTreeMap<&'a RowKey, (Option<Row>, bool)>);

impl<'a> Rows<'a> {
    fn read(store: &mut dyn Store, loads: impl Iterator<Item = &'a Load<'a>>) -> Result<Self, StoreError> {
        let keys: BTreeSet<&RowKey> = loads.flat_map(|load| load.rows.iter().map(|row| &row.key)).collect();
        let keys: Vec<&RowKey> = keys.into_iter().collect();
        let found = store.rows(&keys)?;
        Ok(Rows(keys.into_iter().zip(found.into_iter().map(|row| (row, false))).collect()))
    }

    fn change(&mut self, load: &'a RowLoad<'a>, merge: Merge) -> Applied {
        let (row, is_changed) = self.0.entry(&load.key).or_default();
        let row = row.get_or_insert_with(|| Row::new(load.id.clone(), &load.change));
        let applied = row.apply(&load.change, merge);
        *is_changed |= matches!(applied, Applied::Loaded | Applied::Noted);
        applied
    }

    fn changed(&self) -> Vec<(&RowKey, &Row)> {
        let changed = self.0.iter().filter(|(_, (_, is_changed))| *is_changed);
        changed.filter_map(|(key, (row, _))| row.as_ref().map(|row| (*key, row))).collect()
    }
}

/// Whether a repeat of `load` has to be known as one: merging by time makes nothing of it.
fn needs_memory(load: &Load<'_>, merge: Merge) -> bool {
    load.event.is_some() || merge == Merge::Arrival
}

/// Notes fields that have not been seen, or not with such values, and makes their views anew.
fn grow<'a>(
    store: &mut dyn Store,
    registry: &mut Registry,
    loads: impl Iterator<Item = &'a Load<'a>>,
) -> Result<(), StoreError> {
    let mut grown = BTreeSet::new();
    for row in loads.flat_map(|load| &load.rows).filter(|row| row.key.object != LINK) {
        let object = ObjectName { tenant: row.key.tenant.clone(), object: row.key.object.clone() };
        if registry.know(&object) {
            grown.insert(object.clone());
        }
        for (field, json) in &row.change.fields {
            if let Some(seen) = registry.see(&object, field, json) {
                store.put_field(&object, &seen)?;
                grown.insert(object.clone());
            }
        }
    }
    grown.iter().try_for_each(|object| store.put_view(object, &registry.columns(object)))
}

/// The tenant that `record` is of, as far as that can be told.
pub fn tenant_of(record: &ReadRecord) -> Option<String> {
    match load(record) {
        Ok(Some(load)) => Some(load.tenant.to_owned()),
        Ok(None) | Err(_) => sender_tenant(record).map(str::to_owned),
    }
}

/// The tenant of its sender, `/<tenant>/<source>`.
fn sender_tenant(record: &ReadRecord) -> Option<&str> {
    std::str::from_utf8(record.header("ce_source")?).ok()?.split('/').nth(1)
}

fn header(record: &ReadRecord, wanted: &str) -> Option<String> {
    record.header(wanted).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn failed(rules: &Rules, record: &ReadRecord, fault: Fault, now_ms: i64) -> Failed {
    let mut line = Vec::new();
    line::write(record, &mut line);
    Failed {
        loader: rules.loader.clone(),
        tenant: sender_tenant(record).map(str::to_owned),
        partition: Partition { topic: record.topic.clone(), number: record.partition },
        offset: record.offset,
        run: header(record, "weir_run"),
        reason: fault.label().to_owned(),
        detail: fault.detail().to_owned(),
        record: String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
        failed_ms: now_ms,
    }
}
