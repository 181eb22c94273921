//! Rows by bulk reads: jobs of up to 200,000 rows, asked after until they are done, whose tables are read a part at a
//! time. A checkpoint names the job, so that another process reads the same table.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Client, Reply};
use super::criteria::Criteria;
use super::place::{Place, Step, Window};
use super::plan::Plan;
use super::table::{self, Open};
use crate::connect::source::SourceError;

/// What it costs to start a job.
const START: u64 = 50;
/// Rows of a step.
const ROWS: usize = 2_000;
/// Longest wait before a job is asked after again, in the client's pauses.
const LONGEST: u32 = 30;
/// How often a job is asked after, about every half minute: one that is not done by then never is.
const MOST_POLLS: u32 = 240;
/// How often jobs may fail or be lost before another way is taken.
const MOST_LOST: u32 = 2;

/// Where a bulk read is.
#[derive(Clone, Debug)]
pub struct At {
    /// The job; none: it is to be made.
    pub job: Option<String>,
    /// Where it begins.
    pub token: Option<String>,
    /// Lines of its table that were read.
    pub line: u64,
    /// How often a job failed or was lost.
    pub lost: u32,
    /// Whether the filter goes along.
    pub is_filtered: bool,
}

/// Bulk reads of one process.
pub struct Bulk {
    folder: PathBuf,
    open: Option<Table>,
    waits: u32,
    polls: u32,
}

/// A table that is open, and what comes after it.
struct Table {
    job: String,
    lines: Open,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Jobs {
    data: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    state: Option<String>,
    result: Option<Done>,
    details: Option<Made>,
}

#[derive(Deserialize)]
struct Made {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Done {
    more_records: Option<bool>,
    next_page_token: Option<String>,
}

impl Bulk {
    /// Keeps what it fetches in `folder` while it is read.
    pub fn new(folder: PathBuf) -> Self {
        Bulk { folder, open: None, waits: 0, polls: 0 }
    }

    /// Makes a job, asks after it, or reads some rows of its table. None, where bulk reads don't do.
    ///
    /// # Errors
    /// When they can't be had now.
    pub fn step(
        &mut self,
        client: &mut Client,
        plan: &Plan,
        (window, filter): (Window, Option<&Criteria>),
        at: At,
    ) -> Result<Option<Step>, SourceError> {
        if at.lost > MOST_LOST {
            return Ok(None);
        }
        let Some(job) = at.job.clone() else {
            return make(client, plan, &query(plan, window, filter, &at), at);
        };
        if self.open.as_ref().is_none_or(|table| table.job != job) {
            self.open = None;
            let next = match self.ask(client, plan, &job, &at)? {
                Asked::Open => None,
                Asked::Unfit => return Ok(None),
                Asked::Waits => Some(at.clone()),
                Asked::Lost => Some(At { job: None, line: 0, lost: at.lost + 1, ..at.clone() }),
            };
            if let Some(next) = next {
                return Ok(Some(Step { rows: Vec::new(), next: next.place() }));
            }
        }
        let Some(table) = &mut self.open else { return Ok(None) };
        let rows = table.lines.rows(plan, ROWS)?;
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let next = if count > 0 {
            At { line: at.line.saturating_add(count), ..at }.place()
        } else {
            let next = table.next.take();
            self.open = None;
            match next {
                Some(token) => At { job: None, token: Some(token), line: 0, ..at }.place(),
                None => Place::Done,
            }
        };
        let rows = rows.into_iter().filter(|row| window.has(row.modified)).collect();
        Ok(Some(Step { rows, next }))
    }

