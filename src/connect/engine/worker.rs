//! Works on runs: takes one whose lease is free, and goes on with it as far as it goes.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::agenda::Agenda;
use super::halt::Halt;
use super::heart::{HOLDS_MS, Heart};
use super::{Attempt, Place, agenda, extract, map, rejects, send, unfound};
use crate::connect::catalog::Catalog;
use crate::connect::desk::leases::Lease;
use crate::connect::desk::runs::{Counts, LEASES, Run, State};
use crate::connect::desk::{Desk, DeskError, OpenDesk};
use crate::connect::document::Connection;
use crate::connect::sources;
use crate::connect::staging::{self, Staging};
use crate::connect::uploads;
use crate::system::worker::{StopToken, Worker};

/// Runs that one process works on at once.
const WORKERS: usize = 3;
/// The pause where there is nothing to do, and after a failure.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is looked for files that nobody comes for.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How soon a run is tried again where something is away.
const LATER_MS: i64 = 30_000;
/// How soon a run of a chain looks again whether it is its turn.
const TURN_MS: i64 = 1_000;
/// After so long without an end, what is away counts as gone.
const PATIENCE_MS: i64 = 24 * 3_600_000;
/// How long this process is known to work on runs without saying so again.
const PRESENT_MS: i64 = 15_000;

/// The lease by which other processes see that this one works on runs.
pub const PRESENCE: &str = "jobs/";

/// The threads of one process: those that work on runs, and one that keeps the agenda, which is never at work on a run.
#[derive(Debug)]
pub struct Jobs(Vec<(Arc<StopToken>, Worker)>);

impl Jobs {
    /// Starts to work on runs.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(place: &Place) -> io::Result<Self> {
        let mut jobs = Jobs::none();
        jobs.begin("agenda", place, |place, token| {
            let mut keeper = Keeper::default();
            let tell = |error: &DeskError| tracing::warn!(%error, "jobs wait: the store can't be used");
            rounds(&place.vaults.open, token, tell, |desk| keeper.round(place, desk).map(|()| false));
            // If that can't be said, others find out a moment later.
            let left = Desk::open(&place.vaults.open);
            left.and_then(|mut desk| desk.give_up(&presence(place), &place.holder)).unwrap_or_default();
        })?;
        for number in 0..WORKERS {
            jobs.begin(&format!("jobs-{number}"), place, |place, token| {
                // The agenda's thread finds out, too, and says so.
                rounds(&place.vaults.open, token, |_| (), |desk| work_on_one(place, token, desk));
            })?;
        }
        Ok(jobs)
    }

    /// No worker.
    pub fn none() -> Self {
        Jobs(Vec::new())
    }

    fn begin(&mut self, name: &str, place: &Place, work: fn(&Place, &StopToken)) -> io::Result<()> {
        let (token, place) = (Arc::default(), place.clone());
        let worker = Worker::start(name, &token, move |token| work(&place, token))?;
        self.0.push((token, worker));
        Ok(())
    }

    /// Asks all to end. Runs go on with the next start, where they are.
    pub fn stop(&self) {
        self.0.iter().for_each(|(token, _)| token.stop());
    }

    /// Waits for the end of all, which were asked to stop.
    pub fn await_end(mut self, deadline: Instant) {
        for (_, worker) in &mut self.0 {
            worker.join_by(deadline);
        }
    }
}

/// Does one round after the other, with a pause after each that found nothing to do, or failed; of failures in a row,
/// the first is told.
fn rounds(
    open: &OpenDesk,
    token: &StopToken,
    tell: impl Fn(&DeskError),
    mut round: impl FnMut(&mut Desk) -> Result<bool, DeskError>,
) {
    let (mut desk, mut is_told) = (None, false);
    while !token.is_stopped() {
        let opened = desk.take().map_or_else(|| Desk::open(open), Ok);
        let done = opened.and_then(|mut opened| round(&mut opened).map(|more| (opened, more)));
        let goes_on = match done {
            Ok((opened, more)) => {
                desk = Some(opened);
                is_told = false;
                more
            }
            Err(error) => {
                if !is_told {
                    tell(&error);
                }
                is_told = true;
                false
            }
        };
        if !goes_on {
            token.sleep(IDLE);
        }
    }
}

