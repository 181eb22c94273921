//! Queries a Kafka cluster: the answer, or one sentence that says why there is none.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// One try, after which errors are looked at.
const TRY: Duration = Duration::from_millis(2_500);

/// How long a client is served after a failed try, so that its errors reach the listener.
pub(super) const LISTEN: Duration = Duration::from_millis(50);

/// librdkafka's own lines. Debug only: while a broker is away it repeats itself with every attempt, and
/// what an operator must know Weir says once in its own words.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
}

/// Keeps the latest error about the connection.
#[derive(Debug, Default)]
pub(super) struct Listener(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers are down" hides the reason that came before it.
        if let Some(code) =
            error.rdkafka_error_code().filter(|code| *code != RDKafkaErrorCode::AllBrokersDown)
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
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

/// What librdkafka says, without what only its authors understand: `(after 0ms in state CONNECT, 1 identical
/// error(s) …)`.
fn plain(reason: &str) -> String {
    reason.split(" (after ").next().unwrap_or_default().to_owned()
}

/// What the cluster has: all topics, or `topic` alone. `serve` lets the client hand its errors to the listener.
///
/// # Errors
/// Why it did not answer, after `deadline` or as soon as the brokers refuse the login.
pub(super) fn metadata(
    client: &Client<Listener>,
    serve: impl Fn(),
    brokers: &str,
    topic: Option<&str>,
    deadline: Instant,
) -> Result<Metadata, Silence> {
    let begun = Instant::now();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match client.fetch_metadata(topic, left.clamp(Duration::from_millis(100), TRY)) {
            Ok(metadata) => return Ok(metadata),
            Err(failure) => failure,
        };
        serve();
        let heard = client.context().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match heard {
            Some((RDKafkaErrorCode::Authentication, reason)) => {
                return Err(Silence::Refused(format!(
                    "Kafka refused the login ({reason}); check sasl.mechanism, sasl.username and sasl.password \
                     in [queue.kafka]"
                )));
            }
            heard if Instant::now() >= deadline => {
                let reason = heard.map_or_else(|| failure.to_string(), |(_, reason)| plain(&reason));
                return Err(Silence::Away(format!(
                    "no broker of \"{brokers}\" answered within {} s ({reason}); check the addresses, that Kafka \
                     runs, and security.protocol in [queue.kafka]",
                    begun.elapsed().as_secs()
                )));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_reason_has_none_of_the_clients_own_bookkeeping() {
        let heard = "k:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, \
                     1 identical error(s) suppressed)";
        assert_eq!(plain(heard), "k:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused");
        assert_eq!(plain("Local: Broker transport failure"), "Local: Broker transport failure");
    }
}
