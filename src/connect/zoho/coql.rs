//! Rows by COQL: up to 2,000 a query, each behind the last row of the one before.

use jiff::Timestamp;
use serde_json::json;

use super::client::{Call, Client, Reply};
use super::credits::coql_call;
use super::criteria::Criteria;
use super::pages::{self, Info};
use super::place::{After, Place, Step, Window};
use super::plan::{self, Plan, Record, TIME};
use crate::connect::source::SourceError;

/// How many rows queries ask for, in turn: a small one costs less.
pub const ROWS: [u64; 3] = [200, 1_000, 2_000];

/// A query.
pub struct Query<'a> {
    /// What of which module.
    pub plan: &'a Plan,
    /// Changed when.
    pub window: Window,
    /// Behind which row.
    pub after: Option<&'a After>,
    /// At most so many.
    pub rows: u64,
    /// What the rows have to be like beside.
    pub filter: Option<&'a Criteria>,
}

/// Reads the rows of a query. None, where Zoho does not take it.
///
/// # Errors
/// When they can't be had.
pub fn step(client: &mut Client, query: &Query<'_>) -> Result<Option<Step>, SourceError> {
    let chunks = query.plan.chunks();
    let Some((first, others)) = chunks.split_first() else { return Ok(None) };
    let Some((mut records, info)) = ask(client, query, first)? else { return Ok(None) };
    let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let has_more = count > 0 && info.more_records.unwrap_or(count >= query.rows);
    let last = records.last().and_then(|record| {
        let id = plan::id(record)?;
        Some((plan::modified(record).map(Timestamp::as_second), id))
    });
    for chunk in others {
        let Some((again, _)) = ask(client, query, chunk)? else { return Ok(None) };
        records = pages::join(client, query.plan, chunk, records, again)?;
    }
    let rows = records.iter().map(|record| query.plan.row(record));
    let rows = rows.filter(|row| query.window.has(row.modified)).collect();
    let next = if has_more {
        let rows = ROWS.into_iter().find(|rows| *rows > query.rows).unwrap_or(query.rows);
        Place::Coql { after: last, rows, is_filtered: query.filter.is_some() }
    } else {
        Place::Done
    };
    Ok(Some(Step { rows, next }))
}

fn ask(
    client: &mut Client,
    query: &Query<'_>,
    fields: &[&str],
) -> Result<Option<(Vec<Record>, Info)>, SourceError> {
    let body = json!({"select_query": query.text(fields)}).to_string();
    let call = Call {
        path: "/crm/v8/coql".to_owned(),
        body: Some(body),
        credits: coql_call(query.rows),
        ..Call::default()
    };
    match client.call(&call)? {
        Reply::Data(body) => pages::listing(&body).map(|listing| Some((listing.data, listing.info))),
        Reply::Nothing => Ok(Some((Vec::new(), Info::default()))),
        Reply::Refused(code) | Reply::Forbidden(code) => {
            tracing::info!(
                module = query.plan.module,
                code,
                "Zoho does not take a query; another way is tried"
            );
            Ok(None)
        }
    }
}

impl Query<'_> {
    fn text(&self, fields: &[&str]) -> String {
        let mut criteria = Vec::new();
        let moment = |seconds: i64| Timestamp::from_second(seconds).ok();
        if self.plan.has_time {
            let after = self.after.and_then(|(time, id)| Some((moment((*time)?)?, id)));
            criteria.extend(after.as_ref().map(|(time, _)| *time).or(self.window.since).map(Criteria::since));
            criteria.push(Criteria::until(self.window.until));
            criteria.extend(
                after.map(|(time, id)| Criteria::Any(vec![Criteria::after(time), Criteria::beyond(id)])),
            );
        } else {
            criteria.push(Criteria::beyond(self.after.map_or("0", |(_, id)| id)));
        }
        criteria.extend(self.filter.cloned());
        let order = if self.plan.has_time { format!("{TIME} asc, id asc") } else { "id asc".to_owned() };
        format!(
            "select {} from {} where {} order by {order} limit {}",
            fields.join(", "),
            self.plan.module,
            Criteria::all(criteria).coql(),
            self.rows
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::cell::CellType;
    use crate::connect::zoho::metadata::Field;

    #[test]
    fn a_query_goes_on_behind_the_last_row() {
        let fields = [
            Field::plain("id", CellType::Text),
            Field::plain("Name", CellType::Text),
            Field::plain(TIME, CellType::Time),
        ];
        let plan = Plan::new("Deals", &fields, &["Name".to_owned()]).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window::new(Some(at(0)), at(60));
        let after = (Some(30), "365".to_owned());
        let query = Query { plan: &plan, window, after: None, rows: 200, filter: None };
        assert_eq!(
            query.text(&["id", TIME, "Name"]),
            "select id, Modified_Time, Name from Deals where (Modified_Time >= '1970-01-01T00:00:00+00:00' and \
             Modified_Time < '1970-01-01T00:01:00+00:00') order by Modified_Time asc, id asc limit 200"
        );
        let query = Query { after: Some(&after), ..query };
        assert!(query.text(&["id"]).contains(
            "where ((Modified_Time >= '1970-01-01T00:00:30+00:00' and Modified_Time < '1970-01-01T00:01:00+00:00') \
             and (Modified_Time > '1970-01-01T00:00:30+00:00' or id > 365)) order"
        ));
    }
}
