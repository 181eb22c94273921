//! Datasets of a run: what was read is there, once, and where reading goes on.

use jiff::Timestamp;

use super::*;

fn fields(names: &[&str]) -> Vec<(String, CellType)> {
    names.iter().map(|name| ((*name).to_owned(), CellType::Text)).collect()
}

fn row(id: Option<&str>, cells: &[Option<&str>]) -> SourceRow {
    SourceRow {
        id: id.map(str::to_owned),
        modified: Timestamp::from_second(1_780_000_000).ok(),
        cells: cells.iter().map(|cell| cell.map(str::to_owned)).collect(),
        line: Some(7),
    }
}

fn page(rows: Vec<SourceRow>, checkpoint: &str) -> Page {
    Page { rows, checkpoint: checkpoint.to_owned() }
}

fn all(staging: &Staging, dataset: &str) -> Vec<StagedRow> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(row);
        Ok::<_, StagingError>(())
    };
    staging.each(dataset, 1, take).unwrap();
    rows
}

#[test]
fn a_row_that_is_read_twice_takes_the_later_values_and_keeps_its_place() {
    let mut staging = Staging::in_memory().unwrap();
    staging.dataset("accounts", &fields(&["Name", "NAME", "_id", "a.b\"c", "Größe"])).unwrap();
    let cells = [Some("a"), None, Some("b"), Some("c"), Some("d")];
    let rows = vec![row(Some("1"), &cells), row(Some("2"), &cells), row(None, &cells), row(None, &cells)];
    staging.put_page("accounts", &page(rows, "one")).unwrap();
    let later = [Some("z"), Some("y"), None, None, None];
    staging.put_page("accounts", &page(vec![row(Some("1"), &later)], "two")).unwrap();

    let rows = all(&staging, "accounts");
    let ids: Vec<_> = rows.iter().map(|row| (row.row, row.id.as_deref())).collect();
    assert_eq!(ids, [(1, Some("1")), (2, Some("2")), (3, None), (4, None)]);
    assert_eq!(rows[0].cells, later.map(|cell| cell.map(str::to_owned)));
    assert_eq!(rows[1].cells, cells.map(|cell| cell.map(str::to_owned)));
    assert_eq!((rows[0].modified.as_deref(), rows[0].line), (Some("2026-05-28T20:26:40Z"), Some(7)));
    assert_eq!(staging.count("accounts").unwrap(), 4);
    let mut values = Vec::new();
    let take = |value| {
        values.push(value);
        Ok::<_, StagingError>(())
    };
    staging.values("accounts", "Name", take).unwrap();
    values.sort();
    assert_eq!(values, ["a", "z"]);
    assert_eq!(staging.checkpoint("accounts").unwrap().as_deref(), Some("two"));
}

#[test]
fn rows_that_were_asked_for_by_their_ids_leave_where_reading_goes_on() {
    let mut staging = Staging::in_memory().unwrap();
    staging.dataset("deals", &fields(&["Name"])).unwrap();
    staging.put_rows("deals", &[row(Some("1"), &[Some("a")])]).unwrap();
    assert_eq!(staging.checkpoint("deals").unwrap(), None);
    staging.put_page("deals", &page(vec![row(Some("2"), &[Some("b")])], "one")).unwrap();
    staging.put_rows("deals", &[row(Some("1"), &[Some("c")])]).unwrap();
    assert_eq!(staging.checkpoint("deals").unwrap().as_deref(), Some("one"));
    assert_eq!(all(&staging, "deals").len(), 2);
}

#[test]
fn what_was_read_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.sqlite");
    let mut staging = Staging::open(&path).unwrap();
    staging.dataset("deals", &fields(&["Name"])).unwrap();
    staging.dataset("Deals", &fields(&["Other"])).unwrap();
    staging.put_page("deals", &page(vec![row(Some("1"), &[Some("a")])], "one")).unwrap();
    assert!(!staging.is_complete("deals").unwrap());
    staging.complete("deals").unwrap();
    drop(staging);

    let mut staging = Staging::open(&path).unwrap();
    staging.dataset("deals", &fields(&["Name"])).unwrap();
    assert!(staging.is_complete("deals").unwrap() && !staging.is_complete("Deals").unwrap());
    assert_eq!(staging.checkpoint("deals").unwrap().as_deref(), Some("one"));
    assert_eq!(staging.checkpoint("Deals").unwrap(), None);
    assert_eq!(all(&staging, "deals").len(), 1);
    assert_eq!(staging.row("deals", 1).unwrap().unwrap().id.as_deref(), Some("1"));
    assert_eq!(staging.fields("Deals"), fields(&["Other"]));
    let other = staging.dataset("deals", &fields(&["Name", "More"])).unwrap_err();
    assert!(other.to_string().contains("with other fields"), "{other}");
    drop(staging);

    remove(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_page_that_can_not_be_written_whole_leaves_neither_rows_nor_a_checkpoint() {
    let mut staging = Staging::in_memory().unwrap();
    staging.dataset("deals", &fields(&["Name"])).unwrap();
    staging.put_page("deals", &page(vec![row(Some("1"), &[Some("a")])], "one")).unwrap();
    let rows = vec![row(Some("2"), &[Some("b")]), row(Some("3"), &[])];
    assert!(staging.put_page("deals", &page(rows, "two")).is_err());
    assert_eq!(all(&staging, "deals").len(), 1);
    assert_eq!(staging.checkpoint("deals").unwrap().as_deref(), Some("one"));
    assert!(staging.put_page("unheard-of", &page(Vec::new(), "")).is_err());
}

#[test]
fn a_file_as_a_crash_leaves_it_holds_what_its_checkpoint_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.sqlite");
    let mut staging = Staging::open(&path).unwrap();
    staging.dataset("deals", &fields(&["Name"])).unwrap();
    for number in 1..=20_usize {
        let rows = (0..50).map(|at| row(Some(&format!("{number}-{at}")), &[Some("a")])).collect();
        staging.put_page("deals", &page(rows, &number.to_string())).unwrap();
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&path, &copy).unwrap();
        // Of the log, the disk has only the beginning.
        let log = fs::read(beside(&path, "-wal")).unwrap();
        fs::write(beside(&copy, "-wal"), &log[..log.len() * number / 20]).unwrap();
        let left = Staging::open(&copy).unwrap();
        let checkpoint = left.checkpoint("deals").unwrap_or_default().unwrap_or("0".to_owned());
        let rows = left.count("deals").unwrap_or_default();
        assert_eq!(rows, 50 * checkpoint.parse::<u64>().unwrap());
        drop(left);
        remove(&copy).unwrap();
    }
}
