//! What has to hold before Kafka gets its first record, or the first of other topics: the checks of a start, made now,
//! or, in front of a spool, as soon as a broker answers.

use std::sync::{Arc, MutexGuard, PoisonError};

use rdkafka::error::KafkaError;
use rdkafka::producer::Producer as _;

use super::connection::Silence;
use super::replacer::HAND_BACK;
use super::{Shared, secure, settings, topics};
use crate::record::topics::Topics;
use crate::system::worker::{StopToken, Worker};

/// Why the queue could not be opened: one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Kafka, or its client, says no.
    #[error("{0}")]
    Refused(String),
    /// No broker answers, which may change.
    #[error("{0}")]
    Away(String),
}

impl From<Silence> for StartError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Away(sentence) => StartError::Away(sentence),
            Silence::Refused(sentence) => StartError::Refused(sentence),
        }
    }
}

impl StartError {
    pub(super) fn unusable(error: KafkaError) -> Self {
        StartError::Refused(without_set_up(error))
    }

    pub(super) fn without_thread(error: std::io::Error) -> Self {
        StartError::Refused(format!("cannot start a thread: {error}"))
    }
}

/// Why there is no client, as a sentence.
pub(super) fn without_set_up(error: KafkaError) -> String {
    secure::unfit_file(&error).unwrap_or_else(|| {
        format!("the Kafka client can't be set up ({}); check [queue.kafka]", settings::without_value(error))
    })
}

/// Checks that are still to be made.
pub(super) struct Unchecked {
    topics: Topics,
    _worker: Worker,
}

impl Shared {
    /// Checks `topics`, beside the producer that was started for others.
    pub(super) fn check(&self, topics: &Topics) -> Result<(), StartError> {
        let most = settings::number(&self.settings, "message.max.bytes");
        if let Some(limit) = topics::check(&self.config, topics)?.filter(|limit| *limit < most) {
            return Err(StartError::Refused(format!(
                "some of these topics take messages of at most {limit} bytes, and Weir was started with {most}; raise \
                 their max.message.bytes, or restart Weir"
            )));
        }
        self.connect(topics);
        Ok(())
    }

    /// As `check`, in front of a spool: while no broker answers, the checks are left for later.
    pub(super) fn check_or_await(self: &Arc<Self>, topics: &Topics) -> Result<(), StartError> {
        match self.check(topics) {
            Err(error @ StartError::Away(_)) => self.check_later(topics, &error),
            Err(refused) => Err(refused),
            Ok(()) => {
                if let Some(unchecked) = &mut *self.unchecked() {
                    // Those of the start are still waited for: these take their place.
                    unchecked.topics = topics.clone();
                }
                Ok(())
            }
        }
    }

    /// Takes no records until the checks of `topics`, which `error` kept from being made, have passed.
    pub(super) fn check_later(
        self: &Arc<Self>,
        topics: &Topics,
        error: &StartError,
    ) -> Result<(), StartError> {
        tracing::warn!(%error, "Kafka can't be used yet, so the spool takes the records");
        self.health.await_checks();
        let mut unchecked = self.unchecked();
        if let Some(unchecked) = &mut *unchecked {
            unchecked.topics = topics.clone();
            return Ok(());
        }
        let shared = Arc::clone(self);
        let worker =
            Worker::start("kafka-checks", &Arc::default(), move |token| shared.check_until_passed(token));
        let worker = worker.map_err(StartError::without_thread)?;
        *unchecked = Some(Unchecked { topics: topics.clone(), _worker: worker });
        Ok(())
    }

    /// Checks again and again, on a thread of its own, until all is well or the queue is closed.
    fn check_until_passed(&self, token: &StopToken) {
        let mut logged = None;
        while !token.is_stopped() {
            let Some(topics) = self.unchecked().as_ref().map(|unchecked| unchecked.topics.clone()) else {
                return;
            };
            match topics::check(&self.config, &topics) {
                Ok(_) => {
                    self.connect(&topics);
                    let mut unchecked = self.unchecked();
                    if unchecked.as_ref().is_some_and(|unchecked| unchecked.topics == topics) {
                        *unchecked = None;
                        self.health.checks_passed();
                        return;
                    }
                }
                // Each reason once: who looks at the log knows then what to do.
                Err(error) if logged.as_ref() != Some(&error) => {
                    tracing::error!(%error, "Kafka can't be used yet; Weir tries again every second");
                    logged = Some(error);
                }
                Err(_) => {}
            }
            token.sleep(HAND_BACK);
        }
    }

    /// Waits no longer for checks to pass.
    pub(super) fn stop_checking(&self) {
        self.unchecked().take();
    }

    fn unchecked(&self) -> MutexGuard<'_, Option<Unchecked>> {
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects the producer before the first record waits for it. The topics' check has just reached the
    /// brokers; if they are gone since, the producer keeps trying by itself.
    pub(super) fn connect(&self, topics: &Topics) {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        for topic in topics.names() {
            let metadata =
                producer.as_ref().map(|producer| producer.client().fetch_metadata(Some(topic), HAND_BACK));
            if let Some(Err(error)) = metadata {
                tracing::debug!(%error, topic, "no metadata yet");
            }
        }
    }
}
