//! What goes to Gainsight.

use prometheus::{GaugeVec, IntCounterVec};

use super::registrar::Registrar;

/// Senders to Gainsight.
#[derive(Debug)]
pub struct GainsightMetrics {
    /// `weir_gainsight_calls_total{loader,status}`; `none`: there was no answer.
    pub calls: IntCounterVec,
    /// `weir_gainsight_calls_left{loader,window}`: of the `minute` and the `day` that end now.
    pub left: GaugeVec,
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
        })
    }
}
