//! Prints records to stdout, and finds out what their reader has taken.

use super::follow::Sink;
use super::{TailError, print};
use crate::cli::output::Output;
use crate::queue::line;
use crate::queue::reader::ReadRecord;

/// Records are settled at least after this many.
const SETTLE_EVERY: u64 = 1_000;

/// The output, and how records look on it.
pub(super) struct Printer<'a> {
    out: &'a mut dyn Output,
    json: bool,
    until_taken: bool,
    printed: u64,
    line: Vec<u8>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut dyn Output, json: bool) -> Self {
        Printer { out, json, until_taken: false, printed: 0, line: Vec::new() }
    }

    /// Records are settled only once the reader of the output has taken them, where that can be known.
    pub(super) fn waits_until_taken(&mut self) {
        self.until_taken = true;
    }
}

impl Sink for Printer<'_> {
    fn take(&mut self, record: &ReadRecord) -> Result<bool, TailError> {
        self.line.clear();
        if self.json {
            line::write(record, &mut self.line);
        } else {
            print::plain(record, &mut self.line);
        }
        self.out.write_all(&self.line).map_err(TailError::Output)?;
        self.printed += 1;
        Ok(self.printed.is_multiple_of(SETTLE_EVERY))
    }

    fn settle(&mut self) -> Result<(), TailError> {
        let settled = if self.until_taken { self.out.until_taken() } else { self.out.hand_over() };
        settled.map_err(TailError::Output)
    }
}
