//! Queries a Kafka cluster: the answer, or one sentence that says why there is none.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::failure::{Failure, Manner, broker, plain};
use super::probe;

/// One try, after which errors are looked at.
const TRY: Duration = Duration::from_millis(2_500);

/// How long a client is served after a failed try, so that its errors reach the listener.
pub(super) const LISTEN: Duration = Duration::from_millis(50);

/// librdkafka's own lines. Debug only: while a broker is away it repeats itself with every attempt, and
/// what an operator must know Weir says once in its own words.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
}

/// Keeps the latest error about the connection that says most.
#[derive(Debug, Default)]
pub(super) struct Listener {
    manner: Manner,
    heard: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Listener {
    /// One for a client with these settings.
    pub(super) fn of(client: &ClientConfig) -> Self {
        Listener { manner: Manner::of(client), heard: Mutex::default() }
    }

    /// That error, since the last answer.
    fn heard(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kafka has answered.
    pub(super) fn forget(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// What Kafka itself refuses Weir for, as a sentence.
    pub(super) fn refusal(&self) -> Option<String> {
        let (code, reason) = self.heard()?;
        let failure = Failure::of(code, &reason).filter(Failure::is_definite)?;
        Some(failure.sentence(broker(&reason).unwrap_or_default(), &self.manner, None))
    }

    /// What waiting won't mend: the failure and its sentence. `brokers` are those asked. Blocks for a few seconds at
    /// most, where a look at a port can tell more.
    pub(super) fn why(&self, brokers: &str) -> Option<(Failure, String)> {
        let heard = self.heard();
        let reason = heard.as_ref().map(|(_, reason)| reason.as_str());
        let at = reason.and_then(broker).or_else(|| brokers.split(',').next())?;
        let understood = heard.as_ref().and_then(|(code, reason)| Failure::of(*code, reason));
        // librdkafka tells nothing where the other side just hangs up, and little where that happens within TLS.
        let is_open = understood.is_none() && reason.is_none_or(|reason| reason.contains("SSL "));
        let look = is_open || understood == Some(Failure::Certificate);
        let seen = look.then(|| probe::certificate(at)).flatten();
        let failure = match understood {
            Some(failure) => failure,
            None if is_open => self.seen(seen.is_some(), reason.is_some())?,
            None => return None,
        };
        let sentence = failure.sentence(at, &self.manner, seen.as_ref());
        Some((failure, sentence))
    }

    /// What is in the way where a port speaks TLS or not, and a connection broke within TLS or told nothing.
    fn seen(&self, speaks_tls: bool, broke: bool) -> Option<Failure> {
        match (self.manner.is_tls(), speaks_tls) {
            (false, true) => Some(Failure::Tls),
            (true, true) if !self.manner.logs_in() => Some(Failure::NoAnswer),
            (true, false) if broke => Some(Failure::NoTls),
            _ => None,
        }
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers are down" hides the reason that came before it.
        let Some(code) = error.rdkafka_error_code().filter(|code| *code != RDKafkaErrorCode::AllBrokersDown)
        else {
            return;
        };
        let is_understood = |code, reason: &str| Failure::of(code, reason).is_some();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        // Nor may what may pass hide what does not.
        if is_understood(code, reason) || !heard.as_ref().is_some_and(|(code, old)| is_understood(*code, old))
        {
            *heard = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Listener {}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Why the cluster did not answer: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// It may answer later.
    Away(String),
    /// It refuses.
    Refused(String),
}

impl Silence {
    /// The sentence.
    pub(super) fn sentence(self) -> String {
        match self {
            Silence::Away(sentence) | Silence::Refused(sentence) => sentence,
        }
    }
}

/// What the cluster has: all topics, or `topic` alone. `serve` lets the client hand its errors to the listener.
///
/// # Errors
/// Why it did not answer, after `deadline`, or as soon as something is in the way that waiting won't mend.
pub(super) fn metadata(
    client: &Client<Listener>,
    serve: impl Fn(),
    brokers: &str,
    topic: Option<&str>,
    deadline: Instant,
) -> Result<Metadata, Silence> {
    let (begun, listener) = (Instant::now(), client.context());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match client.fetch_metadata(topic, left.clamp(Duration::from_millis(100), TRY)) {
            Ok(metadata) => {
                listener.forget();
                return Ok(metadata);
            }
            Err(failure) => failure,
        };
        serve();
        let heard = listener.heard();
        let lasts =
            heard.as_ref().and_then(|(code, reason)| Failure::of(*code, reason)).is_some_and(|it| it.lasts());
        if !lasts && Instant::now() < deadline {
            continue;
        }
        return Err(match listener.why(brokers) {
            Some((failure, sentence)) if failure.is_definite() => Silence::Refused(sentence),
            Some((_, sentence)) => Silence::Away(sentence),
            None => {
                let reason =
                    heard.map_or_else(|| failure.to_string(), |(_, reason)| plain(&reason).to_owned());
                Silence::Away(format!(
                    "no broker of \"{brokers}\" answered within {} s ({reason}); check the addresses, that Kafka \
                     runs, and security.protocol in [queue.kafka]",
                    begun.elapsed().as_secs()
                ))
            }
        });
    }
}
