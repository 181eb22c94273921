//! A connection to Zoho CRM, as jobs use it.

use std::collections::HashMap;
use std::path::PathBuf;

use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::bulk::{At, Bulk};
use super::client::{Call, Client, Reply, zoned};
use super::coql::{self, Query};
use super::credits::{self, Amount, Way};
use super::criteria::Criteria;
use super::metadata::{self, Field, Form, Module};
use super::names::Names;
use super::pages::{self, PAGE};
use super::place::{After, Place, Step, Window, whole};
use super::plan::{self, Plan, TIME, alike};
use super::users::{self, USERS};
use crate::connect::cell::CellType;
use crate::connect::source::{
    Estimate, Flow, Gone, Page, Source, SourceError, SourceField, SourceObject, SourceRow, TakePage, Wanted,
};

/// How far a window stays behind the clock: what is being written now may get a time that has passed.
const BEHIND: SignedDuration = SignedDuration::from_secs(5);
/// What a page of deleted rows costs.
const GONE: u64 = 2;

/// A connection to Zoho CRM. It remembers which modules and fields there are: make one for each run.
pub struct Zoho {
    client: Client,
    folder: PathBuf,
    modules: Option<Vec<Module>>,
    fields: HashMap<String, Vec<Field>>,
}

/// What a read is about.
struct Read<'a> {
    plan: &'a Plan,
    window: Window,
    filter: Option<Criteria>,
    bulk: Bulk,
    names: Names,
}

impl Zoho {
    /// A connection by `client`. Results of bulk reads are kept in `folder` while they are read.
    pub fn new(client: Client, folder: PathBuf) -> Self {
        Zoho { client, folder, modules: None, fields: HashMap::new() }
    }

