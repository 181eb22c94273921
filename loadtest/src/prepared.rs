//! `prepare`: what a run of a job costs between what it reads and what it sends. Rows go into its file, beside the same
//! rows read as CSV and written by hand; deals are merged with accounts, beside SQLite's own shell with the same SQL;
//! and merged rows are mapped.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};

use clap::Args;
use rusqlite::{Connection, params_from_iter};
use weir::connect::cell::{Cell, CellType};
use weir::connect::document::{
    Case, Comparison, Condition, Dataset, Deletes, Destination, FieldMap, Filter, Job, Join, Literal, Merge,
    OnEmpty, Operand, Operation, Rule, Transform,
};
use weir::connect::expression::Expression;
use weir::connect::mapping::lookups::Nothing;
use weir::connect::mapping::row::Mapping;
use weir::connect::mapping::run::map;
use weir::connect::mapping::target::Target;
use weir::connect::prepare::check::check;
use weir::connect::prepare::prepare;
use weir::connect::source::{Page, SourceRow};
use weir::connect::staging::{self, Staging, StagingError};

use crate::bare_store::own_cpu_us;
use crate::process::{Usage, family_cpu_us};
use crate::report::{Report, count};

/// Rows of a page.
const PAGE: u64 = 2_000;

#[derive(Args, Debug)]
pub struct Flags {
    /// A folder for what is written
    #[arg(long)]
    folder: PathBuf,
    /// Deals
    #[arg(long, default_value_t = 1_000_000)]
    deals: u64,
    /// Accounts
    #[arg(long, default_value_t = 200_000)]
    accounts: u64,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
}

const ACCOUNTS: [(&str, CellType); 5] = [
    ("id", CellType::Text),
    ("Account_Name", CellType::Text),
    ("Industry", CellType::Text),
    ("Employees", CellType::Number),
    ("Account_Type", CellType::Text),
];
const DEALS: [(&str, CellType); 7] = [
    ("id", CellType::Text),
    ("Deal_Name", CellType::Text),
    ("Amount", CellType::Number),
    ("Rating", CellType::Text),
    ("Closing_Date", CellType::Date),
    ("Account", CellType::Text),
    ("Mail", CellType::Email),
];

/// Measures all of it once.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    fs::create_dir_all(&flags.folder)?;
    let (path, by_hand) = (flags.folder.join("run.sqlite"), flags.folder.join("by-hand.sqlite"));
    staging::remove(&path)?;
    staging::remove(&by_hand)?;
    let loaded = load(&path, flags)?;
    let written = write_by_hand(&by_hand, flags)?;
    let kept = (0..flags.deals).filter(|number| number % 4 != 2).count();
    let (merged, mapped) = merge(&path, kept)?;
    let peak = Usage::of("self")?.peak_rss;
    let shell = merge_in_shell(&path)?;
    let rows = count(flags.deals + flags.accounts);
    let figures = [
        ("CPU µs/row read", loaded / rows),
        ("by hand: CPU µs/row", written / rows),
        ("reading's CPU / by hand", loaded / written),
        ("merge: CPU s", merged / 1e6),
        ("shell: CPU s", shell / 1e6),
        ("merge's CPU / shell", merged / shell),
        ("CPU µs/row mapped", mapped / count(u64::try_from(kept)?)),
        ("most MB", count(peak) / 1e6),
    ];
    Ok(Report {
        scenario: flags.scenario.clone(),
        server: "weir-sqlite".to_owned(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Report::default()
    })
}

fn cells(values: Vec<String>) -> Vec<Cell> {
    values.into_iter().map(Some).collect()
}

/// One of `words`, each in turn.
fn word(words: &[&str], number: u64) -> String {
    let turn = (0..).zip(words).find(|(place, _)| *place == number % words.len() as u64);
    turn.map_or("", |(_, word)| word).to_owned()
}

fn account(number: u64) -> Vec<Cell> {
    cells(vec![
        format!("4876876000000{number:06}"),
        format!("Account number {number}"),
        word(&["Software", "Retail", "Energy"], number),
        (number % 9_000).to_string(),
        word(&["Customer", "Prospect"], number),
    ])
}

fn deal(number: u64, accounts: u64) -> Vec<Cell> {
    let account = format!("4876876000000{:06}", number.wrapping_mul(1_000_003) % accounts);
    let mut cells = cells(vec![
        format!("4876876000001{number:07}"),
        format!("Deal number {number}, renewal"),
        format!("{}.{}", number % 100_000, number % 9 + 1),
        word(&["New", "Open", "Lost", "Won"], number),
        format!("2026-{:02}-{:02}", number % 12 + 1, number % 28 + 1),
        format!("user-{number}@example.com"),
    ]);
    cells.insert(5, (!number.is_multiple_of(10)).then_some(account));
    cells
}

