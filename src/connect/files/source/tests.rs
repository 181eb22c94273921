//! Real files in a real folder, from their arrival to the archive.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::connect::files::folder::Folder;
use crate::connect::files::rejects::Mended;
use crate::connect::files::seen::SeenHere;

fn source(dir: &TempDir) -> FileSource {
    with(dir, Reading::default())
}

fn with(dir: &TempDir, reading: Reading) -> FileSource {
    FileSource::new(Box::new(Folder::new(dir.path())), Box::new(SeenHere::default()), reading)
}

fn write(dir: &TempDir, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn wanted(object: &str, fields: &[&str]) -> Wanted {
    Wanted {
        object: object.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        since: Some(Timestamp::default()),
        until: Timestamp::now(),
        filter: None,
        limit: None,
    }
}

/// All pages.
fn read(source: &mut FileSource, wanted: &Wanted, checkpoint: Option<&str>) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut take = |page| {
        pages.push(page);
        Ok(Flow::More)
    };
    source.read(wanted, checkpoint, &mut take).unwrap();
    pages
}

/// Ids and values of all rows.
fn rows(pages: &[Page]) -> Vec<String> {
    let all = pages.iter().flat_map(|page| &page.rows);
    let cells = |row: &SourceRow| {
        row.cells.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
    };
    all.map(|row| format!("{} {}", row.id.as_ref().unwrap(), cells(row))).collect()
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_read_in_order_and_then_archived_with_what_was_rejected_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "b.csv", "id,Name,Arr\n3,Cee,7\n");
    write(&dir, "a.csv", "Name;id\nAy;1\nBee\n=Dee;2\n");
    let mut source = source(&dir);
    let pages = read(&mut source, &wanted("*.csv", &["id", "Name"]), None);
    assert_eq!(rows(&pages), ["a.csv#2 1|Ay", "a.csv#4 2|=Dee", "b.csv#2 3|Cee"]);
    let mut rejected = source.rejects();
    assert_eq!((rejected[0].id.as_str(), rejected[0].code.as_str()), ("a.csv#3", "row_invalid"));
    assert_eq!(source.rejects(), []);
    let later =
        RejectedRow { id: "a.csv#4".to_owned(), code: "type_invalid".to_owned(), ..rejected[0].clone() };
    rejected.push(later);
    let checkpoint = &pages.last().unwrap().checkpoint;
    source.finish("*.csv", checkpoint, &rejected).unwrap();
    source.finish("*.csv", checkpoint, &rejected).unwrap();
    assert_eq!(listed(dir.path()), ["archive", "errors"]);
    assert_eq!(listed(&dir.path().join("archive")), ["a.csv", "b.csv"]);
    assert_eq!(listed(&dir.path().join("errors")), ["a.csv.errors.csv"]);
    let errors = fs::read(dir.path().join("errors/a.csv.errors.csv")).unwrap();
    let mut mended = Mended::open(&errors[..]).unwrap();
    assert_eq!(mended.columns().collect::<Vec<_>>(), ["Name", "id"], "the columns of the file, in its order");
    let one = mended.next_row().unwrap().unwrap();
    assert_eq!((one.row.as_deref(), &one.cells[0]), (Some("3"), &Some("Bee".to_owned())));
    let other = mended.next_row().unwrap().unwrap();
    assert_eq!(other.cells, [Some("=Dee".to_owned()), Some("2".to_owned())]);
}

#[test]
fn the_same_content_is_loaded_once_unless_all_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = source(&dir);
    let some = wanted("*.csv", &["id"]);
    write(&dir, "a.csv", "id\n1\n");
    let pages = read(&mut source, &some, None);
    source.finish("*.csv", &pages[0].checkpoint, &[]).unwrap();
    write(&dir, "again.csv", "id\n1\n");
    write(&dir, "new.csv", "id\n2\n");
    let pages = read(&mut source, &some, None);
    assert_eq!(rows(&pages), ["new.csv#2 2"]);
    assert_eq!(source.notices(), ["again.csv is skipped: a.csv, with the same content, is loaded"]);
    let all = Wanted { since: None, ..some };
    assert_eq!(rows(&read(&mut source, &all, None)), ["again.csv#2 1", "new.csv#2 2"]);
    source.finish("*.csv", &pages.last().unwrap().checkpoint, &[]).unwrap();
    assert_eq!(listed(&dir.path().join("archive")), ["a.csv", "again.csv", "new.csv"]);
    write(&dir, "a.csv", "id\n9\n");
    let pages = read(&mut source, &all, None);
    source.finish("*.csv", &pages[0].checkpoint, &[]).unwrap();
    assert_eq!(listed(&dir.path().join("archive"))[..2], ["a.csv", "a.csv.2"], "none is written over");
}

