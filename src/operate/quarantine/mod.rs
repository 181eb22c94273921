//! Reads the quarantine: where it is, what it contains, and which of its events are selected.

mod parts;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use self::parts::Parts;
use crate::config::data_dir::archive;
use crate::config::{Config, QueueConfig, QueueKind};
use crate::event::head::EventHead;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::kafka::{KafkaReader, list_topics};
use crate::queue::reader::{Next, ReadError, ReadRecord, Reader, StartAt};
use crate::record::{Header, Kind};
use crate::store::suppress::Theirs;
use crate::tenants::Tenants;

/// How long one look for a record may take.
const WAIT: Duration = Duration::from_secs(1);
/// Looks in vain after which a queue whose end is known counts as silent.
const LOOKS: u32 = 30;

/// Where a quarantine lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// On the journal in this directory.
    Journal(PathBuf),
    /// On these topics of Kafka.
    Kafka(QueueConfig, Vec<String>),
}

impl Place {
    /// Where a gateway with this configuration keeps what it rejects.
    pub fn of(config: &Config, tenants: &Tenants) -> Self {
        match config.queue.kind() {
            QueueKind::Journal => Place::Journal(config.data.journal()),
            QueueKind::Kafka { .. } => {
                let topics = tenants.topics.rejected().map(str::to_owned).collect();
                Place::Kafka(config.queue.clone(), topics)
            }
        }
    }

    /// Kafka's bootstrap list, where it is on Kafka.
    pub fn brokers(&self) -> Option<&str> {
        match self {
            Place::Journal(_) => None,
            Place::Kafka(queue, _) => queue.brokers.as_deref(),
        }
    }

    /// A reader from the first record to the last there is now.
    fn reader(&self) -> Result<Box<dyn Reader>, ReadError> {
        match self {
            Place::Journal(dir) => Ok(Box::new(OnJournal::open(dir)?)),
            Place::Kafka(queue, topics) => {
                let brokers = queue.brokers.as_deref().unwrap_or_default();
                let known = list_topics(brokers, &queue.kafka)?;
                let topics: Vec<String> =
                    topics.iter().filter(|name| known.contains(name)).cloned().collect();
                if topics.is_empty() {
                    let text = "Kafka has no topic of rejected events yet; start `weir serve` first";
                    return Err(ReadError(text.to_owned()));
                }
                Ok(Box::new(KafkaReader::open(brokers, &queue.kafka, &topics, StartAt::Oldest, true)?))
            }
        }
    }
}

/// A journal and what was copied from it before its segments went, in order.
struct OnJournal {
    dir: PathBuf,
    reader: JournalReader,
    part: Part,
}

/// What is being read.
enum Part {
    /// What was copied.
    Copied,
    /// The journal; and how far the copies were read.
    Journal(u64),
    /// What was copied meanwhile.
    CopiedSince,
}

impl OnJournal {
    fn open(dir: &Path) -> Result<Self, ReadError> {
        // First, for its error where there is no journal.
        let journal = read_from(dir, 0)?;
        let copies = archive(dir);
        let (reader, part) = if copies.is_dir() {
            (read_from(&copies, 0)?, Part::Copied)
        } else {
            (journal, Part::Journal(0))
        };
        Ok(OnJournal { dir: dir.to_owned(), reader, part })
    }

    /// Goes on to the next part; false when there is none.
    fn turn(&mut self) -> Result<bool, ReadError> {
        let copies = archive(&self.dir);
        (self.reader, self.part) = match self.part {
            Part::Copied => (read_from(&self.dir, 0)?, Part::Journal(self.reader.position())),
            Part::Journal(from) if copies.is_dir() => (read_from(&copies, from)?, Part::CopiedSince),
            Part::Journal(_) | Part::CopiedSince => return Ok(false),
        };
        Ok(true)
    }
}

/// A reader of all topics up to the end as it is now. (The records themselves say which are meant: a
/// configuration may have renamed the topics.)
fn read_from(dir: &Path, next: u64) -> Result<JournalReader, ReadError> {
    let reader = JournalReader::open(dir, Begin::At(next), true, BTreeSet::new());
    reader.map_err(|error| ReadError(error.to_string()))
}

