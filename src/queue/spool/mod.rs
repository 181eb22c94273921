//! Kafka with a journal behind it: what Kafka does not accept is held in the spool, and the client still gets its
//! 200. A forwarder sends it to Kafka later, in order.
//!
//! A record goes straight to Kafka while Kafka is within reach and no record of its key is held (`lines`);
//! else to the spool. One that Kafka did not take after all comes back and is `held` in the spool, too, and so
//! does what follows it in its request under the same key. One thread, the `forwarder`, empties the spool: what it has
//! read waits in a `window`; what Kafka refuses for good is set `aside`, and gets a `retry` now and then.

mod aside;
mod backoff;
mod checkpoint;
mod forwarder;
mod held;
mod lines;
mod report;
mod retry;
#[cfg(test)]
mod tests;
mod throttle;
mod troubled;
mod window;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use self::aside::ASIDE_NAME;
use self::forwarder::Forwarder;
pub use self::forwarder::NAME;
use self::held::{Held, HeldFor};
use super::journal::JournalError;
use super::kafka::{Forwarding, KafkaQueue, Rescue, StartError};
use crate::config::data_dir::aside;
use crate::config::{Ack, QueueConfig};
use crate::observe::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::Records;
use crate::record::topics::Topics;
use crate::system::disk::{Disk, RealDisk};
use crate::system::worker::{Ended, Worker};

/// Most memory that what is on its way from the spool to Kafka takes, here and in Kafka's client.
pub const BUFFER_BYTES: u64 = 32 << 20;

/// How much of the time that closing may take is left for what Kafka hands back to become durable here.
const SETTLE: Duration = Duration::from_secs(1);

/// Why the queue can't be opened: one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The spool can't.
    #[error(transparent)]
    Spool(#[from] JournalError),
    /// Kafka can't.
    #[error(transparent)]
    Kafka(#[from] StartError),
}

/// Kafka and the spool as one queue.
pub struct SpooledQueue {
    ack: Ack,
    kafka: Arc<KafkaQueue>,
    held: Arc<Held>,
    /// None once closed.
    forwarder: Mutex<Option<Worker>>,
}

impl SpooledQueue {
    /// Opens the spool in the directory `dir`, and Kafka. While no broker answers, the spool takes the records;
    /// what Kafka refuses outright (a login, a missing topic) stops the start, unless records are held for it.
    ///
    /// # Errors
    /// When another process uses the spool, on I/O errors, and when Kafka refuses: one sentence.
    pub fn open(
        dir: &Path,
        config: &QueueConfig,
        topics: &Topics,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let held = Held::open(Arc::clone(&disk), dir, config, metrics)?;
        let held = Arc::new(held);
        let holds =
            checkpoint::holds(&disk, dir, NAME)? || checkpoint::holds(&disk, &aside(dir), ASIDE_NAME)?;
        let rescue: Arc<dyn Rescue> = Arc::<Held>::clone(&held);
        let kafka = KafkaQueue::open_before_spool(config, topics, Arc::clone(&held.metrics), rescue, holds)?;
        let kafka = Arc::new(kafka);
        let forwarder =
            Forwarder::open(disk, dir, config, Arc::clone(&held), Forwarding::new(Arc::clone(&kafka)))?;
        let worker = Worker::start("forwarder", &held.forwarder, |_| forwarder.run());
        let worker = worker.map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        Ok(SpooledQueue { ack: config.ack, kafka, held, forwarder: Mutex::new(Some(worker)) })
    }

    /// Whether clients wait for Kafka, and Kafka is worth asking.
    fn is_direct(&self) -> bool {
        self.ack == Ack::Kafka && !self.held.open.load(Ordering::Acquire) && self.kafka.is_ready()
    }

    /// Whether Kafka is not asked for another reason than that its client's buffers are full.
    fn is_away(&self) -> bool {
        self.held.open.load(Ordering::Acquire) || !self.kafka.is_good()
    }
}

impl Queue for SpooledQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let (completion, receipt) = Completion::new(records.len());
        if self.is_direct() {
            self.held.send_or_hold(&records, &completion, |wanted| {
                self.kafka.enqueue_for(&records, wanted, &completion).unwrap_or(0)
            })?;
        } else {
            let cause = match self.ack {
                Ack::Journal => HeldFor::Ack,
                Ack::Kafka if self.is_away() => HeldFor::Away,
                Ack::Kafka => HeldFor::Full,
            };
            self.held.hold(&records, |_| true, cause, &completion)?;
        }
        Ok(receipt)
    }

    fn prepare(&self, topics: &Topics) -> Result<(), TopicsError> {
        self.kafka.prepare_before_spool(topics).map_err(|error| TopicsError(error.to_string()))
    }

    fn is_ready(&self) -> bool {
        !self.held.forwarder.is_stopped() && (self.is_direct() || self.held.journal.is_ready())
    }

    fn largest_record(&self) -> usize {
        self.kafka.largest_record().min(self.held.journal.largest_record())
    }

    fn retry(&self) -> bool {
        self.held.retry.store(true, Ordering::Release);
        self.held.forwarder.wake();
        true
    }

    fn held(&self) -> u64 {
        self.held.records.load(Ordering::Acquire)
    }

    fn close(&self, deadline: Instant) -> usize {
        self.held.forwarder.stop();
        // What Kafka hands back on its way out is still taken in.
        self.kafka.close(deadline.checked_sub(SETTLE).unwrap_or(deadline));
        let forwarder = self.forwarder.lock().unwrap_or_else(PoisonError::into_inner).take();
        match forwarder.map(|mut forwarder| forwarder.join_by(deadline)) {
            Some(Ended::NotYet) => tracing::warn!(
                "the spool's forwarder did not stop in time: the next start sends some records again"
            ),
            Some(Ended::Panicked) => tracing::error!(
                "the spool's forwarder panicked: the next start continues with what is held; please report \
                 this with the lines above"
            ),
            Some(Ended::Returned) | None => {}
        }
        if !self.held.lines.are_known() {
            tracing::warn!("the spool was not counted to its end: it may hold more records than reported");
        }
        self.held.journal.close(deadline)
    }
}
