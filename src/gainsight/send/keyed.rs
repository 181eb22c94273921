//! The next call about an object whose records are found by keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::given_up::why;
use super::{GivenUp, NO_MATCH, Said, Sender, Step};
use crate::gainsight::answer::{Fault, Refusal};
use crate::gainsight::keyed::{Key, Keyed, PAGE};
use crate::gainsight::outbox::Due;
use crate::gainsight::values::Values;
use crate::store::StoreError;

/// A row that is due.
struct Row {
    due: Due,
    /// Its key fields as the org wants them, then those of others with the same key.
    keys: Vec<Values>,
}

/// Rows by key, each key once: of two rows with one key, the other learns the record of the first.
type Rows = BTreeMap<Key, Row>;

impl Sender<'_> {
    /// Sends one of the tenant's own objects, each in its turn.
    pub(super) fn objects(&mut self, now_ms: i64) -> Result<Step, StoreError> {
        for _ in 0..self.own.len() {
            self.own.rotate_left(1);
            let Some(keyed) = self.own.last().map(Arc::clone) else { break };
            if self.rests(keyed.object(), now_ms) {
                continue;
            }
            match self.keyed(&keyed, now_ms)? {
                Step::Idle => {}
                Step::Closed(why) => {
                    // The paths of goals are partly assumed, and Gainsight serves not all objects.
                    self.rest(keyed.object(), &why, now_ms);
                    return Ok(Step::Done);
                }
                step => return Ok(step),
            }
        }
        Ok(Step::Idle)
    }

    /// Asks for new records by their keys, then inserts those that are not there, then updates the others.
    pub(super) fn keyed(&mut self, keyed: &Keyed, now_ms: i64) -> Result<Step, StoreError> {
        let due = self.outbox.due(keyed.object(), self.gathered(now_ms), self.most(keyed))?;
        if due.is_empty() {
            return Ok(Step::Idle);
        }
        if let Some((code, detail)) = keyed.unfit() {
            due.iter().try_for_each(|due| self.give_up(due, GivenUp::whole(code, detail.clone()), now_ms))?;
            return Ok(Step::Done);
        }
        if !keyed.is_goal()
            && let Err(step) = self.describe(keyed.object(), now_ms)?
        {
            return Ok(step);
        }
        let (known, new): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|due| due.gsid.is_some());
        let Some(new) = self.by_key(keyed, new, now_ms)? else { return Ok(Step::Done) };
        if new.is_empty() {
            return match self.by_key(keyed, known, now_ms)? {
                Some(known) => self.update(keyed, known, now_ms),
                None => Ok(Step::Done),
            };
        }
        if self.learns(&new)? {
            return Ok(Step::Done);
        }
        if new.values().all(|row| self.missing.contains(&row.due.place())) {
            return self.insert(keyed, new, now_ms);
        }
        self.find(keyed, &new, now_ms)
    }

    /// Whether one of `rows` turns out to be a record that another row is.
    fn learns(&mut self, rows: &Rows) -> Result<bool, StoreError> {
        let mut learnt = Vec::new();
        for (key, row) in rows {
            learnt.extend(self.outbox.known(&row.due.object, key)?.map(|record| (key, &row.due, record)));
        }
        if learnt.is_empty() {
            return Ok(false);
        }
        self.outbox.transact(|changes| {
            learnt.iter().try_for_each(|(key, due, record)| changes.learn(due, key, record))
        })?;
        Ok(true)
    }

    /// Most records of the next call.
    fn most(&self, keyed: &Keyed) -> u32 {
        self.most.get(keyed.object()).copied().unwrap_or_else(|| keyed.most())
    }

    fn sends_more(&mut self, keyed: &Keyed) {
        let more = (self.most(keyed) * 2).min(keyed.most());
        self.most.insert(keyed.object().to_owned(), more);
    }

    fn sends_half(&mut self, keyed: &Keyed, rows: usize) {
        let half = u32::try_from(rows.div_ceil(2)).unwrap_or(1).max(1);
        self.most.insert(keyed.object().to_owned(), half);
    }

    /// Rows by key. None where one has none, which is given up.
    fn by_key(&mut self, keyed: &Keyed, due: Vec<Due>, now_ms: i64) -> Result<Option<Rows>, StoreError> {
        let mut rows = Rows::new();
        for due in due {
            match self.keys(keyed, &due) {
                Ok((key, keys)) => rows.entry(key).or_insert(Row { due, keys: Vec::new() }).keys.push(keys),
                Err(given_up) => {
                    self.give_up(&due, given_up, now_ms)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(rows))
    }

    /// The key of a row, and its key fields as the org wants them.
    fn keys(&self, keyed: &Keyed, due: &Due) -> Result<(Key, Values), GivenUp> {
        let (object, mut keys) = (keyed.object(), Values::default());
        let fields = self.fields.get(object);
        for (field, json) in keyed.keys().iter().filter_map(|field| Some((field, due.fields.get(field)?))) {
            let fitted = fields.map_or_else(|| Ok(json.to_owned()), |fields| fields.fit_key(field, json));
            let fitted = fitted.map_err(|misfit| {
                let code = misfit.code();
                let detail = format!("{field} of a {object}, by which it is found: {}", why(misfit));
                GivenUp::whole(code, detail)
            })?;
            keys.set(field, fitted);
        }
        let key = keyed.key(&keys).map_err(|field| {
            let detail = format!("a {object} needs a {field}, by which Gainsight finds it; send one");
            GivenUp::whole("key_missing", detail)
        })?;
        Ok((key, keys))
    }

    fn find(&mut self, keyed: &Keyed, rows: &Rows, now_ms: i64) -> Result<Step, StoreError> {
        let keys: Vec<&Values> = rows.values().flat_map(|row| &row.keys).collect();
        let records = match self.call(&keyed.find(&keys), now_ms)? {
            Ok(Said::Done(records)) => records,
            Ok(Said::Nothing) => Vec::new(),
            Ok(Said::Refused(refusal)) => {
                let rows: Vec<&Due> = rows.values().map(|row| &row.due).collect();
                return self.refused_some(keyed, &rows, refusal, now_ms);
            }
            Err(step) => return Ok(step),
        };
        if records.len() >= PAGE && rows.len() > 1 {
            // There may be more that it does not tell of.
            self.sends_half(keyed, rows.len());
            return Ok(Step::Done);
        }
        let found = keyed.found(&records);
        self.outbox.transact(|changes| {
            rows.iter().try_for_each(|(key, row)| match found.get(key) {
                Some(record) => changes.learn(&row.due, key, &record.known),
                None => Ok(()),
            })
        })?;
        for (key, row) in rows {
            match found.get(key) {
                None => drop(self.missing.insert(row.due.place())),
                Some(record) if record.count > 1 => tracing::warn!(
                    loader = self.settings.loader,
                    gsid = record.known.gsid,
                    "Gainsight has {} records of {} with one key; the oldest is used. Merge them there",
                    record.count,
                    keyed.name()
                ),
                Some(_) => {}
            }
        }
        Ok(Step::Done)
    }

    fn insert(&mut self, keyed: &Keyed, rows: Rows, now_ms: i64) -> Result<Step, StoreError> {
        let Some((rows, records)) = self.records(keyed, rows, now_ms)? else { return Ok(Step::Done) };
        self.outbox.doubt(rows.values().map(|row| &row.due))?;
        let answer = self.call(&keyed.insert(&records), now_ms)?;
        // What is there now was not there when it was asked for.
        self.missing.clear();
        match answer.map(Said::done) {
            Ok(Ok(answered)) => {
                let made = keyed.found(&answered);
                self.outbox.transact(|changes| {
                    for (key, row) in &rows {
                        // Without its Gsid, the next step asks for it.
                        if let Some(record) = made.get(key) {
                            changes.learn(&row.due, key, &record.known)?;
                            changes.sent(keyed.object(), &row.due.key, &row.due.unsent)?;
                        }
                    }
                    Ok(())
                })?;
                self.sends_more(keyed);
                Ok(Step::Done)
            }
            Ok(Err(refusal)) => self.refused_rows(keyed, &rows, refusal, now_ms),
            Err(step) => Ok(step),
        }
    }

    fn update(&mut self, keyed: &Keyed, rows: Rows, now_ms: i64) -> Result<Step, StoreError> {
        let Some((rows, records)) = self.records(keyed, rows, now_ms)? else { return Ok(Step::Done) };
        let gsid = rows.values().next().and_then(|row| row.due.gsid.as_deref());
        let call = keyed.update(&records, gsid);
        self.outbox.doubt(rows.values().map(|row| &row.due))?;
        match self.call(&call, now_ms)? {
            Ok(Said::Done(_)) => {
                self.outbox.transact(|changes| {
                    rows.values()
                        .try_for_each(|Row { due, .. }| changes.sent(&due.object, &due.key, &due.unsent))
                })?;
                self.vanished.retain(|place| !rows.values().any(|row| row.due.place() == *place));
                self.sends_more(keyed);
                Ok(Step::Done)
            }
            Ok(Said::Nothing) => self.gone(keyed, &rows, now_ms),
            Ok(Said::Refused(refusal)) => self.refused_rows(keyed, &rows, refusal, now_ms),
            Err(step) => Ok(step),
        }
    }

    /// Somebody has removed one of these records, or given it another name: they are looked for again, in smaller
    /// calls. One that is there then, and yet can't be updated, is given up.
    fn gone(&mut self, keyed: &Keyed, rows: &Rows, now_ms: i64) -> Result<Step, StoreError> {
        self.sends_half(keyed, rows.len());
        let mut alone = rows.values().map(|row| &row.due);
        if let (Some(due), None) = (alone.next(), alone.next())
            && !self.vanished.insert(due.place())
        {
            self.vanished.remove(&due.place());
            let fault = Fault { code: NO_MATCH.to_owned(), field: None };
            self.refused(&[due], vec![vec![fault]], now_ms)?;
            return Ok(Step::Done);
        }
        self.outbox
            .transact(|changes| rows.keys().try_for_each(|key| changes.unlearn(keyed.object(), key)))?;
        Ok(Step::Done)
    }

    /// The records of rows, each with its keys. None where something had to be given up first, or nothing is left.
    fn records(
        &mut self,
        keyed: &Keyed,
        rows: Rows,
        now_ms: i64,
    ) -> Result<Option<(Rows, Vec<Values>)>, StoreError> {
        let (mut kept, mut records, mut has_all) = (Rows::new(), Vec::new(), Vec::new());
        for (key, row) in rows {
            let (mut record, given_up) = self.fit(&row.due);
            if !given_up.is_empty() {
                given_up.into_iter().try_for_each(|given_up| self.give_up(&row.due, given_up, now_ms))?;
                return Ok(None);
            }
            let is_known = row.due.gsid.is_some();
            let mut keys = row.keys.first().map(|keys| keyed.written(keys)).unwrap_or_default();
            keys.extend(&row.due.known);
            // As Gainsight has them: a name with other blanks does not rename a company.
            keys.iter().for_each(|(field, _)| drop(record.remove(field)));
            if record.is_empty() && is_known {
                has_all.push(row.due);
                continue;
            }
            record.extend(&keys);
            kept.insert(key, row);
            records.push(record);
        }
        if !has_all.is_empty() {
            self.outbox.transact(|changes| {
                has_all.iter().try_for_each(|due| changes.sent(&due.object, &due.key, &due.unsent))
            })?;
        }
        Ok((!kept.is_empty()).then_some((kept, records)))
    }

    fn refused_rows(
        &mut self,
        keyed: &Keyed,
        rows: &Rows,
        refusal: Refusal,
        now_ms: i64,
    ) -> Result<Step, StoreError> {
        let rows: Vec<&Due> = rows.values().map(|row| &row.due).collect();
        self.refused_some(keyed, &rows, refusal, now_ms)
    }

    /// Where Gainsight does not say which of several records it refuses, half of them go next.
    fn refused_some(
        &mut self,
        keyed: &Keyed,
        rows: &[&Due],
        refusal: Refusal,
        now_ms: i64,
    ) -> Result<Step, StoreError> {
        let entries =
            refusal.of_each(rows.len()).filter(|entries| entries.iter().any(|faults| !faults.is_empty()));
        match entries {
            Some(entries) => self.refused(rows, entries, now_ms)?,
            None => self.sends_half(keyed, rows.len()),
        }
        Ok(Step::Done)
    }
}
