//! `weir store rebuild`.

use clap::Args;
use serde::Serialize;

use super::StoreFlags;
use crate::cli::{Failure, counted, print};
use crate::config::{Config, QueueKind};
use crate::loader::rebuild::{Order, RebuildError, rebuild};
use crate::queue::journal::subscription::Between;
use crate::queue::kafka::KafkaReader;
use crate::queue::reader::{ReadError, Reader};
use crate::queue::subscription::{Gone, Position};
use crate::setup::store::wanted;

/// The arguments of `weir store rebuild`.
#[derive(Args, Clone, Debug)]
pub(super) struct RebuildArgs {
    /// Only this tenant's rows
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Go on where the queue no longer has everything that was loaded: what only that said is lost to the store
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    store: StoreFlags,
}

/// `{"records","gone","rows","failed"}`
#[derive(Serialize)]
struct Line {
    /// Read from the queue.
    records: u64,
    /// Loaded before, and no longer there.
    gone: i64,
    rows: u64,
    failed: u64,
}

pub(super) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let (config, mut store) = args.store.open()?;
    if let Some(tenant) = args.tenant.as_ref().filter(|tenant| !config.tenants.contains_key(*tenant)) {
        return Err(Failure::Usage(format!("the configuration has no tenant {tenant}; check its name")));
    }
    let (wanted, tenant) = (wanted(&config), args.tenant.as_deref());
    let order = Order { wanted: &wanted, tenant, accepts_loss: args.accept_loss };
    let done = rebuild(&mut *store, &order, &mut |from, to| past(&config, from, to));
    let done = done.map_err(|error| Failure::Named(sentence(&error)))?;
    let rows = store.row_counts()?;
    let is_meant = |of: &str| tenant.is_none_or(|tenant| tenant == of);
    let line = Line {
        records: done.records,
        gone: lost(&done.gone),
        rows: rows.iter().filter(|(object, _)| is_meant(&object.tenant)).map(|(_, count)| count).sum(),
        failed: store.failure_count()?,
    };
    print(&if args.store.json {
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    } else {
        plain(&line)
    })
}

/// What the queue has between two positions.
fn past(config: &Config, from: &Position, to: &Position) -> Result<(Box<dyn Reader>, Vec<Gone>), ReadError> {
    match config.queue.kind() {
        QueueKind::Journal => {
            let (reader, gone) = Between::open(&config.data.journal(), from, to)
                .map_err(|error| ReadError(error.to_string()))?;
            Ok((Box::new(reader), gone))
        }
        QueueKind::Kafka { brokers } => {
            let (reader, gone) = KafkaReader::between(brokers, &config.queue.kafka, from, to)?;
            Ok((Box::new(reader), gone))
        }
    }
}

fn lost(gone: &[Gone]) -> i64 {
    gone.iter().map(|(_, range)| range.end.saturating_sub(range.start)).sum()
}

fn sentence(error: &RebuildError) -> String {
    let RebuildError::Gone(gone) = error else { return format!("nothing is changed: {error}") };
    let first = gone.first().map_or_else(String::new, |(partition, range)| {
        format!(", {} {} up to {}", partition.topic, partition.number, range.end.saturating_sub(1))
    });
    format!(
        "nothing is changed: the queue no longer has {} of those that were loaded{first}, and what only they said \
         would be lost. To rebuild from what is left all the same, add --accept-loss",
        counted(u64::try_from(lost(gone)).unwrap_or_default(), "record")
    )
}

fn plain(line: &Line) -> String {
    let mut text =
        format!("{} read, {} in the store\n", counted(line.records, "record"), counted(line.rows, "row"));
    if line.gone > 0 {
        let gone = u64::try_from(line.gone).unwrap_or_default();
        text.push_str(&format!("{} the queue no longer had\n", counted(gone, "record")));
    }
    if line.failed > 0 {
        let failed = counted(line.failed, "record");
        text.push_str(&format!("{failed} could not be loaded: `weir store failed list`\n"));
    }
    text
}
