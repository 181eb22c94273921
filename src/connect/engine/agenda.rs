//! What is to be run by schedule, and which job of a chain is next.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::connect::catalog::Catalog;
use crate::connect::desk::chains::{ChainRun, Timed, TimedId};
use crate::connect::desk::documents::Version;
use crate::connect::desk::runs::{Asked, Run, State};
use crate::connect::desk::{Desk, DeskError};
use crate::connect::document::{Chain, Job, OnFailure, Schedule};
use crate::connect::reading::{Form, Known, read};
use crate::connect::schedule::Timetable;
use crate::connect::writing;

/// How late a time may be followed without counting as missed.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// For so long after a change, another one could have the same time.
const SETTLES_MS: i64 = 1_000;

/// What is to be run when.
#[derive(Debug, Default)]
pub struct Agenda {
    /// What the desk has, and as of which version.
    known: Option<(Version, Catalog)>,
}

impl Agenda {
    /// Asks for the runs that are due, and has chains go on.
    ///
    /// # Errors
    /// The desk's.
    pub fn keep(&mut self, desk: &mut Desk) -> Result<(), DeskError> {
        let catalog = self.catalog(desk)?;
        follow_schedules(desk, catalog)?;
        go_on_with_chains(desk)
    }

    /// What the desk has, read anew only where that has changed.
    fn catalog(&mut self, desk: &mut Desk) -> Result<&Catalog, DeskError> {
        let (version, now_ms) = (desk.version()?, desk.store().now_ms()?);
        let is_known = self.known.as_ref().is_some_and(|(known, _)| *known == version);
        let known = match self.known.take() {
            Some(known) if is_known && version.changed_ms < now_ms - SETTLES_MS => known,
            _ => (version, Catalog::load(desk, None)?),
        };
        Ok(&self.known.insert(known).1)
    }
}

/// Asks for the runs that are next in their chains.
///
/// # Errors
/// The desk's.
pub fn go_on_with_chains(desk: &mut Desk) -> Result<(), DeskError> {
    for chain in desk.open_chains()? {
        go_on(desk, &chain)?;
    }
    Ok(())
}

fn follow_schedules(desk: &mut Desk, catalog: &Catalog) -> Result<(), DeskError> {
    let chained: BTreeSet<(&str, &str)> = catalog
        .documents
        .chains
        .iter()
        .flat_map(|chain| chain.jobs.iter().map(|job| (chain.tenant.as_str(), job.as_str())))
        .collect();
    for job in catalog.documents.jobs.iter().filter(|job| job.enabled) {
        let is_refreshed = refresh(desk, job)?;
        let Some(schedule) = &job.schedule else { continue };
        // Its own schedule rests while it is in a chain; what passes meanwhile is not missed.
        let rests = chained.contains(&(job.tenant.as_str(), job.id.as_str()));
        let whose = (job.tenant.as_str(), Timed::Job, job.id.as_str());
        // Whoever reads all rows reads those that changed.
        if is_due(desk, whose, schedule)? && !rests && !is_refreshed {
            let asked = desk.queue_run(&job.tenant, &job.id, None, &Asked::default());
            told(whose, asked.map(drop))?;
        }
    }
    for chain in &catalog.documents.chains {
        let Some(schedule) = &chain.schedule else { continue };
        let whose = (chain.tenant.as_str(), Timed::Chain, chain.id.as_str());
        if is_due(desk, whose, schedule)? {
            let asked = queue_chain(desk, chain).map(drop);
            told(whose, asked)?;
        }
    }
    Ok(())
}

/// Asks for a run of a job that reads all rows, where one is due. It waits for the end of one that is at work.
fn refresh(desk: &mut Desk, job: &Job) -> Result<bool, DeskError> {
    let (Some(schedule), tenant, id) = (&job.refresh, job.tenant.as_str(), job.id.as_str()) else {
        return Ok(false);
    };
    let is_at_work = desk.runs(Some(tenant), Some(id), 1)?.pop().is_some_and(|run| run.ended_ms.is_none());
    if is_at_work || !is_due(desk, (tenant, Timed::Refresh, id), schedule)? {
        return Ok(false);
    }
    let asked = desk.queue_run(tenant, id, None, &Asked { full: true, ..Asked::default() });
    told((tenant, Timed::Refresh, id), asked.map(drop))?;
    Ok(true)
}

/// Asks for a run of a chain.
///
/// # Errors
/// The desk's.
pub fn queue_chain(desk: &mut Desk, chain: &Chain) -> Result<ChainRun, DeskError> {
    let json = writing::json(&[], &[], std::slice::from_ref(chain));
    desk.queue_chain(&chain.tenant, &chain.id, &json)
}

