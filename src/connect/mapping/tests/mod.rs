//! What rows become, and why some become nothing.

mod totals;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::lookups::{LookupError, Lookups, Nothing};
use super::records::{changed, gone};
use super::row::{Code, MappedRow, Mapping};
use super::run::{Outcome, map};
use super::target::Target;
use crate::config::ObjectConfig;
use crate::connect::cell::CellType;
use crate::connect::document::*;
use crate::connect::emit::{Origin, write};
use crate::connect::prepare::check::check;
use crate::connect::prepare::plan::Plan;
use crate::connect::prepare::prepare;
use crate::connect::source::{Page, SourceRow};
use crate::connect::staging::{Staging, StagingError};
use crate::mapping::company::company_id;
use crate::queue::reader::ReadRecord;
use crate::record::Records;
use crate::record::topics::TopicId;
use crate::store::load::load;

const FIELDS: [(&str, CellType); 5] = [
    ("id", CellType::Text),
    ("Name", CellType::Text),
    ("Parent", CellType::Text),
    ("Size", CellType::Text),
    ("Mail", CellType::Email),
];

fn job(object: &str, fields: &[(&str, &str, OnEmpty)], lookups: Vec<Lookup>) -> Job {
    let map = |(field, from, on_empty): &(&str, &str, OnEmpty)| {
        ((*field).to_owned(), FieldMap { from: (*from).to_owned(), on_empty: on_empty.clone() })
    };
    let names = FIELDS.map(|(field, _)| field.to_owned()).to_vec();
    let dataset = Dataset { object: "Any".to_owned(), fields: names, filter: None };
    Job {
        id: "j".to_owned(),
        tenant: "acme".to_owned(),
        connection: "c".to_owned(),
        name: "Job".to_owned(),
        enabled: true,
        datasets: BTreeMap::from([("rows".to_owned(), dataset)]),
        merges: Vec::new(),
        transforms: Vec::new(),
        destination: Destination {
            dataset: "rows".to_owned(),
            object: object.to_owned(),
            operation: Operation::Upsert,
            external_id: "id".to_owned(),
            deletes: Deletes::Mark,
            fields: fields.iter().map(map).collect(),
            lookups,
        },
        schedule: None,
        refresh: None,
    }
}

fn lookup(field: &str, object: &str, pairs: &[(&str, &str)], on_many: OnMany, on_none: OnNone) -> Lookup {
    let pair = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    let pairs = pairs.iter().map(pair).collect();
    Lookup { field: field.to_owned(), object: object.to_owned(), pairs, on_many, on_none }
}

fn planned(job: &Job) -> Plan {
    let fields = FIELDS.map(|(field, kind)| (field.to_owned(), kind)).to_vec();
    check(job, &BTreeMap::from([("rows".to_owned(), fields)])).unwrap()
}

fn target(name: &str) -> Target {
    let deal = ObjectConfig { keys: vec!["Key".to_owned()], fields: BTreeMap::new() };
    Target::new("acme", name, &BTreeMap::from([("deal__gc".to_owned(), deal)])).unwrap()
}

/// A row: when it was changed, and its cells in the order of [`FIELDS`].
type Row = (Option<i64>, [Option<String>; 5]);

fn row(modified: i64, cells: [&str; 5]) -> Row {
    (Some(modified), cells.map(|cell| (cell != "-").then(|| cell.to_owned())))
}

fn mapped(job: &Job, rows: &[Row], lookups: &mut dyn Lookups) -> Vec<Outcome> {
    let plan = planned(job);
    let mapping = Mapping::new(job, &plan, target(&job.destination.object)).unwrap();
    let mut staging = Staging::in_memory().unwrap();
    staging.dataset("rows", &plan.reads()["rows"]).unwrap();
    let rows = rows.iter().map(|(modified, cells)| SourceRow {
        id: None,
        modified: modified.and_then(|second| Timestamp::from_second(second).ok()),
        cells: cells.to_vec(),
        line: None,
    });
    staging.put_page("rows", &Page { rows: rows.collect(), checkpoint: String::new() }).unwrap();
    let prepared = prepare(&staging, &plan).unwrap();
    let run = map(&mapping, &prepared, &staging, lookups).unwrap();
    let mut all = Vec::new();
    let take = |outcome| {
        all.push(outcome);
        Ok::<_, StagingError>(())
    };
    run.each(&staging, take).unwrap();
    all
}

