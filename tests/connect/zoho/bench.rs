//! A connection to an org that stands in for a real one, and what comes out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir::connect::source::{Flow, Page, Source, SourceError, SourceRow, Wanted};
use weir::connect::zoho::client::Client;
use weir::connect::zoho::settings::{self, Settings};
use weir::connect::zoho::source::Zoho;

use super::memory::{MemoryMeter, MemoryVault};
use super::org::{FieldOf, ModuleOf, Org, Row, field};
use super::served::Served;

/// A connection, what it keeps, and its org.
pub struct Bench {
    pub served: Served,
    pub vault: MemoryVault,
    pub meter: MemoryMeter,
    pub folder: TempDir,
}

/// A vault with the credentials that [`Org`] knows.
pub fn vault() -> MemoryVault {
    let vault = MemoryVault::default();
    vault.hold("client_secret", "secret");
    vault.hold("refresh_token", "1000.refresh");
    vault
}

/// Settings that lead to `url`.
pub fn settings(url: &str) -> Settings {
    let text = format!("client_id = \"1000.CLIENT\"\naccounts_url = \"{url}\"\ndata_center = \"eu\"");
    settings::read(&text.parse().unwrap(), "settings").unwrap()
}

impl Bench {
    /// Serves `org`.
    pub fn new(org: Org) -> Self {
        Bench {
            served: Served::start(org),
            vault: vault(),
            meter: MemoryMeter::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A process that uses the connection.
    pub fn source(&self) -> Zoho {
        let (vault, meter) = (Box::new(self.vault.clone()), Box::new(self.meter.clone()));
        let mut client = Client::new(settings(&self.served.url()), vault, meter).unwrap();
        client.set_pause(Duration::from_millis(1));
        Zoho::new(client, PathBuf::from(self.folder.path()))
    }

    /// Reads all of it.
    pub fn read(&self, wanted: &Wanted) -> Vec<SourceRow> {
        let mut rows = Vec::new();
        self.read_from(wanted, None, |page| {
            rows.extend(page.rows);
            Flow::More
        })
        .unwrap();
        rows
    }

    /// Reads in a process of its own, from a checkpoint on.
    pub fn read_from(
        &self,
        wanted: &Wanted,
        checkpoint: Option<&str>,
        mut take: impl FnMut(Page) -> Flow,
    ) -> Result<(), SourceError> {
        self.source().read(wanted, checkpoint, &mut |page| Ok(take(page)))
    }

    /// The paths of calls so far, with how often each was called.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for call in &self.served.org().calls {
            *counted.entry(call.path.clone()).or_default() += 1;
        }
        counted
    }
}

/// The moment so many seconds after the first change in [`rows`].
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(FIRST + seconds).unwrap()
}

/// When the first row was changed: 2026-01-01T00:00:00Z.
pub const FIRST: i64 = 1_767_225_600;

/// Reads all rows of `object` that are older than now.
pub fn wanted(object: &str, fields: &[&str]) -> Wanted {
    Wanted {
        object: object.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        since: None,
        until: Timestamp::from_second(Timestamp::now().as_second() - 5).unwrap(),
        filter: None,
        limit: None,
    }
}

/// Fields of every form that all ways can read.
pub const FIELDS: [&str; 12] = [
    "id",
    "Deal_Name",
    "Amount",
    "Is_Big",
    "Closing_Date",
    "Signed_At",
    "Modified_Time",
    "Account_Name",
    "Account_Name.name",
    "Owner.name",
    "Owner.email",
    "Regions",
];

/// The fields of an org's deals.
pub fn fields() -> Vec<FieldOf> {
    let mut fields: Vec<_> = [
        ("Deal_Name", "text"),
        ("Amount", "currency"),
        ("Is_Big", "boolean"),
        ("Closing_Date", "date"),
        ("Signed_At", "datetime"),
        ("Modified_Time", "datetime"),
        ("Account_Name", "lookup"),
        ("Owner", "ownerlookup"),
        ("Tag", "tag"),
        ("Lines", "subform"),
        ("Score", "formula"),
    ]
    .map(|(name, data_type)| field(name, data_type))
    .to_vec();
    fields.push(FieldOf { choices: vec!["EU", "US", "APAC"], ..field("Regions", "multiselectpicklist") });
    fields.push(FieldOf { choices: vec!["New", "Won"], ..field("Stage", "picklist") });
    fields
}

/// A deal: some of its values are missing, some have blanks and quotes in them.
pub fn deal(id: u64) -> Row {
    let mut values = serde_json::Map::new();
    let mut put = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    put("Deal_Name", json!(format!(" Deal, \"{id}\"\nof many ")));
    if !id.is_multiple_of(7) {
        put("Amount", json!(id as f64 + 0.5));
    }
    put("Is_Big", json!(id.is_multiple_of(2)));
    put("Closing_Date", json!("2026-11-30"));
    put("Signed_At", json!("2026-11-30T08:00:00Z"));
    if !id.is_multiple_of(5) {
        put(
            "Account_Name",
            json!({"id": format!("{}", 900 + id % 40), "name": format!("Account {}", id % 40)}),
        );
    }
    let owner = id % 3;
    put(
        "Owner",
        json!({"id": format!("{}", 50 + owner), "name": format!("User {owner}"),
                        "email": format!("u{owner}@z.example")}),
    );
    put("Tag", json!([{"id": "7", "name": "vip"}]));
    put("Lines", json!([{"id": "8", "Quantity": 2, "$in_merge": false}]));
    put("Score", json!(1.25));
    put("Stage", json!(if id.is_multiple_of(10) { "Won" } else { "New" }));
    if !id.is_multiple_of(4) {
        put("Regions", json!(["EU", "US"]));
    }
    Row { id, modified: FIRST + (id / 3) as i64, values }
}

/// An org with so many deals, three changed in each second.
pub fn deals(count: u64) -> Org {
    let mut org = Org::default();
    let rows = (1..=count).map(|id| (id, deal(id))).collect();
    org.modules.insert("Deals".to_owned(), ModuleOf { fields: fields(), rows, ..ModuleOf::default() });
    org
}

/// The rows by their ids. Of those that came twice, the last.
pub fn by_id(rows: Vec<SourceRow>) -> BTreeMap<u64, SourceRow> {
    rows.into_iter().map(|row| (row.id.as_ref().unwrap().parse().unwrap(), row)).collect()
}
