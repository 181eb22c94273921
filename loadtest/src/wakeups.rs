//! What wakes a server that nobody sends to: how often its threads return from a call that let them sleep.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::report::{Report, count};

/// A call that took this many seconds let its thread sleep.
const SLEEP: f64 = 0.001;
/// How the names of the Kafka client's threads begin, librdkafka's and the one that polls it: they have timers of their
/// own. Linux cuts names off after 15 bytes.
const KAFKA_CLIENT: [&str; 2] = ["rdk:", "producer pollin"];

#[derive(clap::Args, Debug)]
pub struct Flags {
    /// The names of the server's threads: on each line an id and a name
    #[arg(long, value_name = "FILE")]
    threads: PathBuf,
    /// What `strace -f -T` wrote of them
    #[arg(long, value_name = "FILE")]
    strace: PathBuf,
    /// For how long it looked
    #[arg(long)]
    seconds: f64,
    /// A name for the table
    #[arg(long)]
    scenario: String,
    /// A name for the table
    #[arg(long)]
    server: String,
}

/// A report of the wake-ups a second; each thread's own go to standard error.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let (threads, strace) = (fs::read_to_string(&flags.threads)?, fs::read_to_string(&flags.strace)?);
    let (mut own, mut theirs) = (0.0, 0.0);
    for ((_, name), times) in woken(&threads, &strace) {
        let a_second = count(times) / flags.seconds;
        if KAFKA_CLIENT.iter().any(|begin| name.starts_with(begin)) {
            theirs += a_second;
        } else {
            own += a_second;
        }
        let (scenario, server) = (&flags.scenario, &flags.server);
        writeln!(io::stderr(), "{scenario} on {server}: {name} woke {a_second:.2} times a second")?;
    }
    let figures = [("own wake-ups/s", own), ("Kafka client wake-ups/s", theirs)];
    Ok(Report {
        scenario: flags.scenario.clone(),
        server: flags.server.clone(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Report::default()
    })
}

/// How often each thread, by id and name, came back from a sleep.
fn woken<'a>(threads: &'a str, strace: &'a str) -> BTreeMap<(&'a str, &'a str), u64> {
    let names: BTreeMap<_, _> = threads.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut woken = BTreeMap::new();
    for line in strace.lines() {
        let Some((id, call)) = line.split_once(' ') else { continue };
        let took = call.strip_suffix('>').and_then(|call| call.rsplit_once('<'));
        if took.and_then(|(_, took)| took.parse::<f64>().ok()).is_some_and(|took| took >= SLEEP) {
            *woken.entry((id, names.get(id).copied().unwrap_or(id))).or_default() += 1;
        }
    }
    woken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_woke_when_a_call_ended_that_had_taken_a_millisecond() {
        let threads = "7 weir\n8 rdk:main\n9 worker 1\n";
        let strace = "7 epoll_wait(5, [], 1024, 500) = 0 <0.500512>\n\
                      7 read(6, \"<1.0>\", 8) = 8 <0.000021>\n\
                      8 <... futex resumed>) = 1 <0.001000>\n\
                      8 futex(0x7f, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>\n\
                      7 epoll_wait(5, [], 1024, 500) = 0 <0.499001>\n\
                      10 clock_nanosleep(CLOCK_REALTIME, 0) = 0 <1.000100>\n";
        let expected = [(("10", "10"), 1), (("7", "weir"), 2), (("8", "rdk:main"), 1)];
        assert_eq!(woken(threads, strace), expected.into());
    }
}
