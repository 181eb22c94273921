//! Logs, on stderr: for people at a terminal, as JSON for machines. They may contain configured ids, counts, sizes
//! and states, at debug also ids of events, but never a key, a secret, a query string, a body or a trait.

use std::fmt::Display;
use std::io::{self, IsTerminal, Stderr, Write as _, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
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
    let builder = builder.with_writer(Log::to_stderr()).with_target(false);
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

/// Writes on stderr why the process ends: the last lines of its log.
pub fn write_failure(failure: &impl Display) {
    let log = Log::to_stderr();
    for line in failure.to_string().lines() {
        // There is nowhere left to say that stderr is closed.
        drop(log.line(Level::ERROR).write_all(format!("{line}\n").as_bytes()));
    }
}

/// Stderr. Systemd's journal, where that reads it, learns how grave each line is, for `journalctl --priority`.
#[derive(Clone, Copy, Debug)]
struct Log {
    is_journal: bool,
}

impl Log {
    fn to_stderr() -> Self {
        let named = std::env::var_os("JOURNAL_STREAM");
        // A child may have inherited the variable and write to something else.
        let is_journal = rustix::fs::fstat(stderr())
            .is_ok_and(|it| named.is_some_and(|named| *named == *format!("{}:{}", it.st_dev, it.st_ino)));
        Log { is_journal }
    }

    fn line(self, level: Level) -> Line {
        let priority = if self.is_journal { priority(level) } else { "" };
        Line { priority, stderr: stderr() }
    }
}

/// What a line begins with whose level is `level`: syslog's number for it, as sd-daemon(3) has it.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        self.line(Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        self.line(*metadata.level())
    }
}

/// One line on its way to stderr.
struct Line {
    priority: &'static str,
    stderr: Stderr,
}

impl io::Write for Line {
    /// At once, so that no other line comes between.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.priority.is_empty() {
            return self.stderr.write(line);
        }
        self.stderr.write_all(&[self.priority.as_bytes(), line].concat())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
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