/// The lease by which others see that this process works on runs.
fn presence(place: &Place) -> String {
    format!("{PRESENCE}{}", place.holder)
}

/// Sees to it that there are runs to work on, and that others know of this process.
#[derive(Default)]
struct Keeper {
    agenda: Agenda,
    swept: Option<Instant>,
}

impl Keeper {
    fn round(&mut self, place: &Place, desk: &mut Desk) -> Result<(), DeskError> {
        // If it is held, it is by this process, a moment ago.
        desk.take_again((PRESENCE, &presence(place)), &place.holder, PRESENT_MS)?;
        self.agenda.keep(desk)?;
        if self.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            self.swept = Some(Instant::now());
            uploads::sweep(&place.uploads, desk)?;
        }
        Ok(())
    }
}

/// Goes on with one run whose lease is free, as far as it goes. False: there is none.
///
/// # Errors
/// The desk's.
pub fn work_on_one(place: &Place, token: &StopToken, desk: &mut Desk) -> Result<bool, DeskError> {
    for run in desk.open_runs()? {
        // What was sent to another machine is that one's to read.
        if place.upload(&run).is_some_and(|folder| !folder.is_dir()) && !run.is_cancelled {
            continue;
        }
        if let Some(lease) = desk.take(&format!("{LEASES}{}", run.id), &place.holder, HOLDS_MS)? {
            let done = work_on(place, token, &run.id, &lease);
            desk.release(&lease)?;
            // Whoever has taken it over goes on with it.
            return if done == Err(DeskError::Overtaken) { Ok(true) } else { done.map(|()| true) };
        }
    }
    Ok(false)
}

/// Goes on with a run, whose lease is held, as far as it goes.
///
/// # Errors
/// Where what became of it can't be written down.
fn work_on(place: &Place, token: &StopToken, run: &str, lease: &Lease) -> Result<(), DeskError> {
    let mut desk = Desk::open(&place.vaults.open)?;
    // It may have ended since it was seen.
    let Some(mut run) = desk.run(run)?.filter(|run| run.ended_ms.is_none()) else { return Ok(()) };
    let now_ms = desk.store().now_ms()?;
    run.started_ms.get_or_insert(now_ms);
    let told = run.error.take();
    run.resume_ms = None;
    let mut last = run.clone();
    let ended = attempt(place, token, desk, run, lease, &mut last);
    let mut desk = Desk::open(&place.vaults.open)?;
    finish(place, &mut desk, lease, (&mut last, told.as_deref()), ended)
}

/// What came of an attempt: the state in which the run ended, and up to where its datasets were read.
type Ended = Result<(State, Vec<(String, String)>), Halt>;

fn attempt(
    place: &Place,
    token: &StopToken,
    mut desk: Desk,
    run: Run,
    lease: &Lease,
    last: &mut Run,
) -> Ended {
    if run.is_cancelled {
        return Err(Halt::Cancelled);
    }
    let found = Catalog::job_alone(&mut desk, &run.tenant, &run.job)?;
    let (job, connection) =
        found.ok_or_else(|| Halt::Failed("the job or its connection was deleted".to_owned()))?;
    let heart = Heart::start(&place.vaults.open, lease).map_err(|error| Halt::Later(error.to_string()))?;
    std::fs::create_dir_all(&place.runs).map_err(|error| {
        Halt::Later(format!("cannot make the folder {} ({error}); free or allow it", place.runs.display()))
    })?;
    let staging = Staging::open(&place.file(&run.id))?;
    let lease = lease.clone();
    let mut attempt = Attempt { place, token, desk, lease, heart, run, job, staging, looked: Instant::now() };
    let ended = steps(&mut attempt, &connection);
    show(&mut attempt, &connection, &ended);
    last.clone_from(&attempt.run);
    ended
}

