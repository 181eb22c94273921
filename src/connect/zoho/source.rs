//! A connection to Zoho CRM, as jobs use it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};

use super::bulk::Bulk;
use super::client::{Call, Client, Reply};
use super::credits;
use super::criteria::Criteria;
use super::metadata::{self, Field, Form, Module};
use super::names::Names;
use super::pages::{self, PAGE};
use super::place::{Place, Window, whole};
use super::plan::{self, Plan, alike};
use super::reader::{self, Reader};
use super::users::{self, USERS};
use crate::connect::cell::CellType;
use crate::connect::source::{
    Estimate, Flow, Gone, Page, Source, SourceError, SourceField, SourceObject, SourceRow, TakePage, Wanted,
};

/// How far a window stays behind the clock: what is being written now may get a time that has passed.
const BEHIND: SignedDuration = SignedDuration::from_secs(5);
/// What a page of deleted rows costs.
const GONE: u64 = 2;

/// How often rows are read by their ids that change meanwhile.
const AGAIN: u32 = 3;

/// A connection to Zoho CRM. It remembers which modules and fields there are: make one for each run.
pub struct Zoho {
    client: Client,
    folder: PathBuf,
    modules: Option<Vec<Module>>,
    fields: HashMap<String, Vec<Field>>,
    notices: Vec<String>,
}

impl Zoho {
    /// A connection by `client`. Results of bulk reads are kept in `folder` while they are read.
    pub fn new(client: Client, folder: PathBuf) -> Self {
        Zoho { client, folder, modules: None, fields: HashMap::new(), notices: Vec::new() }
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
        let rows = reader::count(&mut self.client, &plan.module, wanted.since.map(whole))?;
        let rows = match (rows, wanted.limit) {
            (Some(rows), Some(limit)) => Some(rows.min(limit)),
            (rows, limit) => rows.or(limit),
        };
        let amount = reader::amount(&plan, rows.unwrap_or_default());
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
        let mut reader = Reader {
            client: &mut self.client,
            plan: &plan,
            window: Window::new(wanted.since, wanted.until),
            filter,
            bulk: Bulk::new(self.folder.clone()),
            names: Names::default(),
            notices: &mut self.notices,
        };
        let mut place = match checkpoint {
            Some(text) => Place::read(text)?,
            None => reader.begin(wanted.limit),
        };
        let mut left = wanted.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        while place != Place::Done {
            let step = reader.step(place, left.unwrap_or(PAGE))?;
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
    ) -> Result<Option<Vec<SourceRow>>, SourceError> {
        let plan = Plan::new(object, self.field_list(object)?, fields)?;
        let mut rows = if object == USERS { self.users(&plan, ids)? } else { self.with_ids(&plan, ids)? };
        for row in &mut rows {
            row.cells.truncate(plan.wanted);
        }
        Ok(Some(rows))
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

    fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}

impl Zoho {
    /// The rows with these ids. One that changes between two calls for its fields is read again.
    fn with_ids(&mut self, plan: &Plan, ids: &[String]) -> Result<Vec<SourceRow>, SourceError> {
        let (mut rows, mut left) = (Vec::new(), ids.to_vec());
        let chunks = plan.chunks();
        let Some((first, others)) = chunks.split_first() else { return Ok(rows) };
        for _ in 0..AGAIN {
            let found = pages::with_ids(&mut self.client, &plan.module, first, &left)?;
            left = found.keys().cloned().collect();
            let mut records: Vec<_> = found.into_values().collect();
            for chunk in others {
                records = pages::join(&mut self.client, plan, chunk, records, Vec::new())?;
            }
            let done: HashSet<_> = records.iter().filter_map(plan::id).collect();
            left.retain(|id| !done.contains(id));
            rows.extend(records.iter().map(|record| plan.row(record)));
            if left.is_empty() {
                break;
            }
        }
        Ok(rows)
    }

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
