//! `weir tail --exec`: runs a command once per batch of records; exit status 0 means that the batch is loaded.
//!
//! A batch is a file in memory, which is the command's stdin. So the command never gets half a batch, however either
//! process ends, and it may stop reading early without breaking a pipe.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use rustix::fs::{MemfdFlags, memfd_create};

use super::TailError;
use super::follow::Sink;
use super::stop::Stop;
use crate::queue::line;
use crate::queue::reader::{ReadError, ReadRecord};

/// No record joins a batch of this many bytes.
const BATCH_BYTES: u64 = 8 << 20;

/// The command, and what it gets next.
pub(super) struct Exec<'a> {
    command: &'a str,
    consumer: &'a str,
    most: u64,
    stop: Stop,
    batch: Option<Batch>,
}

/// What a run of the command gets.
struct Batch {
    lines: BufWriter<File>,
    bytes: u64,
    records: u64,
    first: i64,
    last: i64,
}

impl<'a> Exec<'a> {
    /// Runs `command` with at most `most` records at a time, for `consumer`, until `stop`.
    pub(super) fn new(command: &'a str, consumer: &'a str, most: u64, stop: Stop) -> Self {
        Exec { command, consumer, most, stop, batch: None }
    }

    fn batch(&mut self, first: i64) -> io::Result<&mut Batch> {
        let begun = match self.batch.take() {
            Some(batch) => batch,
            None => Batch { lines: BufWriter::new(memory_file()?), bytes: 0, records: 0, first, last: first },
        };
        Ok(self.batch.insert(begun))
    }

    fn run(&self, batch: Batch) -> Result<(), TailError> {
        let (records, first, last) = (batch.records, batch.first, batch.last);
        let run = || {
            let mut stdin = batch.lines.into_inner().map_err(IntoInnerError::into_error)?;
            stdin.rewind()?;
            Command::new("/bin/sh")
                .args(["-c", self.command])
                .env("WEIR_FIRST_OFFSET", first.to_string())
                .env("WEIR_LAST_OFFSET", last.to_string())
                .env("WEIR_RECORDS", records.to_string())
                .stdin(stdin)
                .status()
        };
        let what = match run() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => format!("the command ended with {}", named(status)),
            Err(error) => format!("the command could not be started ({error})"),
        };
        let offsets =
            if first == last { format!("offset {first}") } else { format!("offsets {first} to {last}") };
        Err(TailError::NotTaken(format!(
            "{what}, so its batch ({offsets}) is not committed; the next run of consumer {} begins with it",
            self.consumer
        )))
    }
}

impl Sink for Exec<'_> {
    fn go_on(&self) -> Result<(), TailError> {
        self.stop.signal().map_or(Ok(()), |signal| Err(TailError::Stopped(signal)))
    }

    fn take(&mut self, record: &ReadRecord) -> Result<bool, TailError> {
        let mut line = Vec::new();
        line::write(record, &mut line);
        let most = self.most;
        let taken = self.batch(record.offset).and_then(|batch| {
            batch.lines.write_all(&line)?;
            batch.bytes += line.len() as u64;
            batch.records += 1;
            batch.last = record.offset;
            Ok(batch.records >= most || batch.bytes >= BATCH_BYTES)
        });
        taken.map_err(|error| {
            TailError::NotTaken(format!("there is not enough memory for a batch of records: {error}"))
        })
    }

    fn settle(&mut self) -> Result<(), TailError> {
        self.batch.take().map_or(Ok(()), |batch| self.run(batch))
    }

    fn not_committed(&self, error: ReadError) -> TailError {
        TailError::NotTaken(format!(
            "what the command has loaded can't be remembered, so the next run of consumer {} begins with it once more: \
             {error}",
            self.consumer
        ))
    }
}

/// A command that would say of everything that it is loaded is a mistake, such as a variable that is not set.
pub(super) fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty; give the command that loads the records".to_owned());
    }
    Ok(text.to_owned())
}

fn named(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn memory_file() -> io::Result<File> {
    let made = |flags| memfd_create("weir-batch", MemfdFlags::CLOEXEC | flags);
    // Where such files may not hold programs (vm.memfd_noexec), one must say that it does not; old kernels
    // don't know the word.
    let file = made(MemfdFlags::NOEXEC_SEAL).or_else(|_| made(MemfdFlags::empty()))?;
    Ok(file.into())
}
