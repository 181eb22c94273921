//! Replaces a producer that can't go on, or that holds what a spool could have: on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::producer::{Producer as _, PurgeConfig};

use super::Shared;
use super::producer::{self, Producer};
use crate::system::worker::StopToken;

/// How long a broken producer may take to hand back what it holds, the pause before the next one, and how
/// far closing may go beyond its deadline.
pub(super) const HAND_BACK: Duration = Duration::from_secs(1);

/// How long no broker may be within reach before what is on its way is taken back for the spool: a connection that
/// is made anew takes less.
const GRACE: Duration = Duration::from_millis(500);

/// What a producer reports that may be its end.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Reaches the thread that replaces producers.
    pub(super) replacer: Arc<StopToken>,
    has_failed: AtomicBool,
    is_away: AtomicBool,
}

impl Doubts {
    /// The producer reported an error that may be fatal.
    pub(super) fn failed(&self) {
        self.has_failed.store(true, Ordering::Release);
        self.replacer.wake();
    }

    /// No broker can be reached, and another would take what is on its way.
    pub(super) fn away(&self) {
        self.is_away.store(true, Ordering::Release);
        self.replacer.wake();
    }

    /// Whether either was reported since this was last asked, and whether it was that no broker can be reached.
    fn take(&self) -> (bool, bool) {
        let is_away = self.is_away.swap(false, Ordering::AcqRel);
        (self.has_failed.swap(false, Ordering::AcqRel) || is_away, is_away)
    }
}

impl Shared {
    /// Runs until the queue closes.
    pub(super) fn replace_broken(&self, token: &StopToken) {
        while !token.is_stopped() {
            let (is_in_doubt, is_away) = self.doubts.take();
            if !is_in_doubt {
                thread::park();
                continue;
            }
            if is_away && !token.sleep(GRACE) {
                return;
            }
            let patience = if let Some(reason) = self.fatal_error() {
                self.health.broke(&reason);
                HAND_BACK
            } else if is_away && self.health.is_unreachable() {
                Duration::ZERO
            } else {
                continue;
            };
            if let Some(producer) = self.take_producer() {
                retire(producer, patience);
            }
            if !self.start_another(token) {
                return;
            }
        }
    }

    /// Starts the next producer. The broken one has given everything back by now, and there is a pause, so that an
    /// error which comes again at once (a refused permission, say) does not spin. False when the queue has closed.
    fn start_another(&self, token: &StopToken) -> bool {
        while token.sleep(HAND_BACK) {
            // Doubts about a producer that is gone no longer count.
            self.doubts.take();
            // First, or an error that comes at once would be covered up.
            self.health.mended();
            match producer::start(self) {
                Ok(fresh) => {
                    *self.producer.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                    tracing::info!("the Kafka producer has been replaced");
                    return true;
                }
                Err(reason) => self.health.broke(&reason),
            }
        }
        false
    }

    pub(super) fn take_producer(&self) -> Option<Producer> {
        self.producer.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fatal_error(&self) -> Option<String> {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        producer.as_ref()?.client().fatal_error().map(|(_, reason)| reason)
    }
}

/// Waits up to `patience` for what is on its way, then takes the rest back, so that every request learns what became
/// of its records. (A dropped producer would forget them.)
pub(super) fn retire(producer: Producer, patience: Duration) {
    if producer.flush(patience).is_err() {
        producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = producer.flush(HAND_BACK) {
            tracing::error!(
                %error,
                "the Kafka client did not return the records that it held: their clients get 503, and send \
                 them again"
            );
        }
    }
}
