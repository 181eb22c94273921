//! Jobs, and the systems that they read from.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use super::registrar::Registrar;

/// Runs of jobs.
#[derive(Debug)]
pub struct JobMetrics {
    /// `weir_runs_total{state}`: those that ended.
    pub runs: IntCounterVec,
    /// `weir_run_rows_total{step,outcome}`.
    pub rows: IntCounterVec,
    /// `weir_connection_ready{connector}`: whether none of them needs somebody.
    pub ready: IntGaugeVec,
    /// `weir_credits_left{connector}`: of the org that has the fewest.
    pub credits_left: GaugeVec,
}

impl JobMetrics {
    pub(super) fn register(r: &Registrar) -> prometheus::Result<Self> {
        let runs = r.counters("weir_runs_total", "Runs of jobs that ended, by their state.", &["state"])?;
        // From nothing on: the first failure is an increase, too.
        for state in ["success", "partial_success", "failed", "cancelled"] {
            runs.with_label_values(&[state]);
        }
        Ok(JobMetrics {
            runs,
            rows: r.counters(
                "weir_run_rows_total",
                "Rows of runs, by step and by what became of them.",
                &["step", "outcome"],
            )?,
            ready: r.add(IntGaugeVec::new(
                Opts::new("weir_connection_ready", "Whether no connection of this connector needs somebody."),
                &["connector"],
            ))?,
            credits_left: r.gauges(
                "weir_credits_left",
                "Credits that Weir may still use today, of the org that has the fewest.",
                &["connector"],
            )?,
        })
    }
}
