//! Files of a place as a source: an object is a pattern of files, a row is a record of one of them.
//!
//! What is in the place is new: files that are done go to `archive/`. They are read in the order of their names; one
//! whose content was loaded before is skipped, unless all rows are wanted. A run takes [`MOST_FILES`] at most. A file
//! that is no table, or lacks a column that others have, is rejected as a whole, and costs the others nothing; a column
//! that none of the first [`SHOWN`] files has ends the run, since then it is the job that does not fit.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::finish;
use super::opened::{Opened, Trouble, id, kinds, row};
use super::pattern::{ARCHIVE, Pattern, like};
use super::place::{Entry, Place};
use super::progress::{Done, Outcome, Part, Progress};
use super::seen::Seen;
use super::settings::Reading;
use super::table::{Fault, Record};
use crate::connect::cell::CellType;
use crate::connect::source::{
    Estimate, Flow, Gone, Page, RejectedRow, Source, SourceError, SourceField, SourceObject, SourceRow,
    TakePage, Wanted,
};

/// The most files of a run; others come with the next one.
pub const MOST_FILES: usize = 500;
/// So many files are looked at to see what columns there are.
const SHOWN: usize = 10;
/// Rows of a page.
const PAGE: usize = 1_000;

/// Files of a place.
pub struct FileSource {
    place: Box<dyn Place>,
    seen: Box<dyn Seen>,
    reading: Reading,
    rejects: Vec<RejectedRow>,
    notices: Vec<String>,
}

/// Columns and what they hold, and why others are not known.
type Kinds = (Vec<(String, CellType)>, Option<SourceError>);

/// A run, as far as it came.
struct Run<'w> {
    wanted: &'w Wanted,
    progress: Progress,
    /// Rows that may still be read.
    left: u64,
}

impl Run<'_> {
    /// Notes that `file` is done.
    fn done(&mut self, file: &Entry, digest: &str, outcome: Outcome) {
        let (name, tag) = (file.name.clone(), file.tag.clone());
        self.progress.part = None;
        self.progress.done.push(Done { name, tag, digest: digest.to_owned(), outcome });
    }

    /// `rows`, and that the run came so far.
    fn page(&self, rows: Vec<SourceRow>) -> Page {
        Page { rows, checkpoint: self.progress.checkpoint() }
    }
}

impl FileSource {
    /// The files of `place`. `seen` knows which contents were loaded.
    pub fn new(place: Box<dyn Place>, seen: Box<dyn Seen>, reading: Reading) -> Self {
        FileSource { place, seen, reading, rejects: Vec::new(), notices: Vec::new() }
    }

    /// The files that are complete, and the tag of the marker that says so.
    fn files(&mut self, pattern: &Pattern) -> Result<(Vec<Entry>, Option<String>), SourceError> {
        let mut files = self.place.list(&pattern.folder)?;
        let ready = self.reading.ready.as_ref().map(|ready| format!("{}{ready}", pattern.folder));
        let marker =
            files.iter().find(|file| Some(&file.name) == ready.as_ref()).map(|file| file.tag.clone());
        if ready.is_some() && marker.is_none() {
            return Ok((Vec::new(), None));
        }
        files.retain(|file| pattern.matches(&file.name) && Some(&file.name) != ready.as_ref());
        Ok((files, marker))
    }

    /// The files that show what columns there are: the first that wait, and the last that is done.
    fn samples(&mut self, object: &str) -> Result<Vec<Entry>, SourceError> {
        let pattern = Pattern::read(object)?;
        let waiting = self.place.list(&pattern.folder)?;
        let ready = self.reading.ready.as_ref().map(|ready| format!("{}{ready}", pattern.folder));
        let is_one = |file: &Entry| pattern.matches(&file.name) && Some(&file.name) != ready.as_ref();
        let mut samples: Vec<Entry> = waiting.into_iter().filter(is_one).take(SHOWN).collect();
        let archived = self.place.list(&format!("{ARCHIVE}{}", pattern.folder))?;
        let is_one = |file: &Entry| file.name.strip_prefix(ARCHIVE).is_some_and(|name| pattern.matches(name));
        samples.extend(archived.into_iter().rfind(is_one));
        if samples.is_empty() {
            let about = self.place.about();
            let none = format!("no file in {about} is called {object}; put one there");
            return Err(SourceError::Settings(none));
        }
        Ok(samples)
    }