/// Shows how the connection is.
fn show(attempt: &mut Attempt<'_>, connection: &Connection, ended: &Ended) {
    let (metrics, connector) = (&attempt.place.metrics.jobs, connection.connector.word());
    match ended {
        Ok(_) => metrics.ready.with_label_values(&[connector]).set(1),
        Err(Halt::Authorize(_)) => metrics.ready.with_label_values(&[connector]).set(0),
        Err(_) => {}
    }
    let Some(allowance) = sources::allowance_of(connection) else { return };
    if let Ok(left) = attempt.desk.credits_left(&allowance) {
        // Of more than any gauge shows exactly, nobody needs the last digit.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        metrics.credits_left.with_label_values(&[connector]).set(f64::from(left));
    }
}

fn steps(attempt: &mut Attempt<'_>, connection: &Connection) -> Ended {
    let targets = attempt.place.targets.load_full();
    let of_tenant = targets.get(&attempt.job.tenant);
    let of_tenant = of_tenant.ok_or_else(|| {
        Halt::Failed(format!("the configuration has no tenant {}; add it", attempt.job.tenant))
    })?;
    let object = attempt.job.destination.object.clone();
    let target = of_tenant
        .target(&attempt.job.tenant, &object)
        .map_err(|why| Halt::Failed(format!("{object} {why}")))?;
    let upload = attempt.place.upload(&attempt.run);
    let mut source = (attempt.place.open_source)(connection, &attempt.place.vaults, upload.as_deref())?;
    // What another machine has worked out is not here: it is read and worked out anew, the same window of it.
    let begun = matches!(attempt.run.state, State::Loading) && map::is_done(&attempt.staging, &attempt.run)?;
    if !begun {
        attempt.run.state = State::Extracting;
        attempt.run.counts = Counts {
            calls: attempt.run.counts.calls,
            credits: attempt.run.counts.credits,
            extracted: attempt.extracted()?,
            ..Counts::default()
        };
        attempt.save()?;
        let plan = extract::plan(&attempt.job, &mut *source)?;
        extract::extract(attempt, &mut *source, &plan)?;
        attempt.run.state = State::Preparing;
        attempt.save()?;
        attempt.run.counts.held = map::map(attempt, &plan, target.clone())?;
        attempt.run.state = State::Loading;
        attempt.save()?;
    }
    if !agenda::is_its_turn(&mut attempt.desk, &attempt.run)? {
        return Err(Halt::Waits);
    }
    send::send(attempt, &target, of_tenant.topic(&target))?;
    send::settle(attempt)?;
    send::file_failures(attempt)?;
    unfound::tell(attempt)?;
    let rejected = rejects::all(&attempt.staging, None)?;
    for (name, dataset) in &attempt.job.datasets {
        // Where nothing was read, or rows came by their ids alone, there is nothing to end.
        if let Some(checkpoint) = attempt.staging.checkpoint(name)? {
            source.finish(&dataset.object, &checkpoint, &rejected)?;
        }
    }
    if attempt.run.counts.held > 0 {
        attempt.run.error = Some("deletes_held".to_owned());
    }
    Ok((end_state(&attempt.run), cursors(attempt)))
}

/// Up to where the datasets were read. A retry has read some rows alone.
fn cursors(attempt: &Attempt<'_>) -> Vec<(String, String)> {
    let Some(until) = attempt.run.until.clone().filter(|_| attempt.run.asked.retries.is_none()) else {
        return Vec::new();
    };
    let names = || attempt.job.datasets.keys();
    let gone = names().filter(|_| attempt.run.counts.held == 0).map(|name| extract::gone_cursor(name));
    names().cloned().chain(gone).map(|name| (name, until.clone())).collect()
}

/// How a run ended that has done all that it can.
fn end_state(run: &Run) -> State {
    let Counts { rejected, failed, loaded, same, deleted, .. } = run.counts;
    match (rejected + failed, loaded + same + deleted) {
        (0, _) if run.error.is_none() => State::Success,
        (0, _) => State::PartialSuccess,
        (_, 0) => State::Failed,
        (_, _) => State::PartialSuccess,
    }
}

