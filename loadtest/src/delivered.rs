//! What is on the queue, held against what was acknowledged: the proof that nothing is missing.

use memchr::memmem;
use serde::Serialize;
use weir::queue::reader::ReadRecord;

use crate::acknowledged::Run;
use crate::traffic::Call;

/// The records that a server makes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Records {
    /// Weir's: a person; a company and a link; an event.
    Mapped,
    /// One record an event, whatever the call.
    One,
    /// As `one`, with the event as it came for its value, and no `ce_id`.
    Raw,
}

/// The last part of a record's `ce_id`, as the place of its count.
const PARTS: [&str; 5] = ["person", "company", "link", "event", "rejected"];
const PERSON: usize = 0;
const COMPANY: usize = 1;
const LINK: usize = 2;
const EVENT: usize = 3;
const REJECTED: usize = 4;
/// Missing events that are named, of however many.
const NAMED: usize = 10;

impl Records {
    /// The parts that must be there for `call`.
    fn of(self, call: Call) -> &'static [usize] {
        match (self, call) {
            (Records::Mapped, Call::Identify) => &[PERSON],
            (Records::Mapped, Call::Group) => &[COMPANY, LINK],
            (Records::Mapped, Call::Track) | (Records::One | Records::Raw, _) => &[EVENT],
        }
    }
}

/// What was found of one run.
#[derive(Debug)]
pub struct Delivered {
    run: Run,
    records: Records,
    /// For each event, how often each part was found.
    counts: Vec<[u8; PARTS.len()]>,
    foreign: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Events that were answered 200.
    pub acknowledged: u64,
    /// Of these, events without all of their records.
    pub missing: u64,
    /// The first of those, by message id.
    pub first_missing: Vec<String>,
    /// Records beyond the first of the same `ce_id`, or of the same message id where there is none.
    pub repeats: u64,
    /// Events that are there whole, acknowledged or not.
    pub delivered: u64,
    /// Events that stand in quarantine. None of those that are sent here should.
    pub rejected: u64,
    /// Records of other runs or with an unreadable id.
    pub foreign: u64,
}

impl Delivered {
    /// Nothing found yet of `run`, whose events become `records`.
    pub fn new(run: Run, records: Records) -> Self {
        Delivered { run, records, counts: Vec::new(), foreign: 0 }
    }

    /// Counts a record.
    pub fn take(&mut self, record: &ReadRecord) {
        let place = if self.records == Records::Raw {
            self.number(message_id(&record.value)).map(|number| (number, EVENT))
        } else {
            let id = record.headers.iter().find(|(name, _)| name == "ce_id");
            id.and_then(|(_, id)| self.place(id))
        };
        let Some((number, part)) = place else {
            self.foreign += 1;
            return;
        };
        if number >= self.counts.len() {
            self.counts.resize(number + 1, [0; PARTS.len()]);
        }
        if let Some(count) = self.counts.get_mut(number).and_then(|counts| counts.get_mut(part)) {
            *count = count.saturating_add(1);
        }
    }

    /// Event number and part of `<run>-<number>/<part>`, the part with or without `.<which>`.
    fn place(&self, id: &[u8]) -> Option<(usize, usize)> {
        let (message, part) = std::str::from_utf8(id).ok()?.rsplit_once('/')?;
        let name = part.split_once('.').map_or(part, |(name, _)| name);
        Some((self.number(message.as_bytes())?, PARTS.iter().position(|known| *known == name)?))
    }

