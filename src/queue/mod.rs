//! Where records become durable: one small interface, two backends ([`journal`], [`kafka`]), and the two
//! together ([`spool`]): Kafka, and the journal while Kafka is away.
//!
//! A request submits all its records at once and waits for one [`Receipt`]. Room for the whole request is reserved
//! before its first record is sent: all or none. Records are read back with a [`reader`], which leaves no trace, or
//! with a [`subscription`], which commits how far its group has got.

pub mod completion;
pub mod journal;
pub mod kafka;
pub mod line;
pub mod reader;
pub mod spool;
pub mod subscription;

use std::time::Instant;

use crate::record::Records;
use crate::record::topics::Topics;

pub use completion::{Completion, Receipt};

/// Why a queue did not take a request's records. The client is asked to come again (503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No room: the journal is full, the disk nearly so, or the producer's buffers are.
    #[error("the queue is full")]
    Full,
    /// Closed, or broken in a way that a restart or an operator mends.
    #[error("the queue accepts no records")]
    Closed,
}

/// Why a queue can't take records of some topics: one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TopicsError(pub String);

/// A durable queue.
pub trait Queue: Send + Sync {
    /// Takes all of `records`, in order, or none. The receipt resolves once every one of them is durable,
    /// or as soon as one is known not to be. Never waits.
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused>;

    /// Does for `topics` what a start does for its own: from now on they are the ones that can be written to. Blocks
    /// for at most about ten seconds.
    ///
    /// # Errors
    /// When records of these topics could not be taken; the queue is then as it was before.
    fn prepare(&self, topics: &Topics) -> Result<(), TopicsError>;

    /// Whether a record could be taken now: the readiness of the gateway.
    fn is_ready(&self) -> bool;

    /// The largest record that can become durable (key, value and header values), in bytes.
    fn largest_record(&self) -> usize;

    /// Tries again, soon, what was refused for good and set aside. False: this queue sets nothing aside.
    fn retry(&self) -> bool {
        false
    }

    /// How many acknowledged records wait, durably, for their way on: those in the spool, for Kafka.
    fn held(&self) -> u64 {
        0
    }

    /// Takes no more, waits until `deadline` for what was taken to become durable, and returns how many
    /// records were left. Blocks.
    fn close(&self, deadline: Instant) -> usize;
}