/// A run that has not ended keeps another one from beginning: that is told, and no error.
fn told((_, timed, id): TimedId<'_>, asked: Result<(), DeskError>) -> Result<(), DeskError> {
    match asked {
        Err(DeskError::Refused(why)) => {
            tracing::warn!(kind = timed.kind().word(), id, why, "a time of a schedule is left out");
            Ok(())
        }
        other => other,
    }
}

/// Whether something is to be run now by its schedule, which counts as followed then.
fn is_due(desk: &mut Desk, whose: TimedId<'_>, schedule: &Schedule) -> Result<bool, DeskError> {
    let (tenant, timed, id) = whose;
    let now_ms = desk.store().now_ms()?;
    let seen = desk.followed(whose)?;
    let Some(since) = seen else {
        // What was due before it was made is not missed.
        desk.follow(whose, None, now_ms)?;
        return Ok(false);
    };
    let (Ok(table), Ok(from), Ok(now)) =
        (Timetable::of(schedule), Timestamp::from_millisecond(since), Timestamp::from_millisecond(now_ms))
    else {
        return Ok(false);
    };
    if table.next(from).is_none_or(|next| next > now) {
        return Ok(false);
    }
    let due = table.due(from, now, LATE);
    // Somebody else may have followed it just now.
    if !desk.follow(whose, seen, now_ms)? {
        return Ok(false);
    }
    if let Some(first) = due.missed.first() {
        let missed = due.missed.len();
        let then = if due.run.is_some() { "one run makes up for them" } else { "they are left out" };
        desk.note(tenant, timed.kind(), id, &format!("missed {missed} times since {first}; {then}"))?;
    }
    Ok(due.run.is_some())
}

/// Has a chain go on: the next job begins as soon as the one before has read all its rows.
fn go_on(desk: &mut Desk, chain: &ChainRun) -> Result<(), DeskError> {
    let runs = desk.runs_of_chain(&chain.id)?;
    let Some(document) = document(chain) else { return desk.end_chain(&chain.id, State::Failed) };
    if document.on_failure == OnFailure::Stop && runs.iter().any(has_failed) {
        // Those that have begun end by themselves: they see the same.
        let have_ended = runs.iter().all(|run| run.ended_ms.is_some());
        return if have_ended { desk.end_chain(&chain.id, State::Failed) } else { Ok(()) };
    }
    match document.jobs.get(runs.len()) {
        None if runs.iter().all(|run| run.ended_ms.is_some()) => desk.end_chain(&chain.id, end_state(&runs)),
        None => Ok(()),
        Some(job) if runs.last().is_none_or(has_extracted) => {
            match desk.queue_run(&chain.tenant, job, Some(&chain.id), &Asked::default()) {
                // A run of its own has not ended yet: the chain waits for it.
                Err(DeskError::Refused(_)) | Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Some(_) => Ok(()),
    }
}

fn document(chain: &ChainRun) -> Option<Chain> {
    // Its jobs were there when it was applied.
    let table: serde_json::Value = serde_json::from_str(&chain.document).ok()?;
    let jobs = table.pointer(&format!("/chains/{}/jobs", chain.chain))?.as_array()?;
    let jobs = jobs.iter().filter_map(|job| Some((chain.tenant.clone(), job.as_str()?.to_owned())));
    let known = Known { jobs: jobs.collect(), ..Known::default() };
    read(&chain.document, Form::Json, &known).ok()?.chains.pop()
}

fn has_failed(run: &Run) -> bool {
    matches!(run.state, State::Failed | State::Cancelled)
}

fn has_extracted(run: &Run) -> bool {
    run.state.is_end() || matches!(run.state, State::Preparing | State::Loading)
}

fn end_state(runs: &[Run]) -> State {
    if runs.iter().any(has_failed) {
        State::Failed
    } else if runs.iter().any(|run| run.state == State::PartialSuccess) {
        State::PartialSuccess
    } else {
        State::Success
    }
}

/// Whether it is the turn of a run to load; its chain loads one after the other.
///
/// # Errors
/// [`DeskError::Refused`] where its chain does not go on.
pub fn is_its_turn(desk: &mut Desk, run: &Run) -> Result<bool, DeskError> {
    let Some(chain) = &run.chain else { return Ok(true) };
    let before: Vec<Run> =
        desk.runs_of_chain(chain)?.into_iter().take_while(|other| other.id != run.id).collect();
    if before.iter().any(|run| run.ended_ms.is_none()) {
        return Ok(false);
    }
    let stops = desk.chain_run(chain)?.as_ref().and_then(document);
    let stops = stops.is_none_or(|chain| chain.on_failure == OnFailure::Stop);
    match before.iter().find(|run| has_failed(run)) {
        Some(failed) if stops => {
            Err(DeskError::Refused(format!("{}, before it in its chain, has failed", failed.job)))
        }
        _ => Ok(true),
    }
}
