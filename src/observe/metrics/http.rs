//! What is counted of requests: their answers, what they show, and what they hold.

use std::sync::OnceLock;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::registrar::{Registrar, SECONDS};
use crate::admission::secrets::Verdict;
use crate::observe::proxied::Outcome;
use crate::observe::unavailable::Cause;

/// Statuses that Weir answers with, and a connection that was closed without an answer.
const STATUSES: [&str; 11] = ["200", "204", "400", "401", "404", "405", "413", "415", "429", "503", "closed"];

/// What is counted of one route's answers; counters are resolved on first use and then without a lock.
#[derive(Debug)]
struct RouteMetrics {
    label: &'static str,
    answers: IntCounterVec,
    resolved: [OnceLock<IntCounter>; STATUSES.len()],
    duration: Histogram,
}

impl RouteMetrics {
    fn count(&self, status: &str) {
        let known = STATUSES.iter().position(|known| *known == status);
        let resolve = || self.answers.with_label_values(&[self.label, status]);
        match known.and_then(|status| self.resolved.get(status)) {
            Some(cell) => cell.get_or_init(resolve).inc(),
            None => resolve().inc(),
        }
    }
}

/// What is counted of requests.
#[derive(Debug)]
pub struct HttpMetrics {
    /// In the order in which they were given, and `other` behind them.
    routes: Vec<RouteMetrics>,
    secrets: [IntCounter; Verdict::ALL.len()],
    unavailable: [IntCounter; Cause::ALL.len()],
    proxied: [IntCounter; Outcome::ALL.len()],
    /// `weir_body_inflight_bytes`: raw and inflated bodies, and large heads, held by requests.
    pub body_inflight_bytes: IntGauge,
    /// `weir_failed_keys_refused_total`: requests with an unknown key whose address had presented too many of them.
    pub failed_keys_refused: IntCounter,
    /// `weir_failed_keys_addresses`: addresses that presented unknown keys of late.
    pub failed_keys_addresses: IntGauge,
}

impl HttpMetrics {
    pub(super) fn register(
        r: &Registrar,
        routes: impl IntoIterator<Item = &'static str>,
    ) -> prometheus::Result<Self> {
        let answers =
            r.counters("weir_http_requests_total", "Answers by route and status.", &["route", "status"])?;
        let durations = r.add(HistogramVec::new(
            HistogramOpts::new(
                "weir_http_request_duration_seconds",
                "From a request's head to its answer, in seconds.",
            )
            .buckets(SECONDS.to_vec()),
            &["route"],
        ))?;
        let secrets = r.counters(
            "weir_secrets_total",
            "Shared secrets and signatures that requests showed, by verdict.",
            &["method", "verdict"],
        )?;
        let unavailable = r.counters("weir_unavailable_total", "Answers of 503 by cause.", &["cause"])?;
        let proxied = r.counters(
            "weir_proxy_protocol_total",
            "Connections of listeners that ask for the PROXY protocol, by outcome.",
            &["outcome"],
        )?;
        Ok(HttpMetrics {
            routes: routes
                .into_iter()
                .chain(["other"])
                .map(|label| RouteMetrics {
                    label,
                    answers: answers.clone(),
                    resolved: Default::default(),
                    duration: durations.with_label_values(&[label]),
                })
                .collect(),
            secrets: Verdict::ALL.map(|verdict| secrets.with_label_values(&verdict.labels())),
            unavailable: Cause::ALL.map(|cause| unavailable.with_label_values(&[cause.label()])),
            proxied: Outcome::ALL.map(|outcome| proxied.with_label_values(&[outcome.label()])),
            body_inflight_bytes: r
                .gauge("weir_body_inflight_bytes", "Bytes of bodies and large heads held by requests.")?,
            failed_keys_refused: r.add(IntCounter::new(
                "weir_failed_keys_refused_total",
                "Requests with an unknown key that got 429: their address had presented too many of them.",
            ))?,
            failed_keys_addresses: r.gauge(
                "weir_failed_keys_addresses",
                "Addresses that presented unknown keys within the last minutes.",
            )?,
        })
    }

    /// Counts a shared secret or signature that was checked.
    pub fn secret(&self, verdict: Verdict) {
        if let Some(counter) = self.secrets.get(verdict as usize) {
            counter.inc();
        }
    }

    /// Counts a request that was told to come again.
    pub fn unavailable(&self, cause: Cause) {
        if let Some(counter) = self.unavailable.get(cause as usize) {
            counter.inc();
        }
    }

    /// Counts a connection of a listener that asks for the PROXY protocol.
    pub fn proxied(&self, outcome: Outcome) {
        if let Some(counter) = self.proxied.get(outcome as usize) {
            counter.inc();
        }
    }

    /// Counts an answer. `route` is a registered pattern or `other`.
    pub fn answer(&self, route: &str, status: &str, seconds: f64) {
        if let Some(route) = self.route(route) {
            route.count(status);
            route.duration.observe(seconds);
        }
    }

    /// Counts a connection that was closed without an answer, as `status="closed"`.
    pub fn closed(&self, route: &str) {
        if let Some(route) = self.route(route) {
            route.count("closed");
        }
    }

    fn route(&self, label: &str) -> Option<&RouteMetrics> {
        self.routes.iter().find(|route| route.label == label)
    }
}
