//! What a run would do, shown for a few rows. The code is that of a run; the rows are kept in memory, and nothing is
//! written but what calls count.

use jiff::Timestamp;

use super::extract;
use super::halt::Halt;
use super::lookups::StoreLookups;
use super::map::{Comparing, Verdict};
use crate::connect::desk::Desk;
use crate::connect::document::{Dataset, Job, Merge};
use crate::connect::mapping::row::Mapping;
use crate::connect::mapping::run::map;
use crate::connect::mapping::target::Target;
use crate::connect::prepare::plan::Plan;
use crate::connect::prepare::preview as prepare;
use crate::connect::source::{Estimate, Flow, Source, Wanted};
use crate::connect::staging::{Staging, StagingError};

/// Rows of a dataset that are read for merges which don't name them by their ids.
const PARTNERS: u64 = 2_000;

/// What a run would do.
#[derive(Debug)]
pub struct Preview {
    /// What becomes of the rows that were looked at.
    pub verdicts: Vec<Verdict>,
    /// What reading all of it takes.
    pub estimate: Estimate,
    /// What a run would stop at.
    pub warnings: Vec<String>,
}

/// Looks at the first `rows` rows of a job's next run.
///
/// # Errors
/// As runs halt.
pub fn preview(
    desk: &mut Desk,
    source: &mut dyn Source,
    (job, target): (&Job, Target),
    rows: u64,
) -> Result<Preview, Halt> {
    let plan = extract::plan(job, source)?;
    let until = source.clock()?;
    let mut staging = Staging::in_memory()?;
    let mut estimate = Estimate::default();
    let cursor = desk.cursor(&job.tenant, &job.id, plan.dataset())?;
    let cursor: Option<Timestamp> =
        cursor.filter(|_| job.merges.is_empty()).and_then(|cursor| cursor.parse().ok());
    let wanted = |name: &str, dataset: &Dataset, fields: Vec<String>| Wanted {
        object: dataset.object.clone(),
        fields,
        since: if name == plan.dataset() { cursor } else { None },
        until,
        filter: dataset.filter.clone(),
        limit: None,
    };
    // The rows themselves first: partners are those that they name.
    let mut names: Vec<_> = plan.reads().into_iter().collect();
    names.sort_by_key(|(name, _)| *name != plan.dataset());
    for (name, fields) in names {
        let Some(dataset) = job.datasets.get(name) else { continue };
        staging.dataset(name, &fields)?;
        let fields: Vec<String> = fields.into_iter().map(|(field, _)| field).collect();
        let wanted = wanted(name, dataset, fields);
        add(&mut estimate, source.estimate(&wanted)?);
        read(source, &mut staging, (job, &plan, name), wanted, rows)?;
    }
    let prepared = prepare(&staging, &plan)?;
    let warnings = prepared.warnings.iter().map(ToString::to_string).collect();
    let mapping = Mapping::new(job, &plan, target.clone())
        .map_err(|problems| Halt::Failed(problems.lines().join("; ")))?;
    let mut lookups = StoreLookups::new(desk, &staging, (&job.tenant, &job.id));
    let mapped = map(&mapping, &prepared, &staging, &mut lookups)?;
    let mut outcomes = Vec::new();
    mapped.each::<StagingError>(&staging, |outcome| {
        outcomes.push(outcome);
        Ok(())
    })?;
    outcomes.truncate(usize::try_from(rows).unwrap_or(usize::MAX));
    let read_at = until.to_string();
    let mut comparing =
        Comparing { desk, staging: &staging, job, plan: &plan, target: &target, read_at: &read_at };
    Ok(Preview { verdicts: comparing.batch(outcomes, &mut 0)?, estimate, warnings })
}

fn add(sum: &mut Estimate, one: Estimate) {
    sum.rows = one.rows.map_or(sum.rows, |rows| Some(sum.rows.unwrap_or_default() + rows));
    sum.calls += one.calls;
    sum.credits += one.credits;
}

fn read(
    source: &mut dyn Source,
    staging: &mut Staging,
    (job, plan, name): (&Job, &Plan, &str),
    wanted: Wanted,
    rows: u64,
) -> Result<(), Halt> {
    let is_main = name == plan.dataset();
    if let Some(ids) = partners(staging, (job, plan, name))?.filter(|_| !is_main)
        && let Some(rows) = source.rows(&wanted.object, &wanted.fields, &ids)?
    {
        staging.put_rows(name, &rows)?;
        return Ok(staging.complete(name)?);
    }
    let limit = if is_main { rows } else { PARTNERS };
    let wanted = Wanted { limit: Some(limit), ..wanted };
    let mut left = limit;
    let mut failed = None;
    source.read(&wanted, None, &mut |mut page| {
        page.rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left = left.saturating_sub(u64::try_from(page.rows.len()).unwrap_or(u64::MAX));
        failed = staging.put_page(name, &page).err();
        Ok(if left == 0 || failed.is_some() { Flow::Enough } else { Flow::More })
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// The ids of the rows of a dataset that the rows read so far are to be merged with; none: ids don't tell.
fn partners(staging: &Staging, (job, plan, name): (&Job, &Plan, &str)) -> Result<Option<Vec<String>>, Halt> {
    let main = plan.dataset();
    let by_id = |merge: &Merge| match (&merge.left, &merge.right, &merge.on[..]) {
        (left, right, [(field, id)]) if left == main && right == name && id == "id" => Some(field.clone()),
        (left, right, [(id, field)]) if right == main && left == name && id == "id" => Some(field.clone()),
        _ => None,
    };
    let Some(field) = job.merges.iter().find_map(|(_, merge)| by_id(merge)) else { return Ok(None) };
    let fields = staging.fields(main);
    let names = |(known, _): &(String, _)| known == &field || field.strip_suffix(".id") == Some(known);
    let Some(column) = fields.iter().position(names) else { return Ok(None) };
    let mut ids = std::collections::BTreeSet::new();
    staging.each::<StagingError>(main, 1, |row| {
        ids.extend(row.cells.get(column).cloned().flatten());
        Ok(())
    })?;
    Ok(Some(ids.into_iter().collect()))
}
