//! What is counted of the configuration while Weir runs.

use prometheus::{GaugeVec, IntCounterVec, IntGauge};

use super::registrar::Registrar;

/// What is counted of the configuration.
#[derive(Debug)]
pub struct ConfigMetrics {
    /// `weir_config_reloads_total{outcome}`: `loaded` or `refused`.
    pub reloads: IntCounterVec,
    loaded: IntGauge,
    info: GaugeVec,
}

impl ConfigMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        let reloads =
            r.counters("weir_config_reloads_total", "Changed configurations, by outcome.", &["outcome"])?;
        // From 0 on: an alert sees no increase in a counter that appears with its first count.
        for outcome in ["loaded", "refused"] {
            reloads.with_label_values(&[outcome]);
        }
        Ok(ConfigMetrics {
            reloads,
            loaded: r.gauge(
                "weir_config_loaded_timestamp_seconds",
                "Unix time at which the configuration in use was loaded.",
            )?,
            info: r.gauges(
                "weir_config_info",
                "Constant 1, labelled with the hash of the configuration file in use.",
                &["hash"],
            )?,
        })
    }

    /// Shows that the file with this hash is in use since `seconds`, in Unix time.
    pub fn in_use(&self, hash: &str, seconds: i64) {
        self.info.reset();
        self.info.with_label_values(&[hash]).set(1.0);
        self.loaded.set(seconds);
    }
}
