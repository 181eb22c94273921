//! `grown`: what a batch costs in a store that has many rows.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use weir::loader::Wanted;
use weir::loader::batch::apply;
use weir::queue::reader::ReadRecord;
use weir::record::Kind;
use weir::store::Store;
use weir::store::registry::{ObjectName, Registry};
use weir::store::sqlite::SqliteStore;

use crate::bare_store::{BATCH, own_cpu_us};
use crate::report::{Report, count};

/// Records that are loaded at once while the store is filled.
const FILLING: u64 = 20_000;
/// 2026-11-21T12:00:00Z
const RECEIVED_MS: i64 = 1_795_262_400_000;
/// A prime: its multiples go through all rows, and none is near the one before.
const STRIDE: u64 = 1_000_003;

#[derive(Args, Debug)]
pub struct Flags {
    /// The store's file; it is filled as far as it has fewer rows
    #[arg(long)]
    store: PathBuf,
    /// People in it
    #[arg(long)]
    rows: u64,
    /// Batches that are measured
    #[arg(long, default_value_t = 200)]
    batches: u64,
    /// Tells batches from those of another run: they change every row that they touch
    #[arg(long, default_value_t = 1)]
    round: u64,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
}

/// Fills the store, and measures batches of changes to rows all over it.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let mut store = SqliteStore::open(&flags.store)?;
    let person = ObjectName { tenant: "load".to_owned(), object: "person".to_owned() };
    let mut registry = Registry::new(Wanted::default().declared);
    registry.know(&person);
    for (object, field) in store.fields()? {
        registry.add(object, field);
    }
    let mut load = |records: &[ReadRecord]| -> Result<(), Box<dyn Error>> {
        store.begin()?;
        apply(&mut store, &mut registry, &Wanted::default().rules, records, None)?;
        Ok(store.commit()?)
    };
    if flags.round == 1 {
        for first in (0..flags.rows).step_by(usize::try_from(FILLING)?) {
            let records: Vec<_> =
                (first..flags.rows.min(first + FILLING)).map(|number| record(number, 0)).collect();
            load(&records)?;
        }
    }
    let batch = u64::try_from(BATCH)?;
    let (mut cpu_us, mut seconds) = (0.0, 0.0);
    for number in 0..flags.batches {
        let at = |place: u64| (flags.round * flags.batches + number).wrapping_mul(batch).wrapping_add(place);
        let records: Vec<_> = (0..batch)
            .map(|place| record(at(place).wrapping_mul(STRIDE) % flags.rows, flags.round))
            .collect();
        let (begun, cpu) = (Instant::now(), own_cpu_us());
        load(&records)?;
        cpu_us += own_cpu_us() - cpu;
        seconds += begun.elapsed().as_secs_f64();
    }
    let figures =
        [("CPU µs/batch", cpu_us / count(flags.batches)), ("ms/batch", seconds * 1e3 / count(flags.batches))];
    Ok(Report {
        scenario: flags.scenario.clone(),
        server: "weir-sqlite".to_owned(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Report::default()
    })
}

/// What an identify call of person `number` becomes in a round, later than those of the rounds before.
fn record(number: u64, round: u64) -> ReadRecord {
    let email = format!("user-{number:08}@example.com");
    let headers = [
        ("ce_type", Kind::Person.ce_type().to_owned()),
        ("ce_id", format!("{round}-{number}/person")),
        ("ce_source", "/load/source-0".to_owned()),
        ("ce_time", format!("2026-11-21T09:{:02}:{:02}.000Z", round / 60 % 60, round % 60)),
        ("ce_userid", format!("u-{number:08}")),
    ];
    let fields: String =
        (0..5).map(|field| format!(",\"Custom{field}__gc\":\"value-{round}-{number:08}\"")).collect();
    let value = format!(
        "{{\"Email\":\"{email}\",\"Name\":\"Ada Lovelace\",\"Title\":\"Head of Support\",\
         \"Timezone\":\"Europe/London\"{fields}}}"
    );
    ReadRecord {
        topic: "load.people".to_owned(),
        partition: 0,
        offset: 0,
        timestamp_ms: RECEIVED_MS,
        key: Some(format!("load\x1f{email}").into_bytes()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
        value: value.into_bytes(),
    }
}
