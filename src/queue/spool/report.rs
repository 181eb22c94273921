//! What the log says about forwarding: each change once, and refused records no more than once a minute for a topic
//! and an error.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::aside::PassError;
use crate::queue::kafka::Refusal;
use crate::queue::reader::ReadError;

/// How often the log mentions records set aside, at most, of one topic and for one error.
const INTERVAL: Duration = Duration::from_secs(60);
/// After how many failures in a row of the oldest record the log mentions it.
const FAILURES: u32 = 10;

/// What the log has been given already.
#[derive(Default)]
pub(super) struct Report {
    /// When records were last mentioned that were set aside, by topic and error.
    set_aside: HashMap<(String, String), Instant>,
    is_unreadable: bool,
    /// How often in a row the oldest record has failed.
    failures: u32,
    /// Since when, and how many, records have got through after an outage.
    draining: Option<(Instant, u64)>,
}

impl Report {
    /// The spool could, or could not, be read.
    pub(super) fn read(&mut self, outcome: Result<(), &ReadError>) {
        match outcome {
            Err(error) if !std::mem::replace(&mut self.is_unreadable, true) => tracing::error!(
                %error,
                "cannot read the spool; Weir tries again; if this goes on, stop Weir, move that file away \
                 (the records in it are lost), and start Weir again"
            ),
            Ok(()) if std::mem::take(&mut self.is_unreadable) => {
                tracing::info!("the spool can be read again");
            }
            _ => {}
        }
    }

    /// Kafka took a record while the log knows of an outage.
    pub(super) fn drains(&mut self) {
        if self.draining.is_none() {
            self.draining = Some((Instant::now(), 0));
            tracing::info!("Kafka accepts records again: what the spool holds goes there now");
        }
    }

    /// So many more have got through; whether that is after an outage.
    pub(super) fn forwarded(&mut self, records: u64) -> bool {
        self.failures = 0;
        if let Some((_, drained)) = &mut self.draining {
            *drained += records;
        }
        self.draining.is_some()
    }

    /// The spool is empty; whether an outage has ended with that.
    pub(super) fn drained(&mut self) -> bool {
        let Some((begun, records)) = self.draining.take() else { return false };
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!(records, seconds, "the spool is empty again: Kafka has what it held");
        true
    }

    /// The oldest record, of `topic`, failed, and not for good.
    pub(super) fn failed(&mut self, topic: &str, why: Refusal) {
        self.failures += 1;
        if self.failures == FAILURES {
            let (reason, error) = (why.class.label(), why.name());
            tracing::warn!(
                topic,
                reason,
                error,
                "Kafka does not accept the oldest record of the spool; Weir keeps trying: check that Kafka \
                 is running, and that this topic's partitions have leaders"
            );
        }
    }

    /// A record of `topic` was set aside for what is in it; `limit` asks for the setting that it broke.
    pub(super) fn set_aside(&mut self, topic: &str, why: Refusal, limit: impl FnOnce() -> Option<String>) {
        let what = (topic.to_owned(), why.name());
        if self.set_aside.get(&what).is_some_and(|logged| logged.elapsed() < INTERVAL) {
            return;
        }
        let (reason, error, advice, limit) = (why.class.label(), &what.1, why.advice(), limit());
        tracing::error!(
            topic,
            reason,
            error,
            limit,
            "Kafka refuses records of this topic for good: they are set aside, and weir_spool_set_aside_total counts \
             them; {advice}, then run `weir spool retry`"
        );
        self.set_aside.insert(what, Instant::now());
    }
}

/// What was set aside could not be tried again.
pub(super) fn not_retried(is_asked: bool, error: Option<&PassError>) {
    match error {
        Some(error) => tracing::error!(
            %error,
            "cannot read what was set aside; Weir tries again later; `weir spool verify` shows what is damaged"
        ),
        None if is_asked => {
            tracing::warn!("Kafka does not answer; Weir tries again later to send what was set aside");
        }
        None => tracing::debug!("Weir tries again later to send what was set aside"),
    }
}
