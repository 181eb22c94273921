//! The last steps of a run: its records go onto the queue, batch by batch, and the run waits until the store's loader
//! has seen all of them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Attempt;
use super::halt::Halt;
use super::out::{self, Action, Out};
use crate::connect::desk::DeskError;
use crate::connect::desk::rows::{Batch, Loads, RowError};
use crate::connect::desk::sent::SentRow;
use crate::connect::emit::{Origin, write};
use crate::connect::mapping::records::{changed, gone};
use crate::connect::mapping::row::MappedRow;
use crate::connect::mapping::target::Target;
use crate::intake::submit::Enqueued;
use crate::queue::{Refused, line};
use crate::record::Records;
use crate::record::topics::TopicId;
use crate::store::inspect::WhichFailed;

/// Records of a batch. Each waits once for the disk, or for Kafka.
const BATCH: usize = 500;
/// The pause where the queue takes nothing, or can't make it durable.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is asked how far the loader is.
const LOOK: Duration = Duration::from_millis(250);

/// Sends what has not been acknowledged yet, in order.
pub fn send(attempt: &mut Attempt<'_>, target: &Target, topic: TopicId) -> Result<(), Halt> {
    let origin = Origin {
        tenant: attempt.job.tenant.clone(),
        source: format!("/{}/{}", attempt.job.tenant, attempt.job.connection),
        run: attempt.run.id.clone(),
        topic,
    };
    let mut last = attempt.desk.last_row(&origin.run)?;
    loop {
        attempt.goes_on()?;
        let rows = out::after(&attempt.staging, last, BATCH)?;
        let Some(end) = rows.last() else { return Ok(()) };
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let batch = Batch::new(count, end.row)?;
        if !enqueue(attempt, (&origin, target), &batch.name, &rows)? {
            continue;
        }
        let sent: Vec<SentRow> = rows.iter().map(sent).collect();
        attempt.desk.acknowledge(&attempt.lease, &attempt.run, &batch, &sent)?;
        last = end.row;
    }
}

/// Has the queue take a batch. False: it did not, and the same is to be tried again, as another batch.
fn enqueue(
    attempt: &Attempt<'_>,
    (origin, target): (&Origin, &Target),
    batch: &str,
    rows: &[Out],
) -> Result<bool, Halt> {
    let mut records = Records::new(Timestamp::now().as_millisecond());
    for out in rows {
        let sent = match out.action {
            Action::Delete => gone(target, &out.key),
            _ => {
                let key = target.key_of(out.key.clone());
                changed(target, &MappedRow { key, fields: out.fields.clone() })
            }
        };
        write(&mut records, origin, batch, &sent.outgoing(out.row, &out.time));
    }
    let is_durable = match Enqueued::new(&*attempt.place.queue, &attempt.place.metrics, records) {
        Ok(enqueued) => enqueued.wait(),
        Err(Refused::Full) => false,
        Err(Refused::Closed) => return Err(Halt::Stopped),
    };
    // What can't be made durable now can't be a moment later.
    if is_durable || attempt.token.sleep(PAUSE) { Ok(is_durable) } else { Err(Halt::Stopped) }
}

/// What is remembered of a row that was sent.
fn sent(out: &Out) -> SentRow {
    SentRow {
        external_id: out.external_id.clone(),
        key: out.key.clone(),
        hash: out.hash.clone(),
        is_gone: out.action == Action::Delete,
    }
}

/// Waits until the loader has seen all that was sent.
pub fn settle(attempt: &mut Attempt<'_>) -> Result<Loads, Halt> {
    let mut shown = Instant::now();
    loop {
        let loads = attempt.desk.loads(&attempt.run.id)?;
        attempt.run.counts.loaded = u64::try_from(loads.loaded).unwrap_or_default();
        attempt.run.counts.failed = u64::try_from(loads.failed).unwrap_or_default();
        if loads.are_all() {
            return Ok(loads);
        }
        attempt.goes_on()?;
        if shown.elapsed() >= super::SHOW_EVERY {
            shown = Instant::now();
            attempt.save()?;
        }
        if !attempt.token.sleep(LOOK) {
            return Err(Halt::Stopped);
        }
    }
}

/// Files what the loader could not load, and forgets that it was sent: the next run sends it again.
pub fn file_failures(attempt: &mut Attempt<'_>) -> Result<(), Halt> {
    if attempt.run.counts.failed == 0 {
        return Ok(());
    }
    let which = WhichFailed { run: Some(attempt.run.id.clone()), ..WhichFailed::default() };
    let failures = attempt.desk.store().failures(&which).map_err(DeskError::from)?;
    let mut errors = Vec::new();
    for (_, failed) in failures {
        let record = line::read(&failed.record);
        let row =
            record.and_then(|record| std::str::from_utf8(record.header("weir_row")?).ok()?.parse().ok());
        let Some(out) = row.map(|row| out::row(&attempt.staging, row)).transpose()?.flatten() else {
            continue;
        };
        errors.push(RowError {
            row: out.row,
            step: "load".to_owned(),
            code: failed.reason,
            field: None,
            message: failed.detail,
            hint: "see `weir store failed list`; the next run sends the row again".to_owned(),
            source: serde_json::json!([[attempt.job.destination.external_id, out.external_id]]).to_string(),
            external_id: Some(out.external_id),
        });
    }
    let ids: Vec<&str> = errors.iter().filter_map(|error| error.external_id.as_deref()).collect();
    attempt.desk.forget_sent(&attempt.job.tenant, &attempt.job.id, &ids)?;
    Ok(attempt.desk.put_errors(&attempt.lease, &attempt.run.id, &errors)?)
}
