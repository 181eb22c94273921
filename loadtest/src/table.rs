//! Reports of several rounds as a table: medians with the least and the most.

use std::collections::BTreeMap;

use crate::report::{Report, count};
use crate::targets;

/// The server that the ratios divide by.
const REFERENCE: &str = "reference";
/// The scenario whose rates are a server's peak.
const PEAK: &str = "single";

/// One column: its title, how many digits after the point, and its value.
type Column = (&'static str, usize, fn(&Report) -> Option<f64>);

const COLUMNS: &[Column] = &[
    ("CPU µs/event", 2, |report| report.cpu_us_per_event),
    ("req/s", 0, |report| Some(report.requests_per_second)),
    ("events/s", 0, |report| Some(count(report.events) / report.seconds)),
    ("p50 ms", 1, |report| Some(report.latency_ms.p50)),
    ("p99 ms", 1, |report| Some(report.latency_ms.p99)),
    ("peak RSS MB", 0, |report| Some(count(report.rss_peak) / 1e6)),
    ("generator µs/req", 1, |report| Some(report.own_cpu_us_per_request)),
];

/// The page, in Markdown: what the generator measured, what was measured otherwise, and the targets. Scenarios and
/// servers stand in the order in which they first came.
pub fn page(reports: &[Report]) -> String {
    let (otherwise, driven): (Vec<_>, Vec<_>) =
        reports.iter().cloned().partition(|report| !report.figures.is_empty());
    let mut tables = Vec::new();
    if !driven.is_empty() {
        tables.push(markdown(&driven));
    }
    if !otherwise.is_empty() {
        tables.push(figures(&otherwise));
    }
    tables.push(targets::markdown(reports));
    tables.join("\n")
}

/// What the generator measured.
fn markdown(reports: &[Report]) -> String {
    let mut text = "| scenario | server | rounds |".to_owned();
    for (title, ..) in COLUMNS {
        text += &format!(" {title} |");
    }
    text += " CPU / reference |\n|---|---|---|";
    text += &"---|".repeat(COLUMNS.len() + 1);
    text.push('\n');
    for (scenario, server) in in_order(reports) {
        let rounds = of(reports, scenario, server);
        text += &format!("| {scenario} | {server} | {} |", rounds.len());
        for (_, digits, value) in COLUMNS {
            let values = rounds.iter().filter_map(|report| value(report)).collect();
            text += &format!(" {} |", spread(values, *digits));
        }
        text += &format!(" {} |\n", spread(ratios(&rounds, &of(reports, scenario, REFERENCE)), 2));
    }
    text
}

/// What was measured without the generator.
fn figures(reports: &[Report]) -> String {
    let mut text = "| scenario | server | rounds | figure | |\n|---|---|---|---|---|\n".to_owned();
    for (scenario, server) in in_order(reports) {
        let rounds = of(reports, scenario, server);
        for name in rounds.first().iter().flat_map(|report| report.figures.keys()) {
            let values: Vec<f64> =
                rounds.iter().filter_map(|report| report.figures.get(name).copied()).collect();
            text +=
                &format!("| {scenario} | {server} | {} | {name} | {} |\n", values.len(), spread(values, 2));
        }
    }
    text
}

/// The reports of a scenario on a server, round by round.
pub fn of<'a>(reports: &'a [Report], scenario: &str, server: &str) -> Vec<&'a Report> {
    reports.iter().filter(|one| one.scenario == scenario && one.server == server).collect()
}

/// The median of a server's requests a second with all it can take.
pub fn peak(reports: &[Report], server: &str) -> Option<f64> {
    let rates: Vec<f64> = of(reports, PEAK, server).iter().map(|report| report.requests_per_second).collect();
    median(&rates)
}

/// Processor time by that of the reference, round by round: a round's noise meets both.
fn ratios(rounds: &[&Report], reference: &[&Report]) -> Vec<f64> {
    let pairs = rounds.iter().zip(reference);
    pairs.filter_map(|(one, by)| Some(one.cpu_us_per_event? / by.cpu_us_per_event?)).collect()
}

fn in_order(reports: &[Report]) -> Vec<(&str, &str)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for report in reports {
        let next = places.len();
        places.entry(&report.scenario).or_insert(next);
        if !pairs.contains(&(&report.scenario, &report.server)) {
            pairs.push((&report.scenario, &report.server));
        }
    }
    // Stable: servers keep their order.
    pairs.sort_by_key(|(scenario, _)| places.get(scenario).copied());
    pairs
}

/// The median of any number of values but none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied();
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        at(middle).zip(middle.checked_sub(1).and_then(at)).map(|(high, low)| f64::midpoint(low, high))
    }
}

/// `median [least–most]`; a dash for nothing.
pub fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    match (median(&values), values.first(), values.last()) {
        (Some(median), Some(least), Some(most)) => {
            format!("{median:.digits$} [{least:.digits$}–{most:.digits$}]")
        }
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(scenario: &str, server: &str, cpu: f64) -> Report {
        Report {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            seconds: 2.0,
            requests_per_second: 1_000.0,
            events: 2_000,
            cpu_us_per_event: Some(cpu),
            rss_peak: 20_000_000,
            ..Report::default()
        }
    }

    #[test]
    fn medians_have_their_least_and_most() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0], 1), "2.0 [1.0–3.0]");
        assert_eq!(spread(vec![4.0, 1.0, 2.0, 3.0], 1), "2.5 [1.0–4.0]");
        assert_eq!(spread(Vec::new(), 1), "–");
    }

    #[test]
    fn what_was_measured_otherwise_stands_in_a_table_of_its_own() {
        let figures = [("ready ms", 5.0), ("read ms", 10.0)].map(|(name, value)| (name.to_owned(), value));
        let start = Report { figures: figures.into(), ..report("start", "weir-journal", 0.0) };
        let page = page(&[report("single", "reference", 10.0), start]);
        let tables: Vec<&str> = page.split("\n\n").collect();
        assert_eq!(tables.len(), 3, "{page}");
        assert_eq!(tables[0].lines().count(), 3, "{page}");
        let rows: Vec<_> = tables[1].lines().skip(2).collect();
        let expected = [
            "| start | weir-journal | 1 | read ms | 10.00 [10.00–10.00] |",
            "| start | weir-journal | 1 | ready ms | 5.00 [5.00–5.00] |",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let reports = [
            report("single", "weir-kafka", 20.0),
            report("single", "reference", 10.0),
            report("batch", "weir-kafka", 9.0),
            report("single", "weir-kafka", 60.0),
            report("single", "reference", 20.0),
        ];
        let table = markdown(&reports);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 5, "{table}");
        assert!(lines[2].starts_with("| single | weir-kafka | 2 | 40.00 [20.00–60.00] | 1000 [1000–1000] |"));
        assert!(lines[2].ends_with("| 2.50 [2.00–3.00] |"), "{}", lines[2]);
        assert!(lines[3].ends_with("| 1.00 [1.00–1.00] |"), "{}", lines[3]);
        assert!(lines[4].starts_with("| batch | weir-kafka | 1 |") && lines[4].ends_with("| – |"));
    }
}