    /// What the columns of `files` hold, each as in the first that has it; of no more files than show all of `wanted`.
    /// With it, what is wrong with the first that is no table.
    fn kinds(&mut self, files: &[Entry], wanted: Option<&[String]>) -> Result<Kinds, SourceError> {
        let (mut found, mut trouble): Kinds = (Vec::new(), None);
        for file in files {
            let is_there = |field: &String| found.iter().any(|(name, _)| name == field);
            if wanted.is_some_and(|wanted| wanted.iter().all(is_there)) {
                break;
            }
            match kinds(&mut *self.place, &self.reading, file) {
                Ok(kinds) => {
                    let is_new =
                        |(name, _): &(String, CellType)| found.iter().all(|(known, _)| known != name);
                    let new: Vec<_> = kinds.into_iter().filter(is_new).collect();
                    found.extend(new);
                }
                Err(Trouble::Source(error)) => return Err(error),
                Err(why) => trouble = trouble.or(Some(why.about(file))),
            }
        }
        Ok((found, trouble))
    }

    /// Reads what is left of one file.
    fn read_file(
        &mut self,
        (file, digest): (&Entry, &str),
        run: &mut Run<'_>,
        take: TakePage<'_>,
    ) -> Result<Flow, Trouble> {
        let mut opened = match run.progress.part_of(file) {
            Some(part) => Opened::resume(&mut *self.place, &self.reading, file, part)?,
            None => Opened::new(&mut *self.place, &self.reading, file)?,
        };
        let columns = opened.columns(file, &run.wanted.fields, &run.progress.kinds)?;
        loop {
            let (mut rows, mut is_end) = (Vec::new(), false);
            while rows.len() < PAGE && run.left > 0 && !is_end {
                match opened.next()? {
                    None => is_end = true,
                    Some(record) => match record.fault {
                        None => {
                            rows.push(row(file, &record, &columns));
                            run.left -= 1;
                        }
                        Some(fault) => self.reject(file, (&record, opened.table.columns()), fault),
                    },
                }
            }
            if is_end {
                if self.place.is_unchanged(file)? {
                    run.done(file, digest, Outcome::Read);
                } else {
                    // Its last row may be half of one.
                    rows.clear();
                    run.progress.part = None;
                    let name = &file.name;
                    self.notices
                        .push(format!("{name} changed while it was read; the next run reads it again"));
                }
                return Ok(take(run.page(rows))?);
            }
            let (line, offset) = opened.mark();
            let (name, tag, digest) = (file.name.clone(), file.tag.clone(), digest.to_owned());
            run.progress.part = Some(Part { name, tag, digest, line, offset });
            if take(run.page(rows))? == Flow::Enough || run.left == 0 {
                return Ok(Flow::Enough);
            }
        }
    }

    fn reject(&mut self, file: &Entry, (record, columns): (&Record, &[String]), fault: Fault) {
        let cell = |at: usize| record.values.get(at).filter(|value| !value.is_empty()).cloned();
        self.rejects.push(RejectedRow {
            id: id(file, record.line),
            line: Some(record.line),
            source: columns.iter().cloned().zip((0..).map(cell)).collect(),
            step: "extract".to_owned(),
            code: "row_invalid".to_owned(),
            field: None,
            message: fault.message(),
            hint: fault.hint().to_owned(),
        });
    }

    /// Rejects all of `file`, since it is no table.
    fn reject_file(&mut self, file: &Entry, why: &str) {
        self.notices.push(format!("{} can't be read as a table: {why}", file.name));
        self.rejects.push(RejectedRow {
            id: id(file, 0),
            line: None,
            source: Vec::new(),
            step: "extract".to_owned(),
            code: "file_invalid".to_owned(),
            field: None,
            message: format!("the file can't be read as a table: {why}"),
            hint: "mend the file and put it there again".to_owned(),
        });
    }

    /// The file by which the same content came, if it was loaded before.
    fn before(&mut self, digest: &str, run: &Run<'_>) -> Result<Option<String>, SourceError> {
        if run.wanted.since.is_none() || run.wanted.limit.is_some() {
            return Ok(None);
        }
        let same = |done: &&Done| done.digest == digest && done.is_loaded();
        match run.progress.done.iter().find(same) {
            Some(done) => Ok(Some(done.name.clone())),
            None => self.seen.file(digest),
        }
    }