fn finish(
    place: &Place,
    desk: &mut Desk,
    lease: &Lease,
    (run, told): (&mut Run, Option<&str>),
    ended: Ended,
) -> Result<(), DeskError> {
    let now_ms = desk.store().now_ms()?;
    let mut cursors = Vec::new();
    match ended {
        Ok((state, read)) => {
            if state == State::Failed && run.error.is_none() {
                run.error = Some("no row could be sent; see `weir activity errors`".to_owned());
            }
            (run.state, run.ended_ms, cursors) = (state, Some(now_ms), read);
        }
        Err(Halt::Stopped) => return Ok(()),
        Err(Halt::Waits) => {
            run.resume_ms = Some(now_ms + TURN_MS);
            return desk.put_run(lease, run);
        }
        Err(Halt::Failed(why) | Halt::Authorize(why)) => {
            (run.state, run.ended_ms, run.error) = (State::Failed, Some(now_ms), Some(why));
        }
        Err(Halt::Cancelled) => (run.state, run.ended_ms) = (State::Cancelled, Some(now_ms)),
        Err(Halt::Paused { until, why }) => {
            (run.state, run.resume_ms, run.error) =
                (State::PausedBudget, Some(until.as_millisecond()), Some(why));
        }
        Err(Halt::Later(why)) if now_ms - run.started_ms.unwrap_or(now_ms) > PATIENCE_MS => {
            let why = format!("gave up after a day: {why}");
            (run.state, run.ended_ms, run.error) = (State::Failed, Some(now_ms), Some(why));
        }
        Err(Halt::Later(why)) => (run.resume_ms, run.error) = (Some(now_ms + LATER_MS), Some(why)),
    }
    // Of an outage, one line is enough.
    if run.state.is_end() || run.error.as_deref() != told {
        tell(place, run);
    }
    desk.end_run(lease, run, &cursors)?;
    if run.state.is_end() {
        // Only its log is asked for now. What can't be removed is, with the file.
        staging::remove_work(&place.file(&run.id)).unwrap_or_default();
        forget_files(place);
        uploads::forget(&place.uploads, desk, run)?;
    }
    Ok(())
}

/// One line a change of state.
fn tell(place: &Place, run: &Run) {
    let (id, state, why) = (&run.id, run.state.word(), run.error.as_deref());
    if run.state.is_end() {
        place.metrics.jobs.runs.with_label_values(&[state]).inc();
        let Counts { extracted, rejected, same, loaded, failed, deleted, .. } = run.counts;
        for (step, outcome, rows) in [
            ("extract", "read", extracted),
            ("map", "rejected", rejected),
            ("map", "same", same),
            ("load", "loaded", loaded),
            ("load", "failed", failed),
            ("load", "deleted", deleted),
        ] {
            place.metrics.jobs.rows.with_label_values(&[step, outcome]).inc_by(rows);
        }
    }
    match run.state {
        State::Success | State::Cancelled => tracing::info!(run = id, state, "a run has ended"),
        State::PartialSuccess | State::Failed => tracing::warn!(run = id, state, why, "a run has ended"),
        _ => {
            let again = run.resume_ms.and_then(|at| Timestamp::from_millisecond(at).ok());
            let again = again.map(|at| at.to_string());
            tracing::warn!(run = id, state, why, again, "a run waits");
        }
    }
}

/// Files of runs that are kept, so that one can look at what they did.
const KEPT: usize = 50;

/// Removes the files of all but the last runs.
fn forget_files(place: &Place) {
    let Ok(entries) = std::fs::read_dir(&place.runs) else { return };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sqlite"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let many = files.len().saturating_sub(KEPT);
    for (_, path) in files.iter().take(many) {
        // What can't be removed now is tried again after the next run.
        staging::remove(path).unwrap_or_default();
    }
}