#[test]
fn files_wait_for_their_marker_which_goes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = with(&dir, Reading { ready: Some("_READY".to_owned()), ..Reading::default() });
    let wanted = wanted("*", &["id"]);
    write(&dir, "a.csv", "id\n1\n");
    assert_eq!(read(&mut source, &wanted, None), []);
    assert_eq!(source.fields("*").unwrap()[0].name, "id");
    write(&dir, "_READY", "");
    let pages = read(&mut source, &wanted, None);
    assert_eq!(rows(&pages), ["a.csv#2 1"]);
    source.finish("*", &pages[0].checkpoint, &[]).unwrap();
    assert_eq!(listed(dir.path()), ["archive"]);
    assert_eq!(source.fields("*").unwrap()[0].name, "id", "by what is in the archive");
}

#[test]
fn a_new_marker_stays_for_the_next_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = with(&dir, Reading { ready: Some("_READY".to_owned()), ..Reading::default() });
    write(&dir, "a.csv", "id\n1\n");
    write(&dir, "_READY", "one");
    let pages = read(&mut source, &wanted("*", &["id"]), None);
    write(&dir, "_READY", "another");
    source.finish("*", &pages[0].checkpoint, &[]).unwrap();
    assert_eq!(listed(dir.path()), ["_READY", "archive"]);
}

#[test]
fn a_file_that_is_no_table_costs_the_others_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv.gz", b"\x1f\x8bno gzip at all");
    write(&dir, "b.csv", "");
    write(&dir, "c.csv", "id\n1\n");
    let mut source = source(&dir);
    let pages = read(&mut source, &wanted("*", &["id"]), None);
    assert_eq!(rows(&pages), ["c.csv#2 1"]);
    let rejected = source.rejects();
    assert_eq!(rejected.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a.csv.gz#0", "b.csv#0"]);
    source.finish("*", &pages.last().unwrap().checkpoint, &rejected).unwrap();
    assert_eq!(listed(&dir.path().join("archive")), ["a.csv.gz", "b.csv", "c.csv"]);
    let errors = fs::read_to_string(dir.path().join("errors/b.csv.errors.csv")).unwrap();
    assert!(
        errors.contains("file_invalid,,the file can't be read as a table: it has no header,"),
        "{errors}"
    );
}

#[test]
fn a_file_without_a_column_that_others_have_costs_them_nothing_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv", "id;Title\n1;x\n");
    write(&dir, "b.csv", b"\x00\x01\x02,\x7f\n");
    write(&dir, "c.csv", "id,Name\n1,One\n2\n");
    write(&dir, "d.csv", "Name\nTwo\n");
    let mut source = source(&dir);
    let fields: Vec<_> = source.fields("*.csv").unwrap().into_iter().map(|field| field.name).collect();
    assert_eq!(fields, ["id", "Title", "Name"], "what any of them has");
    let pages = read(&mut source, &wanted("*.csv", &["id", "Name"]), None);
    assert_eq!(rows(&pages), ["c.csv#2 1|One"]);
    let rejected = source.rejects();
    let told: Vec<_> = rejected.iter().map(|row| (row.id.as_str(), row.message.as_str())).collect();
    let no_table = |why: &str| format!("the file can't be read as a table: {why}");
    assert_eq!(told[0], ("a.csv#0", no_table("it has no column Name").as_str()));
    assert_eq!(told[1], ("b.csv#0", no_table("its first line is no text").as_str()));
    assert_eq!(told[3], ("d.csv#0", no_table("it has no column id").as_str()));
    assert_eq!(
        (rejected[2].id.as_str(), &rejected[2].source[0]),
        ("c.csv#3", &("id".to_owned(), Some("2".to_owned())))
    );
}

#[test]
fn a_column_that_is_not_there_ends_the_run_and_nothing_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv", "id,Email\n1,x\n");
    let mut source = source(&dir);
    let error = source.read(&wanted("*.csv", &["Emial"]), None, &mut |_| panic!("no page")).unwrap_err();
    assert_eq!(error.to_string(), "a.csv has no column Emial; did you mean Email?");
    assert_eq!(listed(dir.path()), ["a.csv"]);
}

#[test]
fn values_are_written_as_their_kind_which_settings_may_overrule() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir,
        "a.csv",
        "Arr,Version,At,Zip\n12.50,1.10,2026-11-30 08:00:00,01234\n3.00,1.20,2026-11-30T09:00:00+01:00,1\n",
    );
    write(&dir, "b.csv", "Arr,Version,At,Zip\nn/a,2.00,soon,5\n");
    let text = [("Version".to_owned(), CellType::Text)].into();
    let mut source = with(&dir, Reading { types: text, ..Reading::default() });
    let kinds: Vec<_> = source.fields("*.csv").unwrap().into_iter().map(|field| field.kind).collect();
    assert_eq!(kinds, [CellType::Number, CellType::Text, CellType::Time, CellType::Text]);
    assert_eq!(
        rows(&read(&mut source, &wanted("*.csv", &["Arr", "Version", "At", "Zip"]), None)),
        [
            "a.csv#2 12.5|1.10|2026-11-30T08:00:00Z|01234",
            "a.csv#3 3|1.20|2026-11-30T08:00:00Z|1",
            "b.csv#2 n/a|2.00|soon|5",
        ]
    );
}

