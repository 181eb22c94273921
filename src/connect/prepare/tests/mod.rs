//! Jobs over small tables: what is merged, filtered and formatted.

mod checked;
mod model;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::check::{Known, check};
use super::*;
use crate::connect::cell::CellType;
use crate::connect::document::*;
use crate::connect::expression::Expression;
use crate::connect::source::{Page, SourceRow};

/// Rows of a dataset: id, seconds of its change, and cells.
type Rows<'a> = &'a [(&'a str, i64, &'a [Option<&'a str>])];

fn known(datasets: &[(&str, &[(&str, CellType)])]) -> Known {
    let fields = |fields: &[(&str, CellType)]| {
        fields.iter().map(|(field, kind)| ((*field).to_owned(), *kind)).collect::<Vec<_>>()
    };
    datasets.iter().map(|(name, of)| ((*name).to_owned(), fields(of))).collect()
}

fn job(datasets: &[(&str, &[&str])], output: &str) -> Job {
    let dataset = |fields: &[&str]| Dataset {
        object: "Any".to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        filter: None,
    };
    Job {
        id: "j".to_owned(),
        tenant: "acme".to_owned(),
        connection: "c".to_owned(),
        name: "Job".to_owned(),
        enabled: true,
        datasets: datasets.iter().map(|(name, fields)| ((*name).to_owned(), dataset(fields))).collect(),
        merges: Vec::new(),
        transforms: Vec::new(),
        destination: Destination {
            dataset: output.to_owned(),
            object: "company".to_owned(),
            operation: Operation::Upsert,
            external_id: "id".to_owned(),
            deletes: Deletes::Mark,
            fields: BTreeMap::new(),
            lookups: Vec::new(),
        },
        schedule: None,
        refresh: None,
    }
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn condition(field: &str, is: Comparison, values: &[&str]) -> Condition {
    Condition { field: field.to_owned(), is, values: values.iter().map(|value| text(value)).collect() }
}

fn filter(expression: &str, conditions: Vec<Condition>) -> Filter {
    let conditions: BTreeMap<char, Condition> = ('A'..).zip(conditions).collect();
    let letters = conditions.keys().copied().collect();
    Filter { expression: Expression::read(expression, &letters).unwrap(), conditions }
}

fn merge(left: &str, right: &str, join: Join, on: &[(&str, &str)], fields: &[(&str, &str, &str)]) -> Merge {
    let owned = |(one, two): &(&str, &str)| ((*one).to_owned(), (*two).to_owned());
    let fields = fields.iter().map(|(name, dataset, field)| ((*name).to_owned(), owned(&(dataset, field))));
    Merge {
        left: left.to_owned(),
        right: right.to_owned(),
        join,
        on: on.iter().map(owned).collect(),
        fields: fields.collect(),
    }
}

fn stage(staging: &mut Staging, plan: &Plan, rows: &[(&str, Rows<'_>)]) {
    for (name, fields) in plan.reads() {
        staging.dataset(name, &fields).unwrap();
        let of = rows.iter().find(|(dataset, _)| *dataset == name).map_or(&[][..], |(_, rows)| rows);
        let rows = of.iter().map(|(id, second, cells)| SourceRow {
            id: Some((*id).to_owned()),
            modified: Timestamp::from_second(*second).ok(),
            cells: cells.iter().map(|cell| cell.map(str::to_owned)).collect(),
            line: None,
        });
        staging.put_page(name, &Page { rows: rows.collect(), checkpoint: String::new() }).unwrap();
    }
}

fn all(prepared: &Prepared<'_>, staging: &Staging) -> Vec<PreparedRow> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(row);
        Ok::<_, StagingError>(())
    };
    prepared.each(staging, 1, take).unwrap();
    rows
}

/// The cells of the rows that `job` prepares, each row as one text.
fn prepared(job: &Job, known: &Known, rows: &[(&str, Rows<'_>)]) -> Vec<String> {
    let plan = check(job, known).unwrap();
    let mut staging = Staging::in_memory().unwrap();
    stage(&mut staging, &plan, rows);
    let prepared = prepare(&staging, &plan).unwrap();
    let shown = |row: PreparedRow| {
        row.cells.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
    };
    all(&prepared, &staging).into_iter().map(shown).collect()
}

const ACCOUNTS: &[(&str, CellType)] = &[
    ("id", CellType::Text),
    ("Name", CellType::Text),
    ("Employees", CellType::Number),
    ("Since", CellType::Time),
    ("Parent", CellType::Text),
    ("Parent.name", CellType::Text),
    ("Tags", CellType::List),
    ("Mail", CellType::Email),
    ("Open", CellType::Boolean),
];

fn kept(is: Comparison, field: &str, values: &[&str]) -> String {
    let mut job = job(&[("accounts", &["id"])], "accounts");
    let conditions = filter("A", vec![condition(field, is, values)]);
    job.datasets.get_mut("accounts").unwrap().filter = Some(conditions);
    let known = known(&[(
        "accounts",
        &[("id", CellType::Text), ACCOUNTS.iter().copied().find(|(name, _)| *name == field).unwrap()],
    )]);
    let cells: &[Option<&str>] = match field {
        "Name" => &[Some("Acme"), Some("acme"), Some("Acme Ltd"), None],
        "Employees" => &[Some("9"), Some("10"), Some("-12345678901234567890123.5"), None],
        "Since" => &[Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:00.5Z"), Some("soon"), None],
        "Tags" => &[Some("[\"a\",\"b\"]"), Some("[\"b\"]"), Some("[\"ab\"]"), None],
        "Mail" => &[Some("Ada@Acme.com"), Some("ada@acme.com"), Some("b@acme.com"), None],
        _ => &[Some("true"), Some("false"), Some("perhaps"), None],
    };
    let named = ["1", "2", "3", "4"];
    let rows: Vec<[Option<&str>; 2]> = named.iter().zip(cells).map(|(id, cell)| [Some(*id), *cell]).collect();
    let rows: Vec<(&str, i64, &[Option<&str>])> =
        named.iter().zip(&rows).map(|(id, cells)| (*id, 0, cells.as_slice())).collect();
    let prepared = prepared(&job, &known, &[("accounts", &rows)]);
    prepared.iter().filter_map(|row| row.split('|').next()).collect()
}

#[test]
fn each_comparison_keeps_what_its_name_says_and_an_empty_value_only_where_it_is_no_such_value() {
    use Comparison::*;
    for (field, is, values, rows) in [
        ("Name", Equals, &[" Acme "][..], "1"),
        ("Name", NotEquals, &["Acme"], "234"),
        ("Name", In, &["Acme", "acme", "x"], "12"),
        ("Name", NotIn, &["Acme", "acme"], "34"),
        ("Name", Contains, &["cm"], "123"),
        ("Name", Contains, &["%"], ""),
        ("Name", StartsWith, &["Acme"], "13"),
        ("Name", EndsWith, &["Ltd"], "3"),
        ("Name", EndsWith, &["The Acme Ltd"], ""),
        ("Name", Less, &["Acme Ltd"], "1"),
        ("Name", IsNull, &[], "4"),
        ("Name", IsNotNull, &[], "123"),
        ("Employees", Equals, &["10.0"], "2"),
        ("Employees", Less, &["10"], "13"),
        ("Employees", GreaterOrEqual, &["9.000"], "12"),
        ("Employees", LessOrEqual, &["-12345678901234567890123.49"], "3"),
        ("Employees", Between, &["9", "10"], "12"),
        ("Employees", In, &["9.0", "1e1"], "12"),
        ("Since", Greater, &["2026-01-01"], "2"),
        ("Since", Equals, &["2026-01-01T01:00:00+01:00"], "1"),
        ("Since", LessOrEqual, &["2026-01-01T00:00:00Z"], "1"),
        ("Since", NotEquals, &["2026-01-01"], "234"),
        ("Tags", Contains, &["a"], "1"),
        ("Tags", In, &["a", "b"], "12"),
        ("Tags", NotIn, &["a"], "234"),
        ("Mail", Equals, &["ADA@acme.com"], "12"),
        ("Mail", NotEquals, &["ada@acme.com"], "34"),
        ("Mail", EndsWith, &["@ACME.com"], "123"),
        ("Mail", NotIn, &["B@acme.com"], "124"),
        ("Open", Equals, &["TRUE"], "1"),
        ("Open", NotEquals, &["true"], "234"),
    ] {
        assert_eq!(kept(is, field, values), rows, "{field} {is:?} {values:?}");
    }
}

#[test]
fn merges_keep_the_rows_that_their_join_says_and_null_equals_nothing() {
    let known = known(&[
        ("deals", &[("id", CellType::Text), ("Account", CellType::Text)]),
        ("accounts", &[("id", CellType::Text), ("Name", CellType::Text)]),
    ]);
    let deals: Rows<'_> = &[
        ("d1", 1, &[Some("d1"), Some("a1")]),
        ("d2", 9, &[Some("d2"), None]),
        ("d3", 3, &[Some("d3"), Some("a9")]),
        ("d4", 4, &[Some("d4"), Some("a1")]),
    ];
    let accounts: Rows<'_> = &[("a1", 2, &[Some("a1"), Some("Acme")]), ("a2", 2, &[None, Some("Bolt")])];
    for (join, rows) in [
        (Join::Inner, &["Acme|d1", "Acme|d4"][..]),
        (Join::Left, &["Acme|d1", "-|d2", "-|d3", "Acme|d4"]),
        (Join::Right, &["Acme|d1", "Acme|d4", "Bolt|-"]),
        (Join::Outer, &["Acme|d1", "-|d2", "-|d3", "Acme|d4", "Bolt|-"]),
    ] {
        let mut job = job(&[("deals", &["id", "Account"]), ("accounts", &["id", "Name"])], "both");
        let fields = [("Name", "accounts", "Name"), ("id", "deals", "id")];
        let both = merge("deals", "accounts", join, &[("Account.id", "id")], &fields);
        job.merges.push(("both".to_owned(), both));
        assert_eq!(prepared(&job, &known, &[("deals", deals), ("accounts", accounts)]), rows, "{join:?}");
    }
}

#[test]
fn a_merged_row_says_of_which_rows_it_is_and_was_changed_when_the_later_one_was() {
    let known = known(&[
        ("deals", &[("id", CellType::Text), ("Account", CellType::Text)]),
        ("accounts", &[("id", CellType::Text)]),
    ]);
    let mut job = job(&[("deals", &["id", "Account"]), ("accounts", &["id"])], "both");
    let both = merge("accounts", "deals", Join::Left, &[("id", "Account")], &[("id", "deals", "id")]);
    job.merges.push(("both".to_owned(), both));
    let plan = check(&job, &known).unwrap();
    assert_eq!(
        (plan.dataset(), plan.datasets()),
        ("deals", &["accounts".to_owned(), "deals".to_owned()][..])
    );
    let mut staging = Staging::in_memory().unwrap();
    let deals: Rows<'_> = &[("d1", 1, &[Some("d1"), Some("a1")]), ("d2", 9, &[Some("d2"), Some("a1")])];
    stage(
        &mut staging,
        &plan,
        &[("deals", deals), ("accounts", &[("a1", 2, &[Some("a1")]), ("a2", 5, &[Some("a2")])])],
    );
    let prepared = prepare(&staging, &plan).unwrap();
    let rows: Vec<_> = all(&prepared, &staging)
        .into_iter()
        .map(|row| (row.place, row.rows, row.row, row.id, row.modified.unwrap()))
        .collect();
    let of = |place, account, deal: Option<i64>, id: Option<&str>, at: &str| {
        (place, vec![Some(account), deal], deal, id.map(str::to_owned), at.to_owned())
    };
    assert_eq!(
        rows,
        [
            of(1, 1, Some(1), Some("d1"), "1970-01-01T00:00:02Z"),
            of(2, 1, Some(2), Some("d2"), "1970-01-01T00:00:09Z"),
            of(3, 2, None, Some("\u{1f}accounts\u{1f}a2"), "1970-01-01T00:00:05Z"),
        ]
    );
    assert_eq!(prepared.count(&staging).unwrap(), 3);
    let mut later = Vec::new();
    prepared
        .each(&staging, 3, |row| {
            later.push(row.place);
            Ok::<_, StagingError>(())
        })
        .unwrap();
    assert_eq!(later, [3], "it goes on where it was");
}

#[test]
fn a_merge_that_blows_up_is_a_warning_in_a_preview_and_an_error_in_a_run() {
    let known =
        known(&[("a", &[("id", CellType::Text)]), ("b", &[("id", CellType::Text), ("k", CellType::Text)])]);
    let mut job = job(&[("a", &["id"]), ("b", &["id", "k"])], "both");
    job.merges.push(("both".to_owned(), merge("a", "b", Join::Left, &[("id", "k")], &[("id", "b", "id")])));
    let plan = check(&job, &known).unwrap();
    let mut staging = Staging::in_memory().unwrap();
    let ids: Vec<String> = (0..20).map(|id| id.to_string()).collect();
    let same = [Some("x"), Some("x")];
    let one: Vec<(&str, i64, &[Option<&str>])> = ids.iter().map(|id| (id.as_str(), 0, &same[..1])).collect();
    let two: Vec<(&str, i64, &[Option<&str>])> = ids.iter().map(|id| (id.as_str(), 0, &same[..])).collect();
    stage(&mut staging, &plan, &[("a", &one), ("b", &two)]);
    let blow_up = BlowUp { merge: "both".to_owned(), larger: 20 };
    assert_eq!(prepare(&staging, &plan).unwrap_err(), PrepareError::BlowUp(blow_up.clone()));
    let preview = preview(&staging, &plan).unwrap();
    assert_eq!((preview.warnings.as_slice(), preview.count(&staging).unwrap()), (&[blow_up][..], 200));
}

#[test]
fn rows_are_read_in_the_order_in_which_they_lie_so_that_none_are_gathered_to_be_sorted() {
    let known =
        known(&[("accounts", ACCOUNTS), ("deals", &[("id", CellType::Text), ("Account", CellType::Text)])]);
    for (output, filtered) in [("accounts", false), ("accounts", true), ("both", true)] {
        let mut job = job(&[("accounts", &["id", "Name"]), ("deals", &["id", "Account"])], output);
        let fields = [("id", "deals", "id"), ("Name", "accounts", "Name")];
        job.merges.push((
            "both".to_owned(),
            merge("deals", "accounts", Join::Outer, &[("Account", "id")], &fields),
        ));
        if filtered {
            let named = filter("A", vec![condition("Name", Comparison::IsNotNull, &[])]);
            job.datasets.get_mut("accounts").unwrap().filter = Some(named);
            let upper = transform("Upper", Rule::Formula(formula(Function::Upper, &[field("Name")])));
            job.transforms.push(Transform { dataset: output.to_owned(), ..upper });
        }
        let plan = check(&job, &known).unwrap();
        let mut staging = Staging::in_memory().unwrap();
        stage(&mut staging, &plan, &[]);
        let prepared = prepare(&staging, &plan).unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {}", prepared.sql);
        let mut statement = staging.connection().prepare(&explain).unwrap();
        let steps =
            statement.query_map(rusqlite::params_from_iter(&prepared.bound), |row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{output}: {steps:?}");
        assert!(steps.iter().any(|step| step.contains("USING INTEGER PRIMARY KEY")), "{output}: {steps:?}");
    }
}

fn field(name: &str) -> Operand {
    Operand::Field(name.to_owned())
}

fn formula(function: Function, args: &[Operand]) -> Formula {
    Formula { function, args: args.to_vec() }
}

fn transform(field: &str, rule: Rule) -> Transform {
    Transform { dataset: "accounts".to_owned(), field: field.to_owned(), rule }
}

#[test]
fn fields_are_worked_out_in_order_and_later_ones_may_use_them() {
    let mut job = job(&[("accounts", &["id", "Name", "Employees", "Open"])], "accounts");
    let doubled = formula(Function::Add, &[field("Employees"), field("Employees")]);
    job.transforms = vec![
        transform("Two", Rule::Formula(doubled.clone())),
        transform(
            "Four",
            Rule::Formula(formula(Function::Multiply, &[field("Two"), Operand::Value(text("2"))])),
        ),
        transform(
            "Size",
            Rule::Cases {
                cases: vec![
                    Case {
                        filter: filter(
                            "A AND B",
                            vec![
                                condition("Four", Comparison::Greater, &["39"]),
                                condition("Open", Comparison::Equals, &["true"]),
                            ],
                        ),
                        then: Operand::Value(text("big")),
                    },
                    Case {
                        filter: filter("A", vec![condition("Four", Comparison::Greater, &["39"])]),
                        then: Operand::Formula(Box::new(formula(Function::Upper, &[field("Name")]))),
                    },
                ],
                otherwise: Some(field("Name")),
            },
        ),
        transform(
            "Blank",
            Rule::Formula(formula(
                Function::Concat,
                &[Operand::Value(text(" ")), field("Name"), Operand::Value(text(" "))],
            )),
        ),
    ];
    // Each uses the one before twice: 2^40 times as much work, were they written into each other.
    for step in 0..40 {
        let before = if step == 0 { "Four".to_owned() } else { format!("s{}", step - 1) };
        let twice = formula(Function::Subtract, &[field(&before), field(&before)]);
        job.transforms.push(transform(&format!("s{step}"), Rule::Formula(twice)));
    }
    let rows: Rows<'_> = &[
        ("1", 0, &[Some("1"), Some("Acme"), Some("10"), Some("true")]),
        ("2", 0, &[Some("2"), Some("Bolt"), Some("10"), Some("false")]),
        ("3", 0, &[Some("3"), Some("Cog"), Some("0.1"), None]),
        ("4", 0, &[Some("4"), None, None, None]),
    ];
    let known = known(&[("accounts", ACCOUNTS)]);
    let rows = prepared(&job, &known, &[("accounts", rows)]);
    let begins = |row: &String| row.split('|').take(8).collect::<Vec<_>>().join("|");
    assert_eq!(
        rows.iter().map(begins).collect::<Vec<_>>(),
        [
            "1|Acme|10|true|20|40|big|Acme",
            "2|Bolt|10|false|20|40|BOLT|Bolt",
            "3|Cog|0.1|-|0.2|0.4|Cog|Cog",
            "4|-|-|-|-|-|-|-",
        ]
    );
    let kinds: Vec<CellType> =
        check(&job, &known).unwrap().columns().iter().skip(4).take(4).map(|column| column.kind).collect();
    assert_eq!(kinds, [CellType::Number, CellType::Number, CellType::Text, CellType::Text]);
}