    /// Its client.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    fn modules(&mut self) -> Result<&[Module], SourceError> {
        if self.modules.is_none() {
            let call = Call { path: "/crm/v8/settings/modules".to_owned(), credits: 1, ..Call::default() };
            let body = self.client.call(&call)?.data("its modules")?;
            let modules =
                body.map(|body| metadata::modules(&body)).transpose().map_err(|error| odd(&error))?;
            self.modules = Some(modules.unwrap_or_default());
        }
        Ok(self.modules.as_deref().unwrap_or_default())
    }

    fn field_list(&mut self, object: &str) -> Result<&[Field], SourceError> {
        if !self.fields.contains_key(object) {
            let fields = if object == USERS { metadata::user_fields() } else { self.ask_fields(object)? };
            self.fields.insert(object.to_owned(), fields);
        }
        Ok(self.fields.get(object).map(Vec::as_slice).unwrap_or_default())
    }

    fn ask_fields(&mut self, object: &str) -> Result<Vec<Field>, SourceError> {
        let query = Serializer::new(String::new()).append_pair("module", object).finish();
        let path = format!("/crm/v8/settings/fields?{query}");
        let body = match self.client.call(&Call { path, credits: 1, ..Call::default() })? {
            Reply::Refused(_) => return Err(self.no_module(object)?),
            reply => reply.data(&format!("the fields of {object}"))?,
        };
        let fields =
            body.map(|body| metadata::fields(object, &body)).transpose().map_err(|error| odd(&error))?;
        match fields {
            Some(fields) if fields.len() > 1 => Ok(fields),
            _ => Err(SourceError::Authorize(format!(
                "Zoho shows no field of {object} to this connection's user; give the user's profile access to it, or \
                 authorize as another one"
            ))),
        }
    }

    fn no_module(&mut self, object: &str) -> Result<SourceError, SourceError> {
        let known = self.modules()?.iter().map(|module| module.name.as_str()).chain([USERS]);
        let hint = match alike(object, known) {
            Some(known) => format!("did you mean {known}?"),
            None => "`weir connection objects` lists what there is".to_owned(),
        };
        Ok(SourceError::Settings(format!("this org of Zoho has no module {object}; {hint}")))
    }

    /// How many rows were changed since then; none: Zoho does not say.
    fn count(&mut self, module: &str, since: Option<Timestamp>) -> Result<Option<u64>, SourceError> {
        #[derive(Deserialize)]
        struct Counted {
            count: Option<u64>,
        }
        let mut query = Serializer::new(String::new());
        if let Some(since) = since {
            query.append_pair("criteria", &format!("({TIME}:greater_equal:{})", zoned(since)));
        }
        let path = format!("/crm/v8/{module}/actions/count?{}", query.finish());
        match self.client.call(&Call { path, credits: 1, ..Call::default() })? {
            Reply::Data(body) => {
                Ok(serde_json::from_slice::<Counted>(&body).ok().and_then(|said| said.count))
            }
            Reply::Nothing => Ok(Some(0)),
            Reply::Refused(_) | Reply::Forbidden(_) => Ok(None),
        }
    }

    /// Where to begin.
    fn begin(read: &Read<'_>, limit: Option<u64>) -> Place {
        let (plan, is_filtered) = (read.plan, read.filter.is_some());
        let query = |rows| Place::Coql { after: None, rows, is_filtered };
        if plan.module == USERS {
            return Place::Users { kind: 0, page: 1 };
        }
        match limit.filter(|limit| *limit <= 2_000) {
            Some(limit) if is_filtered && plan.is_in_queries => query(limit),
            Some(_) => read.pages(),
            None if read.window.since.is_none() => Place::Choose { after: None },
            // A page costs as much as the smallest query, and brings names along.
            None if plan.is_in_queries && (is_filtered || plan.named().is_empty()) => query(first_rows(0)),
            None => Place::First,
        }
    }

    /// Which way costs least from here on.
    fn choose(&mut self, read: &Read<'_>, after: Option<After>) -> Result<Place, SourceError> {
        let (plan, is_filtered) = (read.plan, read.filter.is_some());
        let from = after.as_ref().and_then(|(time, _)| *time);
        let since = from.and_then(|from| Timestamp::from_second(from).ok()).or(read.window.since);
        let rows = self.count(&plan.module, since)?;
        let way = match rows {
            Some(rows) => credits::cheapest(amount(plan, rows)),
            None if plan.is_in_queries => Way::Coql,
            None => Way::Pages,
        };
        Ok(match way {
            Way::Pages => Place::page(since.map(Timestamp::as_second)),
            Way::Coql => Place::Coql { after, rows: first_rows(rows.unwrap_or(u64::MAX)), is_filtered },
            Way::Bulk => Place::Bulk { job: None, token: None, line: 0, lost: 0, is_filtered },
        })
    }

    /// Takes one step from `place`; where that way does not do, another way is begun.
    fn step(&mut self, read: &mut Read<'_>, place: Place, rows: usize) -> Result<Step, SourceError> {
        let (plan, window) = (read.plan, read.window);
        let instead = |next: Place| Step { rows: Vec::new(), next };
        let mut step = match place {
            Place::Pages { from, token, lost } => {
                let place = (from, token.as_deref(), lost);
                return pages::step(&mut self.client, plan, window, place, rows);
            }
            Place::Users { kind, page } => return users::step(&mut self.client, plan, window, kind, page),
            Place::Done => return Ok(instead(Place::Done)),
            Place::Choose { after } => return Ok(instead(self.choose(read, after)?)),
            Place::First => {
                let mut step = pages::step(&mut self.client, plan, window, (None, None, 0), rows)?;
                if let (Place::Pages { from: Some(from), token: None, .. }, true) =
                    (&step.next, plan.is_in_queries)
                {
                    let after = Some((Some(*from), "0".to_owned()));
                    step.next = Place::Coql { after, rows: SECOND, is_filtered: read.filter.is_some() };
                }
                return Ok(step);
            }
            Place::Coql { after, rows, is_filtered } => {
                let filter = read.filter.as_ref().filter(|_| is_filtered);
                let query = Query { plan, window, after: after.as_ref(), rows, filter };
                match coql::step(&mut self.client, &query)? {
                    Some(step) if rows == SECOND => step.or_choose(window),
                    Some(step) => step,
                    None if is_filtered => {
                        return Ok(instead(Place::Coql { after, rows, is_filtered: false }));
                    }
                    None => return Ok(instead(read.pages())),
                }
            }
            Place::Bulk { job, token, line, lost, is_filtered } => {
                let at = At { job, token, line, lost, is_filtered };
                match read.bulk.step(&mut self.client, plan, (window, read.filter.as_ref()), at)? {
                    Some(step) => step,
                    None if plan.is_in_queries => {
                        let rows = first_rows(u64::MAX);
                        return Ok(instead(Place::Coql { after: None, rows, is_filtered }));
                    }
                    None => return Ok(instead(read.pages())),
                }
            }
        };
        read.names.fill(&mut self.client, plan, &mut step.rows)?;
        Ok(step)
    }
}

