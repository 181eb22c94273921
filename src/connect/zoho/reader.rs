//! Rows of a window, step by step: which way they come, and what is done where a way does not do.

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde::Deserialize;

use super::bulk::{At, Bulk};
use super::client::{Call, Client, Reply, zoned};
use super::coql::{self, Query};
use super::credits::{self, Amount, Way};
use super::criteria::Criteria;
use super::names::Names;
use super::pages;
use super::place::{After, Place, Step, Window};
use super::plan::{Plan, TIME};
use super::users::{self, USERS};
use crate::connect::source::SourceError;

/// How many rows the second query of a window asks for.
const SECOND: u64 = 1_000;
/// Most rows of a preview, which is not worth counting for.
const PREVIEW: u64 = 2_000;

/// A read by one process.
pub struct Reader<'a> {
    /// Makes its calls.
    pub client: &'a mut Client,
    /// What is selected.
    pub plan: &'a Plan,
    /// Which rows.
    pub window: Window,
    /// The part of the dataset's filter that can go along.
    pub filter: Option<Criteria>,
    /// Its bulk reads.
    pub bulk: Bulk,
    /// Names that it knows.
    pub names: Names,
    /// Which ways it took, as sentences.
    pub notices: &'a mut Vec<String>,
}

/// How many rows of `module` were changed since then; none: Zoho does not say.
///
/// # Errors
/// When it can't be asked.
pub fn count(
    client: &mut Client,
    module: &str,
    since: Option<Timestamp>,
) -> Result<Option<u64>, SourceError> {
    #[derive(Deserialize)]
    struct Counted {
        count: Option<u64>,
    }
    let mut query = Serializer::new(String::new());
    if let Some(since) = since {
        query.append_pair("criteria", &format!("({TIME}:greater_equal:{})", zoned(since)));
    }
    let path = format!("/crm/v8/{module}/actions/count?{}", query.finish());
    match client.call(&Call { path, credits: 1, ..Call::default() })? {
        Reply::Data(body) => Ok(serde_json::from_slice::<Counted>(&body).ok().and_then(|said| said.count)),
        Reply::Nothing => Ok(Some(0)),
        Reply::Refused(_) | Reply::Forbidden(_) => Ok(None),
    }
}

/// What reading so many rows is about.
pub fn amount(plan: &Plan, rows: u64) -> Amount {
    Amount {
        rows,
        fields: plan.width(),
        has_names: !plan.named().is_empty(),
        has_coql: plan.is_in_queries,
        has_bulk: plan.is_in_tables,
    }
}

/// How many rows a query for `rows` asks for.
fn size(rows: u64) -> u64 {
    coql::ROWS.into_iter().find(|most| rows <= *most).unwrap_or(2_000)
}

fn told(way: Way) -> &'static str {
    match way {
        Way::Pages => "by pages",
        Way::Coql => "by COQL",
        Way::Bulk => "in bulk",
    }
}

fn instead(next: Place) -> Step {
    Step { rows: Vec::new(), next }
}

