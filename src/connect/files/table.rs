//! Records of a table, one by one, in memory that stays flat whatever the file holds. A record that is wrong costs
//! itself alone: whatever follows it is read.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::WINDOWS_1252;
use memchr::{memchr, memchr3};

use super::dialect::sniff;

/// The most bytes of a record.
pub const MOST_RECORD: usize = 1 << 20;
/// The most bytes of a value.
pub const MOST_VALUE: usize = 256 * 1024;
/// The most columns.
pub const MOST_COLUMNS: usize = 2_000;
/// Bytes read at a time, and looked at to find the delimiter.
const PIECE: usize = 64 * 1024;

/// What `parse` found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'b> {
    /// A record.
    Record {
        /// Its values.
        fields: Vec<Cow<'b, [u8]>>,
        /// The bytes that it takes, with its end.
        used: usize,
        /// The ends of lines in it.
        lines: u64,
        /// Something stands between a closing quote and the end of its value.
        is_loose: bool,
    },
    /// It goes on behind the bytes that are here.
    More {
        /// Inside quotes.
        is_quoted: bool,
    },
}

/// A record, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its line, from 1.
    pub line: u64,
    /// Its values, without blanks around them: one a column, but for a fault.
    pub values: Vec<String>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// Why a record is none of the table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has another number of values than the header.
    Columns {
        /// How many it has.
        has: usize,
        /// How many the header has.
        wanted: usize,
    },
    /// A quote opens a value and is never closed, or too late.
    Quote,
    /// It is too large, or a value of it is.
    Size,
}

impl Fault {
    /// A sentence about it.
    pub fn message(self) -> String {
        match self {
            Fault::Columns { has, wanted } => {
                format!("the row has {has} values, and the header has {wanted}")
            }
            Fault::Quote => "a quote opens in this row and is not closed".to_owned(),
            Fault::Size => "the row, or a value in it, is too long".to_owned(),
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Fault::Columns { .. } => "put values that contain the delimiter or a line break into quotes",
            Fault::Quote => "close the quote, and write a quote inside a value twice",
            Fault::Size => "a row has at most 1 MiB, and a value 256 KiB",
        }
    }
}

/// A table, being read.
pub struct Table<R> {
    input: R,
    /// Read and not yet taken: from `at` on.
    buffer: Vec<u8>,
    at: usize,
    is_end: bool,
    delimiter: u8,
    columns: Vec<String>,
    /// The line of the next record, and where that begins.
    line: u64,
    offset: u64,
}

/// Where reading may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The line of the next record.
    pub line: u64,
    /// Bytes before it.
    pub offset: u64,
}

impl<R: Read> Table<R> {
    /// The table in `input`, which begins with its header. Without `delimiter`, it is seen from the first records.
    ///
    /// # Errors
    /// When it can't be read, or its header is none.
    pub fn open(input: R, delimiter: Option<u8>) -> io::Result<Self> {
        let mut table = Table::new(input, delimiter.unwrap_or(b','), Vec::new(), Mark { line: 1, offset: 0 });
        table.fill(PIECE)?;
        let (sniffed, named) = sniff(&table.buffer, table.is_end);
        if named > 0 {
            table.take(named, 1);
        }
        table.delimiter = delimiter.unwrap_or(sniffed);
        let header = match table.record(None)? {
            Some(Record { fault: Some(fault), .. }) => return Err(invalid(fault.message())),
            Some(record) => record.values,
            None => return Err(invalid("it has no header".to_owned())),
        };
        if header
            .iter()
            .any(|name| name.contains(|letter: char| letter.is_control() && !letter.is_whitespace()))
        {
            return Err(invalid("its first line is no text".to_owned()));
        }
        if header.len() > MOST_COLUMNS {
            return Err(invalid(format!("it has more than {MOST_COLUMNS} columns")));
        }
        table.columns = named_once(header);
        Ok(table)
    }

    /// The table of which `input` is the rest, from `mark` on.
    pub fn resume(input: R, delimiter: u8, columns: Vec<String>, mark: Mark) -> Self {
        Table::new(input, delimiter, columns, mark)
    }

    fn new(input: R, delimiter: u8, columns: Vec<String>, mark: Mark) -> Self {
        let Mark { line, offset } = mark;
        Table { input, buffer: Vec::new(), at: 0, is_end: false, delimiter, columns, line, offset }
    }

    /// Names of its columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What stands between its values.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Where the next record begins.
    pub fn mark(&self) -> Mark {
        Mark { line: self.line, offset: self.offset }
    }