impl Read<'_> {
    /// By pages, from the beginning.
    fn pages(&self) -> Place {
        Place::page(self.window.since.map(Timestamp::as_second))
    }
}

impl Step {
    /// Of a window with so many rows it is time to count.
    fn or_choose(self, window: Window) -> Self {
        match self.next {
            Place::Coql { after, .. } if window.since.is_some() => {
                Step { next: Place::Choose { after }, ..self }
            }
            next => Step { next, ..self },
        }
    }
}

/// How many rows the second query asks for.
const SECOND: u64 = 1_000;

/// How many rows the first query asks for.
fn first_rows(rows: u64) -> u64 {
    coql::ROWS.into_iter().find(|most| rows <= *most).unwrap_or(2_000)
}

fn amount(plan: &Plan, rows: u64) -> Amount {
    Amount {
        rows,
        fields: plan.width(),
        has_names: !plan.named().is_empty(),
        has_coql: plan.is_in_queries,
        has_bulk: plan.is_in_tables,
    }
}

fn odd(error: &serde_json::Error) -> SourceError {
    SourceError::Away(format!("Zoho's answer can't be read ({error}); look at what stands between"))
}

impl Source for Zoho {
    fn test(&mut self) -> Result<String, SourceError> {
        self.modules = None;
        let count = self.modules()?.len();
        Ok(format!("Zoho answers, and shows {count} modules"))
    }

    fn objects(&mut self) -> Result<Vec<SourceObject>, SourceError> {
        let modules = self.modules()?.iter().filter(|module| module.name != USERS);
        let modules =
            modules.map(|module| SourceObject { name: module.name.clone(), label: module.label.clone() });
        let users = SourceObject { name: USERS.to_owned(), label: USERS.to_owned() };
        Ok(modules.chain([users]).collect())
    }

    fn fields(&mut self, object: &str) -> Result<Vec<SourceField>, SourceError> {
        let mut shown = Vec::new();
        for field in self.field_list(object)? {
            shown.push(SourceField {
                name: field.name.clone(),
                label: field.label.clone(),
                kind: field.kind,
                choices: field.choices.clone(),
                is_unseen: field.is_unseen,
            });
            let mut part = |suffix: &str, kind| {
                shown.push(SourceField {
                    name: format!("{}.{suffix}", field.name),
                    label: format!("{} ({suffix})", field.label),
                    kind,
                    choices: Vec::new(),
                    // It changes without the rows that refer to it.
                    is_unseen: true,
                });
            };
            if field.form == Form::Row {
                part("name", CellType::Text);
                if field.has_email {
                    part("email", CellType::Email);
                }
            }
        }
        Ok(shown)
    }

    fn clock(&mut self) -> Result<Timestamp, SourceError> {
        if self.client.clock().is_none() {
            self.modules = None;
            self.modules()?;
        }
        let now = self.client.clock().ok_or_else(|| {
            SourceError::Away("Zoho's answers have no date; look at what stands between".to_owned())
        })?;
        Ok(whole(now.checked_sub(BEHIND).unwrap_or(now)))
    }

    fn estimate(&mut self, wanted: &Wanted) -> Result<Estimate, SourceError> {
        let fields = self.field_list(&wanted.object)?;
        let plan = Plan::new(&wanted.object, fields, &wanted.fields)?;
        if plan.module == USERS {
            return Ok(Estimate { rows: None, calls: 3, credits: 3 });
        }
        let rows = self.count(&plan.module, wanted.since.map(whole))?;
        let rows = match (rows, wanted.limit) {
            (Some(rows), Some(limit)) => Some(rows.min(limit)),
            (rows, limit) => rows.or(limit),
        };
        let amount = amount(&plan, rows.unwrap_or_default());
        let way = credits::cheapest(amount);
        // Counting is a call, too, and so are the fields.
        Ok(Estimate { rows, calls: credits::calls(way, amount) + 2, credits: credits::cost(way, amount) + 2 })
    }

