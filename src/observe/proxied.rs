//! Connections of listeners that ask for the PROXY protocol: counted; those that are not taken are logged now and then.

use std::time::Instant;

use super::throttle::Throttle;

/// What became of such a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A proxy said for which client it connects.
    Client,
    /// It connects for itself, or can't tell for whom.
    Proxy,
    /// It ended before its first byte: somebody looked whether there is a listener.
    Silent,
    /// It came from an address that is no trusted proxy.
    Untrusted,
    /// It began with something else than the protocol.
    Missing,
    /// It took too long to say for whom it connects.
    Late,
}

impl Outcome {
    /// Every outcome, in the order of its discriminant.
    pub const ALL: [Outcome; 6] = [
        Outcome::Client,
        Outcome::Proxy,
        Outcome::Silent,
        Outcome::Untrusted,
        Outcome::Missing,
        Outcome::Late,
    ];

    /// The `outcome` label of `weir_proxy_protocol_total`.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Client => "client",
            Outcome::Proxy => "proxy",
            Outcome::Silent => "silent",
            Outcome::Untrusted => "untrusted",
            Outcome::Missing => "missing",
            Outcome::Late => "late",
        }
    }

    /// What its operator should know.
    fn advice(self) -> Option<&'static str> {
        match self {
            Outcome::Client | Outcome::Proxy | Outcome::Silent => None,
            Outcome::Untrusted => Some(
                "a connection was closed: this listener takes connections from trusted_proxies only; add the proxy \
                 there, or leave proxy_protocol out",
            ),
            Outcome::Missing => Some(
                "a connection was closed: it did not begin with the PROXY protocol, which this listener asks for; \
                 switch it on in the proxy, or leave proxy_protocol out",
            ),
            Outcome::Late => Some(
                "a connection was closed: its PROXY protocol header did not come within limits.header_ms",
            ),
        }
    }
}

/// When each outcome was last logged.
#[derive(Debug)]
pub struct Proxied {
    start: Instant,
    lines: [Throttle; Outcome::ALL.len()],
}

impl Default for Proxied {
    fn default() -> Self {
        Proxied { start: Instant::now(), lines: Default::default() }
    }
}

impl Proxied {
    /// Logs a connection that was not taken, unless one was logged a moment ago.
    pub fn log(&self, outcome: Outcome) {
        let Some(advice) = outcome.advice() else { return };
        let now = self.start.elapsed().as_secs();
        if self.lines.get(outcome as usize).is_some_and(|line| line.is_due(now)) {
            tracing::warn!(outcome = outcome.label(), "{advice}; weir_proxy_protocol_total counts them");
        }
    }
}