/// The rows of both datasets, page by page.
fn each_page(
    flags: &Flags,
    mut take: impl FnMut(&str, Vec<Vec<Cell>>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for (dataset, rows) in [("accounts", flags.accounts), ("deals", flags.deals)] {
        for first in (0..rows).step_by(usize::try_from(PAGE)?) {
            let numbers = first..rows.min(first + PAGE);
            let made =
                |number| if dataset == "deals" { deal(number, flags.accounts) } else { account(number) };
            take(dataset, numbers.map(made).collect())?;
        }
    }
    Ok(())
}

fn fields(dataset: &str) -> Vec<(String, CellType)> {
    let fields = if dataset == "deals" { &DEALS[..] } else { &ACCOUNTS[..] };
    fields.iter().map(|(field, kind)| ((*field).to_owned(), *kind)).collect()
}

/// Processor time of writing all pages to the file of a run.
fn load(path: &Path, flags: &Flags) -> Result<f64, Box<dyn Error>> {
    let mut staging = Staging::open(path)?;
    for dataset in ["accounts", "deals"] {
        staging.dataset(dataset, &fields(dataset))?;
    }
    let mut spent = 0.0;
    each_page(flags, |dataset, rows| {
        let row = |cells: Vec<Cell>| SourceRow {
            id: cells.first().cloned().flatten(),
            modified: None,
            cells,
            line: None,
        };
        let page = Page { rows: rows.into_iter().map(row).collect(), checkpoint: "next".to_owned() };
        let begun = own_cpu_us();
        staging.put_page(dataset, &page)?;
        spent += own_cpu_us() - begun;
        Ok(())
    })?;
    Ok(spent)
}

/// Processor time of reading the same rows as CSV, and writing each with an upsert by its id.
fn write_by_hand(path: &Path, flags: &Flags) -> Result<f64, Box<dyn Error>> {
    let mut bare = Connection::open(path)?;
    bare.pragma_update(None, "journal_mode", "WAL")?;
    bare.pragma_update(None, "synchronous", "NORMAL")?;
    for dataset in ["accounts", "deals"] {
        let fields = fields(dataset);
        let columns: Vec<String> = fields.iter().map(|(field, _)| format!("{field} TEXT")).collect();
        let columns = columns.join(", ");
        bare.execute_batch(&format!(
            "CREATE TABLE {dataset} (place INTEGER PRIMARY KEY, {columns}); \
             CREATE UNIQUE INDEX {dataset}_id ON {dataset} (id)"
        ))?;
    }
    let mut spent = 0.0;
    each_page(flags, |dataset, rows| {
        let table = page_of(rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default)))?;
        let names: Vec<String> = fields(dataset).into_iter().map(|(field, _)| field).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let begun = own_cpu_us();
        upsert(&mut bare, (dataset, &names), &table)?;
        spent += own_cpu_us() - begun;
        Ok(())
    })?;
    Ok(spent)
}

/// Rows as CSV.
///
/// # Errors
/// When there is no memory.
pub fn page_of(
    rows: impl Iterator<Item = impl IntoIterator<Item = String>>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        table.write_record(row)?;
    }
    Ok(table.into_inner()?)
}

/// Reads rows as CSV, and writes each into a table with an upsert by its `id`, in one transaction.
///
/// # Errors
/// SQLite's.
pub fn upsert(
    bare: &mut Connection,
    (dataset, names): (&str, &[&str]),
    table: &[u8],
) -> Result<(), Box<dyn Error>> {
    let newer: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let places = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "INSERT INTO {dataset} ({}) VALUES ({places}) ON CONFLICT (id) DO UPDATE SET {}",
        names.join(", "),
        newer.join(", ")
    );
    let transaction = bare.transaction()?;
    let mut insert = transaction.prepare_cached(&sql)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        insert.execute(params_from_iter(record.iter().map(|cell| (!cell.is_empty()).then_some(cell))))?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}

/// Processor time of merging, reading all that is merged once; and of mapping it.
fn merge(path: &Path, kept: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let known = ["accounts", "deals"].map(|dataset| (dataset.to_owned(), fields(dataset)));
    let job = job();
    let plan = check(&job, &BTreeMap::from(known))?;
    let staging = Staging::open(path)?;
    let begun = own_cpu_us();
    let prepared = prepare(&staging, &plan)?;
    let mut rows = 0;
    prepared.each(&staging, 1, |_| {
        rows += 1;
        Ok::<_, StagingError>(())
    })?;
    let merged = own_cpu_us() - begun;
    if rows != kept {
        return Err(format!("{rows} rows were merged, not {kept}").into());
    }
    let target = Target::new("acme", "person", &BTreeMap::new()).ok_or("people are no object")?;
    let mapping = Mapping::new(&job, &plan, target)?;
    let begun = own_cpu_us();
    let mapped = map(&mapping, &prepared, &staging, &mut Nothing)?;
    mapped.each(&staging, |outcome| {
        outcome.mapped.as_ref().map(weir::connect::mapping::row::MappedRow::hash).unwrap_or_default();
        Ok::<_, StagingError>(())
    })?;
    Ok((merged, own_cpu_us() - begun))
}

fn filter(field: &str, is: Comparison, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| Literal::Text((*value).to_owned())).collect();
    let condition = Condition { field: field.to_owned(), is, values };
    Filter { expression: Expression::Letter('A'), conditions: BTreeMap::from([('A', condition)]) }
}