impl Reader for OnJournal {
    fn next(&mut self, wait: Duration) -> Result<Next, ReadError> {
        loop {
            match self.reader.next(wait)? {
                Next::End if self.turn()? => {}
                next => return Ok(next),
            }
        }
    }
}

/// Calls `see` for every record up to the end, until it gives false.
fn read_all<E: From<ReadError>>(
    reader: &mut dyn Reader,
    mut see: impl FnMut(ReadRecord) -> Result<bool, E>,
) -> Result<(), E> {
    let mut in_vain = 0;
    loop {
        match reader.next(WAIT)? {
            Next::End => return Ok(()),
            Next::Record(record) => {
                in_vain = 0;
                if !see(record)? {
                    return Ok(());
                }
            }
            Next::Idle if in_vain >= LOOKS => {
                let text =
                    "the queue returned nothing for 30 s, although there is more; check the brokers' log";
                return Err(ReadError(text.to_owned()).into());
            }
            Next::Idle => in_vain += 1,
        }
    }
}

/// An event that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Time of receipt: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// `ce_id`: `<messageId>/rejected`.
    pub id: String,
    /// `ce_source`: `/<tenant>/<source>`.
    pub source: String,
    /// `ce_time`; none on what a Weir of before wrote, where the event brought no time.
    pub time: Option<String>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// The label of its reason. A later Weir may have written one that this one doesn't know.
    pub reason: String,
    /// One sentence.
    pub detail: String,
    /// Its place in the request.
    pub index: u64,
    /// The route's path.
    pub path: String,
    /// The event itself.
    pub event: Stored,
    /// What its headers said of it, where they say what it is.
    pub head: Option<EventHead>,
}

/// A rejected event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// JSON.
    Event(String),
    /// Bytes: all of them, or only the first.
    Bytes {
        /// What is kept, in base64.
        base64: String,
        /// How many bytes there were.
        of: u64,
        /// Whether there were more than are kept.
        truncated: bool,
    },
}

/// The value of a rejected event's record.
#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
    index: u64,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    event_base64: Option<Cow<'a, str>>,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    truncated: bool,
    #[serde(default)]
    part: usize,
    parts: Option<usize>,
    headers: Option<EventHead>,
}

/// What is there, `null` too: an event may be nothing else.
fn present<'de, D: Deserializer<'de>>(event: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(event).map(Some)
}

fn header<'r>(record: &'r ReadRecord, wanted: &str) -> Option<Cow<'r, str>> {
    let found = record.headers.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| String::from_utf8_lossy(value))
}

fn kind(record: &ReadRecord) -> Option<Kind> {
    header(record, "ce_type").and_then(|name| Kind::of_ce_type(name.as_bytes()))
}

impl Entry {
    /// The rejected event in `record`, none where that is something else; and which part of it that is, of how many,
    /// if the whole did not fit.
    pub fn of(record: &ReadRecord) -> Option<(Entry, Option<[usize; 2]>)> {
        if kind(record)? != Kind::Rejected {
            return None;
        }
        let value: Value<'_> = serde_json::from_slice(&record.value).ok()?;
        let own = |wanted: Header| header(record, wanted.name()).map(Cow::into_owned);
        let event = match (value.event, value.event_base64) {
            (Some(event), _) => Stored::Event(event.get().to_owned()),
            (None, Some(base64)) => {
                Stored::Bytes { base64: base64.into_owned(), of: value.bytes, truncated: value.truncated }
            }
            (None, None) => return None,
        };
        let mut id = own(Header::Id)?;
        let part = value.parts.map(|parts| [value.part, parts]);
        if let Some(end) = id.rfind('.').filter(|_| value.part > 0) {
            id.truncate(end);
        }
        let entry = Entry {
            received_ms: record.timestamp_ms,
            id,
            source: own(Header::Source)?,
            time: own(Header::Time),
            traceparent: own(Header::TraceParent),
            reason: value.reason.into_owned(),
            detail: value.detail.into_owned(),
            index: value.index,
            path: value.path.into_owned(),
            event,
            head: value.headers,
        };
        Some((entry, part))
    }