fn shown(outcome: &Outcome) -> String {
    match &outcome.mapped {
        Ok(row) => {
            let fields: Vec<String> =
                row.fields.iter().map(|(field, json)| format!("{field}={json}")).collect();
            format!("{} {}", outcome.place, fields.join(" "))
        }
        Err(reject) => format!("{} {} {}", outcome.place, reject.code.label(), reject.field),
    }
}

const CLEAR: OnEmpty = OnEmpty::Clear;

#[test]
fn an_empty_value_keeps_clears_or_gets_the_default() {
    let default = OnEmpty::Default(Literal::Text("10".to_owned()));
    for (on_empty, fields) in [
        (OnEmpty::Keep, "1 Name=\"Acme\""),
        (CLEAR, "1 Employees=null Name=\"Acme\""),
        (default, "1 Employees=10 Name=\"Acme\""),
    ] {
        let job = job("company", &[("Name", "Name", CLEAR), ("Employees", "Size", on_empty)], Vec::new());
        let rows = mapped(&job, &[row(1, ["1", "Acme", "-", "-", "-"])], &mut Nothing);
        assert_eq!(shown(&rows[0]), fields);
    }
}

#[test]
fn a_row_that_can_not_be_mapped_is_rejected_with_its_reason() {
    let job = job("person", &[("Email", "Mail", CLEAR), ("EmailOptOut", "Size", CLEAR)], Vec::new());
    let rows = [
        row(1, ["1", "-", "-", "TRUE", "Ada@Acme.com"]),
        row(1, ["2", "-", "-", "perhaps", "b@acme.com"]),
        row(1, ["3", "-", "-", "-", "-"]),
        row(1, ["4", "-", "-", "-", "ada"]),
        (Some(1), [Some("5".to_owned()), None, None, None, Some(format!("{}@acme.com", "x".repeat(1_000)))]),
    ];
    let rows = mapped(&job, &rows, &mut Nothing);
    assert_eq!(
        rows.iter().map(shown).collect::<Vec<_>>(),
        [
            "1 Email=\"Ada@Acme.com\" EmailOptOut=true",
            "2 type_invalid EmailOptOut",
            "3 key_missing Email",
            "4 type_invalid Email",
            "5 value_too_long Email",
        ]
    );
    let reject = rows[1].mapped.clone().unwrap_err();
    assert_eq!(reject.message, "EmailOptOut has to be true or false");
    assert!(reject.hint.starts_with("correct Size where it comes from"), "{}", reject.hint);
}

#[test]
fn of_rows_with_one_key_the_one_that_changed_last_stays_and_of_two_at_once_the_later() {
    let job = job("person", &[("Email", "Mail", CLEAR), ("Name", "Name", CLEAR)], Vec::new());
    let rows = [
        row(5, ["1", "one", "-", "-", "a@x.de"]),
        row(9, ["2", "two", "-", "-", "A@x.de"]),
        row(7, ["3", "three", "-", "-", "a@X.de"]),
        row(3, ["4", "four", "-", "-", "b@x.de"]),
        row(3, ["5", "five", "-", "-", "b@x.de"]),
        (None, row(0, ["6", "six", "-", "-", "b@x.de"]).1),
    ];
    let rows = mapped(&job, &rows, &mut Nothing);
    assert_eq!(
        rows.iter().map(shown).collect::<Vec<_>>(),
        [
            "1 duplicate_key Email",
            "2 Email=\"A@x.de\" Name=\"two\"",
            "3 duplicate_key Email",
            "4 duplicate_key Email",
            "5 Email=\"b@x.de\" Name=\"five\"",
            "6 duplicate_key Email",
        ]
    );
    let message = rows[0].mapped.clone().unwrap_err().message;
    assert_eq!(message, "row 2 of the run has the same key, and was changed later");
}

/// A target with companies, by name.
struct Store(Vec<(&'static str, Vec<&'static str>)>, Vec<usize>);

