//! An API that gives JSON, as a source.

use std::collections::BTreeMap;
use std::time::Duration;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{Answer, Client};
use super::paging::{Answered, Next};
use super::settings::{Api, Object, TimeForm};
use super::values::cell_of;
use crate::config::section::nearest;
use crate::connect::cell::as_time;
use crate::connect::source::{
    Estimate, Flow, Gone, Page, Source, SourceError, SourceField, SourceObject, SourceRow, TakePage, Wanted,
};
use crate::connect::vault::Vault;

/// The most pages that are looked through for rows by their ids.
const LOOKED_THROUGH: u64 = 20;

/// An API.
pub struct HttpSource {
    api: Api,
    client: Client,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The next page; none: the first.
    next: Option<Next>,
    /// There is none.
    is_end: bool,
    pages: u64,
    /// A page of before, a new one whenever the number of pages has doubled: a circle of any length comes to it again.
    before: Option<Next>,
}

impl Progress {
    /// Goes on to `next`. Returns whether that leads in a circle.
    fn go(&mut self, next: Option<Next>) -> bool {
        self.pages += 1;
        self.is_end = next.is_none();
        let is_circle = next.is_some() && next == self.before;
        if self.pages.is_power_of_two() {
            self.before.clone_from(&next);
        }
        self.next = next;
        is_circle
    }
}

impl HttpSource {
    /// The API that `api` describes. `vault` has its `token`.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub fn new(api: Api, vault: Box<dyn Vault>) -> Result<Self, SourceError> {
        let client = Client::new(&api, vault)?;
        Ok(HttpSource { api, client })
    }

    /// With shorter waits between tries: for tests.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.client.set_pause(pause);
        self
    }

    fn object(&self, name: &str) -> Result<Object, SourceError> {
        self.api.objects.get(name).cloned().ok_or_else(|| {
            let known = self.api.objects.keys().map(String::as_str);
            let hint = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
            };
            SourceError::Settings(format!("the connection describes no object {name}; {hint}"))
        })
    }

    /// The address of a page.
    fn url(
        &self,
        object: &Object,
        next: Option<&Next>,
        since: Option<Timestamp>,
        size: Option<u64>,
    ) -> String {
        if let Some(Next::Url(url)) = next {
            return url.clone();
        }
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&object.parameters);
        if let Some((parameter, largest)) = &object.size {
            query.append_pair(parameter, &size.unwrap_or(*largest).min(*largest).to_string());
        }
        if let (Some((parameter, form)), Some(since)) = (&object.since, since) {
            query.append_pair(parameter, &written(since, *form));
        }
        query.extend_pairs(object.paging.parameters(next));
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{query}", self.api.base_url, object.path)
    }

    /// The records at `url`, and where the next page is.
    fn page(
        &mut self,
        object: &Object,
        url: &str,
        current: Option<&Next>,
    ) -> Result<(Vec<Value>, Option<Next>), SourceError> {
        let Answer { body, link } = self.client.get(url)?;
        let about = &self.api.base_url;
        let records = match object.records.of(&body) {
            Some(Value::Array(records)) => records.clone(),
            // No content.
            _ if body.is_null() => Vec::new(),
            Some(Value::Null) => Vec::new(),
            _ => {
                return Err(SourceError::Settings(format!(
                    "an answer of {about} has no list of records where records says; mend records"
                )));
            }
        };
        let has_more = object.more.as_ref().and_then(|more| more.of(&body)).and_then(Value::as_bool);
        let answered = Answered { url, body: &body, link: link.as_deref(), records: records.len(), has_more };
        let next = object
            .paging
            .after(current, answered)
            .map_err(|why| SourceError::Settings(format!("an answer of {about} {why}; mend paging")))?;
        Ok((records, next))
    }
}

impl Source for HttpSource {
    fn test(&mut self) -> Result<String, SourceError> {
        let Some((name, object)) =
            self.api.objects.iter().next().map(|(name, object)| (name.clone(), object.clone()))
        else {
            return Err(SourceError::Settings("the connection describes no object; describe one".to_owned()));
        };
        let url = self.url(&object, None, None, Some(1));
        let (records, _) = self.page(&object, &url, None)?;
        let found = if records.is_empty() { "none yet" } else { "there are some" };
        Ok(format!("{} takes the token and gives {name}: {found}", self.api.base_url))
    }

    fn objects(&mut self) -> Result<Vec<SourceObject>, SourceError> {
        let names = self.api.objects.keys();
        Ok(names.map(|name| SourceObject { name: name.clone(), label: name.clone() }).collect())
    }

    fn fields(&mut self, object: &str) -> Result<Vec<SourceField>, SourceError> {
        let fields = self.object(object)?.fields;
        let field = |(name, (_, kind)): (String, (_, _))| SourceField {
            label: name.clone(),
            name,
            kind,
            choices: Vec::new(),
            is_unseen: false,
        };
        Ok(fields.into_iter().map(field).collect())
    }

    fn clock(&mut self) -> Result<Timestamp, SourceError> {
        if self.client.clock().is_none() {
            self.test()?;
        }
        Ok(self.client.clock().unwrap_or_else(Timestamp::now))
    }

