//! Loads everything anew that the queue still has: beside the rows in use, which are then replaced as a whole.

use std::cell::Cell;
use std::time::Duration;

use super::Wanted;
use super::batch::tenant_of;
use super::session::{Session, SessionError, make_views, seen};
use super::together::Together;
use crate::observe::metrics::Metrics;
use crate::queue::reader::{ReadError, ReadRecord, Reader};
use crate::queue::subscription::{Batch, Gone, Most, Partition, Position, Subscription};
use crate::store::inspect::Inspect;
use crate::store::{Store, StoreError};
use crate::system::worker::StopToken;

/// How often what was loaded meanwhile is read before loading has to wait.
const ROUNDS: usize = 3;

/// Opens what the queue has between two positions, and tells what of that it has no more.
pub type OpenPast<'a> =
    &'a mut dyn FnMut(&Position, &Position) -> Result<(Box<dyn Reader>, Vec<Gone>), ReadError>;

/// What is to be made anew.
pub struct Order<'a> {
    /// What the configuration says.
    pub wanted: &'a Wanted,
    /// The one tenant that is meant; none: all.
    pub tenant: Option<&'a str>,
    /// Whether to go on where the queue has dropped some of it.
    pub accepts_loss: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Records that were read.
    pub records: u64,
    /// What the queue had no more.
    pub gone: Vec<Gone>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The queue has dropped these.
    #[error("the queue no longer has everything that was loaded")]
    Gone(Vec<Gone>),
    /// The queue's.
    #[error(transparent)]
    Queue(#[from] ReadError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Either's, while loading.
    #[error("{0}")]
    Loading(String),
}

impl From<SessionError> for RebuildError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => RebuildError::Store(error),
            error => RebuildError::Loading(error.to_string()),
        }
    }
}

/// Loads what `past` gives up to where the loader of `store` stands, and puts it in the place of what is there. That
/// loader may be at work; it waits only for the end.
///
/// # Errors
/// As they are: the store is then as it was.
pub fn rebuild(
    store: &mut dyn Inspect,
    order: &Order<'_>,
    past: OpenPast<'_>,
) -> Result<Rebuilt, RebuildError> {
    let mut work = Work { order, past, read: Position::default(), done: Rebuilt::default() };
    let mut beside = work.read_to(progress(store, order)?, store.beside()?)?;
    for _ in 1..ROUNDS {
        beside = work.read_to(progress(store, order)?, beside)?;
    }
    store.begin_alone()?;
    let done = progress(store, order)
        .and_then(|to| work.read_to(to, beside))
        .and_then(|mut beside| Ok(put_in_place(store, order, &mut *beside)?));
    if done.is_err() {
        store.rollback();
    }
    done.map(|()| work.done)
}

fn progress(store: &mut dyn Inspect, order: &Order<'_>) -> Result<Position, RebuildError> {
    Ok(Position(store.progress(&order.wanted.rules.loader)?))
}

fn put_in_place(
    store: &mut dyn Inspect,
    order: &Order<'_>,
    beside: &mut dyn Store,
) -> Result<(), StoreError> {
    let mut registry = seen(store, order.wanted)?;
    let is_meant = |tenant: &str| order.tenant.is_none_or(|meant| meant == tenant);
    for (object, field) in beside.fields()?.into_iter().filter(|(object, _)| is_meant(&object.tenant)) {
        registry.know(&object);
        if let Some(new) = registry.see_shapes(&object, &field.field, field.shapes) {
            store.put_field(&object, &new)?;
        }
    }
    make_views(store, &registry)?;
    store.take_over(&order.wanted.rules.loader, order.tenant)?;
    store.commit()
}

struct Work<'a, 'o> {
    order: &'a Order<'a>,
    past: OpenPast<'o>,
    /// How far the queue has been read.
    read: Position,
    done: Rebuilt,
}

impl Work<'_, '_> {
    /// Loads what lies before `to` and is not loaded yet.
    fn read_to(&mut self, to: Position, beside: Box<dyn Store>) -> Result<Box<dyn Store>, RebuildError> {
        if self.read == to {
            return Ok(beside);
        }
        let is_behind =
            |(partition, read): (&Partition, &i64)| to.0.get(partition).is_none_or(|to| to < read);
        if self.read.0.iter().any(is_behind) {
            let text = "the queue was made anew meanwhile; run this command again";
            return Err(RebuildError::Loading(text.to_owned()));
        }
        let (reader, gone) = (self.past)(&self.read, &to)?;
        self.done.gone.extend(gone);
        if !self.done.gone.is_empty() && !self.order.accepts_loss {
            return Err(RebuildError::Gone(std::mem::take(&mut self.done.gone)));
        }
        let (end, records) = (StopToken::default(), Cell::new(0));
        let is_journal = to.0.contains_key(&Partition::journal());
        let past = Past { reader, end: &end, records: &records, tenant: self.order.tenant, is_journal };
        let metrics = Metrics::new([]).map_err(|error| RebuildError::Loading(error.to_string()))?;
        let wanted = self.order.wanted;
        let together = Together::new(&metrics, &wanted.rules.loader, 1);
        let mut session =
            Session::begin(wanted, &metrics, together.member(0), beside, || Ok(Box::new(past)))?;
        session.run(&|| end.is_stopped(), &mut || ())?;
        self.read = to;
        self.done.records += records.get();
        Ok(session.into_store())
    }
}

/// What a reader gives up to its end, as far as it is of one tenant.
struct Past<'a> {
    reader: Box<dyn Reader>,
    end: &'a StopToken,
    records: &'a Cell<u64>,
    tenant: Option<&'a str>,
    is_journal: bool,
}

impl Past<'_> {
    fn partition(&self, record: &ReadRecord) -> Partition {
        if self.is_journal {
            return Partition::journal();
        }
        Partition { topic: record.topic.clone(), number: record.partition }
    }
}

impl Subscription for Past<'_> {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        let mut batch = Batch::default();
        batch.fill(&mut *self.reader, most, wait)?;
        if batch.is_end {
            self.end.stop();
        }
        for record in &batch.records {
            batch.position.0.insert(self.partition(record), record.offset.saturating_add(1));
        }
        if let Some(tenant) = self.tenant {
            batch.records.retain(|record| tenant_of(record).as_deref() == Some(tenant));
        }
        self.records.set(self.records.get() + batch.records.len() as u64);
        Ok(batch)
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
