//! The way into the queue: records are handed over, and counted once they are durable.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::Level;

use super::app::App;
use super::snapshot::Snapshot;
use crate::observe::metrics::Metrics;
use crate::observe::unavailable::Cause;
use crate::pipeline::tally::Tally;
use crate::queue::completion::{Receipt, wait_for};
use crate::queue::{Queue, Refused};
use crate::record::{Header, Kind, Kinds, RecordRef, Records};
use crate::tenants::Source;

/// How long a request waits for its records to become durable: longer than the queue's own limits, so that the
/// queue's verdict comes first; shorter than the ten seconds after which RudderStack gives up.
pub const DURABLE_WITHIN: Duration = Duration::from_millis(6_500);

/// The records of one request or one replay, on their way.
pub struct Enqueued<'a> {
    metrics: &'a Metrics,
    kinds: Kinds,
    /// And since when it has been waited for; none where there are no records.
    receipt: Option<(Receipt, Instant)>,
}

impl<'a> Enqueued<'a> {
    /// Hands `records` to `queue`: all of them or none.
    ///
    /// # Errors
    /// When the queue does not take them.
    pub fn new(queue: &dyn Queue, metrics: &'a Metrics, records: Records) -> Result<Self, Refused> {
        let kinds = records.kinds();
        let receipt = if records.is_empty() { None } else { Some((queue.enqueue(records)?, Instant::now())) };
        Ok(Enqueued { metrics, kinds, receipt })
    }

    /// Waits until all records are durable, and counts them. False: one of them is not, or not in time.
    async fn durable(&mut self) -> bool {
        if let Some((receipt, since)) = &mut self.receipt {
            let durable = timeout(DURABLE_WITHIN, receipt).await;
            self.metrics.queue.wait.observe(since.elapsed().as_secs_f64());
            if !matches!(durable, Ok(Ok(()))) {
                return false;
            }
        }
        self.count();
        true
    }

    /// The same for a thread that may block. It waits for as long as the queue does.
    pub fn wait(self) -> bool {
        let Enqueued { metrics, kinds, receipt } = self;
        let durable = receipt.is_none_or(|(receipt, _)| wait_for(receipt).is_ok());
        if durable {
            Enqueued { metrics, kinds, receipt: None }.count();
        }
        durable
    }

    fn count(&self) {
        for (kind, records) in Kind::ALL.into_iter().zip(self.kinds).filter(|(_, records)| *records > 0) {
            self.metrics.record(kind, records);
        }
    }
}

/// A request whose records are on their way.
pub struct PendingRequest<'a> {
    app: &'a App,
    snapshot: &'a Snapshot,
    source: &'a Source,
    enqueued: Enqueued<'a>,
    /// Taken once it is counted.
    tally: Option<Tally>,
    /// The ids of the records, if the log is to tell what became of each.
    followed: Vec<String>,
}

impl<'a> PendingRequest<'a> {
    /// Hands the records of a request of `source` to the queue, and logs what its operator should know.
    ///
    /// # Errors
    /// When the queue does not take them. Their events are then counted as refused.
    pub fn submit(
        app: &'a App,
        snapshot: &'a Snapshot,
        source: &'a Source,
        records: Records,
        tally: Tally,
    ) -> Result<Self, Cause> {
        for name in tally.unmapped_names() {
            app.unmapped.log(source, name);
        }
        if let Some(observed) = snapshot.observed(source) {
            observed.rate_limited(&source.id, tally.over_rate());
            if tally.has_reused_ids() {
                observed.log_reused_ids(&source.id);
            }
        }
        let followed = if tracing::enabled!(Level::DEBUG) { ids(&records) } else { Vec::new() };
        match Enqueued::new(&*app.queue, &app.metrics, records) {
            Ok(enqueued) => {
                Ok(PendingRequest { app, snapshot, source, enqueued, tally: Some(tally), followed })
            }
            Err(refused) => {
                follow(&source.id, &followed, false);
                refuse(snapshot, source, &tally);
                Err(match refused {
                    Refused::Full => Cause::QueueFull,
                    Refused::Closed => Cause::NotReady,
                })
            }
        }
    }

    /// Whether there is anything to wait for.
    pub fn has_records(&self) -> bool {
        self.enqueued.receipt.is_some()
    }

    /// Waits until the records are durable, and only then counts the events.
    ///
    /// # Errors
    /// When the records are not durable, or not in time.
    pub async fn durable(&mut self) -> Result<(), Cause> {
        if !self.enqueued.durable().await {
            return Err(Cause::NotDurable);
        }
        if let (Some(tally), Some(observed)) = (self.tally.take(), self.snapshot.observed(self.source)) {
            tally.settle(&self.app.metrics, observed, &self.source.tenant.id);
            tally.rejections().iter().for_each(|reason| self.app.sampled.rejected(&self.source.id, *reason));
            follow(&self.source.id, &self.followed, true);
        }
        Ok(())
    }
}

impl Drop for PendingRequest<'_> {
    /// Counts the events as refused if they were not counted: the records are not durable, or the client left before
    /// its answer.
    fn drop(&mut self) {
        if let Some(tally) = self.tally.take() {
            refuse(self.snapshot, self.source, &tally);
            follow(&self.source.id, &self.followed, false);
        }
    }
}

/// The `ce_id` of each record.
fn ids(records: &Records) -> Vec<String> {
    let id = |record: RecordRef<'_>| {
        let (_, id) = record.headers().find(|(name, _)| *name == Header::Id.name())?;
        Some(String::from_utf8_lossy(id).into_owned())
    };
    records.iter().filter_map(id).collect()
}

/// Logs the end of records on their way.
fn follow(source: &str, ids: &[String], is_durable: bool) {
    let end =
        if is_durable { "durable" } else { "not durable; the client was told to send it again, or has left" };
    ids.iter().for_each(|id| tracing::debug!(source, id, "{end}"));
}

fn refuse(snapshot: &Snapshot, source: &Source, tally: &Tally) {
    if let Some(observed) = snapshot.observed(source) {
        tally.refuse(observed);
    }
}
