//! A loader at work: one subscription and one connection, until one of them fails.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::alone::Alone;
use super::batch::{Counts, apply};
use super::together::Member;
use super::{Shared, Wanted};
use crate::observe::metrics::Metrics;
use crate::queue::reader::{ReadError, ReadRecord};
use crate::queue::subscription::{Most, Notice, Partition, Position, Subscription};
use crate::store::registry::Registry;
use crate::store::{Progress, Store, StoreError};

/// How long the first record of a batch waits for others.
const GATHER: Duration = Duration::from_millis(200);
/// How often the queue is told how far the store is: it costs syncs, and only retention depends on it.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often a loader that is behind asks how far, and one that finds nothing whether it would.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// How long one look at an idle queue takes: how soon the loader notices that it should stop.
const LOOK: Duration = Duration::from_millis(500);

/// How often a transaction is begun that other loaders overtake. Each time, one of them has got on.
pub(super) const BEGINNINGS: usize = 30;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0}")]
    Queue(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for SessionError {
    fn from(error: ReadError) -> Self {
        SessionError::Queue(error.0)
    }
}

pub(super) struct Session<'p> {
    wanted: &'p Wanted,
    metrics: &'p Metrics,
    member: Member<'p>,
    queue: Box<dyn Subscription + 'p>,
    store: Box<dyn Store>,
    registry: Registry,
    /// What the store says that is loaded.
    progress: Progress,
    /// What the queue dropped unread, and nobody was told of yet.
    missed: Vec<(Partition, Range<u64>)>,
    /// What the queue has yet to be told of that.
    uncommitted: Position,
    committed: Instant,
    measured: Option<Instant>,
    /// What has to know whether there are others.
    alone: Option<Alone>,
}

impl<'p> Session<'p> {
    /// Connects to both, and goes to where the store says that its loader stands.
    pub(super) fn open(
        plan: &'p Shared,
        metrics: &'p Metrics,
        member: Member<'p>,
    ) -> Result<Self, SessionError> {
        let Shared { wanted, queue, store, alone } = plan;
        let store = store.lock().unwrap_or_else(PoisonError::into_inner)()?;
        let mut session = Session::begin(wanted, metrics, member, store, || {
            let opened = queue.lock().unwrap_or_else(PoisonError::into_inner)();
            Ok(opened.map_err(SessionError::Queue)? as Box<dyn Subscription>)
        })?;
        session.alone.clone_from(alone);
        Ok(session)
    }

    /// As `open`, with a connection that is there.
    pub(super) fn begin(
        wanted: &'p Wanted,
        metrics: &'p Metrics,
        member: Member<'p>,
        mut store: Box<dyn Store>,
        queue: impl FnOnce() -> Result<Box<dyn Subscription + 'p>, SessionError>,
    ) -> Result<Self, SessionError> {
        let registry = seen(&mut *store, wanted)?;
        store.begin()?;
        let made = make_views(&mut *store, &registry).and_then(|()| store.commit());
        if let Err(error) = made {
            store.rollback();
            return Err(error.into());
        }
        let progress = store.progress(&wanted.rules.loader)?;
        let mut queue = queue()?;
        // On Kafka nothing is assigned yet: there it seeks when something is.
        queue.seek(&Position(progress.clone()))?;
        Ok(Session {
            wanted,
            metrics,
            member,
            queue,
            store,
            registry,
            progress,
            missed: Vec::new(),
            uncommitted: Position::default(),
            committed: Instant::now(),
            measured: None,
            alone: None,
        })
    }

    /// Its connection, once it is done.
    pub(super) fn into_store(self) -> Box<dyn Store> {
        self.store
    }

    /// Loads until it `ends`. Calls `works` each time that the queue has answered, and that is loaded.
    pub(super) fn run(
        &mut self,
        ends: &dyn Fn() -> bool,
        works: &mut dyn FnMut(),
    ) -> Result<(), SessionError> {
        while !ends() {
            let (records, position) = self.gather(ends)?;
            self.measure(records.last())?;
            for (partition, records) in by_partition(records, &position) {
                let to = position.0.get(&partition).copied();
                to.map_or(Ok(()), |to| self.load(&partition, &records, to))?;
            }
            works();
            if self.committed.elapsed() >= COMMIT_EVERY {
                self.commit()?;
            }
        }
        self.commit()
    }

