//! The next call about companies.

use std::collections::BTreeMap;

use super::{GivenUp, Sender, Step};
use crate::gainsight::answer::{Answer, Refusal};
use crate::gainsight::company::{MOST, find, found, insert, update};
use crate::gainsight::outbox::Due;
use crate::gainsight::values::Values;
use crate::store::StoreError;

const OBJECT: &str = "company";

impl Sender<'_> {
    /// Asks for new companies by name, then inserts those that are not there, then updates the others.
    pub(super) fn companies(&mut self, now_ms: i64) -> Result<Step, StoreError> {
        let due = self.outbox.due(OBJECT, self.gathered(now_ms), self.most)?;
        if due.is_empty() {
            return Ok(Step::Idle);
        }
        if let Err(step) = self.describe(OBJECT, now_ms)? {
            return Ok(step);
        }
        let (known, new): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|due| due.gsid.is_some());
        let named = self.by_name(new, now_ms)?;
        let Some(named) = named else { return Ok(Step::Done) };
        if named.is_empty() {
            return self.update(known, now_ms);
        }
        if named.values().all(|due| self.missing.contains(&due.key)) {
            return self.insert(named, now_ms);
        }
        self.find(&named, now_ms)
    }

    /// Companies by name, each name once: of two rows with one name, the other finds the company of the first. None
    /// where one has no name, which is given up.
    fn by_name(&mut self, due: Vec<Due>, now_ms: i64) -> Result<Option<BTreeMap<String, Due>>, StoreError> {
        let mut named = BTreeMap::new();
        for due in due {
            match due.fields.text("Name").filter(|name| !name.trim().is_empty()) {
                Some(name) => drop(named.entry(name).or_insert(due)),
                None => {
                    let detail = "a company needs a Name, and Gainsight finds it by that; send one with the group call";
                    let whole =
                        GivenUp { field: None, code: "name_missing".to_owned(), detail: detail.to_owned() };
                    self.give_up(&due, vec![whole], now_ms)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(named))
    }

    fn find(&mut self, named: &BTreeMap<String, Due>, now_ms: i64) -> Result<Step, StoreError> {
        let names: Vec<&str> = named.keys().map(String::as_str).collect();
        let records = match self.call(&find(&names), now_ms)? {
            Ok(Answer::Done(records)) => records,
            Ok(Answer::Nothing) => Vec::new(),
            Ok(_) => return Ok(Step::Away("it does not answer which companies it has".to_owned())),
            Err(step) => return Ok(step),
        };
        let found = found(&records);
        self.outbox.transact(|changes| {
            named.iter().try_for_each(|(name, due)| match found.get(name) {
                Some(company) => changes.learn(&due.key, &company.gsid),
                None => Ok(()),
            })
        })?;
        for (name, due) in named {
            match found.get(name) {
                None => drop(self.missing.insert(due.key.clone())),
                Some(company) if company.count > 1 => tracing::warn!(
                    loader = self.settings.loader,
                    gsid = company.gsid,
                    "Gainsight has {} companies of one name; the oldest is used. Merge them there",
                    company.count
                ),
                Some(_) => {}
            }
        }
        Ok(Step::Done)
    }

    fn insert(&mut self, named: BTreeMap<String, Due>, now_ms: i64) -> Result<Step, StoreError> {
        let Some((rows, records)) = self.records(named.into_values(), now_ms)? else { return Ok(Step::Done) };
        let answer = self.call(&insert(&records), now_ms)?;
        // What is there now was not there when it was asked for.
        self.missing.clear();
        match answer {
            Ok(Answer::Done(answered)) => {
                let made = found(&answered);
                let has_all =
                    records.iter().all(|record| name(record).is_some_and(|name| made.contains_key(&name)));
                self.outbox.transact(|changes| {
                    for (due, record) in rows.iter().zip(&records) {
                        if let Some(company) = name(record).and_then(|name| made.get(&name)) {
                            changes.learn(&due.key, &company.gsid)?;
                            changes.sent(OBJECT, &due.key, &due.unsent)?;
                        }
                    }
                    Ok(())
                })?;
                // Without all Gsids in the answer, the next step asks for those that it lacks.
                if has_all {
                    self.most = (self.most * 2).min(MOST);
                }
                Ok(Step::Done)
            }
            Ok(Answer::Refused(refusal)) => self.refused_some(&rows, refusal, now_ms),
            Ok(_) => Ok(Step::Away("it does not say what became of new companies".to_owned())),
            Err(step) => Ok(step),
        }
    }

    fn update(&mut self, known: Vec<Due>, now_ms: i64) -> Result<Step, StoreError> {
        let Some((rows, records)) = self.records(known.into_iter(), now_ms)? else { return Ok(Step::Done) };
        match self.call(&update(&records), now_ms)? {
            Ok(Answer::Done(_)) => {
                self.outbox.transact(|changes| {
                    rows.iter().try_for_each(|due| changes.sent(OBJECT, &due.key, &due.unsent))
                })?;
                self.most = (self.most * 2).min(MOST);
                Ok(Step::Done)
            }
            Ok(Answer::Nothing) => {
                // Somebody has removed one of them, or given it another name: they are looked for again.
                self.outbox.transact(|changes| rows.iter().try_for_each(|due| changes.unlearn(&due.key)))?;
                Ok(Step::Done)
            }
            Ok(Answer::Refused(refusal)) => self.refused_some(&rows, refusal, now_ms),
            Ok(_) => Ok(Step::Away("it does not say what became of companies".to_owned())),
            Err(step) => Ok(step),
        }
    }

    /// The records of rows, each with its Name. None where something had to be given up first, or nothing is left.
    fn records(
        &mut self,
        rows: impl Iterator<Item = Due>,
        now_ms: i64,
    ) -> Result<Option<(Vec<Due>, Vec<Values>)>, StoreError> {
        let (mut kept, mut records) = (Vec::new(), Vec::new());
        for due in rows {
            let (mut record, given_up) = self.fit(OBJECT, &due);
            if !given_up.is_empty() {
                self.give_up(&due, given_up, now_ms)?;
                return Ok(None);
            }
            let is_new = due.gsid.is_none();
            if record.is_empty() && !is_new {
                self.outbox.transact(|changes| changes.sent(OBJECT, &due.key, &due.unsent))?;
                return Ok(None);
            }
            if let Some(name) = due.fields.get("Name") {
                record.set("Name", name);
            }
            kept.push(due);
            records.push(record);
        }
        Ok((!kept.is_empty()).then_some((kept, records)))
    }

    /// Where Gainsight does not say which of several records it refuses, half of them go next.
    fn refused_some(&mut self, rows: &[Due], refusal: Refusal, now_ms: i64) -> Result<Step, StoreError> {
        let entries =
            refusal.of_each(rows.len()).filter(|entries| entries.iter().any(|faults| !faults.is_empty()));
        match entries {
            Some(entries) => self.refused(rows, entries, now_ms)?,
            None => self.most = u32::try_from(rows.len().div_ceil(2)).unwrap_or(1).max(1),
        }
        Ok(Step::Done)
    }
}

fn name(record: &Values) -> Option<String> {
    record.text("Name")
}