impl Lookups for Store {
    fn ids(&mut self, _: &str, _: &[&str], values: &[Vec<String>]) -> Result<Vec<Vec<String>>, LookupError> {
        self.1.push(values.len());
        let find = |values: &Vec<String>| {
            let found = self.0.iter().find(|(name, _)| [*name] == values.as_slice());
            found.map(|(_, ids)| ids.iter().map(|id| (*id).to_owned()).collect()).unwrap_or_default()
        };
        Ok(values.iter().map(find).collect())
    }

    fn keys(&mut self, external_ids: &[String]) -> Result<Vec<Option<String>>, LookupError> {
        Ok(external_ids.iter().map(|id| (id == "renamed").then(|| "Old name".to_owned())).collect())
    }
}

#[test]
fn a_row_finds_others_of_its_run_and_comes_after_them() {
    let parent = |on_none| lookup("ParentCompany", "company", &[("Parent", "Name")], OnMany::Any, on_none);
    let rows = [
        row(1, ["1", "Child", "Parent", "-", "-"]),
        row(1, ["2", "Parent", "Grandparent", "-", "-"]),
        row(1, ["3", "Grandparent", "-", "-", "-"]),
        row(1, ["4", "Lone", "Nobody", "-", "-"]),
        row(1, ["5", "One", "Two", "-", "-"]),
        row(1, ["6", "Two", "One", "-", "-"]),
        row(1, ["7", "Known", "Stored", "-", "-"]),
        row(1, ["renamed", "New name", "-", "-", "-"]),
        row(1, ["9", "Of renamed", "New name", "-", "-"]),
    ];
    let id = |name: &str| company_id("acme", name);
    let expect = |name: &str, parent: Option<String>| {
        let parent = parent.map_or("null".to_owned(), |id| format!("\"{id}\""));
        format!("Name=\"{name}\" ParentCompany={parent}")
    };
    let job_of = |on_none| job("company", &[("Name", "Name", CLEAR)], vec![parent(on_none)]);
    let mut store = Store(vec![("Stored", vec!["S"])], Vec::new());
    let rows_of = mapped(&job_of(OnNone::Null), &rows, &mut store);
    let said: Vec<String> =
        rows_of.iter().map(|row| shown(row).split_once(' ').unwrap().1.to_owned()).collect();
    for (name, parent) in [
        ("Child", Some(id("Parent"))),
        ("Parent", Some(id("Grandparent"))),
        ("Grandparent", None),
        ("Lone", None),
        ("One", Some(id("Two"))),
        ("Two", Some(id("One"))),
        ("Known", Some("S".to_owned())),
        ("New name", None),
        ("Of renamed", Some(id("Old name"))),
    ] {
        assert!(said.contains(&expect(name, parent.clone())), "{name} {parent:?}: {said:?}");
    }
    let place =
        |name: &str| said.iter().position(|row| row.starts_with(&format!("Name=\"{name}\""))).unwrap();
    assert!(place("Grandparent") < place("Parent") && place("Parent") < place("Child"));
    assert!(place("New name") < place("Of renamed"));
    let renamed = rows_of[place("New name")].mapped.clone().unwrap();
    assert_eq!((renamed.key.text.as_str(), renamed.key.id), ("Old name", id("Old name")));
    let rejected = mapped(&job_of(OnNone::Reject), &rows, &mut Nothing);
    let rejected: BTreeSet<String> = rejected.iter().filter(|row| row.mapped.is_err()).map(shown).collect();
    let none = |place: &str| format!("{place} lookup_none ParentCompany");
    assert_eq!(rejected, BTreeSet::from(["3", "4", "7", "8"].map(none)), "an empty value finds nothing, too");
}

#[test]
fn of_several_rows_that_a_lookup_finds_it_takes_always_the_same_or_rejects() {
    let job = |on_many| {
        let company = lookup("CompanyId", "company", &[("Parent", "Name")], on_many, OnNone::Null);
        job("company_person", &[("Email", "Mail", CLEAR)], vec![company])
    };
    let rows = [
        row(1, ["1", "-", "Two", "-", "a@x.de"]),
        row(1, ["2", "-", "One", "-", "a@x.de"]),
        row(1, ["3", "-", "-", "-", "a@x.de"]),
    ];
    let store = || Store(vec![("Two", vec!["Z", "B"]), ("One", vec!["A"])], Vec::new());
    let all = |on_many| mapped(&job(on_many), &rows, &mut store()).iter().map(shown).collect::<Vec<_>>();
    assert_eq!(
        all(OnMany::Any),
        [
            "1 Email=\"a@x.de\" CompanyId=\"B\"",
            "2 Email=\"a@x.de\" CompanyId=\"A\"",
            "3 key_missing CompanyName"
        ]
    );
    assert_eq!(all(OnMany::Reject)[0], "1 lookup_many CompanyId");
}

