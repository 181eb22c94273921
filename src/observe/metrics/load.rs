//! What is counted of loaders.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

use super::registrar::{Registrar, SECONDS};

/// What is counted of loaders.
#[derive(Debug)]
pub struct LoadMetrics {
    /// `weir_load_records_total{loader,record,outcome}`.
    pub records: IntCounterVec,
    /// `weir_load_missed_records_total{loader}`: dropped by the queue before they were loaded.
    pub missed: IntCounterVec,
    /// `weir_load_lag_records{loader}`: on the queue and not loaded.
    pub lag_records: IntGaugeVec,
    /// `weir_load_lag_seconds{loader}`: how long ago the record was received that is loaded now; 0 at the end,
    /// and growing while nothing can be loaded.
    pub lag_seconds: GaugeVec,
    /// `weir_load_batch_seconds{loader}`: one transaction.
    pub batch: HistogramVec,
    /// `weir_load_ready{loader}`: 1 while it loads, or would if there were something.
    pub ready: IntGaugeVec,
}

impl LoadMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        let loader = &["loader"];
        Ok(LoadMetrics {
            records: r.counters(
                "weir_load_records_total",
                "Records that a loader has dealt with, by what they are and what became of them.",
                &["loader", "record", "outcome"],
            )?,
            missed: r.counters(
                "weir_load_missed_records_total",
                "Records that the queue dropped before they were loaded.",
                loader,
            )?,
            lag_records: r.add(IntGaugeVec::new(
                Opts::new("weir_load_lag_records", "Records on the queue that are not loaded."),
                loader,
            ))?,
            lag_seconds: r.gauges(
                "weir_load_lag_seconds",
                "How long ago the record was received that is loaded now.",
                loader,
            )?,
            batch: r.add(HistogramVec::new(
                HistogramOpts::new("weir_load_batch_seconds", "Duration of one transaction of a loader.")
                    .buckets(SECONDS.to_vec()),
                loader,
            ))?,
            ready: r.add(IntGaugeVec::new(
                Opts::new("weir_load_ready", "1 while a loader can read the queue and write the store."),
                loader,
            ))?,
        })
    }
}
