//! Every metric of Weir, in one struct with its own registry. Labels come from closed sets only: enums, registered
//! routes, configured ids. docs/operating.md lists them all (a test checks that); dashboards rely on their names.

mod configuration;
mod gainsight;
mod http;
mod jobs;
mod load;
mod machine;
mod queue;
mod registrar;
mod tls;

use std::sync::Arc;

use prometheus::{Encoder, Gauge, IntCounter, IntCounterVec, Registry, TextEncoder};

use self::configuration::ConfigMetrics;
use self::gainsight::GainsightMetrics;
use self::http::HttpMetrics;
use self::jobs::JobMetrics;
use self::load::LoadMetrics;
use self::machine::MachineMetrics;
use self::queue::{JournalMetrics, KafkaMetrics, QueueMetrics, SpoolMetrics};
use self::registrar::Registrar;
use self::tls::TlsMetrics;
use super::sources::{Counters, ObservedSource, Sources};
use crate::event::rejection::Reason;
use crate::record::Kind;

/// The metrics, registered and ready to count.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sources: Sources,
    quarantined: [IntCounter; Reason::ALL.len()],
    /// `weir_ignored_total{reason}`.
    pub ignored: IntCounterVec,
    /// `weir_traits_dropped_total{tenant,map}`: custom traits outside the tenant's `person` or `company` map.
    pub traits_dropped: IntCounterVec,
    records: [IntCounter; Kind::ALL.len()],
    /// The configuration.
    pub configuration: ConfigMetrics,
    /// Requests.
    pub http: HttpMetrics,
    /// Any queue.
    pub queue: QueueMetrics,
    /// The journal.
    pub journal: JournalMetrics,
    /// The spool.
    pub spool: SpoolMetrics,
    /// Kafka.
    pub kafka: KafkaMetrics,
    /// Loaders.
    pub load: LoadMetrics,
    /// Gainsight as a target.
    pub gainsight: GainsightMetrics,
    /// Runs of jobs.
    pub jobs: JobMetrics,
    /// TLS.
    pub tls: TlsMetrics,
    /// `weir_spans_total{outcome}`: spans for a collector: `sent`, `failed`, `dropped`.
    #[cfg(feature = "otlp")]
    pub spans: IntCounterVec,
    /// The machine.
    pub machine: MachineMetrics,
    /// `weir_ready`: 1 while Weir accepts events.
    pub ready: Gauge,
}

impl Metrics {
    /// Registers everything; `routes` are the labels of routes.
    ///
    /// # Errors
    /// When two metrics clash, which is a defect of these files.
    pub fn new(routes: impl IntoIterator<Item = &'static str>) -> prometheus::Result<Self> {
        let registrar = Registrar(Registry::new());
        let r = &registrar;
        let build = r.gauges("weir_build_info", "Constant 1, labelled with the version.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let quarantined =
            r.counters("weir_quarantined_total", "Events put into quarantine, by reason.", &["reason"])?;
        let records = r.counters("weir_records_total", "Records that became durable.", &["record"])?;
        let metrics = Metrics {
            sources: Sources::new(source_counters(r)?),
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
            records: Kind::ALL.map(|kind| records.with_label_values(&[kind.label()])),
            configuration: ConfigMetrics::register(r)?,
            http: HttpMetrics::register(r, routes)?,
            queue: QueueMetrics::register(r)?,
            journal: JournalMetrics::register(r)?,
            spool: SpoolMetrics::register(r)?,
            kafka: KafkaMetrics::register(r)?,
            load: LoadMetrics::register(r)?,
            gainsight: GainsightMetrics::register(r)?,
            jobs: JobMetrics::register(r)?,
            tls: TlsMetrics::register(r)?,
            #[cfg(feature = "otlp")]
            spans: r.counters("weir_spans_total", "Spans for the collector, by outcome.", &["outcome"])?,
            machine: MachineMetrics::register(r)?,
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

    /// Counts a durable record.
    pub fn record(&self, kind: Kind, records: u64) {
        if let Some(counter) = self.records.get(kind.index()) {
            counter.inc_by(records);
        }
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        self.machine.look();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "/metrics is incomplete; please report this");
        }
        text
    }
}

fn source_counters(r: &Registrar) -> prometheus::Result<Counters> {
    Ok(Counters {
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
        rate_limited: r.counters(
            "weir_rate_limited_total",
            "Events that were refused because their source was over its rate.",
            &["source"],
        )?,
    })
}
