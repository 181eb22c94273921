//! What Weir shall reach, held against the reports: each ratio is formed within a round, then the median is taken.

use crate::report::{Report, count};
use crate::table::{median, of, spread};

/// What a value is held against, in the same round.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// Nothing: it counts as it is.
    Alone,
    /// Divided by another server's, in the same scenario.
    Server(&'static str),
    /// That of another server is taken off.
    LessServer(&'static str),
    /// Divided by its own in another scenario.
    Scenario(&'static str),
}

/// The bound of the median.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One target, of every Weir that ran the scenario.
#[derive(Clone, Copy, Debug)]
struct Target {
    what: &'static str,
    scenario: &'static str,
    value: fn(&Report) -> Option<f64>,
    beside: Beside,
    bound: Bound,
}

const fn target(
    what: &'static str,
    scenario: &'static str,
    value: fn(&Report) -> Option<f64>,
    beside: Beside,
    bound: Bound,
) -> Target {
    Target { what, scenario, value, beside, bound }
}

use Beside::{Alone, LessServer, Scenario, Server};
use Bound::{AtLeast, AtMost};

const TARGETS: &[Target] = &[
    target("CPU / reference", "single", cpu, Server("reference"), AtMost(1.25)),
    target("CPU / mq-bridge", "single", cpu, Server("mq-bridge"), AtMost(0.9)),
    target("CPU / reference", "batch50", cpu, Server("reference"), AtMost(1.6)),
    target("CPU / mq-bridge", "batch50", cpu, Server("mq-bridge"), AtMost(0.6)),
    target("CPU / reference", "mixed", cpu, Server("reference"), AtMost(2.0)),
    target("requests a second / on Kafka", "single", rate, Server("weir-kafka"), AtLeast(0.9)),
    target("requests a second / on Kafka", "batch50", rate, Server("weir-kafka"), AtLeast(0.9)),
    target("peak RSS, MB", "single", peak, Alone, AtMost(40.0)),
    target("peak RSS, MB", "batch50", peak, Alone, AtMost(60.0)),
    target(
        "p99 less the reference's, each at half of its peak, ms",
        "half",
        p99,
        LessServer("reference"),
        AtMost(1.0),
    ),
    target("CPU / reference, at a tenth of Weir's peak", "tenth", cpu, Server("reference"), AtMost(1.15)),
    target("CPU / reference, with half a core", "quota", cpu, Server("reference"), AtMost(1.15)),
    target("CPU with 10,000 sources / with 1", "sources-10000", cpu, Scenario("sources-1"), AtMost(1.05)),
    target("CPU with 5,000 map rows / with 10", "maps-5000", cpu, Scenario("maps-10"), AtMost(1.05)),
    target("CPU on 1 topic / reference", "topics-1", cpu, Server("reference"), AtMost(1.2)),
    target("CPU on 500 topics / reference", "topics-500", cpu, Server("reference"), AtMost(1.2)),
    target("CPU of gzip / plain", "batch50-gzip", cpu, Scenario("batch50-plain"), AtMost(1.6)),
    target("goodput / configured capacity, 3 times that offered", "overload", goodput, Alone, AtLeast(0.95)),
    target("refusals before the body / refusals", "overload", unread, Alone, AtLeast(1.0)),
    target("goodput / configured rates, 3 times that offered", "limited", goodput, Alone, AtLeast(0.95)),
    target("goodput / configured rates, 3 times that offered", "limited", goodput, Alone, AtMost(1.05)),
    target("peak RSS, MB", "steady-single", peak, Alone, AtMost(40.0)),
    target("RSS gained in a minute, MB", "steady-single", slope, Alone, AtMost(0.2)),
    target("peak RSS, MB", "steady-batch50", peak, Alone, AtMost(60.0)),
    target("RSS gained in a minute, MB", "steady-batch50", slope, Alone, AtMost(0.2)),
    target("time from start to ready / to read the journal's files", "start", start, Alone, AtMost(3.0)),
    target(
        "gateway's CPU, store away / without",
        "beside-idle",
        cpu,
        Scenario("beside-nothing"),
        AtMost(1.02),
    ),
    target(
        "gateway's CPU, loading / without",
        "beside-loading",
        cpu,
        Scenario("beside-nothing"),
        AtMost(1.1),
    ),
    target(
        "batch among 10,000,000 rows / 10,000",
        "grown-10000000",
        batch,
        Scenario("grown-10000"),
        AtMost(1.5),
    ),
    target("merge's CPU / sqlite3", "prepare", merge_by_hand, Alone, AtMost(3.0)),
    target("a job's CPU / rows written by hand", "contacts", contacts_by_hand, Alone, AtMost(3.0)),
    target("a job's peak RSS, MB", "contacts", contacts_memory, Alone, AtMost(200.0)),
    target("most lag, s", "lag", lag, Alone, AtMost(2.0)),
    target("memory more than without a store, MB", "lag", more_memory, Alone, AtMost(60.0)),
    target("loader's CPU / rows written by hand", "load-mixed", by_hand, Alone, AtMost(4.0)),
    target("events a second / written by hand", "load-track", rate_by_hand, Alone, AtLeast(0.4)),
    target("loader's CPU / Benthos", "drain", load_cpu, Server("benthos"), AtMost(2.0)),
    target("records a second / Benthos", "drain", load_rate, Server("benthos"), AtLeast(1.0)),
    target("Weir's own wake-ups a second, no connection", "idle-0", wakeups, Alone, AtMost(0.0)),
    target("Weir's own wake-ups a second, 100 connections", "idle-100", wakeups, Alone, AtMost(0.0)),
];

fn cpu(report: &Report) -> Option<f64> {
    report.cpu_us_per_event
}

fn rate(report: &Report) -> Option<f64> {
    Some(report.requests_per_second)
}

fn p99(report: &Report) -> Option<f64> {
    Some(report.latency_ms.p99)
}

fn peak(report: &Report) -> Option<f64> {
    Some(count(report.rss_peak) / 1e6)
}

fn slope(report: &Report) -> Option<f64> {
    Some(report.rss_slope? / 1e6)
}

fn goodput(report: &Report) -> Option<f64> {
    Some(report.requests_per_second / report.capacity?)
}

fn unread(report: &Report) -> Option<f64> {
    let answers: u64 = report.statuses.values().sum();
    let refused = answers - report.statuses.get(&200).copied().unwrap_or(0);
    Some(count(report.refused_unread) / count(refused))
}

fn start(report: &Report) -> Option<f64> {
    Some(report.figures.get("ready ms")? / report.figures.get("read ms")?)
}

fn batch(report: &Report) -> Option<f64> {
    report.figures.get("ms/batch").copied()
}

fn lag(report: &Report) -> Option<f64> {
    report.figures.get("most lag s").copied()
}

fn more_memory(report: &Report) -> Option<f64> {
    report.figures.get("MB more than without").copied()
}

fn by_hand(report: &Report) -> Option<f64> {
    report.figures.get("loader's CPU / by hand").copied()
}

fn rate_by_hand(report: &Report) -> Option<f64> {
    report.figures.get("records/s / by hand").copied()
}

fn merge_by_hand(report: &Report) -> Option<f64> {
    report.figures.get("merge's CPU / shell").copied()
}

fn contacts_by_hand(report: &Report) -> Option<f64> {
    report.figures.get("CPU / by hand").copied()
}

fn contacts_memory(report: &Report) -> Option<f64> {
    report.figures.get("peak MB").copied()
}

fn load_cpu(report: &Report) -> Option<f64> {
    report.figures.get("CPU µs/record").copied()
}

fn load_rate(report: &Report) -> Option<f64> {
    report.figures.get("records/s").copied()
}

fn wakeups(report: &Report) -> Option<f64> {
    report.figures.get("own wake-ups/s").copied()
}

impl Target {
    fn values(&self, reports: &[Report], server: &str) -> Vec<f64> {
        let rounds = of(reports, self.scenario, server);
        let values = rounds.iter().map(|report| (self.value)(report));
        let (beside, less) = match self.beside {
            Alone => return values.flatten().collect(),
            Server(other) if other == server => return Vec::new(),
            Server(other) => (of(reports, self.scenario, other), false),
            LessServer(other) => (of(reports, self.scenario, other), true),
            Scenario(other) => (of(reports, other, server), false),
        };
        let pairs = values.zip(beside).filter_map(|(value, report)| value.zip((self.value)(report)));
        pairs.map(|(value, other)| if less { value - other } else { value / other }).collect()
    }
}

/// The table of targets, in Markdown: of each target that was measured, whether its median meets it.
pub fn markdown(reports: &[Report]) -> String {
    let mut text = "| scenario | target | server | rounds | measured | wanted | met |\n".to_owned();
    text += &format!("|{}\n", "---|".repeat(7));
    for target in TARGETS {
        for server in ["weir-kafka", "weir-journal", "weir-sqlite", "weir-postgres"] {
            let values = target.values(reports, server);
            let Some(median) = median(&values) else { continue };
            let (wanted, met) = match target.bound {
                AtMost(most) => (format!("≤ {most}"), median <= most),
                AtLeast(least) => (format!("≥ {least}"), median >= least),
            };
            let met = if met { "yes" } else { "**no**" };
            let (scenario, what, rounds) = (target.scenario, target.what, values.len());
            let measured = spread(values, 2);
            text +=
                &format!("| {scenario} | {what} | {server} | {rounds} | {measured} | {wanted} | {met} |\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn report(scenario: &str, server: &str, cpu: f64, p99: f64) -> Report {
        let mut report = Report {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            cpu_us_per_event: Some(cpu),
            ..Report::default()
        };
        report.latency_ms.p99 = p99;
        report
    }

    /// The lines below the head, without the scenario and the target's words.
    fn lines(reports: &[Report]) -> Vec<String> {
        let text = markdown(reports);
        text.lines().skip(2).map(|line| line.splitn(4, '|').nth(3).unwrap().trim().to_owned()).collect()
    }

    #[test]
    fn a_ratio_is_formed_within_the_round_and_its_median_is_judged() {
        let rounds = [(10.0, 10.0), (30.0, 20.0), (11.0, 10.0)];
        let reports: Vec<_> = rounds
            .iter()
            .flat_map(|(gzip, plain)| {
                [
                    report("batch50-plain", "weir-kafka", *plain, 0.0),
                    report("batch50-gzip", "weir-kafka", *gzip, 0.0),
                    report("batch50-gzip", "weir-journal", *gzip, 0.0),
                ]
            })
            .collect();
        // The journal has no plain rounds to be held against.
        assert_eq!(lines(&reports), ["weir-kafka | 3 | 1.10 [1.00–1.50] | ≤ 1.6 | yes |"]);
    }

    #[test]
    fn another_servers_figure_is_taken_off() {
        let reports = [report("half", "weir-journal", 1.0, 5.5), report("half", "reference", 1.0, 4.0)];
        assert_eq!(lines(&reports), ["weir-journal | 1 | 1.50 [1.50–1.50] | ≤ 1 | **no** |"]);
    }

    #[test]
    fn overload_is_held_against_its_capacity_and_refusals_against_their_bodies() {
        let overload = Report {
            requests_per_second: 97.0,
            capacity: Some(100.0),
            statuses: BTreeMap::from([(200, 500), (503, 1_000)]),
            refused_unread: 999,
            ..report("overload", "weir-kafka", 1.0, 1.0)
        };
        let expected = [
            "weir-kafka | 1 | 0.97 [0.97–0.97] | ≥ 0.95 | yes |",
            "weir-kafka | 1 | 1.00 [1.00–1.00] | ≥ 1 | **no** |",
        ];
        assert_eq!(lines(&[overload]), expected);
    }

    #[test]
    fn figures_that_no_generator_measured_have_targets_too() {
        let figures =
            |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let start = Report {
            figures: figures(&[("ready ms", 50.0), ("read ms", 100.0)]),
            ..report("start", "weir-journal", 0.0, 0.0)
        };
        let idle = Report {
            figures: figures(&[("own wake-ups/s", 6.0)]),
            ..report("idle-0", "weir-kafka", 0.0, 0.0)
        };
        let expected = [
            "weir-journal | 1 | 0.50 [0.50–0.50] | ≤ 3 | yes |",
            "weir-kafka | 1 | 6.00 [6.00–6.00] | ≤ 0 | **no** |",
        ];
        assert_eq!(lines(&[start, idle]), expected);
    }
}
