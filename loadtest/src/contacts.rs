//! `contacts`: what a job costs from another system to the store: all contacts of an org that stands in for Zoho CRM,
//! by its bulk reads, and then those that changed; beside the same rows read as CSV and written by hand.
//!
//! Weir is the real binary, with journal, loader and store. The org is served by this program, whose time does not
//! count.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::bare_store::own_cpu_us;
use crate::prepared::{page_of, upsert};
use crate::process::Usage;
use crate::report::{Report, count};
use crate::zoho::org::{ModuleOf, Org, Row, field};
use crate::zoho::served::Served;

/// Rows of a page that is written by hand.
const PAGE: u64 = 2_000;
/// Longest that a Weir takes to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// When the first contact was changed: 2026-01-01T00:00:00Z.
const FIRST: i64 = 1_767_225_600;

#[derive(Args, Debug)]
pub struct Flags {
    /// The program
    #[arg(long, default_value = "target/release/weir")]
    weir: PathBuf,
    /// A folder for what is written
    #[arg(long)]
    folder: PathBuf,
    /// Contacts
    #[arg(long, default_value_t = 1_000_000)]
    contacts: u64,
    /// Contacts that change before the second run
    #[arg(long, default_value_t = 500)]
    changed: u64,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
}

const FIELDS: [&str; 7] = ["First_Name", "Last_Name", "Full_Name", "Email", "Title", "Phone", "Mailing_City"];

const CONFIG: &str = "[tenants.acme]\n[sources.web]\ntenant = \"acme\"\nkeys = [\"sha256:\
    0000000000000000000000000000000000000000000000000000000000000000\"]\n[store]\n";

/// Measures both runs once.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    fs::remove_dir_all(&flags.folder).unwrap_or_default();
    fs::create_dir_all(&flags.folder)?;
    let served = Served::start(org(flags.contacts));
    let place = Place::new(flags, &served.url())?;
    let weir = place.start()?;
    let pid = weir.0.id().to_string();
    let before = Usage::of(&pid)?;
    let all = place.run_job()?;
    let after = Usage::of(&pid)?;
    expect(&all, "loaded", flags.contacts)?;
    let rows = count(flags.contacts);
    let spent = count(after.cpu_us - before.cpu_us) / rows;

    change(&served, flags.changed);
    let few = place.run_job()?;
    expect(&few, "loaded", flags.changed)?;
    let of_few = count(Usage::of(&pid)?.cpu_us - after.cpu_us);
    drop(weir);
    let by_hand = by_hand(&flags.folder.join("by-hand.sqlite"), flags.contacts)? / rows;
    let number = |run: &Value, name: &str| run[name].as_u64().map_or(0.0, count);
    let figures = [
        ("CPU µs/row", spent),
        ("by hand: CPU µs/row", by_hand),
        ("CPU / by hand", spent / by_hand),
        ("seconds", seconds(&all)?),
        ("peak MB", count(after.peak_rss) / 1e6),
        ("credits", number(&all, "credits")),
        ("changed: calls", number(&few, "calls")),
        ("changed: credits", number(&few, "credits")),
        ("changed: seconds", seconds(&few)?),
        ("changed: CPU ms", of_few / 1e3),
    ];
    Ok(Report {
        scenario: flags.scenario.clone(),
        server: "weir-sqlite".to_owned(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Report::default()
    })
}

fn contact(id: u64) -> Row {
    let values = [
        format!("Given{}", id % 1_000),
        format!("Family{id}"),
        format!("Given{} Family{id}", id % 1_000),
        format!("person-{id}@example.com"),
        "Head of Customer Success".to_owned(),
        format!("+49 30 {:07}", id % 10_000_000),
        format!("City {}", id % 5_000),
    ];
    let values = FIELDS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), json!(value)));
    Row { id, modified: FIRST.saturating_add_unsigned(id / 100), values: values.collect::<Map<_, _>>() }
}

fn org(contacts: u64) -> Org {
    let mut org = Org::default();
    let texts = FIELDS.iter().map(|name| field(name, if *name == "Email" { "email" } else { "text" }));
    let fields = texts.chain([field("Modified_Time", "datetime")]).collect();
    let module = ModuleOf { fields, made: Some((contacts, contact)), ..ModuleOf::default() };
    org.modules.insert("Contacts".to_owned(), module);
    org.accounts.codes.insert("1000.code".to_owned(), None);
    org
}

/// Changes the title of some contacts.
fn change(served: &Served, changed: u64) {
    let mut org = served.org();
    org.counts = Some(changed);
    // Windows end a few seconds before now.
    let now = Timestamp::now().as_second() - 10;
    let Some(module) = org.modules.get_mut("Contacts") else { return };
    for id in (1..=changed).map(|number| number * 7) {
        let mut row = Row { modified: now, ..contact(id) };
        row.values.insert("Title".to_owned(), json!("Chief Customer Officer"));
        module.rows.insert(id, row);
    }
}