    /// The next record; none: there is no other.
    ///
    /// # Errors
    /// When the file can't be read any further.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        self.record(Some(self.columns.len()))
    }

    /// The next record with any value. Without `columns`, it may have any number of them.
    fn record(&mut self, columns: Option<usize>) -> io::Result<Option<Record>> {
        let mut wanted = PIECE;
        loop {
            if self.rest().is_empty() {
                if self.is_end {
                    return Ok(None);
                }
                self.fill(PIECE)?;
                continue;
            }
            let line = self.line;
            match parse(self.rest(), self.delimiter, self.is_end) {
                Parsed::Record { fields, used, lines, is_loose } => {
                    let fault = fault(&fields, used, columns);
                    if (fault.is_some() || is_loose) && lines > 1 {
                        // A quote that is not closed in its row ends at one of a later row.
                        self.skip_line()?;
                        return Ok(Some(Record { line, values: Vec::new(), fault: Some(Fault::Quote) }));
                    }
                    let is_large = fault == Some(Fault::Size);
                    let fields = fields.iter().filter(|_| !is_large);
                    let values: Vec<String> = fields.map(|field| text(field)).collect();
                    self.take(used, lines);
                    if is_large || values.iter().any(|value| !value.is_empty()) {
                        return Ok(Some(Record { line, values, fault }));
                    }
                }
                Parsed::More { is_quoted } if self.is_end || self.rest().len() > MOST_RECORD => {
                    // What follows the first line of it may be well.
                    self.skip_line()?;
                    let fault = Some(if is_quoted { Fault::Quote } else { Fault::Size });
                    return Ok(Some(Record { line, values: Vec::new(), fault }));
                }
                Parsed::More { .. } => {
                    wanted = wanted.max(self.rest().len() * 2).min(MOST_RECORD + PIECE);
                    self.fill(wanted)?;
                }
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, bytes: usize, lines: u64) {
        self.at += bytes;
        self.offset += bytes as u64;
        self.line += lines;
    }

    /// Reads until `wanted` bytes are here, or all.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let missing = wanted.saturating_sub(self.buffer.len()) as u64;
        let read = (&mut self.input).take(missing).read_to_end(&mut self.buffer)?;
        self.is_end = (read as u64) < missing;
        Ok(())
    }

    /// Leaves out what is left of a line, however long it is.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = memchr(b'\n', self.rest()) {
                self.take(end + 1, 1);
                return Ok(());
            }
            self.take(self.rest().len(), 0);
            if self.is_end {
                return Ok(());
            }
            self.fill(PIECE)?;
        }
    }
}

/// What is wrong with a record of `used` bytes, where the table has so many columns.
fn fault(fields: &[Cow<'_, [u8]>], used: usize, columns: Option<usize>) -> Option<Fault> {
    let has = fields.len();
    if used > MOST_RECORD || fields.iter().any(|field| field.len() > MOST_VALUE) {
        return Some(Fault::Size);
    }
    columns.filter(|wanted| *wanted != has).map(|wanted| Fault::Columns { has, wanted })
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Columns with names of their own: a column that has none, or that of another one, gets its number.
fn named_once(header: Vec<String>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (index, name) in header.into_iter().enumerate() {
        let number = index + 1;
        columns.push(match name {
            name if name.is_empty() => format!("column {number}"),
            name if columns.contains(&name) => format!("{name} ({number})"),
            name => name,
        });
    }
    columns
}

/// A value as text: UTF-8, else what Windows makes of the bytes.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.trim().to_owned(),
    }
}

/// The first record of `bytes`, of which nothing follows if they are the last.
pub(super) fn parse(bytes: &[u8], delimiter: u8, are_last: bool) -> Parsed<'_> {
    let mut fields = Vec::new();
    let (mut at, mut lines, mut is_loose) = (0, 0, false);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let (field, used) = match rest.get(blanks..) {
            Some([b'"', quoted @ ..]) => match unquote(quoted, are_last) {
                Some((value, used)) => {
                    lines +=
                        memchr::memchr_iter(b'\n', quoted.get(..used).unwrap_or_default()).count() as u64;
                    (value, blanks + 1 + used)
                }
                None => return Parsed::More { is_quoted: true },
            },
            _ => (Cow::Borrowed(&[][..]), 0),
        };
        // Up to the delimiter or the end of the line: the value, or what follows its quotes.
        let tail = rest.get(used..).unwrap_or_default();
        let end = memchr3(delimiter, b'\n', b'\r', tail);
        let (end, ending) = match end {
            Some(end) => (end, tail.get(end..).unwrap_or_default()),
            None if are_last => (tail.len(), &[][..]),
            None => return Parsed::More { is_quoted: false },
        };
        let loose = tail.get(..end).unwrap_or_default();
        fields.push(if used == 0 {
            Cow::Borrowed(loose)
        } else if loose.iter().all(|byte| *byte == b' ') {
            field
        } else {
            is_loose = true;
            Cow::Owned([&field, loose].concat())
        });
        at += used + end;
        let ended = match ending {
            [first, ..] if *first == delimiter => {
                at += 1;
                continue;
            }
            [b'\r'] if !are_last => return Parsed::More { is_quoted: false },
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        return Parsed::Record { fields, used: at + ended, lines: lines + u64::from(ended > 0), is_loose };
    }
}

/// The value before the closing quote, and the bytes that it takes with that; none: it is not closed here.
fn unquote(quoted: &[u8], are_last: bool) -> Option<(Cow<'_, [u8]>, usize)> {
    let (mut value, mut at): (Vec<u8>, usize) = (Vec::new(), 0);
    loop {
        let rest = quoted.get(at..)?;
        let end = memchr(b'"', rest)?;
        let part = rest.get(..end)?;
        let next = rest.get(end + 1);
        if next.is_none() && !are_last {
            // It may be the first of two.
            return None;
        }
        if next == Some(&b'"') {
            value.extend(part);
            value.push(b'"');
            at += end + 2;
        } else if value.is_empty() && at == 0 {
            return Some((Cow::Borrowed(part), end + 1));
        } else {
            value.extend(part);
            return Some((Cow::Owned(value), at + end + 1));
        }
    }
}

#[cfg(test)]
mod tests;
