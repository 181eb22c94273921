//! `weir check`: all problems of a configuration, else what it will do. It touches no network, and no disk
//! but the file, those of `[tls]`, and a look for the journal's consumers.

use clap::Args;

use super::{ConfigFlags, Failure, print};
use crate::config::{self, Config, Problems};
use crate::first_start;

/// The arguments of `weir check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigFlags,
    /// Print the defaults instead, every key with its meaning
    #[arg(long)]
    defaults: bool,
}

/// Prints the verdict; problems are a failure.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    if args.defaults {
        return print(config::DEFAULTS);
    }
    print(&report(&args.config.load_to_serve()?)?)
}

fn report(config: &Config) -> Result<String, Problems> {
    let place = match &config.queue.brokers {
        Some(brokers) => format!("Kafka at {brokers}"),
        None => format!("the journal in {}", config.data.join("journal").display()),
    };
    let mut lines = vec!["configuration is valid".to_owned(), String::new(), "topics:".to_owned()];
    lines.extend(first_start::expected_topics(config)?.names().iter().map(|name| format!("  {name}")));
    lines.push(format!("queue: {place}"));
    lines.push(format!("memory: at most {}", readable(config::memory_bound(config))));
    lines.extend(config::warnings(config).iter().map(|warning| format!("warning: {warning}")));
    Ok(lines.join("\n") + "\n")
}

/// In the largest unit that leaves something before the point.
fn readable(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x40_0000 => (1 << 10, "KiB"),
        0x40_0000..0x1_0000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};

    #[test]
    fn a_report_names_topics_queue_memory_and_warnings() {
        let config = load(None, &Overrides::default()).unwrap();
        let report = report(&config).unwrap();
        assert!(report.starts_with("configuration is valid\n"), "{report}");
        for part in [
            "\n  weir.people\n  weir.companies\n  weir.rejected\n",
            "\n  weir.events.ticket-actions.gold\n",
            "\nqueue: the journal in ./weir-data/journal\n",
            "\nmemory: at most ",
            "\nwarning: sources: none is configured",
        ] {
            assert!(report.contains(part), "{part:?} is not in\n{report}");
        }
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(5 << 19), "2560.0 KiB");
        assert_eq!(readable((256 << 20) + (1 << 19)), "256.5 MiB");
        assert_eq!(readable(10 << 30), "10.0 GiB");
    }
}
