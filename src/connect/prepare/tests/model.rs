//! The same as SQLite does, written apart: nested loops over rows in memory.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A row of a stage: the rows that it is of, when it was changed, its cells by name.
#[derive(Clone, Debug)]
struct Row {
    rows: Vec<Option<i64>>,
    modified: Option<i64>,
    cells: BTreeMap<String, Option<String>>,
}

type Kinds = BTreeMap<String, CellType>;

/// A stage: its rows, what its columns are, and of how many datasets it is.
type Stage = (Vec<Row>, Kinds, usize);

/// A number of at most two decimals, in hundredths.
fn hundredths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let size: i64 = format!("{}{fraction:0<2}", whole.trim_start_matches('-')).parse().ok()?;
    Some(if whole.starts_with('-') { -size } else { size })
}

/// What values of a kind are compared by.
#[derive(Debug, PartialEq, PartialOrd)]
enum Sorted {
    Number(i64),
    Time(Timestamp),
    Text(String),
}

fn sorted(kind: CellType, value: &str) -> Sorted {
    match kind {
        CellType::Number => Sorted::Number(hundredths(value).unwrap()),
        CellType::Date => Sorted::Time(format!("{value}T00:00:00Z").parse().unwrap()),
        CellType::Time => Sorted::Time(value.parse().unwrap()),
        CellType::Email => Sorted::Text(value.to_lowercase()),
        _ => Sorted::Text(value.to_owned()),
    }
}

