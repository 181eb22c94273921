//! Why a connection to a broker failed, read from what librdkafka says about it: a sentence that says what to do.

use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::probe::Certificate;

/// How a client connects, as far as a failure's sentence depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    protocol: String,
    mechanism: String,
    has_certificate: bool,
    has_authority: bool,
}

impl Manner {
    /// How a client with these settings does.
    pub(super) fn of(client: &ClientConfig) -> Self {
        let text = |key| client.get(key).unwrap_or_default().to_owned();
        let has = |keys: &[&str]| keys.iter().any(|key| client.get(key).is_some());
        Manner {
            protocol: text("security.protocol").to_ascii_uppercase(),
            mechanism: text("sasl.mechanism"),
            has_certificate: has(&[
                "ssl.certificate.location",
                "ssl.certificate.pem",
                "ssl.keystore.location",
            ]),
            has_authority: has(&["ssl.ca.location", "ssl.ca.pem"]),
        }
    }

    /// Whether it begins with TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.protocol.ends_with("SSL")
    }

    /// Whether it shows who it is by a login.
    pub(super) fn logs_in(&self) -> bool {
        self.protocol.starts_with("SASL_")
    }
}

/// A failure that waiting won't mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The broker refuses the login, with these words.
    Login(String),
    /// It offers only these mechanisms.
    Mechanism(String),
    /// It asks for no login.
    NoLogin,
    /// Its certificate is not taken.
    Certificate,
    /// It does not take Weir's certificate, or asks for one.
    ClientCertificate,
    /// It hangs up when TLS begins.
    NoTls,
    /// It speaks TLS, and Weir does not.
    Tls,
    /// It speaks TLS with Weir, and answers nothing.
    NoAnswer,
}

/// Alerts of TLS that are about the certificate of whom they are sent to.
const ALERTS: [&str; 7] = ["42", "43", "44", "45", "46", "48", "116"];

impl Failure {
    /// What `reason`, librdkafka's text of an error with this `code`, is about; none where it may pass.
    pub(super) fn of(code: Code, reason: &str) -> Option<Self> {
        let behind = |mark: &str| reason.split_once(mark).map(|(_, text)| plain(text).trim().to_owned());
        if code == Code::Authentication {
            return if reason.contains("Unsupported SASL mechanism") {
                behind("supported mechanisms:").map(Failure::Mechanism)
            } else if reason.contains("not valid in current SASL state") {
                Some(Failure::NoLogin)
            } else {
                // All else is about the connection, also under this code.
                behind("SASL authentication error: ").map(Failure::Login)
            };
        }
        let alert = behind("SSL alert number ");
        if alert.is_some_and(|alert| ALERTS.contains(&alert.as_str())) {
            Some(Failure::ClientCertificate)
        } else if reason.contains("certificate verify failed") || reason.contains("verify broker certificate")
        {
            Some(Failure::Certificate)
        } else if reason.contains("connecting to a PLAINTEXT broker")
            || reason.contains("wrong version number")
        {
            Some(Failure::NoTls)
        } else {
            None
        }
    }

    /// Whether it is the broker's answer, and not what anyone between it and Weir could have caused.
    pub(super) fn is_definite(&self) -> bool {
        matches!(self, Failure::Login(_) | Failure::Mechanism(_) | Failure::NoLogin)
    }

