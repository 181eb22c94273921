//! What becomes of files whose rows are loaded: rejected rows beside them, and they themselves in the archive. Each
//! step may be done again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::opened::{Opened, Trouble, line_of};
use super::pattern::{ARCHIVE, ERRORS, Pattern};
use super::place::{Entry, Place};
use super::progress::Progress;
use super::rejects::{Reason, Writer};
use super::seen::Seen;
use super::settings::Reading;
use crate::connect::source::{RejectedRow, SourceError};

/// The most bytes of a file of rejected rows. What does not fit is in the activity alone.
const MOST: usize = 64 << 20;

/// Ends a run over the files of `pattern` that came as far as `progress`. Returns sentences for its log.
pub(super) fn finish(
    place: &mut dyn Place,
    seen: &mut dyn Seen,
    reading: &Reading,
    (pattern, progress): (&Pattern, &Progress),
    rejected: &[RejectedRow],
) -> Result<Vec<String>, SourceError> {
    let mut notices = Vec::new();
    let there = place.list(&pattern.folder)?;
    let archive = format!("{ARCHIVE}{}", pattern.folder);
    let mut taken: BTreeSet<String> = place.list(&archive)?.into_iter().map(|file| file.name).collect();
    for done in &progress.done {
        // What is gone was moved by an earlier try.
        let is_it = |file: &&Entry| file.name == done.name && file.tag == done.tag;
        let Some(file) = there.iter().find(is_it) else { continue };
        let of_file = rejected.iter().filter_map(|row| Some((line_of(&row.id, &file.name)?, row)));
        let of_file: BTreeMap<u64, &RejectedRow> = of_file.collect();
        if !of_file.is_empty() {
            notices.extend(write_rejects(place, reading, file, &of_file)?);
        }
        if done.is_loaded() {
            seen.note(&done.digest, &file.name)?;
        }
        let plain = format!("{ARCHIVE}{}", file.name);
        let numbered = (2..).map(|number: u64| format!("{plain}.{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
        let free = free.unwrap_or(plain);
        place.rename(file, &free)?;
        taken.insert(free);
    }
    if let (Some(ready), Some(tag), false) = (&reading.ready, &progress.marker, progress.is_more) {
        let name = format!("{}{ready}", pattern.folder);
        // One that was put there since is about other files.
        if there.iter().any(|file| file.name == name && file.tag == *tag) {
            place.remove(&name)?;
        }
    }
    Ok(notices)
}

/// Writes the rejected rows of `file` as they stand in it, beside it.
fn write_rejects(
    place: &mut dyn Place,
    reading: &Reading,
    file: &Entry,
    rejected: &BTreeMap<u64, &RejectedRow>,
) -> Result<Option<String>, SourceError> {
    let (content, is_whole) = match rejects_of(place, reading, file, rejected) {
        Ok(content) => content,
        // Of one that is no table only this can be told.
        Err(Trouble::File(_)) => rejects_alone(rejected).map_err(failed)?,
        Err(Trouble::Source(error)) => return Err(error),
    };
    place.put(&format!("{ERRORS}{}.errors.csv", file.name), &content)?;
    let notice = || {
        format!(
            "{} has more rejected rows than one file takes; the others are in the activity alone",
            file.name
        )
    };
    Ok((!is_whole).then(notice))
}

fn failed(error: io::Error) -> SourceError {
    SourceError::Here(format!("rejected rows can't be written: {error}"))
}

/// The file of rejected rows, and whether all are in it.
fn rejects_of(
    place: &mut dyn Place,
    reading: &Reading,
    file: &Entry,
    rejected: &BTreeMap<u64, &RejectedRow>,
) -> Result<(Vec<u8>, bool), Trouble> {
    let mut opened = Opened::new(place, reading, file)?;
    let mut writer = Writer::new(Bounded::default(), opened.table.columns()).map_err(failed)?;
    let last = rejected.keys().next_back().copied().unwrap_or_default();
    if let Some(why) = rejected.get(&0) {
        writer.add([], reason(why, "")).map_err(failed)?;
    }
    while opened.mark().0 <= last {
        let Some(record) = opened.next()? else { break };
        let Some(why) = rejected.get(&record.line) else { continue };
        let line = record.line.to_string();
        match writer.add(record.values.iter().map(|value| Some(value.as_str())), reason(why, &line)) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Ok((writer.finish().map_or_else(|_| Vec::new(), |bounded| bounded.0), false));
            }
            added => added.map_err(failed)?,
        }
    }
    Ok((writer.finish().map_err(failed)?.0, true))
}

fn rejects_alone(rejected: &BTreeMap<u64, &RejectedRow>) -> io::Result<(Vec<u8>, bool)> {
    let mut writer = Writer::new(Vec::new(), &[] as &[&str])?;
    for (line, why) in rejected {
        writer.add([], reason(why, &line.to_string()))?;
    }
    Ok((writer.finish()?, true))
}

fn reason<'r>(why: &'r RejectedRow, row: &'r str) -> Reason<'r> {
    Reason {
        row,
        step: &why.step,
        code: &why.code,
        field: why.field.as_deref().unwrap_or_default(),
        message: &why.message,
        hint: &why.hint,
    }
}

/// Bytes, but not too many of them.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
