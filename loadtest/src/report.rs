//! What a run measured, as one line of JSON.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::process::Usage;

/// What a run measured. What was measured without the generator has `figures` alone. Rates and processor time are of
/// the measured span alone, after warming up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What was sent: a name for the table.
    pub scenario: String,
    /// To whom: a name for the table.
    pub server: String,
    /// Connections.
    pub connections: usize,
    /// Requests a second that were intended; none: closed loop.
    pub rate: Option<f64>,
    /// Requests a second that the server's configuration lets through, where that is known.
    pub capacity: Option<f64>,
    /// Length of the measured span, in seconds.
    pub seconds: f64,
    /// Requests answered 200 `ok` in that span, a second.
    pub requests_per_second: f64,
    /// Events acknowledged by those.
    pub events: u64,
    /// The server's user and system time for each of those events, in microseconds; none: no process given.
    pub cpu_us_per_event: Option<f64>,
    /// The generator's own user and system time for each request, in microseconds.
    pub own_cpu_us_per_request: f64,
    /// Milliseconds from the intended time to the answer, by percentile, of all requests meant for the span.
    pub latency_ms: Latency,
    /// Answers by status, of the whole run; 200 with anything but `ok` counts as 299.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers that came while the generator held the request's body back: nothing of it can have been read.
    pub refused_unread: u64,
    /// Connections that broke, and requests still without an answer when patience ended.
    pub broken: u64,
    /// See `broken`.
    pub unanswered: u64,
    /// Requests of an open loop whose time came while every connection was busy, up to the end: they count
    /// in the latencies with the time that they had waited by then.
    pub unsent: u64,
    /// Resident memory of the server before the first request, at the end, and at its highest, in bytes.
    pub rss_before: u64,
    /// See `rss_before`.
    pub rss_after: u64,
    /// See `rss_before`.
    pub rss_peak: u64,
    /// What its resident memory gained in a minute of the measured span, in bytes; none: it was too short.
    pub rss_slope: Option<f64>,
    /// What was measured otherwise, by name.
    pub figures: BTreeMap<String, f64>,
}

/// Reads reports, one a line.
///
/// # Errors
/// When `input` fails, or a line is no report.
pub fn read(input: &mut dyn BufRead) -> io::Result<Vec<Report>> {
    input.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// Writes a report as one line.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(report)?)
}

/// The server's resident memory at a moment of the measured span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Since the span began.
    pub at: Duration,
    /// In bytes.
    pub rss: u64,
}

/// Bytes that memory gains in a minute: the slope of the straight line that fits best, of all samples but the first
/// fifth, in which memory that will be used again is taken for the first time.
pub fn slope(samples: &[Sample]) -> Option<f64> {
    let samples = samples.get(samples.len().div_ceil(5)..).filter(|samples| samples.len() >= 5)?;
    let points: Vec<(f64, f64)> =
        samples.iter().map(|sample| (sample.at.as_secs_f64() / 60.0, count(sample.rss))).collect();
    let number = count(u64::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / number;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let rise: f64 = points.iter().map(|(at, rss)| (at - middle) * (rss - level)).sum();
    let run: f64 = points.iter().map(|(at, _)| (at - middle).powi(2)).sum();
    Some(rise / run)
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    /// The percentiles of a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Latency {
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        Latency { p50, p90, p99, p999, max: milliseconds(histogram.max()) }
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    count(microseconds) / 1_000.0
}

/// A count as a number to divide by; beyond 2^53 it loses its last digits, which no run reaches.
#[expect(clippy::as_conversions, reason = "there is no other way from u64 to f64")]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// Processor time between two readings for each of `number`, in microseconds.
pub fn cpu_per(before: Usage, after: Usage, number: u64) -> f64 {
    count(after.cpu_us.saturating_sub(before.cpu_us)) / count(number.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_milliseconds() {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        for microseconds in (1..=1_000).map(|step| step * 1_000) {
            histogram.record(microseconds).unwrap();
        }
        let latency = Latency::of(&histogram);
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.002;
        assert!(near(latency.p50, 500.0) && near(latency.p99, 990.0) && near(latency.max, 1_000.0));
    }

    #[test]
    fn memory_that_grows_shows_and_how_it_began_does_not() {
        let sample = |second, rss| Sample { at: Duration::from_secs(second), rss };
        let grows: Vec<_> = (0..20).map(|second| sample(second, 5_000_000 + second * 1_000)).collect();
        assert!((slope(&grows).unwrap() - 60_000.0).abs() < 0.01);
        let settles: Vec<_> = (0..20).map(|second| sample(second, 1_000_000 * second.min(4))).collect();
        assert!(slope(&settles).unwrap().abs() < 0.01);
        assert_eq!(slope(&grows[..6]), None);
    }

    #[test]
    fn processor_time_is_shared_out() {
        let at = |cpu_us| Usage { cpu_us, ..Usage::default() };
        assert!((cpu_per(at(1_000), at(5_000), 200) - 20.0).abs() < f64::EPSILON);
    }
}