    /// Whether it would be the same a few seconds later. A port that hangs up may be one behind which nothing runs yet.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Failure::NoTls | Failure::NoAnswer)
    }

    /// What to do about it: `broker` is its address, and `seen` what its certificate is like, if that is known.
    pub(super) fn sentence(&self, broker: &str, manner: &Manner, seen: Option<&Certificate>) -> String {
        match self {
            Failure::Login(words) => format!(
                "Kafka refused the login ({words}); check sasl.username and sasl.password in [queue.kafka]"
            ),
            Failure::Mechanism(offered) => format!(
                "Kafka does not offer the login {}, but {offered}; set sasl.mechanism in [queue.kafka] to one that it \
                 offers",
                manner.mechanism
            ),
            Failure::NoLogin => format!(
                "the broker at {broker} asks for no login on this port; set security.protocol in [queue.kafka] to {}, \
                 or use the port for logins",
                if manner.is_tls() { "SSL" } else { "PLAINTEXT" }
            ),
            Failure::Certificate => certificate(broker, manner, seen),
            Failure::ClientCertificate if manner.has_certificate => format!(
                "the broker at {broker} does not accept Weir's certificate (ssl.certificate.location in \
                 [queue.kafka]); use one that has not expired, of an authority that the broker trusts"
            ),
            Failure::ClientCertificate => format!(
                "the broker at {broker} asks for a certificate; set ssl.certificate.location and ssl.key.location in \
                 [queue.kafka]"
            ),
            Failure::NoTls => format!(
                "the broker at {broker} hangs up when TLS begins; use its port for TLS, or, if it has none, set \
                 security.protocol in [queue.kafka] to {}",
                if manner.logs_in() { "SASL_PLAINTEXT" } else { "PLAINTEXT" }
            ),
            Failure::Tls => format!(
                "the broker at {broker} speaks TLS; set security.protocol in [queue.kafka] to SASL_SSL, or to SSL if \
                 it asks for no login"
            ),
            Failure::NoAnswer => format!(
                "the broker at {broker} speaks TLS, but does not answer; if it asks for a login, set \
                 security.protocol in [queue.kafka] to SASL_SSL, or if for a certificate, ssl.certificate.location"
            ),
        }
    }
}

fn certificate(broker: &str, manner: &Manner, seen: Option<&Certificate>) -> String {
    let of = format!("the certificate of the broker at {broker}");
    match seen {
        Some(Certificate::Expired) => format!("{of} has expired; renew it, or set this machine's clock"),
        Some(Certificate::Early) => format!("{of} is not valid yet; set this machine's clock, or renew it"),
        Some(Certificate::OfOthers(names)) => format!(
            "{of} is for {names}; name the broker so, in queue.brokers and in its advertised.listeners, or give it \
             another certificate"
        ),
        Some(Certificate::Sound) if manner.has_authority => format!(
            "{of} was issued by an authority that is not in ssl.ca.location of [queue.kafka], or is not valid there by \
             this machine's clock; put its certificate into that file, or set the clock"
        ),
        Some(Certificate::Sound) => format!(
            "{of} was issued by an authority that this machine does not trust; set ssl.ca.location in [queue.kafka] to \
             a file with the certificate of that authority"
        ),
        Some(Certificate::Unknown) | None => format!(
            "{of} can't be verified: it has expired, is for another host, or was issued by an authority that Weir does \
             not trust; check it, ssl.ca.location in [queue.kafka], and this machine's clock"
        ),
    }
}

/// The broker's address in `reason`, which begins with `protocol://host:port/id: `.
pub(super) fn broker(reason: &str) -> Option<&str> {
    reason.split_once("://")?.1.split_once('/').map(|(broker, _)| broker)
}