    /// Reads one file, or says why not.
    fn take_file(
        &mut self,
        file: &Entry,
        run: &mut Run<'_>,
        take: TakePage<'_>,
    ) -> Result<Flow, SourceError> {
        let part = run.progress.part_of(file).map(|part| part.digest.clone());
        let is_begun = part.is_some();
        let digest = match part {
            Some(digest) => digest,
            // A preview leaves no trace, and need not wait for all of a file to be read.
            None if run.wanted.limit.is_some() => String::new(),
            None => self.place.digest(file)?,
        };
        if !is_begun && let Some(before) = self.before(&digest, run)? {
            self.notices
                .push(format!("{} is skipped: {before}, with the same content, is loaded", file.name));
            run.done(file, &digest, Outcome::Known);
            return take(run.page(Vec::new()));
        }
        match self.read_file((file, &digest), run, take) {
            Err(Trouble::File(why)) => {
                self.reject_file(file, &why);
                run.done(file, &digest, Outcome::Broken);
                take(run.page(Vec::new()))
            }
            Err(Trouble::Source(error)) => Err(error),
            Ok(flow) => Ok(flow),
        }
    }
}

impl Source for FileSource {
    fn test(&mut self) -> Result<String, SourceError> {
        let count = self.place.list("")?.len();
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        Ok(format!("{} has {files}", self.place.about()))
    }

    fn objects(&mut self) -> Result<Vec<SourceObject>, SourceError> {
        let files = self.place.list("")?;
        let ready = self.reading.ready.as_deref();
        let names = files.iter().map(|file| file.name.as_str()).filter(|name| Some(*name) != ready);
        let patterns: BTreeSet<String> = names.map(like).collect();
        Ok(patterns.into_iter().map(|name| SourceObject { label: name.clone(), name }).collect())
    }

    fn fields(&mut self, object: &str) -> Result<Vec<SourceField>, SourceError> {
        let samples = self.samples(object)?;
        let (kinds, trouble) = self.kinds(&samples, None)?;
        if let Some(trouble) = trouble.filter(|_| kinds.is_empty()) {
            return Err(trouble);
        }
        let field = |(name, kind): (String, CellType)| SourceField {
            label: name.clone(),
            name,
            kind,
            choices: Vec::new(),
            is_unseen: false,
        };
        Ok(kinds.into_iter().map(field).collect())
    }

    fn clock(&mut self) -> Result<Timestamp, SourceError> {
        Ok(Timestamp::now())
    }

    fn estimate(&mut self, wanted: &Wanted) -> Result<Estimate, SourceError> {
        let files = self.files(&Pattern::read(&wanted.object)?)?.0.len() as u64;
        let calls = if self.place.is_remote() { 1 + 3 * files } else { 0 };
        Ok(Estimate { rows: (files == 0).then_some(0), calls, credits: 0 })
    }

    fn read(
        &mut self,
        wanted: &Wanted,
        checkpoint: Option<&str>,
        take: TakePage<'_>,
    ) -> Result<(), SourceError> {
        let (mut files, marker) = self.files(&Pattern::read(&wanted.object)?)?;
        let mut progress = checkpoint.map(Progress::read).transpose()?.unwrap_or_default();
        if checkpoint.is_none() {
            progress.marker = marker;
            let shown = files.get(..SHOWN).unwrap_or(&files);
            progress.kinds = self.kinds(shown, Some(&wanted.fields))?.0.into_iter().collect();
        }
        files.retain(|file| !progress.is_done(file));
        let room = MOST_FILES.saturating_sub(progress.done.len());
        if files.len() > room {
            progress.is_more = true;
            self.notices
                .push(format!("a run reads {MOST_FILES} files; {} come with the next", files.len() - room));
            files.truncate(room);
        }
        let mut run = Run { wanted, progress, left: wanted.limit.unwrap_or(u64::MAX) };
        for file in files {
            if self.take_file(&file, &mut run, take)? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }

    fn gone(&mut self, _: &str, _: Option<Timestamp>) -> Result<Option<Vec<Gone>>, SourceError> {
        Ok(None)
    }

    fn spent(&mut self) -> (u64, u64) {
        (self.place.calls(), 0)
    }

    fn rejects(&mut self) -> Vec<RejectedRow> {
        std::mem::take(&mut self.rejects)
    }

    fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn finish(
        &mut self,
        object: &str,
        checkpoint: &str,
        rejected: &[RejectedRow],
    ) -> Result<(), SourceError> {
        let (pattern, progress) = (Pattern::read(object)?, Progress::read(checkpoint)?);
        let (place, seen) = (&mut *self.place, &mut *self.seen);
        let notices = finish::finish(place, seen, &self.reading, (&pattern, &progress), rejected)?;
        self.notices.extend(notices);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
