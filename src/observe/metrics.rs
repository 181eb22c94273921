//! Every metric of Weir, in one struct with its own registry. Labels come from closed sets only: enums, registered
//! routes, configured ids. docs/operating.md lists them all (a test checks that); dashboards rely on their names.

use std::sync::{Arc, OnceLock};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use super::sources::{Counters, ObservedSource, Sources};
use crate::admission::secrets::Verdict;
use crate::event::rejection::Reason;
use crate::observe::unavailable::Cause;
use crate::record::Kind;

/// Seconds from a millisecond to past every deadline of ours.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Statuses that Weir answers with, and a connection that was closed without an answer.
const STATUSES: [&str; 10] = ["200", "204", "400", "401", "404", "405", "413", "415", "503", "closed"];

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

/// The metrics, registered and ready to count.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sources: Sources,
    /// In the order in which they were given, and `other` behind them.
    routes: Vec<RouteMetrics>,
    quarantined: [IntCounter; Reason::ALL.len()],
    /// `weir_ignored_total{reason}`.
    pub ignored: IntCounterVec,
    /// `weir_traits_dropped_total{tenant,map}`: custom traits outside the tenant's `person` or `company` map.
    pub traits_dropped: IntCounterVec,
    records: [IntCounter; Kind::ALL.len()],
    secrets: [IntCounter; Verdict::ALL.len()],
    unavailable: [IntCounter; Cause::ALL.len()],
    /// `weir_queue_wait_seconds`: from handing over to durable.
    pub queue_wait: Histogram,
    /// `weir_queue_inflight_records`: handed over, not yet durable.
    pub queue_inflight_records: IntGauge,
    /// `weir_queue_inflight_bytes`.
    pub queue_inflight_bytes: IntGauge,
    /// `weir_body_inflight_bytes`: raw and inflated bodies, and large heads, held by requests.
    pub body_inflight_bytes: IntGauge,
    /// `weir_journal_bytes`: size of all segments.
    pub journal_bytes: IntGauge,
    /// `weir_journal_sync_seconds`: one fdatasync.
    pub journal_sync: Histogram,
    /// `weir_spool_bytes`: size of the spool's segments.
    pub spool_bytes: IntGauge,
    /// `weir_spool_aside_bytes`: size of the segments with what Kafka refuses for good.
    pub spool_aside_bytes: IntGauge,
    /// `weir_spool_records`: held for Kafka.
    pub spool_records: IntGauge,
    /// `weir_spool_oldest_seconds`: how long ago the oldest of them was received.
    pub spool_oldest_seconds: Gauge,
    /// `weir_spool_held_total{cause}`: records taken into the spool.
    pub spool_held: IntCounterVec,
    /// `weir_spool_forwarded_total`: records of the spool that Kafka has.
    pub spool_forwarded: IntCounter,
    /// `weir_spool_set_aside_total{class}`: records that Kafka refuses for good.
    pub spool_set_aside: IntCounterVec,
    /// `weir_kafka_queue_messages`: in librdkafka's buffers.
    pub kafka_queue_messages: IntGauge,
    /// `weir_kafka_queue_bytes`.
    pub kafka_queue_bytes: IntGauge,
    /// `weir_kafka_errors_total{class}`.
    pub kafka_errors: IntCounterVec,
    /// `weir_kafka_broker_up{broker}`.
    pub kafka_broker_up: GaugeVec,
    /// `weir_kafka_broker_rtt_seconds{broker}`: average of the last window.
    pub kafka_broker_rtt: GaugeVec,
    /// `weir_tls_handshakes_total{outcome}`: `ok` or `failed`.
    pub tls_handshakes: IntCounterVec,
    /// `weir_tls_reloads_total{outcome}`: changed files, `loaded` or `failed`.
    pub tls_reloads: IntCounterVec,
    /// `weir_tls_certificate_not_after_seconds`: of the certificate in use, so only there with one.
    pub tls_not_after: GaugeVec,
    /// `weir_ready`: 1 while Weir accepts events.
    pub ready: Gauge,
}

/// Registers metrics one after the other. A clash of names or labels is a defect of this file that any
/// start shows, so it surfaces as an error there.
struct Registrar(Registry);

impl Registrar {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> prometheus::Result<C> {
        let metric = made?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.add(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn seconds(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec())))
    }
}

