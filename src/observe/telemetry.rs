//! Logs, on stderr: for people at a terminal, as JSON for machines. They may contain configured ids, counts, sizes
//! and states, at debug also ids of events, but never a key, a secret, a query string, a body or a trait.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries whose own words say nothing that Weir doesn't say.
const QUIET: &str = "actix_server=warn,rdkafka=warn,librdkafka=warn,mio=off";

/// Libraries that quote what clients send, such as a header they find wrong, or the values that go into a database. No
/// level brings them back.
const QUOTING: [&str; 3] = ["actix_http", "actix_web", "tokio_postgres"];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Human,
    /// One JSON object per line
    Json,
}

/// What `--log` may be: a level, or `target=level` pairs with commas between. A word that is no level would
/// name a target, and switch off all others.
fn filter(level: &str) -> Result<Targets, String> {
    let known = |part: &str| part.contains('=') || (!part.is_empty() && part.parse::<LevelFilter>().is_ok());
    let made = level.split(',').all(known).then(|| format!("{QUIET},{level}").parse::<Targets>());
    made.and_then(Result::ok).ok_or_else(|| {
        format!("--log (WEIR_LOG): {level:?} is not a level; use error, warn, info, debug, trace or off")
    })
}

/// Starts logging. Without a format: for people at a terminal, else JSON.
///
/// # Errors
/// When `level` is no filter: one sentence.
pub fn init(format: Option<LogFormat>, level: &str) -> Result<(), String> {
    let filter = filter(level)?;
    let terminal = stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
    let builder = builder.with_writer(stderr).with_target(false);
    let silence = filter_fn(|metadata| !QUOTING.iter().any(|name| metadata.target().starts_with(name)));
    let started = match format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json }) {
        LogFormat::Human => builder.with_ansi(terminal).finish().with(filter).with(silence).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .with(filter)
            .with(silence)
            .try_init(),
    };
    started.map_err(|error| format!("cannot start logging: {error}"))
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_word_that_is_no_level_is_refused_instead_of_silencing_everything() {
        for level in ["error", "warn", "INFO", "debug", "trace", "off", "warn,weir=debug"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for wrong in ["loud", "Warning", "", "info,loud", "a=b=c"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
