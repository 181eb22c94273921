//! Tables as people send them, tables with mistakes, and tables that are large.

use proptest::prelude::*;

use super::*;

fn read(text: &[u8]) -> (Vec<String>, Vec<Record>) {
    let mut table = Table::open(text, None).unwrap();
    let mut records = Vec::new();
    while let Some(record) = table.next_record().unwrap() {
        records.push(record);
    }
    (table.columns().to_vec(), records)
}

/// The rows that are well, and lines with a fault.
fn rows(text: &str) -> (Vec<Vec<String>>, Vec<(u64, Fault)>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for record in read(text.as_bytes()).1 {
        match record.fault {
            Some(fault) => faults.push((record.line, fault)),
            None => rows.push(record.values),
        }
    }
    (rows, faults)
}

#[test]
fn quotes_line_ends_and_blanks_are_read_as_people_mean_them() {
    for (text, expected) in [
        ("a,b\r\n1,2\r\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2\n3,4", [["1", "2"], ["3", "4"]]),
        ("a,b\r1,2\r3,4", [["1", "2"], ["3", "4"]]),
        ("a,b\n\"1,5\",\"say \"\"yes\"\"\"\n3,4\n", [["1,5", "say \"yes\""], ["3", "4"]]),
        ("a,b\n\"two\nlines\",2\n3,4\n", [["two\nlines", "2"], ["3", "4"]]),
        ("a, b\n 1 , \"2\" \n\n,\n3,4\n\n", [["1", "2"], ["3", "4"]]),
        ("a,b\n5\" pipe,2\n3,\"\"\n", [["5\" pipe", "2"], ["3", ""]]),
        ("a;b\n1,5;\"x\"y\n3;4\n", [["1,5", "xy"], ["3", "4"]]),
        ("sep=|\na|b\n1|2\n3|4\n", [["1", "2"], ["3", "4"]]),
    ] {
        assert_eq!(
            rows(text),
            (expected.map(|row| row.map(str::to_owned).to_vec()).to_vec(), vec![]),
            "{text:?}"
        );
    }
}

#[test]
fn a_row_that_is_wrong_costs_itself_alone() {
    let (rows, faults) = rows("a,b\n1,2\n3\n5,6,7\n8,\"open\n9,10\n11,\"12\"\n13,14\n");
    assert_eq!(rows, [["1", "2"], ["9", "10"], ["11", "12"], ["13", "14"]]);
    let columns = |has| Fault::Columns { has, wanted: 2 };
    assert_eq!(faults, [(3, columns(1)), (4, columns(3)), (5, Fault::Quote)]);
}

