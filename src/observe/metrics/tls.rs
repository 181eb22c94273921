//! What is counted of TLS.

use prometheus::{GaugeVec, IntCounterVec};

use super::registrar::Registrar;

/// What is counted of TLS.
#[derive(Debug)]
pub struct TlsMetrics {
    /// `weir_tls_handshakes_total{outcome}`: `ok` or `failed`.
    pub handshakes: IntCounterVec,
    /// `weir_tls_reloads_total{outcome}`: changed files, `loaded` or `failed`.
    pub reloads: IntCounterVec,
    /// `weir_tls_certificate_not_after_seconds`: of the certificate in use, so only there with one.
    pub not_after: GaugeVec,
}

impl TlsMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(TlsMetrics {
            handshakes: r.counters(
                "weir_tls_handshakes_total",
                "TLS handshakes, by outcome.",
                &["outcome"],
            )?,
            reloads: r.counters(
                "weir_tls_reloads_total",
                "Changes of the certificate's files, by outcome.",
                &["outcome"],
            )?,
            not_after: r.gauges(
                "weir_tls_certificate_not_after_seconds",
                "Unix time at which the certificate in use expires.",
                &[],
            )?,
        })
    }
}