/// What librdkafka says, without what only its authors understand: `(after 0ms in state CONNECT, 1 identical
/// error(s) …)`.
pub(super) fn plain(reason: &str) -> &str {
    reason.split(" (after ").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(protocol: &str) -> Manner {
        Manner { protocol: protocol.to_owned(), mechanism: "PLAIN".to_owned(), ..Manner::default() }
    }

    #[test]
    fn a_reason_has_none_of_the_clients_own_bookkeeping() {
        let heard = "k:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, \
                     1 identical error(s) suppressed)";
        assert_eq!(plain(heard), "k:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused");
        assert_eq!(plain("Local: Broker transport failure"), "Local: Broker transport failure");
    }

    #[test]
    fn what_librdkafka_says_is_understood() {
        for (code, reason, expected) in [
            (
                Code::Authentication,
                "sasl_ssl://k:9093/bootstrap: SASL authentication error: Authentication failed: Invalid username or \
                 password (after 301ms in state AUTH_REQ, 1 identical error(s) suppressed)",
                Some(Failure::Login("Authentication failed: Invalid username or password".to_owned())),
            ),
            (
                Code::Authentication,
                "sasl_ssl://k:9093/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL \
                 mechanism: broker's supported mechanisms: SCRAM-SHA-512 (after 301ms in state AUTH_HANDSHAKE)",
                Some(Failure::Mechanism("SCRAM-SHA-512".to_owned())),
            ),
            (
                Code::Authentication,
                "sasl_plaintext://k:9092/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Request not valid \
                 in current SASL state: broker's supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)",
                Some(Failure::NoLogin),
            ),
            (
                Code::Authentication,
                "sasl_ssl://k:9093/bootstrap: SASL PLAIN mechanism handshake failed: Local: Broker transport failure: \
                 broker's supported mechanisms: (n/a)",
                None,
            ),
            (
                Code::SSL,
                "sasl_ssl://k:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify \
                 failed: broker certificate could not be verified, verify that ssl.ca.location is correct",
                Some(Failure::Certificate),
            ),
            (
                Code::BrokerTransportFailure,
                "ssl://k:9094/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL \
                 alert number 42 (after 0ms in state APIVERSION_QUERY)",
                Some(Failure::ClientCertificate),
            ),
            (
                Code::SSL,
                "ssl://k:9094/1: SSL handshake failed: error:0A000438:SSL routines::tlsv1 alert internal error: SSL \
                 alert number 80",
                None,
            ),
            (
                Code::BrokerTransportFailure,
                "sasl_ssl://k:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: \
                 connecting to a PLAINTEXT broker listener?",
                Some(Failure::NoTls),
            ),
            (
                Code::BrokerTransportFailure,
                "k:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused",
                None,
            ),
        ] {
            assert_eq!(Failure::of(code, reason), expected, "{reason}");
        }
    }

    #[test]
    fn a_brokers_address_is_found_whether_its_id_is_known_or_not() {
        assert_eq!(broker("sasl_ssl://k-1.example.com:9093/bootstrap: x"), Some("k-1.example.com:9093"));
        assert_eq!(broker("ssl://[::1]:9093/12: x"), Some("[::1]:9093"));
        assert_eq!(broker("1/1 brokers are down"), None);
    }

    #[test]
    fn only_a_brokers_own_answer_is_definite() {
        let answers = [Failure::Login(String::new()), Failure::Mechanism(String::new()), Failure::NoLogin];
        assert!(answers.iter().all(|failure| failure.is_definite() && failure.lasts()));
        let others = [Failure::Certificate, Failure::ClientCertificate, Failure::NoTls, Failure::Tls];
        assert!(!others.iter().any(Failure::is_definite));
    }

    #[test]
    fn a_sentence_depends_on_how_weir_connects() {
        let told = |failure: Failure, protocol| failure.sentence("k:9093", &manner(protocol), None);
        assert!(told(Failure::NoLogin, "SASL_SSL").contains("to SSL, or use"));
        assert!(told(Failure::NoLogin, "SASL_PLAINTEXT").contains("to PLAINTEXT, or use"));
        assert!(told(Failure::NoTls, "SASL_SSL").ends_with("to SASL_PLAINTEXT"));
        assert!(told(Failure::ClientCertificate, "SSL").contains("asks for a certificate"));
        let shown = Manner { has_certificate: true, ..manner("SSL") };
        assert!(Failure::ClientCertificate.sentence("k:9093", &shown, None).contains("does not accept"));
        let sound = Some(&Certificate::Sound);
        assert!(
            Failure::Certificate.sentence("k:9093", &shown, sound).contains("this machine does not trust")
        );
    }
}