#[test]
fn lines_are_counted_with_the_breaks_inside_values() {
    let (_, records) = read(b"a,b\n\"x\ny\",1\n\n2,3\n");
    assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn what_is_too_long_is_left_out_and_the_rest_is_read() {
    let long = "x".repeat(MOST_VALUE + 1);
    let endless = "y".repeat(3 * MOST_RECORD);
    let open = format!("7,\"{}", "8,9\n".repeat(MOST_RECORD / 2));
    let (rows, faults) = rows(&format!("a,b\n1,{long}\n2,3\n{endless}\n4,5\n{open}"));
    assert_eq!(&rows[..3], [["2", "3"], ["4", "5"], ["8", "9"]]);
    assert_eq!(faults, [(2, Fault::Size), (4, Fault::Size), (6, Fault::Quote)]);
    assert_eq!(rows.len(), MOST_RECORD / 2 + 1, "what follows an open quote is read");
}

#[test]
fn bytes_that_are_no_utf_8_are_read_as_windows_writes_them() {
    let (_, records) = read(b"a,b\nM\xfcller,\x80 5\nM\xc3\xbcller,\xe2\x82\xac 5\n");
    assert_eq!(records[0].values, ["Müller", "€ 5"]);
    assert_eq!(records[1].values, ["Müller", "€ 5"], "a row at a time");
}

#[test]
fn each_column_has_a_name_of_its_own() {
    assert_eq!(read(b"Name,,Name\n").0, ["Name", "column 2", "Name (3)"]);
    assert!(Table::open(&b""[..], None).is_err());
    assert!(Table::open(&b"\n\n"[..], None).is_err());
}

/// A table without an end in memory.
struct Generated {
    left: u64,
    row: Vec<u8>,
    at: usize,
}

impl Read for Generated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.row.len() {
            let Some(left) = self.left.checked_sub(1) else { return Ok(0) };
            (self.left, self.at) = (left, 0);
            self.row = format!("{left},\"Company, {left}\",{}\n", "x".repeat(200)).into_bytes();
        }
        let read = (&self.row[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let most = |rows: u64| {
        let header = b"id,Name,Text\n".to_vec();
        let mut count = 0;
        let used = allocation_counter::measure(|| {
            let mut table = Table::open(Generated { left: rows, row: header, at: 0 }, None).unwrap();
            while let Some(record) = table.next_record().unwrap() {
                assert!(record.fault.is_none());
                count += 1;
            }
        });
        assert_eq!(count, rows);
        used.bytes_max
    };
    let (small, large) = (most(2_000), most(60_000));
    assert!(large <= small + 4_096, "{small} bytes for 0.4 MB, {large} for 13 MB");
    assert!(large < 1 << 20);
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{0,8}", "[ -~]{0,12}", "\\PC{0,6}", "[a,;\t|\"\r\n]{0,6}"]
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        header in prop::collection::vec("[A-Za-z_]{3,8}", 2..6),
        cells in prop::collection::vec(values(), 0..60),
        delimiter in prop::sample::select(&crate::connect::files::dialect::DELIMITERS[..]),
        piece in 1..40usize,
    ) {
        let wanted: Vec<Vec<String>> = cells.chunks_exact(header.len()).map(<[String]>::to_vec).collect();
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(&header).unwrap();
        wanted.iter().for_each(|row| writer.write_record(row).unwrap());
        let text = writer.into_inner().unwrap();
        let mut table = Table::open(Pieces(&text, piece), Some(delimiter)).unwrap();
        let mut read = Vec::new();
        while let Some(record) = table.next_record().unwrap() {
            prop_assert_eq!(record.fault, None);
            read.push(record.values);
        }
        let trim = |row: &Vec<String>| row.iter().map(|value| value.trim().to_owned()).collect::<Vec<_>>();
        let wanted: Vec<_> = wanted.iter().map(trim).filter(|row| row.iter().any(|value| !value.is_empty())).collect();
        prop_assert_eq!(read, wanted);
        prop_assert_eq!(table.mark().offset, text.len() as u64);
    }

    #[test]
    fn reading_goes_on_where_it_stopped(text in "[a-c,\"\n\r ]{0,80}", stop in 0..20usize) {
        let text = format!("a,b\n{text}");
        let mut whole = Table::open(text.as_bytes(), Some(b',')).unwrap();
        let mut mark = whole.mark();
        for _ in 0..stop {
            if whole.next_record().unwrap().is_none() { break }
            mark = whole.mark();
        }
        let rest = text.as_bytes().get(usize::try_from(mark.offset).unwrap()..).unwrap();
        let mut rest = Table::resume(rest, b',', whole.columns().to_vec(), mark);
        loop {
            let (one, other) = (whole.next_record().unwrap(), rest.next_record().unwrap());
            prop_assert_eq!(&one, &other);
            if one.is_none() { break }
        }
    }

    #[test]
    fn no_bytes_break_the_reader(
        bytes in prop::collection::vec(prop::sample::select(&b"a,;\t|\"\r\n \xff\x00"[..]), 0..200),
    ) {
        let Ok(mut table) = Table::open(&bytes[..], None) else { return Ok(()) };
        while table.next_record().unwrap().is_some() {}
    }
}

/// A text that comes in small pieces.
struct Pieces<'t>(&'t [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(into.len());
        self.0.read(&mut into[..most])
    }
}