    /// The records of one batch, and how far their partitions are read then.
    fn gather(&mut self, ends: &dyn Fn() -> bool) -> Result<(Vec<ReadRecord>, Position), SessionError> {
        let most = self.store.batch();
        let (mut records, mut position) = (Vec::new(), Position::default());
        let (mut bytes, mut until) = (0, Instant::now() + LOOK);
        loop {
            let left = Most { records: most.records - records.len(), bytes: most.bytes - bytes };
            let batch = self.queue.next_batch(left, until.saturating_duration_since(Instant::now()))?;
            if records.is_empty() && !batch.records.is_empty() {
                until = Instant::now() + GATHER;
            }
            bytes = batch
                .records
                .iter()
                .map(ReadRecord::bytes)
                .sum::<usize>()
                .saturating_add(bytes)
                .min(most.bytes);
            records.extend(batch.records);
            position.0.extend(batch.position.0);
            for notice in batch.notices {
                self.notice(notice, &mut records, &mut position)?;
            }
            let is_full = records.len() >= most.records || bytes >= most.bytes;
            if is_full || ends() || Instant::now() >= until {
                return Ok((records, position));
            }
        }
    }

    fn notice(
        &mut self,
        notice: Notice,
        records: &mut Vec<ReadRecord>,
        position: &mut Position,
    ) -> Result<(), SessionError> {
        match notice {
            Notice::Assigned(partitions) => {
                self.progress = self.store.progress(&self.wanted.rules.loader)?;
                // Of what the store knows nothing, it reads everything, whatever the group has committed.
                let next = |partition: &Partition| self.progress.get(partition).copied().unwrap_or_default();
                let from = partitions.into_iter().map(|partition| (partition.clone(), next(&partition)));
                let from = Position(from.collect());
                self.queue.seek(&from)?;
                // Whoever had them may have been too late to tell.
                self.uncommitted.0.extend(from.0.into_iter().filter(|(_, next)| *next > 0));
            }
            Notice::Revoked(partitions) => {
                records.retain(|record| {
                    let is_of = |partition: &Partition| {
                        partition.topic == record.topic && partition.number == record.partition
                    };
                    !partitions.iter().any(is_of)
                });
                position.0.retain(|partition, _| !partitions.contains(partition));
                self.uncommitted.0.retain(|partition, _| !partitions.contains(partition));
                self.missed.retain(|(partition, _)| !partitions.contains(partition));
            }
            Notice::MadeAnew(partition) => {
                let Partition { topic, number } = partition;
                tracing::error!(
                    loader = self.wanted.rules.loader,
                    "{topic} {number} ends before what the store has loaded of it, so it was made anew: it is loaded \
                     from its start. If that was not meant, restore the queue that belongs to this store"
                );
            }
            Notice::Missed(partition, range) => self.missed.push((partition, range)),
        }
        Ok(())
    }

    /// Loads `records` of `partition`, after which it stands at `to`. One that the database refuses is searched for by
    /// halves, and filed alone.
    fn load(&mut self, partition: &Partition, records: &[ReadRecord], to: i64) -> Result<(), SessionError> {
        match self.transact(partition, records, to, None) {
            Err(SessionError::Store(StoreError::Refused(why))) => {
                match records.split_at_checked(records.len() / 2) {
                    Some((first, second)) if !first.is_empty() => {
                        let middle = second.first().map_or(to, |record| record.offset);
                        self.load(partition, first, middle)?;
                        self.load(partition, second, to)
                    }
                    _ => {
                        tracing::warn!(
                            loader = self.wanted.rules.loader,
                            "a record is filed as failed: {why}"
                        );
                        self.transact(partition, records, to, Some(&why))
                    }
                }
            }
            done => done,
        }
    }

    /// One transaction: the records (or, if they are `refused`, their failures) and the progress behind them. Where
    /// another loader stores new fields or the same rows at the same time, it begins again, with those.
    fn transact(
        &mut self,
        partition: &Partition,
        records: &[ReadRecord],
        to: i64,
        refused: Option<&str>,
    ) -> Result<(), SessionError> {
        for _ in 1..BEGINNINGS {
            match self.try_to_transact(partition, records, to, refused) {
                Err(SessionError::Store(StoreError::Overtaken(_))) => {}
                done => return done,
            }
        }
        self.try_to_transact(partition, records, to, refused)
    }

    fn try_to_transact(
        &mut self,
        partition: &Partition,
        records: &[ReadRecord],
        to: i64,
        refused: Option<&str>,
    ) -> Result<(), SessionError> {
        let from = self.progress.get(partition).copied();
        if from == Some(to) {
            return Ok(());
        }
        let _timer = self.metrics.load.batch.with_label_values(&[&self.wanted.rules.loader]).start_timer();
        // What is loaded must not be lost to the queue, which might give its offsets to others.
        self.queue.settle()?;
        self.store.begin()?;
        let counts = self.write(partition, records, (from, to), refused);
        let done = counts.and_then(|counts| self.store.commit().map(|()| counts).map_err(SessionError::from));
        match done {
            Ok(counts) => {
                self.progress.insert(partition.clone(), to);
                self.uncommitted.0.insert(partition.clone(), to);
                self.count(&counts);
                self.tell_missed(partition, to);
                Ok(())
            }
            Err(error) => {
                self.store.rollback();
                // After any other error the session ends.
                if matches!(error, SessionError::Store(StoreError::Refused(_) | StoreError::Overtaken(_))) {
                    // What it has learnt since is not in the store, or what is there has been learnt by another.
                    self.registry = seen(&mut *self.store, self.wanted)?;
                }
                Err(error)
            }
        }
    }

