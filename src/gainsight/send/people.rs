//! The next call about a person, with its links.

use super::{GivenUp, Said, Sender, Step};
use crate::gainsight::Records;
use crate::gainsight::answer::{Refusal, hint};
use crate::gainsight::outbox::Due;
use crate::gainsight::person::upsert;
use crate::record::KEY_SEPARATOR;
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
            let person = link.key.rsplit_once(char::from(KEY_SEPARATOR)).map_or("", |(person, _)| person);
            let mut person = Due::bare(OBJECT, person);
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
        self.give_up(&link, GivenUp::whole("company_missing", detail.to_owned()), now_ms)?;
        Ok(Linked::GivenUp)
    }

    fn send_person(&mut self, person: &Due, links: &[Due], now_ms: i64) -> Result<Step, StoreError> {
        let (mut record, given_up) = self.fit(person);
        if !given_up.is_empty() {
            given_up.into_iter().try_for_each(|given_up| self.give_up(person, given_up, now_ms))?;
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
        self.outbox.doubt(std::iter::once(person))?;
        match self.call(&upsert(record, &companies), now_ms)?.map(Said::done) {
            Ok(Ok(_)) => {
                self.outbox.transact(|changes| {
                    if !person.unsent.is_empty() {
                        changes.sent(OBJECT, &person.key, &person.unsent)?;
                    }
                    links.iter().try_for_each(|link| changes.sent(LINK, &link.key, &link.fields))
                })?;
                Ok(Step::Done)
            }
            Ok(Err(refusal)) => {
                self.refused_person(person, links, refusal, now_ms)?;
                Ok(Step::Done)
            }
            Err(step) => Ok(step),
        }
    }

    fn refused_person(
        &mut self,
        person: &Due,
        links: &[Due],
        refusal: Refusal,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let is_link = refusal.code == NO_SUCH_COMPANY;
        match links {
            [link] if is_link => self.give_up_link(link, now_ms),
            [_, _, ..] if is_link => {
                self.careful.insert(person.key.clone());
                Ok(())
            }
            // There is nothing but links that it can mean.
            _ if person.unsent.is_empty() => {
                links.iter().try_for_each(|link| self.give_up_link(link, now_ms))
            }
            _ => self.refused(&[person], refusal.of_each(1).unwrap_or_default(), now_ms),
        }
    }

    fn give_up_link(&mut self, link: &Due, now_ms: i64) -> Result<(), StoreError> {
        let detail = format!("a link: Gainsight says {NO_SUCH_COMPANY}; {}", hint(NO_SUCH_COMPANY));
        let mut link = link.clone();
        link.unsent = link.fields.clone();
        self.give_up(&link, GivenUp::whole(NO_SUCH_COMPANY, detail), now_ms)
    }
}

/// Whom a link calls for.
enum Linked {
    Person(Due),
    GivenUp,
    Nobody,
}