/// Deals that are not lost, with the accounts that they are of.
fn job() -> Job {
    let dataset = |object: &str, fields: &[(&str, CellType)], filter: Option<Filter>| Dataset {
        object: object.to_owned(),
        fields: fields.iter().map(|(field, _)| (*field).to_owned()).collect(),
        filter,
    };
    let merged = [
        ("id", "deals", "id"),
        ("Deal", "deals", "Deal_Name"),
        ("Amount", "deals", "Amount"),
        ("Rating", "deals", "Rating"),
        ("Mail", "deals", "Mail"),
        ("Account", "accounts", "Account_Name"),
        ("Industry", "accounts", "Industry"),
    ];
    let merged =
        merged.map(|(name, dataset, field)| (name.to_owned(), (dataset.to_owned(), field.to_owned())));
    let stage = Rule::Cases {
        cases: vec![Case {
            filter: filter("Rating", Comparison::In, &["New", "Open"]),
            then: Operand::Value(Literal::Text("Active".to_owned())),
        }],
        otherwise: Some(Operand::Value(Literal::Text("Inactive".to_owned()))),
    };
    let direct = [("Email", "Mail"), ("Name", "Deal"), ("Location", "Account"), ("Comments", "Stage")];
    let direct = direct.map(|(field, from)| {
        (field.to_owned(), FieldMap { from: from.to_owned(), on_empty: OnEmpty::Clear })
    });
    Job {
        id: "deals".to_owned(),
        tenant: "acme".to_owned(),
        connection: "zoho".to_owned(),
        name: "Deals".to_owned(),
        enabled: true,
        datasets: BTreeMap::from([
            ("accounts".to_owned(), dataset("Accounts", &ACCOUNTS, None)),
            (
                "deals".to_owned(),
                dataset("Deals", &DEALS, Some(filter("Rating", Comparison::NotEquals, &["Lost"]))),
            ),
        ]),
        merges: vec![(
            "both".to_owned(),
            Merge {
                left: "deals".to_owned(),
                right: "accounts".to_owned(),
                join: Join::Left,
                on: vec![("Account".to_owned(), "id".to_owned())],
                fields: merged.into(),
            },
        )],
        transforms: vec![Transform { dataset: "both".to_owned(), field: "Stage".to_owned(), rule: stage }],
        destination: Destination {
            dataset: "both".to_owned(),
            object: "person".to_owned(),
            operation: Operation::Upsert,
            external_id: "id".to_owned(),
            deletes: Deletes::Ignore,
            fields: direct.into(),
            lookups: Vec::new(),
        },
        schedule: None,
        refresh: None,
    }
}

/// What somebody would write who had SQLite alone, with a table for what is merged as Weir has one.
const BY_HAND: &str = "
    PRAGMA cache_size = -32768;
    ATTACH 'shell.work' AS work;
    PRAGMA work.journal_mode = OFF;
    PRAGMA work.synchronous = OFF;
    PRAGMA work.cache_size = -32768;
    DROP INDEX IF EXISTS by_id;
    CREATE INDEX by_id ON data_accounts (id);
    CREATE TABLE work.both AS
        SELECT l._row AS deal, r._row AS account, max(l._modified, r._modified) AS modified, l.id, l.Deal_Name,
            l.Amount, l.Rating, l.Mail, r.Account_Name, r.Industry
        FROM data_deals AS l LEFT JOIN data_accounts AS r ON l.Account = r.id
        WHERE l.Rating IS NULL OR l.Rating <> 'Lost';
    SELECT rowid, *, CASE WHEN Rating IN ('New', 'Open') THEN 'Active' ELSE 'Inactive' END FROM work.both
    ORDER BY rowid;
";

/// Processor time of SQLite's shell for the same.
fn merge_in_shell(path: &Path) -> Result<f64, Box<dyn Error>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::remove_file(folder.join("shell.work")).unwrap_or_default();
    // The index that Weir has made is not the shell's.
    let index: String = Connection::open(path)?.query_row(
        "SELECT coalesce(group_concat('DROP INDEX \"' || replace(name, '\"', '\"\"') || '\";', ''), '')
         FROM sqlite_schema WHERE type = 'index' AND name LIKE '% by %'",
        [],
        |row| row.get(0),
    )?;
    let before = family_cpu_us(id())? - Usage::of("self")?.cpu_us;
    let mut shell = Command::new("sqlite3")
        .arg("-bail")
        .arg(path.canonicalize()?)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("sqlite3: {error}; install it: apt-get install -y sqlite3"))?;
    let mut script = shell.stdin.take().ok_or("sqlite3 reads nothing")?;
    script.write_all(index.as_bytes())?;
    script.write_all(BY_HAND.as_bytes())?;
    drop(script);
    if !shell.wait()?.success() {
        return Err("sqlite3 failed; its message is above".into());
    }
    Ok(count(family_cpu_us(id())? - Usage::of("self")?.cpu_us - before))
}