#[test]
fn lookups_are_asked_in_batches_and_each_value_once() {
    let company = lookup("CompanyId", "company", &[("Parent", "Name")], OnMany::Any, OnNone::Null);
    let job = job("company_person", &[("Email", "Mail", CLEAR)], vec![company]);
    let mut store = Store(vec![("One", vec!["A"])], Vec::new());
    let rows: Vec<Row> =
        (0..1_100).map(|id| row(1, ["1", "-", ["One", "Two"][id % 2], "-", &format!("{id}@x.de")])).collect();
    assert_eq!(mapped(&job, &rows, &mut store).len(), 1_100);
    assert_eq!(store.1, [2, 2, 2]);
}

/// A store that fails once, at its second question.
struct Failing(usize);

impl Lookups for Failing {
    fn ids(&mut self, _: &str, _: &[&str], values: &[Vec<String>]) -> Result<Vec<Vec<String>>, LookupError> {
        self.0 += 1;
        if self.0 == 2 {
            return Err(LookupError("it is away".to_owned()));
        }
        Ok(vec![vec!["A".to_owned()]; values.len()])
    }
}

#[test]
fn a_mapping_that_failed_halfway_can_be_made_again() {
    let company = lookup("CompanyId", "company", &[("Parent", "Name")], OnMany::Any, OnNone::Null);
    let job = job("company_person", &[("Email", "Mail", CLEAR), ("Name", "Name", CLEAR)], vec![company]);
    let plan = planned(&job);
    let mapping = Mapping::new(&job, &plan, target("company_person")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut staging = Staging::open(&folder.path().join("run.sqlite")).unwrap();
    staging.dataset("rows", &plan.reads()["rows"]).unwrap();
    // More than SQLite keeps in memory, so that some of it stands in the file when it fails.
    let long = "x".repeat(4_000);
    let rows = (0..10_000).map(|id| {
        let cells = row(1, [&id.to_string(), &long, "One", "-", &format!("{id}@x.de")]).1.to_vec();
        SourceRow { id: Some(id.to_string()), modified: None, cells, line: None }
    });
    staging.put_page("rows", &Page { rows: rows.collect(), checkpoint: String::new() }).unwrap();
    let prepared = prepare(&staging, &plan).unwrap();
    let mut store = Failing(0);
    let why = map(&mapping, &prepared, &staging, &mut store).unwrap_err();
    assert_eq!(why.to_string(), "it is away");
    let run = map(&mapping, &prepared, &staging, &mut store).unwrap();
    let mut count = 0;
    let take = |outcome: Outcome| {
        count += usize::from(outcome.mapped.is_ok());
        Ok::<_, StagingError>(())
    };
    run.each(&staging, take).unwrap();
    assert_eq!(count, 10_000);
    let check = "PRAGMA work.integrity_check";
    let sound: String = staging.connection().query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn what_is_wrong_with_a_mapping_is_said_at_once() {
    let number = OnEmpty::Default(Literal::Text("many".to_owned()));
    let name = lookup("Name", "company", &[("Parent", "Name")], OnMany::Any, OnNone::Null);
    let job = job("company_person", &[("Name", "Name", CLEAR), ("Users", "Size", number)], vec![name]);
    let mut target = target("company_person");
    target.types.insert("Users".to_owned(), crate::store::types::FieldType::Number);
    let problems = Mapping::new(&job, &planned(&job), target).unwrap_err();
    assert_eq!(
        problems.lines(),
        [
            "jobs.j.destination.fields.Users: has a default that is not a number, such as 1200.5",
            "jobs.j.destination.lookups[0].field: Name is mapped directly, too; remove one of both",
            "jobs.j.destination.fields: company_person needs Email; map it",
            "jobs.j.destination.fields: company_person needs CompanyId or CompanyName; map it",
        ]
    );
}

#[test]
fn the_hash_of_a_row_changes_with_its_key_and_its_values_alone() {
    let of = |key: &str, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(field, json)| ((*field).to_owned(), (*json).to_owned())).collect();
        MappedRow { key: target("company").key_of(key.to_owned()), fields }.hash()
    };
    let one = of("Acme", &[("Name", "\"Acme\""), ("Size", "null")]);
    assert_eq!(of("Acme", &[("Name", "\"Acme\""), ("Size", "null")]), one);
    for other in [
        of("Bolt", &[("Name", "\"Acme\""), ("Size", "null")]),
        of("Acme", &[("Name", "\"Acme\"")]),
        of("Acme", &[("Name", "\"Acme\""), ("Size", "\"null\"")]),
        of("Acme", &[("Name\"Acme\"", ""), ("Size", "null")]),
    ] {
        assert_ne!(other, one);
    }
}