impl Metrics {
    /// Registers everything; `routes` are the labels of routes.
    ///
    /// # Errors
    /// When two metrics clash, which is a defect of this file.
    pub fn new(routes: impl IntoIterator<Item = &'static str>) -> prometheus::Result<Self> {
        let registrar = Registrar(Registry::new());
        let r = &registrar;
        let build = r.gauges("weir_build_info", "Constant 1, labelled with the version.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
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
        let quarantined =
            r.counters("weir_quarantined_total", "Events put into quarantine, by reason.", &["reason"])?;
        let secrets = r.counters(
            "weir_secrets_total",
            "Shared secrets and signatures that requests showed, by verdict.",
            &["method", "verdict"],
        )?;
        let unavailable = r.counters("weir_unavailable_total", "Answers of 503 by cause.", &["cause"])?;
        let records = r.counters("weir_records_total", "Records that became durable.", &["record"])?;
        let metrics = Metrics {
            sources: Sources::new(Counters {
                events: r.counters(
                    "weir_events_total",
                    "Events by source, call type and outcome.",
                    &["source", "type", "outcome"],
                )?,
                times_unreadable: r.counters(
                    "weir_times_unreadable_total",
                    "Times of events that could not be read, or lie before 2000 or after the receipt.",
                    &["source"],
                )?,
                ids_reused: r.counters(
                    "weir_message_ids_reused_total",
                    "Events with the messageId of another event of their request: readers drop one of them.",
                    &["source"],
                )?,
                repaired: r.counters(
                    "weir_repaired_total",
                    "Bodies that were repaired so that they could be read, by source and what was done.",
                    &["source", "repair"],
                )?,
            }),
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
            quarantined: std::array::from_fn(|index| {
                let label = Reason::ALL.get(index).map_or("", |reason| reason.label());
                quarantined.with_label_values(&[label])
            }),
            ignored: r.counters("weir_ignored_total", "Events that were ignored, by reason.", &["reason"])?,
            traits_dropped: r.counters(
                "weir_traits_dropped_total",
                "Custom traits that the tenant's field map does not name.",
                &["tenant", "map"],
            )?,
            secrets: Verdict::ALL.map(|verdict| secrets.with_label_values(&verdict.labels())),
            unavailable: Cause::ALL.map(|cause| unavailable.with_label_values(&[cause.label()])),
            records: Kind::ALL.map(|kind| records.with_label_values(&[kind.label()])),
            queue_wait: r.seconds(
                "weir_queue_wait_seconds",
                "From handing records over until they are durable, in seconds.",
            )?,
            queue_inflight_records: r.gauge("weir_queue_inflight_records", "Records not yet durable.")?,
            queue_inflight_bytes: r
                .gauge("weir_queue_inflight_bytes", "Bytes of records not yet durable.")?,
            body_inflight_bytes: r
                .gauge("weir_body_inflight_bytes", "Bytes of bodies and large heads held by requests.")?,
            journal_bytes: r.gauge("weir_journal_bytes", "Size of the journal's segments.")?,
            journal_sync: r.seconds("weir_journal_sync_seconds", "Duration of one fdatasync.")?,
            spool_bytes: r.gauge("weir_spool_bytes", "Size of the spool's segments.")?,
            spool_aside_bytes: r
                .gauge("weir_spool_aside_bytes", "Size of the segments of records set aside.")?,
            spool_records: r.gauge("weir_spool_records", "Records held for Kafka.")?,
            spool_oldest_seconds: r.add(Gauge::new(
                "weir_spool_oldest_seconds",
                "How long ago the oldest held record was received.",
            ))?,
            spool_held: r.counters(
                "weir_spool_held_total",
                "Records taken into the spool, by cause.",
                &["cause"],
            )?,
            spool_forwarded: r.add(IntCounter::new(
                "weir_spool_forwarded_total",
                "Records of the spool that Kafka has received.",
            ))?,
            spool_set_aside: r.counters(
                "weir_spool_set_aside_total",
                "Held records that Kafka refuses for good, by class of error.",
                &["class"],
            )?,
            kafka_queue_messages: r.gauge("weir_kafka_queue_messages", "Messages in the producer.")?,
            kafka_queue_bytes: r.gauge("weir_kafka_queue_bytes", "Bytes in the producer.")?,
            kafka_errors: r.counters("weir_kafka_errors_total", "Errors of Kafka by class.", &["class"])?,
            kafka_broker_up: r.gauges(
                "weir_kafka_broker_up",
                "1 while connected to this broker.",
                &["broker"],
            )?,
            kafka_broker_rtt: r.gauges(
                "weir_kafka_broker_rtt_seconds",
                "Average round trip of the last window.",
                &["broker"],
            )?,
            tls_handshakes: r.counters(
                "weir_tls_handshakes_total",
                "TLS handshakes, by outcome.",
                &["outcome"],
            )?,
            tls_reloads: r.counters(
                "weir_tls_reloads_total",
                "Changes of the certificate's files, by outcome.",
                &["outcome"],
            )?,
            tls_not_after: r.gauges(
                "weir_tls_certificate_not_after_seconds",
                "Unix time at which the certificate in use expires.",
                &[],
            )?,
            ready: r.add(Gauge::new("weir_ready", "1 while Weir accepts events."))?,
            registry: registrar.0.clone(),
        };
        #[cfg(target_os = "linux")]
        registrar.0.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// What is observed of the source with this id, the same whenever it is asked for.
    pub fn source(&self, id: &str) -> Arc<ObservedSource> {
        self.sources.of(id)
    }

    /// Counts an event that stands in quarantine.
    pub fn quarantined(&self, reason: Reason) {
        if let Some(counter) = self.quarantined.get(reason as usize) {
            counter.inc();
        }
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

    /// Counts a durable record.
    pub fn record(&self, kind: Kind, records: u64) {
        if let Some(counter) = self.records.get(kind.index()) {
            counter.inc_by(records);
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

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "/metrics is incomplete; please report this");
        }
        text
    }
}