    /// Says what the queue dropped of `partition` before `to`, where it is loaded up to now: before that, a session
    /// that ends without it would say it twice.
    fn tell_missed(&mut self, partition: &Partition, to: i64) {
        let to = u64::try_from(to).unwrap_or_default();
        let is_passed = |(of, range): &mut (Partition, Range<u64>)| of == partition && range.end <= to;
        for (_, range) in self.missed.extract_if(.., is_passed) {
            let missed = range.end.saturating_sub(range.start);
            tracing::error!(
                loader = self.wanted.rules.loader,
                from = range.start,
                to = range.end,
                "the queue dropped {missed} records before they were loaded: they are lost to the store. Give the \
                 queue more room, or the loader more time"
            );
            self.metrics.load.missed.with_label_values(&[&self.wanted.rules.loader]).inc_by(missed);
        }
    }

    fn write(
        &mut self,
        partition: &Partition,
        records: &[ReadRecord],
        (from, to): (Option<i64>, i64),
        refused: Option<&str>,
    ) -> Result<Counts, SessionError> {
        if !self.store.advance(&self.wanted.rules.loader, partition, from, to)? {
            return Err(SessionError::Queue(format!(
                "another loader has moved on in {} {}; this one starts again from where that stands",
                partition.topic, partition.number
            )));
        }
        Ok(apply(&mut *self.store, &mut self.registry, &self.wanted.rules, records, refused)?)
    }

    fn count(&self, counts: &Counts) {
        for ((record, outcome), count) in counts {
            let labels = [self.wanted.rules.loader.as_str(), record, outcome.label()];
            self.metrics.load.records.with_label_values(&labels).inc_by(*count);
        }
    }

    /// How far the loader is behind: `last` is the last record of the batch, none where the queue has no more.
    fn measure(&mut self, last: Option<&ReadRecord>) -> Result<(), SessionError> {
        let is_time = self.measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY);
        if is_time {
            self.measured = Some(Instant::now());
            if let Some(alone) = &self.alone {
                alone.set(self.queue.is_alone()?);
            }
        }
        let Some(last) = last else {
            if is_time {
                // Nothing else would show that one of them is away, until there is something to load.
                self.queue.reach()?;
                self.store.progress(&self.wanted.rules.loader)?;
            }
            self.member.set_lag_seconds(0.0);
            self.member.set_lag_records(0);
            return Ok(());
        };
        let behind_ms = jiff::Timestamp::now().as_millisecond().saturating_sub(last.timestamp_ms);
        let seconds = f64::from(u32::try_from(behind_ms).unwrap_or_default()) / 1_000.0;
        self.member.set_lag_seconds(seconds);
        if is_time {
            let ends = self.queue.ends()?;
            let behind = |(partition, end): (&Partition, &i64)| {
                end.saturating_sub(self.progress.get(partition).copied().unwrap_or_default()).max(0)
            };
            self.member.set_lag_records(ends.0.iter().map(behind).sum());
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SessionError> {
        self.committed = Instant::now();
        let position = std::mem::take(&mut self.uncommitted);
        Ok(self.queue.commit(&position)?)
    }
}

/// The fields that the store has seen.
pub(super) fn seen(store: &mut dyn Store, wanted: &Wanted) -> Result<Registry, StoreError> {
    let mut registry = Registry::new(wanted.declared.clone());
    for object in &wanted.objects {
        registry.know(object);
    }
    for (object, field) in store.fields()? {
        registry.add(object, field);
    }
    Ok(registry)
}

/// Makes all views as this configuration wants them.
pub(super) fn make_views(store: &mut dyn Store, registry: &Registry) -> Result<(), StoreError> {
    registry.objects().try_for_each(|object| store.put_view(object, &registry.columns(object)))
}

/// `records` by where they lie, those of each partition of `position` in order. The journal is one partition, whatever
/// the topics of its records.
fn by_partition(records: Vec<ReadRecord>, position: &Position) -> Vec<(Partition, Vec<ReadRecord>)> {
    if let (Some((partition, _)), 1) = (position.0.first_key_value(), position.0.len()) {
        return vec![(partition.clone(), records)];
    }
    let mut parts: BTreeMap<Partition, Vec<ReadRecord>> =
        position.0.keys().map(|partition| (partition.clone(), Vec::new())).collect();
    for record in records {
        let partition = Partition { topic: record.topic.clone(), number: record.partition };
        parts.entry(partition).or_default().push(record);
    }
    parts.into_iter().collect()
}