fn holds(condition: &Condition, row: &Row, kinds: &Kinds) -> bool {
    use Comparison::*;
    let kind = kinds[&condition.field];
    let values: Vec<String> = condition
        .values
        .iter()
        .map(|value| match value {
            Literal::Text(text) => text.trim().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let Some(cell) = &row.cells[&condition.field] else {
        return matches!(condition.is, NotEquals | NotIn | IsNull);
    };
    if kind == CellType::List {
        let items: Vec<String> = serde_json::from_str(cell).unwrap();
        let has = items.iter().any(|item| values.contains(item));
        return match condition.is {
            IsNull => false,
            IsNotNull => true,
            NotIn => !has,
            _ => has,
        };
    }
    let (own, others): (Sorted, Vec<Sorted>) =
        (sorted(kind, cell), values.iter().map(|value| sorted(kind, value)).collect());
    let texts = || match (&own, &others[0]) {
        (Sorted::Text(own), Sorted::Text(other)) => (own.clone(), other.clone()),
        other => panic!("{other:?}"),
    };
    match condition.is {
        Equals => own == others[0],
        NotEquals => own != others[0],
        In => others.contains(&own),
        NotIn => !others.contains(&own),
        Contains => texts().0.contains(&texts().1),
        StartsWith => texts().0.starts_with(&texts().1),
        EndsWith => texts().0.ends_with(&texts().1),
        Less => own < others[0],
        LessOrEqual => own <= others[0],
        Greater => own > others[0],
        GreaterOrEqual => own >= others[0],
        Between => own >= others[0] && own <= others[1],
        IsNull => false,
        IsNotNull => true,
    }
}

fn passes(filter: &Filter, row: &Row, kinds: &Kinds) -> bool {
    filter.expression.holds(&|letter| holds(&filter.conditions[&letter], row, kinds))
}

fn value(operand: &Operand, row: &Row) -> Option<String> {
    match operand {
        Operand::Value(Literal::Text(text)) => Some(text.clone()),
        Operand::Field(name) => row.cells[name].clone(),
        other => panic!("{other:?}"),
    }
}

fn transformed((rows, kinds, of): Stage, transforms: &[Transform], name: &str) -> Stage {
    let (mut rows, mut kinds) = (rows, kinds);
    for transform in transforms.iter().filter(|transform| transform.dataset == name) {
        let Rule::Cases { cases, otherwise } = &transform.rule else { panic!("only cases") };
        for row in &mut rows {
            let found = cases.iter().find(|case| passes(&case.filter, row, &kinds)).map(|case| &case.then);
            let cell = found.or(otherwise.as_ref()).and_then(|operand| value(operand, row));
            row.cells.insert(transform.field.clone(), cell);
        }
        kinds.insert(transform.field.clone(), CellType::Text);
    }
    (rows, kinds, of)
}

fn merged(merge: &Merge, left: &Stage, right: &Stage) -> Stage {
    let none = |stage: &Stage| Row {
        rows: vec![None; stage.2],
        modified: None,
        cells: stage.1.keys().map(|name| (name.clone(), None)).collect(),
    };
    let pair = |one: &Row, two: &Row| {
        let cell = |(name, (dataset, field)): (&String, &(String, String))| {
            let row = if *dataset == merge.left { one } else { two };
            (name.clone(), row.cells[field].clone())
        };
        Row {
            rows: [one.rows.clone(), two.rows.clone()].concat(),
            modified: one.modified.max(two.modified),
            cells: merge.fields.iter().map(cell).collect(),
        }
    };
    let is_pair = |one: &Row, two: &Row| {
        merge.on.iter().all(|(a, b)| {
            let is_email = left.1[a] == CellType::Email || right.1[b] == CellType::Email;
            match (&one.cells[a], &two.cells[b]) {
                (Some(a), Some(b)) if is_email => a.to_lowercase() == b.to_lowercase(),
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
        })
    };
    let mut rows = Vec::new();
    for one in &left.0 {
        let partners: Vec<&Row> = right.0.iter().filter(|two| is_pair(one, two)).collect();
        rows.extend(partners.iter().map(|two| pair(one, two)));
        if partners.is_empty() && matches!(merge.join, Join::Left | Join::Outer) {
            rows.push(pair(one, &none(right)));
        }
    }
    if matches!(merge.join, Join::Right | Join::Outer) {
        let lone = right.0.iter().filter(|two| !left.0.iter().any(|one| is_pair(one, two)));
        rows.extend(lone.map(|two| pair(&none(left), two)));
    }
    let kind = |(name, (dataset, field)): (&String, &(String, String))| {
        (name.clone(), if *dataset == merge.left { left.1[field] } else { right.1[field] })
    };
    (rows, merge.fields.iter().map(kind).collect(), left.2 + right.2)
}

/// Rows of a dataset: when each was changed, and its cells in the order of [`FIELDS`].
type Data = Vec<(i64, Vec<Option<String>>)>;

fn modelled(job: &Job, data: &[Data; 3]) -> Vec<Row> {
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    for (name, data) in NAMES.iter().zip(data) {
        let kinds: Kinds = FIELDS.iter().map(|(field, kind)| ((*field).to_owned(), *kind)).collect();
        let mut rows: Vec<Row> = (1..)
            .zip(data)
            .map(|(place, (modified, cells))| Row {
                rows: vec![Some(place)],
                modified: Some(*modified),
                cells: kinds_in_order().zip(cells.clone()).collect(),
            })
            .collect();
        if let Some(filter) = &job.datasets[*name].filter {
            rows.retain(|row| passes(filter, row, &kinds));
        }
        stages.insert((*name).to_owned(), transformed((rows, kinds, 1), &job.transforms, name));
    }
    for (name, merge) in &job.merges {
        let stage = merged(merge, &stages[&merge.left], &stages[&merge.right]);
        stages.insert(name.clone(), transformed(stage, &job.transforms, name));
    }
    stages.remove(&job.destination.dataset).unwrap().0
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const FIELDS: [(&str, CellType); 7] = [
    ("id", CellType::Text),
    ("word", CellType::Text),
    ("mail", CellType::Email),
    ("count", CellType::Number),
    ("day", CellType::Date),
    ("at", CellType::Time),
    ("tags", CellType::List),
];

fn kinds_in_order() -> impl Iterator<Item = String> {
    FIELDS.iter().map(|(field, _)| (*field).to_owned())
}

fn values(kind: CellType) -> &'static [&'static str] {
    match kind {
        CellType::Text => &["x", "X", "xy", "y%", "ä", "10"],
        CellType::Email => &["a@x.de", "A@X.de", "b@x.de"],
        CellType::Number => &["0", "-1.5", "9", "10", "10.05"],
        CellType::Date => &["2026-01-01", "2026-01-02", "2025-12-31"],
        CellType::Time => &["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T10:00:00Z"],
        CellType::List => &["[\"x\"]", "[\"x\",\"y\"]", "[\"xy\"]"],
        CellType::Boolean => &["true"],
    }
}

fn cell(kind: CellType) -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.8, select(values(kind)).prop_map(str::to_owned))
}

fn data() -> impl Strategy<Value = Data> {
    let cells: Vec<_> = FIELDS.iter().map(|(_, kind)| cell(*kind).boxed()).collect();
    proptest::collection::vec((0_i64..5, cells), 0..9)
}

fn a_condition() -> impl Strategy<Value = Condition> {
    use Comparison::*;
    select(&FIELDS[..]).prop_flat_map(|(field, kind)| {
        let comparisons: Vec<Comparison> = match kind {
            CellType::List => vec![Contains, In, NotIn, IsNull, IsNotNull],
            CellType::Text | CellType::Email => Comparison::WORDS.iter().map(|(_, is)| *is).collect(),
            _ => {
                let is_of_texts = |is: &Comparison| matches!(is, Contains | StartsWith | EndsWith);
                Comparison::WORDS.iter().map(|(_, is)| *is).filter(|is| !is_of_texts(is)).collect()
            }
        };
        let words = if kind == CellType::List { &["x", "y"][..] } else { values(kind) };
        (select(comparisons), proptest::collection::vec(select(words), 3)).prop_map(move |(is, words)| {
            let count = match is {
                IsNull | IsNotNull => 0,
                Between | In | NotIn => 2,
                _ => 1,
            };
            condition(field, is, &words[..count])
        })
    })
}

fn a_filter() -> impl Strategy<Value = Filter> {
    let expression = select(&["A AND B AND C", "A OR B OR C", "A AND (B OR C)", "(A OR B) AND C"][..]);
    (expression, proptest::collection::vec(a_condition(), 3))
        .prop_map(|(expression, conditions)| filter(expression, conditions))
}

fn a_transform(dataset: &'static str) -> impl Strategy<Value = Transform> {
    let then = || {
        let field = select(&["id", "word"][..]).prop_map(field);
        prop_oneof![field, select(&["u", "v"][..]).prop_map(|word| Operand::Value(text(word)))]
    };
    let cases = proptest::collection::vec((a_filter(), then()), 1..3);
    (cases, proptest::option::of(then())).prop_map(move |(cases, otherwise)| Transform {
        dataset: dataset.to_owned(),
        field: "new".to_owned(),
        rule: Rule::Cases {
            cases: cases.into_iter().map(|(filter, then)| Case { filter, then }).collect(),
            otherwise,
        },
    })
}

fn a_merge(left: &'static str, right: &'static str) -> impl Strategy<Value = Merge> {
    let join = select(&[Join::Inner, Join::Left, Join::Right, Join::Outer][..]);
    let on = [
        ("id", "id"),
        ("word", "id"),
        ("mail", "mail"),
        ("mail", "word"),
        ("count", "count"),
        ("id", "count"),
    ];
    (join, proptest::collection::vec(select(on.to_vec()), 1..3)).prop_map(move |(join, on)| {
        // All of the left, and some of the right under other names.
        let lefts = FIELDS.iter().map(|(field, _)| (*field, left, *field));
        let rights = [("right_id", right, "id"), ("right_count", right, "count")];
        merge(left, right, join, &on, &lefts.chain(rights).collect::<Vec<_>>())
    })
}

fn a_job() -> impl Strategy<Value = Job> {
    let filters = proptest::collection::vec(proptest::option::of(a_filter()), 3);
    let transforms = [a_transform("a").boxed(), a_transform("b").boxed(), a_transform("ab").boxed()];
    let transforms = transforms.map(proptest::option::of);
    let output = select(&["a", "ab", "abc"][..]);
    (filters, transforms, a_merge("a", "b"), a_merge("ab", "c"), output).prop_map(
        |(filters, transforms, ab, abc, output)| {
            let fields: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
            let datasets: Vec<(&str, &[&str])> =
                NAMES.iter().map(|name| (*name, fields.as_slice())).collect();
            let mut job = job(&datasets, output);
            for (dataset, filter) in job.datasets.values_mut().zip(filters) {
                dataset.filter = filter;
            }
            job.merges = vec![("ab".to_owned(), ab), ("abc".to_owned(), abc)];
            job.transforms = transforms.into_iter().flatten().collect();
            job
        },
    )
}

/// A row as one text, its cells by name.
fn shown(rows: &[Option<i64>], modified: Option<&str>, cells: &BTreeMap<String, Option<String>>) -> String {
    format!("{rows:?} {modified:?} {cells:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn sqlite_prepares_what_nested_loops_do(
        job in a_job(),
        data in [data(), data(), data()],
    ) {
        let fields = FIELDS.map(|(field, kind)| (field.to_owned(), kind)).to_vec();
        let known: Known = NAMES.iter().map(|name| ((*name).to_owned(), fields.clone())).collect();
        let plan = check(&job, &known).unwrap();
        let mut staging = Staging::in_memory().unwrap();
        for (name, data) in NAMES.iter().zip(&data) {
            staging.dataset(name, &known[*name]).unwrap();
            let rows = (0..).zip(data).map(|(id, (second, cells))| SourceRow {
                id: Some(format!("{id}")),
                modified: Timestamp::from_second(*second).ok(),
                cells: cells.clone(),
                line: None,
            });
            staging.put_page(name, &Page { rows: rows.collect(), checkpoint: String::new() }).unwrap();
        }
        let expected = modelled(&job, &data);
        let prepared = preview(&staging, &plan).unwrap();
        prop_assume!(prepared.warnings.is_empty());
        let names: Vec<String> = plan.columns().into_iter().map(|column| column.name).collect();
        let rows = all(&prepared, &staging);
        let mut found: Vec<String> = rows.iter().map(|row| {
            let cells = names.iter().cloned().zip(row.cells.clone()).collect();
            shown(&row.rows, row.modified.as_deref(), &cells)
        }).collect();
        let mut expected: Vec<String> = expected.iter().map(|row| {
            let modified = row.modified.map(|second| Timestamp::from_second(second).unwrap().to_string());
            shown(&row.rows, modified.as_deref(), &row.cells)
        }).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        prop_assert!(rows.windows(2).all(|pair| pair[0].place < pair[1].place));
        let again = preview(&staging, &plan).unwrap();
        prop_assert_eq!(all(&again, &staging), rows, "each time the same");
    }
}