    /// Whether it is an event of somebody who is erased, as far as that can be told of one that could not be mapped.
    pub fn is_of(&self, theirs: &Theirs) -> bool {
        self.source.split('/').nth(1) == Some(&theirs.tenant)
            && match &self.event {
                Stored::Event(json) => theirs.have_sent(json),
                Stored::Bytes { base64, .. } => {
                    BASE64.decode(base64.as_bytes()).is_ok_and(|bytes| theirs.are_named_in(&bytes))
                }
            }
    }

    /// The event's own id.
    pub fn message_id(&self) -> &str {
        self.id.strip_suffix("/rejected").unwrap_or(&self.id)
    }
}

/// Which of the rejected events are meant; what says nothing means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// A `ce_id` or message id each.
    pub ids: Vec<String>,
    /// Labels of reasons.
    pub reasons: Vec<String>,
    /// A source's id, or all of a `ce_source`.
    pub source: Option<String>,
    /// Received then or later: milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Received before that.
    pub until_ms: Option<i64>,
}

impl Selection {
    /// Whether `entry` is meant.
    pub fn means(&self, entry: &Entry) -> bool {
        let any = |wanted: &[String], has: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| has(wanted))
        };
        let is_of = |source: &String| {
            entry.source == *source || entry.source.rsplit_once('/').is_some_and(|(_, id)| id == source)
        };
        any(&self.ids, &|id| id == entry.id || id == entry.message_id())
            && any(&self.reasons, &|reason| reason == entry.reason)
            && self.source.as_ref().is_none_or(is_of)
            && self.since_ms.is_none_or(|since| entry.received_ms >= since)
            && self.until_ms.is_none_or(|until| entry.received_ms < until)
    }
}

/// A quarantine with all that is known of replays.
#[derive(Debug)]
pub struct Quarantine {
    place: Place,
    /// When each event was last replayed.
    replayed: HashMap<Key, i64>,
}

/// Source and id of a rejected event, in little room: there may be very many.
pub(super) type Key = [u8; 16];

pub(super) fn key(source: &str, id: &str) -> Key {
    let digest = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let mut key = Key::default();
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

impl Quarantine {
    /// Reads what was replayed: all of the queue, once.
    ///
    /// # Errors
    /// When the queue can't be read: one sentence.
    pub fn open(place: Place) -> Result<Self, ReadError> {
        let mut replayed = HashMap::new();
        read_all(&mut *place.reader()?, |record| {
            if kind(&record) == Some(Kind::Replayed)
                && let (Some(source), Some(id)) =
                    (header(&record, Header::Source.name()), header(&record, Header::ReplayOf.name()))
            {
                let last: &mut i64 = replayed.entry(key(&source, &id)).or_default();
                *last = record.timestamp_ms.max(*last);
            }
            Ok::<bool, ReadError>(true)
        })?;
        Ok(Quarantine { place, replayed })
    }

    /// Calls `see` for each event that `selection` means, once however often a client sent it again, with its
    /// record and the time (milliseconds since the Unix epoch) at which it was last replayed; until `see`
    /// gives false.
    ///
    /// # Errors
    /// When the queue can't be read, and those of `see`.
    pub fn each<E: From<ReadError>>(
        &self,
        selection: &Selection,
        mut see: impl FnMut(Entry, &ReadRecord, Option<i64>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let (mut seen, mut parts) = (HashSet::new(), Parts::default());
        let mut goes_on = true;
        read_all(&mut *self.place.reader()?, |record| {
            let read = Entry::of(&record).filter(|(entry, _)| selection.means(entry));
            let Some((entry, record)) = read.and_then(|(entry, part)| parts.take(entry, part, record)) else {
                return Ok(true);
            };
            let key = key(&entry.source, &entry.id);
            if seen.insert(key) {
                goes_on = see(entry, &record, self.replayed.get(&key).copied())?;
            }
            Ok::<bool, E>(goes_on)
        })?;
        for (key, (entry, record)) in parts.incomplete() {
            if goes_on && seen.insert(key) {
                goes_on = see(entry, &record, self.replayed.get(&key).copied())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
