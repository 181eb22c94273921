//! What goes to Gainsight.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use super::registrar::Registrar;

/// Senders to Gainsight.
#[derive(Debug)]
pub struct GainsightMetrics {
    /// `weir_gainsight_calls_total{loader,status}`; `none`: there was no answer.
    pub calls: IntCounterVec,
    /// `weir_gainsight_calls_left{loader,window}`: of the `minute` and the `day` that end now.
    pub left: GaugeVec,
    /// `weir_gainsight_ready{loader}`: whether the org takes calls.
    pub ready: IntGaugeVec,
    /// `weir_gainsight_waiting{loader,record}`: rows and events in the outbox.
    pub waiting: GaugeVec,
    /// `weir_gainsight_failed{loader}`: what stands among the failed.
    pub failed: GaugeVec,
    /// `weir_gainsight_drains_seconds{loader}`: until they will have gone, if nothing comes.
    pub drains: GaugeVec,
}

impl GainsightMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        Ok(GainsightMetrics {
            calls: r.counters(
                "weir_gainsight_calls_total",
                "Calls to Gainsight's API, by the status of the answer.",
                &["loader", "status"],
            )?,
            left: r.gauges(
                "weir_gainsight_calls_left",
                "Calls to Gainsight's API that may still be made in the window that ends now.",
                &["loader", "window"],
            )?,
            ready: r.add(IntGaugeVec::new(
                Opts::new("weir_gainsight_ready", "Whether an org of Gainsight takes calls."),
                &["loader"],
            ))?,
            waiting: r.gauges(
                "weir_gainsight_waiting",
                "Rows and events that wait to go to Gainsight.",
                &["loader", "record"],
            )?,
            failed: r.gauges(
                "weir_gainsight_failed",
                "Rows, fields and events that Gainsight refuses, and that stand among the failed.",
                &["loader"],
            )?,
            drains: r.gauges(
                "weir_gainsight_drains_seconds",
                "Seconds until all that waits will have gone to Gainsight, if nothing comes; over a month: +Inf.",
                &["loader"],
            )?,
        })
    }
}