impl Reader<'_> {
    /// Where to begin, if no more than `limit` rows are wanted.
    pub fn begin(&self, limit: Option<u64>) -> Place {
        let (plan, is_filtered) = (self.plan, self.filter.is_some());
        let query = |rows| Place::Coql { after: None, rows, is_filtered };
        if plan.module == USERS {
            return Place::Users { kind: 0, page: 1 };
        }
        match limit.filter(|limit| *limit <= PREVIEW) {
            Some(limit) if is_filtered && plan.is_in_queries => query(limit),
            Some(_) => self.all_pages(),
            None if self.window.since.is_none() => Place::Choose { after: None },
            // A page costs as much as the smallest query, and brings names along.
            None if plan.is_in_queries && (is_filtered || plan.named().is_empty()) => query(size(0)),
            None => Place::First,
        }
    }

    /// Takes one step from `place`, of at most `rows` where it is a page. Where that way does not do, the step leads to
    /// the beginning of another one.
    ///
    /// # Errors
    /// When rows can't be had.
    pub fn step(&mut self, place: Place, rows: usize) -> Result<Step, SourceError> {
        let (plan, window) = (self.plan, self.window);
        match place {
            Place::Done => Ok(instead(Place::Done)),
            Place::Choose { after } => Ok(instead(self.choose(after)?)),
            Place::First => self.first(rows),
            Place::Users { kind, page } => users::step(self.client, plan, window, kind, page),
            Place::Pages { from, token, lost } => {
                pages::step(self.client, plan, window, (from, token.as_deref(), lost), rows)
            }
            Place::Coql { after, rows, is_filtered } => self.query(after, rows, is_filtered),
            Place::Bulk { job, token, line, lost, is_filtered } => {
                self.table(At { job, token, line, lost, is_filtered })
            }
        }
    }

    /// By pages, from the beginning.
    fn all_pages(&self) -> Place {
        Place::page(self.window.since.map(Timestamp::as_second))
    }

    /// Which way costs least from here on.
    fn choose(&mut self, after: Option<After>) -> Result<Place, SourceError> {
        let (plan, is_filtered) = (self.plan, self.filter.is_some());
        let from = after.as_ref().and_then(|(time, _)| *time);
        let since = from.and_then(|from| Timestamp::from_second(from).ok()).or(self.window.since);
        let rows = count(self.client, &plan.module, since)?;
        let way = match rows {
            Some(rows) => credits::cheapest(amount(plan, rows)),
            None if plan.is_in_queries => Way::Coql,
            None => Way::Pages,
        };
        let about = rows.map_or_else(|| "an unknown number of".to_owned(), |rows| format!("about {rows}"));
        self.notices.push(format!("{}: {about} rows are read {}", plan.module, told(way)));
        Ok(match way {
            Way::Pages => Place::page(since.map(Timestamp::as_second)),
            Way::Coql => Place::Coql { after, rows: size(rows.unwrap_or(u64::MAX)), is_filtered },
            Way::Bulk => Place::Bulk { job: None, token: None, line: 0, lost: 0, is_filtered },
        })
    }

    /// The first page of a window. Mostly there is no other; if there is, a query goes on.
    fn first(&mut self, rows: usize) -> Result<Step, SourceError> {
        let mut step = pages::step(self.client, self.plan, self.window, (None, None, 0), rows)?;
        if let Place::Pages { from: Some(from), token: None, .. } = step.next
            && self.plan.is_in_queries
        {
            let after = Some((Some(from), "0".to_owned()));
            step.next = Place::Coql { after, rows: SECOND, is_filtered: self.filter.is_some() };
        }
        Ok(step)
    }

    fn query(&mut self, after: Option<After>, rows: u64, is_filtered: bool) -> Result<Step, SourceError> {
        let filter = self.filter.as_ref().filter(|_| is_filtered);
        let query = Query { plan: self.plan, window: self.window, after: after.as_ref(), rows, filter };
        match (coql::step(self.client, &query)?, is_filtered) {
            (Some(mut step), _) => {
                // Of a window with so many rows it is time to count.
                if let (Place::Coql { after, .. }, SECOND, Some(_)) =
                    (&mut step.next, rows, self.window.since)
                {
                    step.next = Place::Choose { after: after.take() };
                }
                self.named(step)
            }
            (None, true) => {
                self.note("query with this filter; it is left out");
                Ok(instead(Place::Coql { after, rows, is_filtered: false }))
            }
            (None, false) => {
                self.note("query of these fields; they are read by pages");
                Ok(instead(self.all_pages()))
            }
        }
    }

    fn table(&mut self, at: At) -> Result<Step, SourceError> {
        let (wanted, is_filtered) = ((self.window, self.filter.as_ref()), at.is_filtered);
        match self.bulk.step(self.client, self.plan, wanted, at)? {
            Some(step) => self.named(step),
            None if self.plan.is_in_queries => {
                self.note("bulk read of these fields, or none that ends; they are read by COQL");
                Ok(instead(Place::Coql { after: None, rows: size(u64::MAX), is_filtered }))
            }
            None => Ok(instead(self.all_pages())),
        }
    }

    fn note(&mut self, what: &str) {
        self.notices.push(format!("{}: Zoho takes no {what}", self.plan.module));
    }

    /// With the names that did not come along.
    fn named(&mut self, mut step: Step) -> Result<Step, SourceError> {
        self.names.fill(self.client, self.plan, &mut step.rows)?;
        Ok(step)
    }
}