#[test]
fn a_preview_reads_some_rows_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv", "id\n1\n2\n3\n");
    let mut source = source(&dir);
    let some = Wanted { limit: Some(2), ..wanted("*.csv", &["id"]) };
    let pages = read(&mut source, &some, None);
    assert_eq!(rows(&pages), ["a.csv#2 1", "a.csv#3 2"]);
    assert_eq!(listed(dir.path()), ["a.csv"]);
}

#[test]
fn objects_are_patterns_of_the_files_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["contacts_2026-11-29.csv", "contacts_2026-11-30.csv", "deals.tsv"] {
        write(&dir, name, "id\n1\n");
    }
    let mut source = source(&dir);
    let names: Vec<_> = source.objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["contacts_*.csv", "deals.tsv"]);
    assert_eq!(source.test().unwrap(), format!("the folder {} has 3 files", dir.path().display()));
    assert!(source.fields("none*.csv").unwrap_err().to_string().contains("no file in the folder"));
}

#[test]
fn the_last_row_of_a_file_that_is_still_written_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv", format!("id,Arr\n{}9,12", "1,5\n".repeat(PAGE)));
    let mut source = source(&dir);
    let mut taken = Vec::new();
    let path = dir.path().join("a.csv");
    let mut take = |page: Page| {
        taken.extend(rows(&[page]));
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"50\n").unwrap();
        Ok(Flow::More)
    };
    source.read(&wanted("*.csv", &["id", "Arr"]), None, &mut take).unwrap();
    assert_eq!(taken.len(), PAGE, "{:?}", taken.last());
}

#[test]
fn a_file_that_changes_while_it_is_read_stays_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.csv", format!("id\n{}", "1\n".repeat(PAGE + 1)));
    let mut source = source(&dir);
    let (mut count, mut last) = (0, String::new());
    let path = dir.path().join("a.csv");
    let mut take = |page: Page| {
        count += page.rows.len();
        last = page.checkpoint;
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"2\n").unwrap();
        Ok(Flow::More)
    };
    source.read(&wanted("*.csv", &["id"]), None, &mut take).unwrap();
    assert_eq!(count, PAGE);
    assert_eq!(source.notices(), ["a.csv changed while it was read; the next run reads it again"]);
    source.finish("*.csv", &last, &[]).unwrap();
    assert_eq!(listed(dir.path()), ["a.csv"]);
}

/// A file, and how it is wrapped.
fn wrapped(text: &str, how: u8) -> (String, Vec<u8>) {
    match how {
        0 => ("a.csv".to_owned(), text.as_bytes().to_vec()),
        1 => ("a.csv".to_owned(), [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        2 => (
            "a.csv".to_owned(),
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        ),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            ("a.csv.gz".to_owned(), gzip.finish().unwrap())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_run_that_is_interrupted_anywhere_reads_each_row_once(
        counts in prop::collection::vec(0..2_500usize, 1..4),
        how in 0..4u8,
        stops in prop::collection::vec(1..4usize, 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        for (index, count) in counts.iter().enumerate() {
            let lines: Vec<String> = (0..*count).map(|row| match row % 700 {
                699 => "short\n".to_owned(),
                row if row % 3 == 0 => format!("\"{index}-{row}\nä\",x\n"),
                row => format!("{index}-{row},x\n"),
            }).collect();
            let (name, bytes) = wrapped(&format!("id,Name\n{}", lines.concat()), how);
            write(&dir, &format!("{index}{name}"), bytes);
        }
        let wanted = wanted("*", &["id", "Name"]);
        let whole = rows(&read(&mut source(&dir), &wanted, None));
        let (mut parts, mut checkpoint) = (Vec::new(), None::<String>);
        for stop in stops.into_iter().chain([usize::MAX]) {
            let mut pages = Vec::new();
            let mut take = |page| {
                pages.push(page);
                Ok(if pages.len() == stop { Flow::Enough } else { Flow::More })
            };
            source(&dir).read(&wanted, checkpoint.as_deref(), &mut take).unwrap();
            parts.extend(rows(&pages));
            checkpoint = pages.last().map(|page| page.checkpoint.clone()).or(checkpoint);
        }
        prop_assert_eq!(parts, whole);
    }
}
