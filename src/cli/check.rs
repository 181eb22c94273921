//! `weir check`: reports all problems of a configuration or, if there are none, what Weir will do with it, and whether
//! the one that runs on the data folder has it. It uses no network. On the disk it reads only the configuration, the
//! files of `[tls]` and of secrets, the names of the journal's consumers, and the free space.

use clap::Args;

use super::flags::RoleFlags;
use super::{ConfigFlags, Failure, print};
use crate::config::gainsight::Records;
use crate::config::{
    self, DataDir, GainsightConfig, Problems, PublisherConfig, QueueKind, StorePlace, ViewKey,
};
use crate::gainsight::window::Allowance;
use crate::operate::control;
use crate::operate::in_use::hash;
use crate::setup::{self, Role, ToServe, first_start};
use crate::store::registry::MOST_FIELDS;
use crate::store::{BATCH, sqlite};
use crate::system::advice::readable;
use crate::tenants::EventName;

/// The arguments of `weir check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigFlags,
    #[command(flatten)]
    roles: RoleFlags,
    /// Print the defaults instead: every key with its meaning
    #[arg(long)]
    defaults: bool,
}

/// Prints the verdict; problems are a failure.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    if args.defaults {
        return print(config::DEFAULTS);
    }
    let text = args.config.text()?;
    let to_serve = args.config.load_to_serve(text.as_deref(), &args.roles)?;
    let running = running(&to_serve.config.data, text.as_deref());
    print(&(report(&to_serve)? + &running))
}

/// What the Weir that runs on `data` makes of the configuration file with this text; nothing where none runs there.
fn running(data: &DataDir, text: Option<&str>) -> String {
    match control::configuration(data) {
        Ok(None) => String::new(),
        Ok(Some(in_use)) => format!("running: Weir {}\n", in_use.about(&hash(text))),
        Err(error) => format!("running: {error}\n"),
    }
}

fn report(to_serve: &ToServe) -> Result<String, Problems> {
    let config = &to_serve.config;
    let place = match config.queue.kind() {
        QueueKind::Kafka { brokers } => format!("Kafka at {brokers}"),
        QueueKind::Journal => format!("the journal in {}", config.data.journal().display()),
    };
    let mut lines = vec!["configuration is valid".to_owned(), String::new(), "topics:".to_owned()];
    lines.extend(first_start::expected_topics(config)?.names().iter().map(|name| format!("  {name}")));
    lines.extend(config.publishers.iter().flat_map(|(id, publisher)| views(id, publisher)));
    lines.push(format!("queue: {place}"));
    let store = first_start::expected(config)?.store;
    if let Some(store) = store.filter(|_| to_serve.roles.run(Role::Load)) {
        let (place, batch) = match &store.place {
            StorePlace::Sqlite(file) => (config.data.store(file).display().to_string(), sqlite::BATCH),
            StorePlace::Postgres(_) => ("PostgreSQL".to_owned(), BATCH),
        };
        lines.push(format!(
            "store: {place}; up to {MOST_FIELDS} undeclared fields of an object get columns, and the others are \
             only kept; a batch has up to {} records, and ends with the one that reaches {}",
            batch.records,
            readable(u64::try_from(batch.bytes).unwrap_or(u64::MAX))
        ));
    }
    if to_serve.roles.run(Role::Load) {
        lines.extend(config.gainsight.iter().map(|(name, org)| gainsight_line(name, org)));
    }
    lines.push(format!("memory: at most {}", readable(setup::memory_bound(config, &to_serve.roles))));
    lines.extend(to_serve.warnings().iter().map(|warning| format!("warning: {warning}")));
    Ok(lines.join("\n") + "\n")
}

/// What goes to an org of Gainsight, and how fast at most.
fn gainsight_line(name: &str, org: &GainsightConfig) -> String {
    let has = |records: &Records| org.records.contains(records);
    let records: Vec<&str> =
        Records::WORDS.iter().filter(|(_, one)| has(one)).map(|(word, _)| *word).collect();
    let (minute, day) = org.calls;
    let Allowance { minute, day } = Allowance::new(minute, day, org.reserve);
    format!(
        "gainsight {name}: {} gets {} of tenant {}, in at most {minute} calls in any minute and {day} in any day",
        org.url,
        records.join(", "),
        org.tenant
    )
}

/// Which pages and screens are events, since their names may be patterns: a line for each key of `publisher`.
fn views(id: &str, publisher: &PublisherConfig) -> Vec<String> {
    let line = |(key, EventName { name, version }): (&String, &EventName)| {
        let what = match ViewKey::of(key)? {
            ViewKey::Page("*") => "any other page".to_owned(),
            ViewKey::Screen("*") => "any other screen".to_owned(),
            ViewKey::Page(page) => format!("the page {page}"),
            ViewKey::Screen(screen) => format!("the screen {screen}"),
        };
        Some(format!("publisher {id}: {what} is the event {name} {version}"))
    };
    publisher.events.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::setup::{Roles, load};

    #[test]
    fn a_report_names_topics_queue_memory_and_warnings() {
        let config = load(None, &Overrides::default()).unwrap();
        let report = report(&ToServe { config, tls: None, roles: Roles::default() }).unwrap();
        assert!(report.starts_with("configuration is valid\n"), "{report}");
        for part in [
            "\n  weir.people\n  weir.companies\n  weir.rejected\n",
            "\n  weir.events.ticket-actions.gold\n",
            "\nqueue: the journal in ./weir-data/journal\n",
            "\nstore: ./weir-data/store.sqlite; up to 500 undeclared fields",
            "; a batch has up to 8192 records, and ends with the one that reaches 8.0 MiB\n",
            "\nmemory: at most ",
            "\nwarning: sources: none is configured",
        ] {
            assert!(report.contains(part), "{part:?} is not in\n{report}");
        }
    }

    #[test]
    fn a_report_says_what_goes_to_gainsight_and_how_fast() {
        let text = "[tenants.acme]\n[sources.web]\ntenant = 'acme'\n[gainsight.prod]\ntenant = 'acme'\n\
                    url = 'https://acme.gainsightcloud.com'\naccess_key = { env = 'K' }\n\
                    records = ['company', 'person']\n";
        let config = load(Some((std::path::Path::new("weir.toml"), text)), &Overrides::default()).unwrap();
        let report = report(&ToServe { config, tls: None, roles: Roles::default() }).unwrap();
        let line = "\ngainsight prod: https://acme.gainsightcloud.com gets person, company of tenant acme, in at \
                    most 80 calls in any minute and 40000 in any day\n";
        assert!(report.contains(line), "{report}");
    }

    #[test]
    fn a_report_says_which_pages_and_screens_are_events() {
        let text = "tenants.acme = {}\n[publishers.p]\ntenant = 'acme'\ntopic = 'T'\n[publishers.p.events]\n\
                    'Page' = { name = 'A', version = '1' }\n'page:*' = { name = 'Page Viewed', version = '1.0.0' }\n\
                    'screen:Home: 2' = { name = 'Home', version = '2' }\n\
                    [sources.web]\ntenant = 'acme'\nkeys = []\n";
        let config = load(Some((std::path::Path::new("weir.toml"), text)), &Overrides::default()).unwrap();
        let report = report(&ToServe { config, tls: None, roles: Roles::default() }).unwrap();
        let lines: Vec<&str> = report.lines().filter(|line| line.starts_with("publisher")).collect();
        assert_eq!(
            lines,
            [
                "publisher p: any other page is the event Page Viewed 1.0.0",
                "publisher p: the screen Home: 2 is the event Home 2"
            ]
        );
    }
}
