//! Rows by Get Records: pages in the order of their change, each begun anew where the one before ended, so that rows
//! that change meanwhile move none of the others out of sight; and rows by their ids.

use std::collections::HashMap;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{Call, Client, Reply};
use super::place::{Place, Step, Window, whole};
use super::plan::{self, Plan, Record, TIME};
use crate::connect::source::SourceError;

/// Most rows of a page, and most ids of a call.
pub const PAGE: usize = 200;
const IDS: usize = 100;
/// How often a page may be lost before that is told.
const MOST_LOST: u32 = 3;

/// Rows, as most answers bring them.
#[derive(Deserialize)]
pub struct Listing {
    /// The rows.
    #[serde(default, alias = "users")]
    pub data: Vec<Record>,
    /// What is said of them.
    #[serde(default)]
    pub info: Info,
}

/// What is said of a page.
#[derive(Default, Deserialize)]
pub struct Info {
    /// There are more.
    pub more_records: Option<bool>,
    /// Where.
    pub next_page_token: Option<String>,
    /// By what they are sorted.
    sort_by: Option<String>,
    /// How.
    sort_order: Option<String>,
}

/// Reads the rows in `body`.
///
/// # Errors
/// When there are none.
pub fn listing(body: &[u8]) -> Result<Listing, SourceError> {
    serde_json::from_slice(body).map_err(|error| {
        SourceError::Away(format!("Zoho's answer can't be read ({error}); look at what stands between"))
    })
}

/// A page.
struct Page<'a> {
    from: Option<Timestamp>,
    token: Option<&'a str>,
    rows: usize,
}

/// Reads a page of at most `rows`.
///
/// # Errors
/// When it can't be had.
pub fn step(
    client: &mut Client,
    plan: &Plan,
    window: Window,
    place: (Option<i64>, Option<&str>, u32),
    rows: usize,
) -> Result<Step, SourceError> {
    let (from, token, lost) = place;
    let begin = from.and_then(|from| Timestamp::from_second(from).ok()).or(window.since);
    let page = Page { from: begin, token, rows };
    let chunks = plan.chunks();
    let Some((first, others)) = chunks.split_first() else { return Ok(done()) };
    let listing = match client.call(&call(plan, first, &page))? {
        // Its token has ended: it lives for a day.
        Reply::Refused(_) if token.is_some() && lost < MOST_LOST => {
            let next = Place::Pages { from, token: None, lost: lost + 1 };
            return Ok(Step { rows: Vec::new(), next });
        }
        reply => match reply.data(&format!("rows of {}", plan.module))? {
            Some(body) => listing(&body)?,
            None => return Ok(done()),
        },
    };
    let next = next(&listing, window, begin, lost)?;
    let mut records = listing.data;
    for chunk in others {
        let again = if token.is_none() {
            let body = client.call(&call(plan, chunk, &page))?.data(&format!("rows of {}", plan.module))?;
            body.map(|body| self::listing(&body)).transpose()?.map(|listing| listing.data).unwrap_or_default()
        } else {
            Vec::new()
        };
        records = join(client, plan, chunk, records, again)?;
    }
    let rows = records.iter().map(|record| plan.row(record)).filter(|row| window.has(row.modified));
    Ok(Step { rows: rows.collect(), next })
}

fn done() -> Step {
    Step { rows: Vec::new(), next: Place::Done }
}

/// Whether rows are in the order that was asked for: else nobody knows which are still to come.
fn is_in_order(listing: &Listing) -> bool {
    let is = |said: &Option<String>, wanted: &str| said.as_deref().is_none_or(|said| said == wanted);
    let times = listing.data.iter().map(plan::modified);
    is(&listing.info.sort_by, TIME) && is(&listing.info.sort_order, "asc") && times.is_sorted()
}

/// Where to go on: with the rows that were changed when the last one was, or later. Where all of a page were changed
/// when its first was, the page behind it.
fn next(
    listing: &Listing,
    window: Window,
    begin: Option<Timestamp>,
    lost: u32,
) -> Result<Place, SourceError> {
    if listing.info.more_records != Some(true) || listing.data.is_empty() {
        return Ok(Place::Done);
    }
    let last = listing.data.last().and_then(plan::modified).map(whole);
    match last.filter(|_| is_in_order(listing)) {
        // They come in this order: all others are newer, too.
        Some(last) if last >= window.until => return Ok(Place::Done),
        Some(last) if begin.is_none_or(|begin| last > begin) => {
            return Ok(Place::Pages { from: Some(last.as_second()), token: None, lost });
        }
        _ => {}
    }
    let from = begin.map(Timestamp::as_second);
    match &listing.info.next_page_token {
        Some(token) => Ok(Place::Pages { from, token: Some(token.clone()), lost }),
        None => Err(SourceError::Away("Zoho says that there are more rows, and not where".to_owned())),
    }
}

fn call(plan: &Plan, fields: &[&str], page: &Page<'_>) -> Call {
    let mut query = Serializer::new(String::new());
    query.append_pair("fields", &fields.join(","));
    query.append_pair("per_page", &page.rows.clamp(1, PAGE).to_string());
    query.append_pair("sort_by", if plan.has_time { TIME } else { "id" });
    query.append_pair("sort_order", "asc");
    if let Some(token) = page.token {
        query.append_pair("page_token", token);
    }
    let path = format!("/crm/v8/{}?{}", plan.module, query.finish());
    Call { path, since: page.from, credits: 1, ..Call::default() }
}

/// Adds what `chunk` selects to `records`: from `again`, the same rows read once more, and by their ids where they are
/// not there as they were. Rows that have changed since, or are gone, are left out: they are newer than any window.
///
/// # Errors
/// When rows can't be had by their ids.
pub fn join(
    client: &mut Client,
    plan: &Plan,
    chunk: &[&str],
    records: Vec<Record>,
    again: Vec<Record>,
) -> Result<Vec<Record>, SourceError> {
    let mut parts = by_id(again);
    let is_same = |record: &Record, part: &Record| plan::modified(record) == plan::modified(part);
    let missing: Vec<String> = records
        .iter()
        .filter_map(|record| {
            let id = plan::id(record)?;
            let is_there = parts.get(&id).is_some_and(|part| is_same(record, part));
            (!is_there).then_some(id)
        })
        .collect();
    parts.extend(with_ids(client, &plan.module, chunk, &missing)?);
    let joined = records.into_iter().filter_map(|mut record| {
        let part = parts.remove(&plan::id(&record)?).filter(|part| is_same(&record, part))?;
        record.extend(part);
        Some(record)
    });
    Ok(joined.collect())
}

fn by_id(records: Vec<Record>) -> HashMap<String, Record> {
    records.into_iter().filter_map(|record| Some((plan::id(&record)?, record))).collect()
}

/// The rows of `module` with these ids, as far as there are any, with at most 50 `fields`.
///
/// # Errors
/// When they can't be had.
pub fn with_ids(
    client: &mut Client,
    module: &str,
    fields: &[&str],
    ids: &[String],
) -> Result<HashMap<String, Record>, SourceError> {
    let mut found = HashMap::new();
    for ids in ids.chunks(IDS) {
        let mut query = Serializer::new(String::new());
        query.append_pair("ids", &ids.join(",")).append_pair("fields", &fields.join(","));
        query.append_pair("per_page", &PAGE.to_string());
        let path = format!("/crm/v8/{module}?{}", query.finish());
        let reply = client.call(&Call { path, credits: 1, ..Call::default() })?;
        if let Some(body) = reply.data(&format!("rows of {module}"))? {
            found.extend(by_id(listing(&body)?.data));
        }
    }
    Ok(found)
}
