//! The next call about a person, with its links.

use super::{GivenUp, Sender, Step};
use crate::gainsight::Records;
use crate::gainsight::answer::{Answer, hint};
use crate::gainsight::outbox::Due;
use crate::gainsight::person::upsert;
use crate::gainsight::values::Values;
use crate::store::StoreError;
use crate::store::load::LINK;

const OBJECT: &str = "person";
/// How long a link waits for its company to be in Gainsight: a day.
const LINK_WAITS_MS: i64 = 86_400_000;
/// What Gainsight says where the company of a link is not there.
const NO_SUCH_COMPANY: &str = "GSOBJ_PEOPLE1001";

impl Sender<'_> {
    /// Sends the person that has waited longest, or one that only a link is new of.
    pub(super) fn people(&mut self, now_ms: i64) -> Result<Step, StoreError> {
        let before_ms = self.gathered(now_ms);
        let person = match self.outbox.due(OBJECT, before_ms, 1)?.pop() {
            Some(person) => person,
            None => match self.linked(before_ms, now_ms)? {
                Linked::Person(person) => person,
                Linked::GivenUp => return Ok(Step::Done),
                Linked::Nobody => return Ok(Step::Idle),
            },
        };
        if let Err(step) = self.describe(OBJECT, now_ms)? {
            return Ok(step);
        }
        let mut links = if self.has_links() { self.outbox.links_of(&person.key)? } else { Vec::new() };
        let waits = !links.is_empty();
        links.retain(|link| link.company_gsid.is_some());
        // A person that only a link told of: its company is on its way.
        let is_bare = person.unsent.iter().all(|(field, _)| field == "Email");
        if is_bare && waits && links.is_empty() {
            self.outbox.transact(|changes| changes.sent(OBJECT, &person.key, &person.unsent))?;
            return Ok(Step::Done);
        }
        if self.careful.contains(&person.key) {
            links.truncate(1);
        }
        self.send_person(&person, &links, now_ms)
    }

    fn has_links(&self) -> bool {
        self.settings.records.contains(&Records::Link)
    }

    /// The person of a link whose company Gainsight has by now. One that waited for too long is given up.
    fn linked(&mut self, before_ms: i64, now_ms: i64) -> Result<Linked, StoreError> {
        if !self.has_links() {
            return Ok(Linked::Nobody);
        }
        if let Some(link) = self.outbox.ready_link(before_ms)? {
            let key = link.key.split('\u{1f}').next().unwrap_or_default().to_owned();
            let fields = Values::default();
            let (gsid, company_gsid, unsent) = (None, None, Values::default());
            let mut person = Due { object: OBJECT.to_owned(), key, gsid, company_gsid, fields, unsent };
            // As the link has it: its person may be known by that alone.
            if let Some(email) = link.fields.get("Email") {
                person.fields.set("Email", email);
            }
            return Ok(Linked::Person(person));
        }
        let stranded = self.outbox.stranded_links(now_ms.saturating_sub(LINK_WAITS_MS))?;
        let Some(link) = stranded.into_iter().next() else { return Ok(Linked::Nobody) };
        let detail = "the company of this link did not get to Gainsight in a day; look for it among the failed, then \
                      retry this";
        let given_up = GivenUp { field: None, code: "company_missing".to_owned(), detail: detail.to_owned() };
        self.give_up(&link, vec![given_up], now_ms)?;
        Ok(Linked::GivenUp)
    }

    fn send_person(&mut self, person: &Due, links: &[Due], now_ms: i64) -> Result<Step, StoreError> {
        let (mut record, given_up) = self.fit(OBJECT, person);
        if !given_up.is_empty() {
            self.give_up(person, given_up, now_ms)?;
            return Ok(Step::Done);
        }
        if record.is_empty() && links.is_empty() {
            self.outbox.transact(|changes| changes.sent(OBJECT, &person.key, &person.unsent))?;
            return Ok(Step::Done);
        }
        let email = person
            .fields
            .get("Email")
            .map_or_else(|| serde_json::json!(person.key).to_string(), str::to_owned);
        record.set("Email", email);
        let companies: Vec<&str> = links.iter().filter_map(|link| link.company_gsid.as_deref()).collect();
        match self.call(&upsert(record, &companies), now_ms)? {
            Ok(Answer::Done(_) | Answer::Nothing) => {
                self.outbox.transact(|changes| {
                    if !person.unsent.is_empty() {
                        changes.sent(OBJECT, &person.key, &person.unsent)?;
                    }
                    links.iter().try_for_each(|link| changes.sent(LINK, &link.key, &link.fields))
                })?;
                Ok(Step::Done)
            }
            Ok(Answer::Refused(refusal)) => {
                let is_link = refusal.code == NO_SUCH_COMPANY && !links.is_empty();
                match links {
                    [link] if is_link => self.give_up_link(link, now_ms)?,
                    [_, _, ..] if is_link => drop(self.careful.insert(person.key.clone())),
                    _ if person.unsent.is_empty() => {
                        // There is nothing but links that it can mean.
                        links.iter().try_for_each(|link| self.give_up_link(link, now_ms))?;
                    }
                    _ => {
                        let entries = refusal.of_each(1).unwrap_or_default();
                        self.refused(std::slice::from_ref(person), entries, now_ms)?;
                    }
                }
                Ok(Step::Done)
            }
            Ok(Answer::Throttled | Answer::Away(_) | Answer::Closed(_)) => Ok(Step::Done),
            Err(step) => Ok(step),
        }
    }

    fn give_up_link(&mut self, link: &Due, now_ms: i64) -> Result<(), StoreError> {
        let detail = format!("a link: Gainsight says {NO_SUCH_COMPANY}; {}", hint(NO_SUCH_COMPANY));
        let mut link = link.clone();
        link.unsent = link.fields.clone();
        self.give_up(&link, vec![GivenUp { field: None, code: NO_SUCH_COMPANY.to_owned(), detail }], now_ms)
    }
}

/// Whom a link calls for.
enum Linked {
    Person(Due),
    GivenUp,
    Nobody,
}