fn read(records: &Records) -> Vec<ReadRecord> {
    let owned = |record: crate::record::RecordRef<'_>| ReadRecord {
        topic: record.topic().name().into(),
        partition: 0,
        offset: 0,
        timestamp_ms: record.received_ms(),
        key: record.key().map(Into::into),
        headers: record.headers().map(|(name, value)| (name.into(), value.into())).collect(),
        value: record.value().into(),
    };
    records.iter().map(owned).collect()
}

#[test]
fn the_store_loads_the_records_of_a_row_under_the_id_that_lookups_give() {
    let company = company_id("acme", "Acme");
    let by_name = format!(r#"{{"Email":"A@x.de","CompanyName":"Acme","CompanyId":"{company}"}}"#);
    for (object, fields, key, value) in [
        ("company", &[("Name", "\"Acme\""), ("Size", "null")][..], "Acme", r#"{"Name":"Acme","Size":null}"#),
        ("person", &[("Email", "\"A@x.de\"")], "a@x.de", r#"{"Email":"A@x.de"}"#),
        (
            "company_person",
            &[("CompanyId", "\"1P02X\""), ("Email", "\"A@x.de\"")],
            "a@x.de",
            r#"{"Email":"A@x.de","CompanyId":"1P02X"}"#,
        ),
        ("company_person", &[("Email", "\"A@x.de\""), ("CompanyName", "\"Acme\"")], "a@x.de", &by_name),
        (
            "deal__gc",
            &[("Amount", "1.5"), ("Key", "\"7\"")],
            "deal__gc\u{1f}7",
            r#"{"object":"deal__gc","keys":{"Key":"7"},"fields":{"Amount":1.5}}"#,
        ),
    ] {
        let target = target(object);
        let owned = |(field, json): &(&str, &str)| ((*field).to_owned(), (*json).to_owned());
        let fields: Vec<(String, String)> = fields.iter().map(owned).collect();
        let row = MappedRow { key: target.key(&fields).unwrap(), fields };
        let (changed, gone) = (changed(&target, &row), gone(&target, &row.key.text));
        assert_eq!((changed.key.as_str(), changed.value.as_str()), (key, value));
        assert_eq!(changed.company_id, (object == "company").then(|| company.clone()));
        let origin = Origin {
            tenant: "acme".to_owned(),
            source: "/acme/zoho".to_owned(),
            run: "r1".to_owned(),
            topic: TopicId::of("weir.any"),
        };
        let mut records = Records::new(1_780_000_000_000);
        for sent in [&changed, &gone] {
            write(&mut records, &origin, "b", &sent.outgoing(3, "2026-01-01T00:00:00Z"));
        }
        let read = read(&records);
        let (loaded, gone) = (load(&read[0]).unwrap().unwrap(), load(&read[1]).unwrap().unwrap());
        let loaded = loaded.rows.last().unwrap();
        assert_eq!((loaded.key.object.as_str(), loaded.key.key.as_str()), (object, row.key.text.as_str()));
        assert!(object == "company_person" || loaded.id == row.key.id);
        assert!(gone.rows[0].change.deletes && gone.rows[0].key == loaded.key, "{object}");
    }
}
