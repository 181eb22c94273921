//! How many instructions an event costs, beside what it did cost: counts of `valgrind`, which repeat where times
//! don't.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Instructions per event, by case.
pub type Counts = BTreeMap<String, u64>;

/// Events of a case's short run, and how many more its long one has; both fill batches.
const FIRST: u64 = 50;
const EVENTS: u64 = 2_000;
/// What a count may grow by. It moves by up to 1 % from run to run (seeds of hash maps), and with what is inlined when
/// code elsewhere changes.
const TOLERANCE_PERCENT: f64 = 5.0;
/// What stores a baseline.
pub const ACCEPT: &str = "tests/counts/run accept";

/// Instructions per event of `case`, which `program counts run CASE EVENTS` runs. It runs twice: what a long run costs
/// more than a short one has no start-up in it. The long one's profile stays beside `program`, as `CASE.callgrind`.
///
/// # Errors
/// Without valgrind, or when the case fails: one sentence for whoever runs it.
pub fn count(program: &Path, case: &str) -> Result<u64, String> {
    let run = |events: u64| {
        let failed = |why: &dyn fmt::Display| format!("{case} could not be counted: {why}");
        let profile = program.with_file_name(format!("{case}.callgrind"));
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args(["counts", "run", case, &events.to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    "valgrind is missing; on Debian: apt-get install -y valgrind".to_owned()
                }
                _ => failed(&error),
            })?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let profile = std::fs::read_to_string(profile).map_err(|error| failed(&error))?;
        total(&profile).ok_or_else(|| failed(&"valgrind wrote no total"))
    };
    let (short, long) = (run(FIRST)?, run(FIRST + EVENTS)?);
    Ok(long.saturating_sub(short) / EVENTS)
}

/// All instructions of a profile in callgrind's format.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// A stored baseline: a case and its count on each line.
pub fn parse(text: &str) -> Option<Counts> {
    text.lines()
        .map(|line| {
            let (case, count) = line.split_once(' ')?;
            Some((case.to_owned(), count.trim().parse().ok()?))
        })
        .collect()
}

/// Counts as a baseline is stored.
pub fn format(counts: &Counts) -> String {
    counts.iter().map(|(case, count)| format!("{case} {count}\n")).collect()
}

/// Counts beside their baseline.
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Every case, one a line.
    pub table: String,
    /// What is worth knowing: a baseline above the counts lets them grow again unseen.
    pub note: Option<String>,
    /// What is wrong.
    pub failure: Option<String>,
}

/// Compares `counts` with `baseline`.
pub fn compare(counts: &Counts, baseline: &Counts) -> Comparison {
    let mut table = format!("{:<12} {:>10} {:>10}\n", "case", "baseline", "now");
    let (mut grown, mut shrunk, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (case, &count) in counts {
        let Some(&before) = baseline.get(case) else {
            new.push(case.clone());
            continue;
        };
        let percent = growth_percent(count, before);
        // Writing to a string does not fail.
        writeln!(table, "{case:<12} {before:>10} {count:>10} {percent:>+7.1} %").unwrap_or_default();
        if percent > TOLERANCE_PERCENT {
            grown.push(format!("{case} by {percent:.1} %"));
        } else if percent < -TOLERANCE_PERCENT {
            shrunk.push(format!("{case} by {:.1} %", -percent));
        }
    }
    let note = (!shrunk.is_empty()).then(|| {
        format!(
            "fewer instructions than the baseline: {}; store them with {ACCEPT}, or they may grow back unseen",
            shrunk.join(", ")
        )
    });
    let failure = if !grown.is_empty() {
        Some(format!(
            "more instructions an event than the baseline allows: {}; see what for with callgrind_annotate \
             target/counts/<case>.callgrind, or accept them with {ACCEPT}",
            grown.join(", ")
        ))
    } else if !new.is_empty() {
        Some(format!("without a baseline: {}; store one with {ACCEPT}", new.join(", ")))
    } else {
        None
    };
    Comparison { table, note, failure }
}

#[expect(clippy::cast_precision_loss, reason = "counts of instructions are far below 2^52")]
fn growth_percent(count: u64, before: u64) -> f64 {
    100.0 * (count as f64 - before as f64) / before as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(case, count)| ((*case).to_owned(), *count)).collect()
    }

    #[test]
    fn a_case_that_does_its_work_twice_fails_in_a_sentence_with_its_name() {
        let baseline = counts(&[("scan", 8_000), ("track", 20_000)]);
        let comparison = compare(&counts(&[("scan", 16_000), ("track", 28_000)]), &baseline);
        let expected = "more instructions an event than the baseline allows: scan by 100.0 %, track by 40.0 %; see \
                        what for with callgrind_annotate target/counts/<case>.callgrind, or accept them with \
                        tests/counts/run accept";
        assert_eq!(comparison.failure.as_deref(), Some(expected));
        assert!(comparison.table.contains("scan               8000      16000  +100.0 %"));
    }

    #[test]
    fn what_stays_within_the_tolerance_is_silent() {
        let comparison =
            compare(&counts(&[("a", 1_050), ("b", 950)]), &counts(&[("a", 1_000), ("b", 1_000)]));
        assert_eq!((comparison.note, comparison.failure), (None, None));
        let comparison = compare(&counts(&[("a", 1_051)]), &counts(&[("a", 1_000)]));
        assert!(comparison.failure.is_some());
    }

    #[test]
    fn a_baseline_that_is_too_high_is_noted_and_fails_nothing() {
        let comparison = compare(&counts(&[("a", 800)]), &counts(&[("a", 1_000)]));
        let expected = "fewer instructions than the baseline: a by 20.0 %; store them with tests/counts/run accept, \
                        or they may grow back unseen";
        assert_eq!((comparison.note.as_deref(), comparison.failure), (Some(expected), None));
    }

    #[test]
    fn a_case_without_a_baseline_fails() {
        let comparison = compare(&counts(&[("a", 1), ("b", 1)]), &counts(&[("a", 1)]));
        let expected = "without a baseline: b; store one with tests/counts/run accept";
        assert_eq!(comparison.failure.as_deref(), Some(expected));
    }

    #[test]
    fn a_stored_baseline_is_read_back() {
        let stored = counts(&[("scan", 1), ("track", 20_000)]);
        assert_eq!(format(&stored), "scan 1\ntrack 20000\n");
        assert_eq!(parse(&format(&stored)), Some(stored));
        assert_eq!(parse("scan\n"), None);
    }

    #[test]
    fn the_total_of_a_profile_is_read() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1) main\n5 12\ntotals: 1234\n"), Some(1_234));
        assert_eq!(total(""), None);
    }
}