    fn read(
        &mut self,
        wanted: &Wanted,
        checkpoint: Option<&str>,
        take: TakePage<'_>,
    ) -> Result<(), SourceError> {
        let fields = self.field_list(&wanted.object)?;
        let plan = Plan::new(&wanted.object, fields, &wanted.fields)?;
        let filter = wanted.filter.as_ref().and_then(|filter| Criteria::of_filter(filter, fields));
        let mut read = Read {
            plan: &plan,
            window: Window::new(wanted.since, wanted.until),
            filter,
            bulk: Bulk::new(self.folder.clone()),
            names: Names::default(),
        };
        let mut place = match checkpoint {
            Some(text) => Place::read(text)?,
            None => Zoho::begin(&read, wanted.limit),
        };
        let mut left = wanted.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        while place != Place::Done {
            let step = self.step(&mut read, place, left.unwrap_or(PAGE))?;
            let mut rows = step.rows;
            rows.truncate(left.unwrap_or(usize::MAX));
            for row in &mut rows {
                row.cells.truncate(plan.wanted);
            }
            left = left.map(|left| left.saturating_sub(rows.len()));
            place = if left == Some(0) { Place::Done } else { step.next };
            if take(Page { rows, checkpoint: place.text() })? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }

    fn rows(
        &mut self,
        object: &str,
        fields: &[String],
        ids: &[String],
    ) -> Result<Vec<SourceRow>, SourceError> {
        let plan = Plan::new(object, self.field_list(object)?, fields)?;
        let mut rows = if object == USERS {
            self.users(&plan, ids)?
        } else {
            let chunks = plan.chunks();
            let (first, others) = chunks.split_first().map_or((&[][..], &[][..]), |(a, b)| (a.as_slice(), b));
            let found = pages::with_ids(&mut self.client, object, first, ids)?;
            let mut records: Vec<_> = found.into_values().collect();
            for chunk in others {
                records = pages::join(&mut self.client, &plan, chunk, records, Vec::new())?;
            }
            records.iter().map(|record| plan.row(record)).collect()
        };
        for row in &mut rows {
            row.cells.truncate(plan.wanted);
        }
        Ok(rows)
    }

    fn gone(&mut self, object: &str, since: Option<Timestamp>) -> Result<Option<Vec<Gone>>, SourceError> {
        if object == USERS {
            return Ok(None);
        }
        let mut gone = Vec::new();
        let mut page = "page=1".to_owned();
        for number in 2_u32.. {
            let path = format!("/crm/v8/{object}/deleted?type=all&per_page={PAGE}&{page}");
            let call = Call { path, since: since.map(whole), credits: GONE, ..Call::default() };
            let Some(body) = self.client.call(&call)?.data(&format!("deleted rows of {object}"))? else {
                break;
            };
            let listing = pages::listing(&body)?;
            gone.extend(listing.data.iter().filter_map(|record| {
                let at = plan::moment(record, "deleted_time")?;
                Some(Gone { id: plan::id(record)?, at })
            }));
            if listing.info.more_records != Some(true) {
                break;
            }
            page = match &listing.info.next_page_token {
                Some(token) => Serializer::new(String::new()).append_pair("page_token", token).finish(),
                None => format!("page={number}"),
            };
        }
        Ok(Some(gone))
    }

    fn spent(&mut self) -> (u64, u64) {
        self.client.spent()
    }
}

impl Zoho {
    /// The users with these ids.
    fn users(&mut self, plan: &Plan, ids: &[String]) -> Result<Vec<SourceRow>, SourceError> {
        let window = Window { since: None, until: Timestamp::MAX };
        let (mut rows, mut place) = (HashMap::new(), Place::Users { kind: 0, page: 1 });
        while let Place::Users { kind, page } = place {
            let step = users::step(&mut self.client, plan, window, kind, page)?;
            let found = step.rows.into_iter().filter_map(|row| Some((row.id.clone()?, row)));
            rows.extend(found.filter(|(id, _)| ids.contains(id)));
            place = step.next;
        }
        Ok(rows.into_values().collect())
    }
}