    /// Event number of `<run>-<number>`.
    fn number(&self, message: &[u8]) -> Option<usize> {
        let number = message.strip_prefix(self.run.run.as_bytes())?.strip_prefix(b"-")?;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// Holds it against the ranges of acknowledged events.
    pub fn verdict(&self, ranges: &[(u64, u64)]) -> Verdict {
        let mut verdict = Verdict { foreign: self.foreign, ..Verdict::default() };
        let whole = |number: u64| {
            let counts = usize::try_from(number).ok().and_then(|number| self.counts.get(number));
            let parts = self.records.of(self.run.mix.call(number, self.run.batch));
            counts.is_some_and(|counts| {
                parts.iter().all(|part| counts.get(*part).is_some_and(|count| *count > 0))
            })
        };
        for number in ranges.iter().flat_map(|(first, last)| *first..=*last) {
            verdict.acknowledged += 1;
            if !whole(number) {
                verdict.missing += 1;
                if verdict.first_missing.len() < NAMED {
                    verdict.first_missing.push(format!("{}-{number:010}", self.run.run));
                }
            }
        }
        for (counts, number) in self.counts.iter().zip(0..) {
            verdict.delivered += u64::from(whole(number));
            verdict.repeats += counts.iter().map(|count| u64::from(count.saturating_sub(1))).sum::<u64>();
            verdict.rejected += u64::from(counts.get(REJECTED).is_some_and(|count| *count > 0));
        }
        verdict
    }
}

/// The message id in the value of a record that is one event as it came; empty if there is none, or a second one.
fn message_id(value: &[u8]) -> &[u8] {
    let mark = b"\"messageId\":\"";
    let mut places = memmem::find_iter(value, mark);
    let (Some(at), None) = (places.next(), places.next()) else { return &[] };
    let rest = value.get(at + mark.len()..).unwrap_or_default();
    rest.split(|byte| *byte == b'"').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Mix;

    fn record(id: &str) -> ReadRecord {
        ReadRecord {
            topic: "weir.people".to_owned(),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: None,
            headers: vec![("ce_type".to_owned(), b"x".to_vec()), ("ce_id".to_owned(), id.into())],
            value: Vec::new(),
        }
    }

    fn delivered(mix: Mix, records: Records, ids: &[&str]) -> Delivered {
        let mut delivered = Delivered::new(Run { run: "r-1".to_owned(), mix, batch: 1 }, records);
        for id in ids {
            delivered.take(&record(id));
        }
        delivered
    }

    #[test]
    fn all_that_was_acknowledged_is_there() {
        let ids = ["r-1-0000000000/person", "r-1-0000000001/company", "r-1-0000000001/link.0"];
        let found =
            delivered(Mix::Mixed, Records::Mapped, &[ids[0], ids[1], ids[2], "r-1-0000000002/event.tickets"]);
        let verdict = found.verdict(&[(0, 2)]);
        assert_eq!(verdict, Verdict { acknowledged: 3, delivered: 3, ..Verdict::default() });
    }

    #[test]
    fn an_event_or_a_part_of_one_that_is_missing_is_named() {
        let found =
            delivered(Mix::Mixed, Records::Mapped, &["r-1-0000000000/person", "r-1-0000000001/company"]);
        let verdict = found.verdict(&[(0, 2)]);
        assert_eq!((verdict.missing, verdict.delivered), (2, 1));
        assert_eq!(verdict.first_missing, ["r-1-0000000001", "r-1-0000000002"]);
    }

    #[test]
    fn repeats_quarantine_and_other_runs_are_counted() {
        let ids = ["r-1-0000000000/event.t", "r-1-0000000000/event.t", "r-1-0000000001/rejected"];
        let found =
            delivered(Mix::Track, Records::Mapped, &[ids[0], ids[1], ids[2], "r-2-0000000005/event.t", "?"]);
        let verdict = found.verdict(&[(0, 0)]);
        let expected = Verdict {
            acknowledged: 1,
            delivered: 1,
            repeats: 1,
            rejected: 1,
            foreign: 2,
            ..Verdict::default()
        };
        assert_eq!(verdict, expected);
    }

    #[test]
    fn one_record_an_event_is_enough_where_nothing_is_mapped() {
        let missing = |records| {
            let found = delivered(Mix::Mixed, records, &["r-1-0000000000/event", "r-1-0000000001/event"]);
            found.verdict(&[(0, 1)]).missing
        };
        assert_eq!((missing(Records::One), missing(Records::Mapped)), (0, 2));
    }

    #[test]
    fn a_raw_event_is_known_by_the_message_id_in_it() {
        let mut found = delivered(Mix::Mixed, Records::Raw, &["r-1-0000000004/event"]);
        let mut take = |value: &str| found.take(&ReadRecord { value: value.into(), ..record("") });
        take("{\"messageId\":\"r-1-0000000000\",\"type\":\"track\"}");
        take("{\"messageId\":\"r-1-0000000001\"}");
        take("{\"messageId\":\"r-1-0000000001\"}");
        take("{\"messageId\":\"r-2-0000000002\"}");
        // A batch that was not split proves none of its events.
        take("{\"messageId\":\"r-1-0000000002\"}\n{\"messageId\":\"r-1-0000000003\"}");
        let expected = Verdict {
            acknowledged: 3,
            missing: 1,
            first_missing: vec!["r-1-0000000002".to_owned()],
            repeats: 1,
            delivered: 2,
            foreign: 3,
            ..Verdict::default()
        };
        assert_eq!(found.verdict(&[(0, 2)]), expected);
    }
}