    fn estimate(&mut self, wanted: &Wanted) -> Result<Estimate, SourceError> {
        self.object(&wanted.object)?;
        // How many rows there are, no API says in the same way.
        Ok(Estimate { rows: None, calls: 1, credits: 0 })
    }

    fn read(
        &mut self,
        wanted: &Wanted,
        checkpoint: Option<&str>,
        take: TakePage<'_>,
    ) -> Result<(), SourceError> {
        let object = self.object(&wanted.object)?;
        known_fields(&object, &wanted.fields, &wanted.object)?;
        let mut progress: Progress = match checkpoint.map(serde_json::from_str) {
            None => Progress::default(),
            Some(read) => read.map_err(|error| {
                SourceError::Here(format!("the run's checkpoint is damaged ({error}); run the job anew"))
            })?,
        };
        let mut left = wanted.limit.unwrap_or(u64::MAX);
        while !progress.is_end && left > 0 {
            let url = self.url(&object, progress.next.as_ref(), wanted.since, wanted.limit);
            let (records, next) = self.page(&object, &url, progress.next.as_ref())?;
            let rows = records.iter().map(|record| row(&object, &wanted.fields, record));
            // What was changed before is known, where the API can't leave it out.
            let is_new =
                |row: &SourceRow| wanted.since.zip(row.modified).is_none_or(|(since, at)| at >= since);
            let rows: Vec<_> =
                rows.filter(is_new).take(usize::try_from(left).unwrap_or(usize::MAX)).collect();
            left -= rows.len() as u64;
            if progress.go(next) {
                return Err(SourceError::Settings(format!(
                    "the pages of {} go in a circle; mend paging",
                    self.api.base_url
                )));
            }
            // A structure of texts and numbers has JSON.
            let checkpoint = serde_json::to_string(&progress).unwrap_or_default();
            if take(Page { rows, checkpoint })? == Flow::Enough {
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
        let described = self.object(object)?;
        known_fields(&described, fields, object)?;
        let (mut found, mut next) = (BTreeMap::new(), None);
        for _ in 0..LOOKED_THROUGH {
            let url = self.url(&described, next.as_ref(), None, None);
            let (records, after) = self.page(&described, &url, next.as_ref())?;
            for row in records.iter().map(|record| row(&described, fields, record)) {
                if let Some(id) = row.id.clone().filter(|id| ids.contains(id)) {
                    found.insert(id, row);
                }
            }
            next = after;
            if next.is_none() || found.len() == ids.len() {
                break;
            }
        }
        Ok(Some(found.into_values().collect()))
    }

    fn gone(&mut self, _: &str, _: Option<Timestamp>) -> Result<Option<Vec<Gone>>, SourceError> {
        Ok(None)
    }

    fn spent(&mut self) -> (u64, u64) {
        (self.client.calls(), 0)
    }
}

fn written(at: Timestamp, form: TimeForm) -> String {
    match form {
        TimeForm::Rfc3339 => at.to_string(),
        TimeForm::Date => at.strftime("%Y-%m-%d").to_string(),
        TimeForm::Seconds => at.as_second().to_string(),
        TimeForm::Milliseconds => at.as_millisecond().to_string(),
    }
}

fn known_fields(object: &Object, fields: &[String], name: &str) -> Result<(), SourceError> {
    let Some(unknown) = fields.iter().find(|field| !object.fields.contains_key(*field)) else {
        return Ok(());
    };
    let known = object.fields.keys().map(String::as_str);
    let hint = match nearest(unknown, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it has {}", known.collect::<Vec<_>>().join(", ")),
    };
    Err(SourceError::Settings(format!("the object {name} has no field {unknown}; {hint}")))
}

/// The parts of an id as one, in which none can be taken for part of another.
fn joined(parts: Vec<String>) -> String {
    match parts.as_slice() {
        [one] => one.clone(),
        parts => parts
            .iter()
            .map(|part| part.replace('%', "%25").replace('/', "%2F"))
            .collect::<Vec<_>>()
            .join("/"),
    }
}

/// A record as a row. Its id is that of its fields, and none where one of them is empty.
fn row(object: &Object, fields: &[String], record: &Value) -> SourceRow {
    let cell = |name: &String| {
        let (path, kind) = object.fields.get(name)?;
        cell_of(*kind, path.of(record))
    };
    let id: Option<Vec<String>> = object.id.iter().map(cell).collect();
    SourceRow {
        id: id.map(joined),
        modified: object.modified.as_ref().and_then(|path| path.text(record)).and_then(|at| as_time(&at)),
        cells: fields.iter().map(cell).collect(),
        line: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_any_length_is_found_and_a_long_way_is_none() {
        for (length, before) in [(1, 0), (2, 5), (7, 0), (100, 37)] {
            let mut progress = Progress::default();
            let page = |step: u64| if step < before { step } else { before + (step - before) % length };
            let found = (0..10_000).find(|step| progress.go(Some(Next::Cursor(page(*step).to_string()))));
            assert!(
                found.is_some_and(|step| step < 4 * (before + length) + 4),
                "{length} {before}: {found:?}"
            );
        }
        let mut progress = Progress::default();
        assert!((0..10_000).all(|page| !progress.go(Some(Next::Page(page)))));
    }
}
