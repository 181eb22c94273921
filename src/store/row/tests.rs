//! How records change a row: who wins, what is cleared, what is deleted, and that order does not matter.

use proptest::prelude::*;

use super::*;
use crate::store::stamp::When;

fn stamp(ms: i64) -> Stamp {
    Stamp { source: Arc::from("/acme/web"), when: When { ns: ms * 1_000_000, is_own: true }, is_aside: false }
}

fn change<'a>(ms: i64, fields: &[(&'a str, &'a str)]) -> Change<'a> {
    let fields = fields.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)).collect();
    Change { fields, stamp: stamp(ms), received_ms: 1_000 + ms, deletes: false }
}

fn gone(ms: i64) -> Change<'static> {
    Change { deletes: true, ..change(ms, &[]) }
}

fn row(changes: &[Change<'_>]) -> (Row, Vec<Applied>) {
    let mut row = Row::new("1P01".to_owned(), &changes[0]);
    let applied = changes.iter().map(|change| row.apply(change, Merge::EventTime)).collect();
    (row, applied)
}

#[test]
fn what_a_record_lacks_stays_and_null_clears_and_empty_is_a_value() {
    let (row, _) = row(&[
        change(1, &[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]),
        change(2, &[("B", "null"), ("C", "\"\"")]),
    ]);
    assert_eq!(row.fields_json(), r#"{"A":1,"B":null,"C":"","D":4}"#);
}

#[test]
fn values_keep_their_text() {
    let json = r#"{"A":12345678901234567890123,"B":1.10,"C":1e3,"D":{"x": [1]}}"#;
    let fields = [("A", "12345678901234567890123"), ("B", "1.10"), ("C", "1e3"), ("D", r#"{"x": [1]}"#)];
    assert_eq!(row(&[change(1, &fields)]).0.fields_json(), json);
}

#[test]
fn a_late_record_undoes_nothing_that_is_newer_and_fills_what_is_unknown() {
    let (row, applied) = row(&[
        change(5, &[("A", "\"new\"")]),
        change(3, &[("A", "\"old\""), ("B", "\"only here\"")]),
        change(2, &[("A", "\"older\"")]),
    ]);
    assert_eq!(row.fields_json(), r#"{"A":"new","B":"only here"}"#);
    assert_eq!(
        applied,
        [Applied::Loaded, Applied::Loaded, Applied::Noted],
        "it was received before all others"
    );
}

#[test]
fn a_value_that_was_cleared_is_not_revived_by_an_older_one() {
    let (row, _) = row(&[change(5, &[("A", "null")]), change(3, &[("A", "1")])]);
    assert_eq!(row.value("A"), Some("null"));
}

#[test]
fn a_repeat_is_known_as_one_and_changes_nothing() {
    let record = change(1, &[("A", "1"), ("B", "2")]);
    let (once, _) = row(std::slice::from_ref(&record));
    let (twice, applied) = row(&[record.clone(), record]);
    assert_eq!((twice, applied), (once, vec![Applied::Loaded, Applied::Repeat]));
}

#[test]
fn an_equal_value_counts_as_written_and_not_as_a_change() {
    let (row, applied) = row(&[change(1, &[("A", "1")]), change(2, &[("A", "1")]), change(1, &[("A", "3")])]);
    assert_eq!((row.modified_ms, row.value("A")), (1_001, Some("1")));
    assert_eq!(applied, [Applied::Loaded, Applied::Loaded, Applied::Older]);
}

#[test]
fn what_is_known_better_leaves_the_row_as_it_is_or_is_noted() {
    let newer = change(5, &[("A", "1")]);
    let (known, _) = row(std::slice::from_ref(&newer));
    let aside = |ms: i64| {
        let mut aside = change(ms, &[("A", "2")]);
        aside.stamp.is_aside = true;
        aside
    };
    let (as_it_was, applied) = row(&[newer.clone(), aside(9), change(3, &[("A", "2")])]);
    assert_eq!(applied, [Applied::Loaded, Applied::Older, Applied::Noted]);
    assert_eq!(Row { created_ms: known.created_ms, ..as_it_was }, known);
    let late = Change { received_ms: 9_000, ..change(3, &[("A", "2")]) };
    let (as_it_was, applied) = row(&[newer, late]);
    assert_eq!((as_it_was, applied), (known, vec![Applied::Loaded, Applied::Older]));
}

#[test]
fn a_deleted_row_stays_deleted_until_a_newer_record_revives_it() {
    let told = change(1, &[("A", "1")]);
    let (deleted, applied) = row(&[told.clone(), gone(3), change(2, &[("A", "2")])]);
    assert_eq!((deleted.deleted_ms, deleted.value("A")), (Some(3), Some("2")));
    assert_eq!(applied[1], Applied::Loaded);
    assert_eq!(row(&[told.clone(), gone(3), change(4, &[("A", "1")])]).0.deleted_ms, None);
    assert_eq!(row(&[told.clone(), change(4, &[("A", "1")]), gone(3)]).0.deleted_ms, None, "in any order");
    assert_eq!(row(&[gone(3), gone(3)]).1, [Applied::Loaded, Applied::Repeat]);
}

#[test]
fn by_arrival_whatever_comes_after_a_deletion_revives_the_row() {
    let told = change(5, &[("A", "1")]);
    let mut row = Row::new("1P01".to_owned(), &told);
    for change in [&told, &gone(9), &told] {
        row.apply(change, Merge::Arrival);
    }
    assert_eq!(row.deleted_ms, None);
}

#[test]
fn what_is_stored_of_a_row_gives_the_row() {
    let (row, _) = row(&[change(1, &[("A", "1"), ("é\"\\", "\"x\"")]), gone(3), change(2, &[("B", "null")])]);
    let mut read = Row { fields: Vec::new(), stamps: Vec::new(), latest: None, deleted: None, ..row.clone() };
    read.read(&row.fields_json(), &row.written_json()).unwrap();
    assert_eq!(read, row);
}

#[test]
fn a_row_that_somebody_else_has_changed_is_damage() {
    let (row, _) = row(&[change(1, &[("A", "1"), ("B", "2")])]);
    let written = row.written_json();
    for fields in ["", "{", r#"{"A":1}"#, r#"{"A":1,"B":2,"C":3}"#] {
        assert_eq!(row.clone().read(fields, &written), Err(Damaged), "{fields}");
    }
    assert_eq!(row.clone().read(&row.fields_json(), &written.replace("[0,0]", "[0,9]")), Err(Damaged));
}

/// A record as the model sees it: when, which of three fields have which value, whether it deletes.
type Told = (i64, [Option<u8>; 3], bool);

/// What the row must show whatever the order: of each field the value that was told last, and whether the last that was
/// told is that it is gone.
fn model(records: &[Told]) -> ([Option<u8>; 3], bool) {
    let values = [0, 1, 2].map(|field| {
        let told = records.iter().filter(|(_, values, gone)| !gone && values[field].is_some());
        told.max_by_key(|(ms, ..)| *ms).and_then(|(_, values, _)| values[field])
    });
    (values, records.iter().max_by_key(|(ms, ..)| *ms).is_some_and(|(_, _, gone)| *gone))
}

proptest! {
    #[test]
    fn any_order_with_any_repeats_gives_the_same_row(
        told in proptest::collection::btree_map(
            0..50_i64,
            (any::<[Option<u8>; 3]>(), proptest::bool::weighted(0.2)),
            1..8,
        ),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let mut records: Vec<Told> = told.into_iter().map(|(ms, (values, gone))| (ms, values, gone)).collect();
        let distance = shuffled.index(records.len());
        records.rotate_left(distance);
        let expected = model(&records);
        let repeats: Vec<Told> = order.iter().map(|index| records[index.index(records.len())]).collect();
        let mut all = records.clone();
        for (place, repeat) in repeats.into_iter().enumerate() {
            all.insert((place * 3) % (all.len() + 1), repeat);
        }
        let text = |value: Option<u8>| value.unwrap_or_default().to_string();
        let texts: Vec<[String; 3]> = all.iter().map(|(_, values, _)| values.map(text)).collect();
        let changes: Vec<Change<'_>> = all.iter().zip(&texts).map(|((ms, values, gone), texts)| {
            let fields = ["A", "B", "C"].into_iter().zip(values).zip(texts);
            let fields = fields.filter(|((_, value), _)| value.is_some() && !gone);
            let fields = fields.map(|((name, _), text)| (Cow::Borrowed(name), text.as_str())).collect();
            Change { fields, deletes: *gone, ..change(*ms, &[]) }
        }).collect();
        let (row, _) = row(&changes);
        let shown = ["A", "B", "C"].map(|name| row.value(name).map(|text| text.parse::<u8>().unwrap()));
        prop_assert_eq!((shown, row.deleted_ms.is_some()), expected);
    }
}
