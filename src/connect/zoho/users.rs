//! Users as rows: they are no module, and come by type.

use form_urlencoded::Serializer;

use super::client::{Call, Client};
use super::pages::{self, PAGE};
use super::place::{Place, Step, Window};
use super::plan::Plan;
use crate::connect::source::SourceError;

/// The object.
pub const USERS: &str = "Users";
/// The types that together have all of them. Some users have two.
const TYPES: [&str; 3] = ["ActiveUsers", "DeactiveUsers", "NotConfirmedUsers"];

/// Reads a page of users of a type.
///
/// # Errors
/// When it can't be had.
pub fn step(
    client: &mut Client,
    plan: &Plan,
    window: Window,
    kind: usize,
    page: u32,
) -> Result<Step, SourceError> {
    let Some(word) = TYPES.get(kind) else { return Ok(Step { rows: Vec::new(), next: Place::Done }) };
    let mut query = Serializer::new(String::new());
    query.append_pair("type", word).append_pair("page", &page.to_string());
    query.append_pair("per_page", &PAGE.to_string());
    let path = format!("/crm/v8/users?{}", query.finish());
    let call = Call { path, since: window.since, credits: 1, ..Call::default() };
    let listing = client.call(&call)?.data("users")?.map(|body| pages::listing(&body)).transpose()?;
    let has_more = listing.as_ref().is_some_and(|listing| listing.info.more_records == Some(true));
    let records = listing.map(|listing| listing.data).unwrap_or_default();
    let rows = records.iter().map(|record| plan.row(record)).filter(|row| window.has(row.modified)).collect();
    let next = match (has_more, kind + 1 < TYPES.len()) {
        (true, _) => Place::Users { kind, page: page.saturating_add(1) },
        (false, true) => Place::Users { kind: kind + 1, page: 1 },
        (false, false) => Place::Done,
    };
    Ok(Step { rows, next })
}