/// A Weir that runs, until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// Where a Weir and its commands work.
struct Place {
    weir: PathBuf,
    folder: PathBuf,
}

impl Place {
    fn new(flags: &Flags, org: &str) -> Result<Self, Box<dyn Error>> {
        fs::write(flags.folder.join("weir.toml"), CONFIG)?;
        fs::write(flags.folder.join("jobs.toml"), documents(org))?;
        Ok(Place { weir: flags.weir.clone(), folder: flags.folder.clone() })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.weir);
        command.args(words).arg("--config").arg(self.folder.join("weir.toml"));
        command.arg("--data").arg(self.folder.join("data"));
        command
    }

    /// Starts it, with the job and all that its connection needs.
    fn start(&self) -> Result<Running, Box<dyn Error>> {
        let log = fs::File::create(self.folder.join("log"))?;
        let mut serve = self.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let weir = Running(serve.stdout(Stdio::null()).stderr(log).spawn()?);
        let begun = Instant::now();
        while !self.folder.join("data/run.json").exists() {
            if begun.elapsed() > PATIENCE {
                return Err("Weir did not start; see its log in the folder".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let jobs = self.folder.join("jobs.toml");
        self.told(&["job", "apply", &jobs.to_string_lossy()], "")?;
        self.told(&["connection", "authorize", "zoho", "--secret", "client_secret"], "secret\n")?;
        self.told(&["connection", "authorize", "zoho", "--code", "1000.code"], "")?;
        Ok(weir)
    }

    /// What a command prints.
    fn told(&self, words: &[&str], stdin: &str) -> Result<String, Box<dyn Error>> {
        let mut child = self.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(stdin.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        if output.status.success() { Ok(text) } else { Err(format!("weir {words:?} failed: {text}").into()) }
    }

    /// Runs the job to its end.
    fn run_job(&self) -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_str(&self.told(&["job", "run", "contacts", "--wait", "--json"], "")?)?)
    }
}

fn documents(org: &str) -> String {
    format!(
        r#"
[connections.zoho]
connector = "zoho"
name = "Zoho"
[connections.zoho.settings]
client_id = "1000.CLIENT"
accounts_url = "{org}"
api_url = "{org}"
[jobs.contacts]
connection = "zoho"
name = "Contacts to people"
[jobs.contacts.datasets.contacts]
object = "Contacts"
fields = ["id", "First_Name", "Last_Name", "Full_Name", "Email", "Title", "Phone", "Mailing_City"]
[jobs.contacts.destination]
dataset = "contacts"
object = "person"
operation = "upsert"
external_id = "id"
[jobs.contacts.destination.fields]
Email = "Email"
FirstName = "First_Name"
LastName = "Last_Name"
Name = "Full_Name"
BusinessTitle__gc = "Title"
Phone__gc = "Phone"
Location = "Mailing_City"
"#
    )
}

fn expect(run: &Value, name: &str, wanted: u64) -> Result<(), Box<dyn Error>> {
    if run[name].as_u64() == Some(wanted) && run["state"] == "success" {
        return Ok(());
    }
    Err(format!("the run should have {name} {wanted}: {run}").into())
}

/// How long it took.
fn seconds(run: &Value) -> Result<f64, Box<dyn Error>> {
    let at = |name: &str| -> Result<Timestamp, Box<dyn Error>> {
        Ok(run[name].as_str().ok_or("the run has no times")?.parse()?)
    };
    Ok((at("ended_at")? - at("started_at")?).total(jiff::Unit::Second)?)
}

/// Processor time of reading the same rows as CSV, and writing each with an upsert by its id.
fn by_hand(path: &Path, contacts: u64) -> Result<f64, Box<dyn Error>> {
    let mut bare = Connection::open(path)?;
    bare.pragma_update(None, "journal_mode", "WAL")?;
    bare.pragma_update(None, "synchronous", "NORMAL")?;
    let names: Vec<&str> = ["id"].into_iter().chain(FIELDS).collect();
    let columns: Vec<String> = names.iter().skip(1).map(|name| format!("{name} TEXT")).collect();
    bare.execute_batch(&format!("CREATE TABLE contacts (id TEXT PRIMARY KEY, {})", columns.join(", ")))?;
    let mut spent = 0.0;
    for first in (1..=contacts).step_by(usize::try_from(PAGE)?) {
        let rows = (first..=contacts.min(first + PAGE - 1)).map(|id| {
            let row = contact(id);
            let value =
                |name: &&str| row.values.get(*name).and_then(Value::as_str).unwrap_or_default().to_owned();
            std::iter::once(id.to_string()).chain(FIELDS.iter().map(value)).collect::<Vec<_>>()
        });
        let table = page_of(rows)?;
        let begun = own_cpu_us();
        upsert(&mut bare, ("contacts", &names), &table)?;
        spent += own_cpu_us() - begun;
    }
    Ok(spent)
}
