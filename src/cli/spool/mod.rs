//! `weir spool`: reports, checks and prints what is held for Kafka, whether Weir is running or not. It changes
//! nothing itself; `retry` asks the running Weir.

mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::flags::DataFlags;
use super::output::{Output, Stdout};
use super::{Failure, counted, tail};
use crate::config::data_dir::aside;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::operate::control;
use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::position;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::journal::verify::{self, Damage};
use crate::queue::spool::{ASIDE_NAME, NAME};

/// The arguments of `weir spool`.
#[derive(Args, Clone, Debug)]
pub struct SpoolArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Report what is held for Kafka, and what was set aside
    Status {
        #[command(flatten)]
        place: DataFlags,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Read every byte and report what is damaged; exit with 1 if anything is
    Verify {
        #[command(flatten)]
        place: DataFlags,
    },
    /// Print the records that are held, one JSON object per line, as `weir tail --json` does
    Export {
        #[command(flatten)]
        place: DataFlags,
        /// Print those that were set aside instead, with the reason in a header
        #[arg(long)]
        aside: bool,
    },
    /// Have the running Weir try again what was set aside
    Retry {
        #[command(flatten)]
        place: DataFlags,
    },
}

/// The spool's directory, which is there.
fn spool(place: &DataFlags) -> Result<PathBuf, Failure> {
    let spool = place.folder()?.spool();
    if spool.is_dir() {
        return Ok(spool);
    }
    Err(Failure::Named(format!(
        "there is no spool in {}; `weir serve` with Kafka creates one; name its data folder with --data",
        spool.display()
    )))
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Failure::Named(error.to_string())
    }
}

/// Runs what was asked for.
pub(super) fn run(args: &SpoolArgs) -> Result<(), Failure> {
    let mut out = Stdout::new();
    match &args.action {
        Action::Status { place, json } => {
            let status = status::of(&spool(place)?)?;
            let text = if *json { status.json() } else { status.text() };
            out.write_all(text.as_bytes()).map_err(Failure::Output)?;
        }
        Action::Verify { place } => verify(&spool(place)?, &mut out)?,
        Action::Export { place, aside } => {
            // Damage that is passed over must not pass unseen.
            telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
            export(&spool(place)?, *aside, &mut out)?;
        }
        Action::Retry { place } => {
            let data = place.folder()?;
            if !control::retry(&data).map_err(|error| Failure::Named(error.to_string()))? {
                return Err(Failure::Named(format!(
                    "no Weir is running on {}; the next start tries again what was set aside",
                    data.path().display()
                )));
            }
            writeln!(out, "requested; `weir spool status` shows what is still set aside")
                .map_err(Failure::Output)?;
        }
    }
    out.finish()
}

/// Where what was set aside lies, and the name of the place up to which it was taken back.
fn piles(spool: &Path) -> [(PathBuf, &'static str); 2] {
    [(spool.to_owned(), NAME), (aside(spool), ASIDE_NAME)]
}

fn verify(spool: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let mut damaged = (0, 0);
    for (dir, _) in piles(spool) {
        if !dir.is_dir() {
            continue;
        }
        let verified = verify::verify(&dir, 0, |_, _| ())?;
        let mut text = format!(
            "{}: {} intact, in {} of {}\n",
            dir.display(),
            counted(verified.records, "record"),
            counted(verified.bytes, "byte"),
            counted(verified.segments, "segment")
        );
        for Damage { file, at, bytes } in &verified.damage {
            text.push_str(&format!("  damaged: {}, {bytes} bytes from byte {at} on\n", file.display()));
        }
        if let Some(Damage { file, at, bytes }) = &verified.torn {
            text.push_str(&format!(
                "  unfinished: {}, the last {bytes} bytes, from byte {at} on: they are being written, or a crash left \
                 them and the next start cuts them off\n",
                file.display()
            ));
        }
        out.write_all(text.as_bytes()).map_err(Failure::Output)?;
        damaged.0 += verified.damage.len();
        damaged.1 += verified.damage.iter().map(|damage| damage.bytes).sum::<u64>();
    }
    out.flush().map_err(Failure::Output)?;
    match damaged {
        (0, _) => Ok(()),
        (places, bytes) => Err(Failure::Named(format!(
            "the spool is damaged: {bytes} bytes in {} can't be read; Weir skips them, and what they held is \
             lost unless Kafka had it already; check the disk",
            counted(places as u64, "place")
        ))),
    }
}

fn export(spool: &Path, aside: bool, out: &mut dyn Output) -> Result<(), Failure> {
    let [held, set_aside] = piles(spool);
    let (dir, name) = if aside { set_aside } else { held };
    if !dir.is_dir() {
        return Ok(());
    }
    let begin = Begin::At(position(&dir, name)?.unwrap_or(0));
    let reader = JournalReader::open(&dir, begin, true, BTreeSet::new())?;
    Ok(tail::print_as_json(reader, out)?)
}