    /// Asks after a job, and opens its table once it is done.
    fn ask(&mut self, client: &mut Client, plan: &Plan, job: &str, at: &At) -> Result<Asked, SourceError> {
        let path = format!("/crm/bulk/v8/read/{job}");
        let call = Call { path: path.clone(), credits: 1, ..Call::default() };
        // It is kept for about a day.
        let Reply::Data(body) = client.call(&call)? else { return Ok(Asked::Lost) };
        let said = read(&body)?;
        match said.state.as_deref() {
            Some("COMPLETED") => {}
            Some("FAILURE" | "FAILED") => {
                tracing::warn!(job, module = plan.module, "a bulk read failed; it is made anew");
                return Ok(Asked::Lost);
            }
            _ if self.polls >= MOST_POLLS => {
                self.polls = 0;
                tracing::warn!(job, module = plan.module, "a bulk read does not end; it is made anew");
                return Ok(Asked::Lost);
            }
            // Whatever else there is: it is still running.
            _ => {
                self.polls += 1;
                self.waits = (self.waits * 2).clamp(1, LONGEST);
                client.wait(self.waits);
                return Ok(Asked::Waits);
            }
        }
        (self.waits, self.polls) = (0, 0);
        let call = Call { path: format!("{path}/result"), credits: 1, ..Call::default() };
        let (reply, file) = client.download(&call, table::nameless(&self.folder)?)?;
        let Reply::Data(_) = reply else { return Ok(Asked::Lost) };
        let Some(mut lines) = Open::new(plan, file)? else { return Ok(Asked::Unfit) };
        lines.skip(at.line)?;
        let next =
            said.result.filter(|done| done.more_records == Some(true)).and_then(|done| done.next_page_token);
        self.open = Some(Table { job: job.to_owned(), lines, next });
        Ok(Asked::Open)
    }
}

/// What became of a job that was asked after.
enum Asked {
    Waits,
    Open,
    Lost,
    Unfit,
}

impl At {
    fn place(self) -> Place {
        let At { job, token, line, lost, is_filtered } = self;
        Place::Bulk { job, token, line, lost, is_filtered }
    }
}

fn make(client: &mut Client, plan: &Plan, body: &str, at: At) -> Result<Option<Step>, SourceError> {
    let call = Call {
        path: "/crm/bulk/v8/read".to_owned(),
        body: Some(body.to_owned()),
        credits: START,
        ..Call::default()
    };
    let next = match client.call(&call)? {
        Reply::Data(body) => {
            let made = read(&body)?.details.and_then(|details| details.id);
            let job =
                made.ok_or_else(|| SourceError::Away("Zoho made a bulk read without an id".to_owned()))?;
            At { job: Some(job), line: 0, ..at }
        }
        // The token has ended: it lives for a day. All of it once more.
        Reply::Refused(_) if at.token.is_some() => At { token: None, lost: at.lost + 1, ..at },
        // Perhaps it is the filter.
        Reply::Refused(_) if at.is_filtered => At { is_filtered: false, ..at },
        Reply::Refused(code) | Reply::Forbidden(code) => {
            tracing::info!(module = plan.module, code, "Zoho makes no bulk read; another way is tried");
            return Ok(None);
        }
        Reply::Nothing => {
            return Err(SourceError::Away("Zoho did not say which bulk read it made".to_owned()));
        }
    };
    Ok(Some(Step { rows: Vec::new(), next: next.place() }))
}

fn query(plan: &Plan, window: Window, filter: Option<&Criteria>, at: &At) -> String {
    if let Some(token) = &at.token {
        return json!({"query": {"page_token": token}, "file_type": "csv"}).to_string();
    }
    let mut query = json!({"module": {"api_name": plan.module}, "fields": plan.all(), "page": 1});
    let mut criteria = Vec::new();
    if plan.has_time {
        criteria.extend(window.since.map(Criteria::since));
        criteria.push(Criteria::until(window.until));
    }
    criteria.extend(filter.filter(|_| at.is_filtered).cloned());
    if !criteria.is_empty()
        && let Some(query) = query.as_object_mut()
    {
        query.insert("criteria".to_owned(), Criteria::all(criteria).bulk());
    }
    json!({"query": query, "file_type": "csv"}).to_string()
}

fn read(body: &[u8]) -> Result<Job, SourceError> {
    let jobs = serde_json::from_slice::<Jobs>(body).ok();
    jobs.and_then(|jobs| jobs.data.into_iter().next())
        .ok_or_else(|| SourceError::Away("Zoho's answer about a bulk read can't be read".to_owned()))
}
