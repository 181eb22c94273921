//! The table that a bulk read gives: a ZIP with one CSV, read as a stream, whose checksum has to be right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::Path;

use csv::StringRecord;
use data_encoding::HEXLOWER;
use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::plan::{Plan, Table};
use crate::connect::source::{SourceError, SourceRow};

/// A table that is being read.
pub struct Open {
    lines: csv::Reader<Checked>,
    table: Option<Table>,
}

/// What comes out of the archive, with the checksum and the size that it should have.
struct Checked {
    inside: CrcReader<Inside>,
    crc: u32,
    size: u64,
}

enum Inside {
    Deflated(DeflateDecoder<Take<File>>),
    Stored(Take<File>),
    Empty,
}

impl Read for Inside {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Inside::Deflated(reader) => reader.read(buffer),
            Inside::Stored(reader) => reader.read(buffer),
            Inside::Empty => Ok(0),
        }
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inside.read(buffer)?;
        let crc = self.inside.crc();
        let is_right = crc.sum() == self.crc && u64::from(crc.amount()) == self.size % (1 << 32);
        if count == 0 && !buffer.is_empty() && !is_right {
            return Err(io::Error::other("its checksum is wrong"));
        }
        Ok(count)
    }
}

/// A file in `folder` that has no name any more, so that it goes with whoever has it open, however that ends.
///
/// # Errors
/// When it can't be made.
pub fn nameless(folder: &Path) -> Result<File, SourceError> {
    let here =
        |error: io::Error| SourceError::Here(format!("no file can be made in {}: {error}", folder.display()));
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| here(io::Error::other(error)))?;
    let path = folder.join(format!("zoho-{}.zip", HEXLOWER.encode(&random)));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(here)?;
    fs::remove_file(&path).map_err(here)?;
    Ok(file)
}

impl Open {
    /// The table in the archive `file`; of an archive without a file, one without lines. None, where it lacks a field.
    ///
    /// # Errors
    /// When the archive is none, or cut: it has to be fetched again.
    pub fn new(plan: &Plan, file: File) -> Result<Option<Self>, SourceError> {
        let mut lines = csv::ReaderBuilder::new().flexible(true).from_reader(checked(file)?);
        let header = lines.headers().map_err(|error| damaged(&error.to_string()))?;
        if header.is_empty() {
            return Ok(Some(Open { lines, table: None }));
        }
        match Table::new(plan, header) {
            Ok(table) => Ok(Some(Open { lines, table: Some(table) })),
            Err(field) => {
                tracing::warn!(
                    module = plan.module,
                    field,
                    "a bulk read lacks a field; another way is tried"
                );
                Ok(None)
            }
        }
    }

    /// Passes over so many lines.
    ///
    /// # Errors
    /// When the archive is damaged.
    pub fn skip(&mut self, count: u64) -> Result<(), SourceError> {
        let mut line = StringRecord::new();
        for _ in 0..count {
            if !self.next(&mut line)? {
                break;
            }
        }
        Ok(())
    }

    /// The next rows, at most `most`; none: there are no others.
    ///
    /// # Errors
    /// When the archive is damaged.
    pub fn rows(&mut self, plan: &Plan, most: usize) -> Result<Vec<SourceRow>, SourceError> {
        let mut rows = Vec::new();
        let mut line = StringRecord::new();
        while rows.len() < most && self.next(&mut line)? {
            rows.extend(self.table.as_ref().map(|table| table.row(plan, &line)));
        }
        Ok(rows)
    }

    fn next(&mut self, line: &mut StringRecord) -> Result<bool, SourceError> {
        self.lines.read_record(line).map_err(|error| damaged(&error.to_string()))
    }
}

fn checked(mut file: File) -> Result<Checked, SourceError> {
    let mut archive = ZipArchive::new(&mut file).map_err(|error| damaged(&error.to_string()))?;
    if archive.is_empty() {
        return Ok(Checked { inside: CrcReader::new(Inside::Empty), crc: 0, size: 0 });
    }
    let entry = archive.by_index_raw(0).map_err(|error| damaged(&error.to_string()))?;
    let (begin, packed, method) = (entry.data_start(), entry.compressed_size(), entry.compression());
    let (crc, size) = (entry.crc32(), entry.size());
    let begin = begin.ok_or_else(|| damaged("nobody knows where its data is"))?;
    drop(entry);
    drop(archive);
    file.seek(SeekFrom::Start(begin)).map_err(|error| damaged(&error.to_string()))?;
    let inside = match method {
        CompressionMethod::Deflated => Inside::Deflated(DeflateDecoder::new(file.take(packed))),
        CompressionMethod::Stored => Inside::Stored(file.take(packed)),
        other => return Err(damaged(&format!("it is packed by {other}"))),
    };
    Ok(Checked { inside: CrcReader::new(inside), crc, size })
}

fn damaged(why: &str) -> SourceError {
    SourceError::Away(format!("the result of a bulk read is damaged ({why}); it is fetched again"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::connect::cell::CellType;
    use crate::connect::zoho::metadata::Field;

    fn archive(content: &[u8], method: CompressionMethod) -> File {
        let folder = tempfile::tempdir().unwrap();
        let file = nameless(folder.path()).unwrap();
        let mut zip = ZipWriter::new(file);
        zip.start_file("1.csv", SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap()
    }

    fn plan() -> Plan {
        let fields = [Field::plain("id", CellType::Text), Field::plain("Name", CellType::Text)];
        Plan::new("Deals", &fields, &["Name".to_owned()]).unwrap()
    }

    #[test]
    fn lines_are_read_in_order_and_from_where_one_was() {
        for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
            let file = archive(b"Id,Name\n1,\"a,\nb\"\n2,\n3,c\n", method);
            let mut open = Open::new(&plan(), file).unwrap().unwrap();
            open.skip(1).unwrap();
            let rows = open.rows(&plan(), 5).unwrap();
            let found: Vec<_> =
                rows.iter().map(|row| (row.id.clone().unwrap(), row.cells[0].clone())).collect();
            assert_eq!(found, [("2".to_owned(), None), ("3".to_owned(), Some("c".to_owned()))]);
            assert!(open.rows(&plan(), 5).unwrap().is_empty());
        }
    }

    #[test]
    fn a_table_without_a_field_or_without_lines_is_no_fault() {
        let file = archive(b"Id,Other\n1,x\n", CompressionMethod::Deflated);
        assert!(Open::new(&plan(), file).unwrap().is_none());
        let file = ZipWriter::new(nameless(tempfile::tempdir().unwrap().path()).unwrap()).finish().unwrap();
        assert!(Open::new(&plan(), file).unwrap().unwrap().rows(&plan(), 9).unwrap().is_empty());
    }

    #[test]
    fn a_damaged_archive_is_fetched_again() {
        let mut file = archive(&b"Id,Name\n1,abcdefgh\n".repeat(50), CompressionMethod::Stored);
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(8).rposition(|part| part == b"abcdefgh").unwrap();
        bytes[at] = b'X';
        file.rewind().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let read =
            Open::new(&plan(), file.try_clone().unwrap()).and_then(|open| open.unwrap().rows(&plan(), 9_999));
        assert!(matches!(read, Err(SourceError::Away(_))), "{read:?}");
        file.set_len(30).unwrap();
        assert!(matches!(Open::new(&plan(), file), Err(SourceError::Away(_))));
    }

    #[test]
    fn a_file_goes_with_whoever_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let _file = nameless(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(matches!(nameless(&folder.path().join("none")), Err(SourceError::Here(_))));
    }
}
