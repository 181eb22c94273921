//! What a spool holds, summed up: for people, and as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::counted;
use crate::cli::tail::print::{printable, time};
use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::position;
use crate::queue::journal::verify::{Damage, Verified, verify};
use crate::queue::reader::ReadRecord;
use crate::record::Header;

/// Some of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Share {
    records: u64,
    bytes: u64,
    /// Times of receipt of the oldest and the newest: milliseconds since the Unix epoch.
    received: Option<(i64, i64)>,
}

impl Share {
    fn add(&mut self, record: &ReadRecord, bytes: u64) {
        let at = record.timestamp_ms;
        let (oldest, newest) = self.received.unwrap_or((at, at));
        self.records += 1;
        self.bytes += bytes;
        self.received = Some((oldest.min(at), newest.max(at)));
    }

    fn text(&self) -> String {
        let received = self.received.map_or_else(String::new, |(oldest, newest)| {
            format!(", received from {} to {}", time(oldest), time(newest))
        });
        format!("{}, {}{received}", counted(self.records, "record"), counted(self.bytes, "byte"))
    }

    /// Its sums and `more`.
    fn json<const N: usize>(&self, more: [(&str, Value); N]) -> Value {
        let sums = [
            ("records", self.records.into()),
            ("bytes", self.bytes.into()),
            ("oldest", self.received.map(|at| time(at.0)).into()),
            ("newest", self.received.map(|at| time(at.1)).into()),
        ];
        sums.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What waits in one of the spool's two journals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pile {
    /// The sequence number of the first record that waits.
    next: u64,
    all: Share,
    /// By why they were set aside, empty where they were not, and topic.
    shares: BTreeMap<(String, String), Share>,
    verified: Verified,
}

impl Pile {
    /// That of the journal in `dir`, from where the reader `name` is.
    fn of(dir: &Path, name: &str) -> Result<Pile, JournalError> {
        if !dir.is_dir() {
            return Ok(Pile::default());
        }
        let next = position(dir, name)?.unwrap_or(0);
        let mut pile = Pile { next, ..Pile::default() };
        pile.verified = verify(dir, next, |record, bytes| {
            let why = record.headers.iter().find(|(name, _)| name == Header::Refused.name());
            let why = why.map_or_else(String::new, |(_, why)| String::from_utf8_lossy(why).into_owned());
            pile.all.add(&record, bytes);
            pile.shares.entry((why, record.topic.clone())).or_default().add(&record, bytes);
        })?;
        Ok(pile)
    }

    fn json(&self) -> Value {
        let topics = self.shares.iter().map(|((why, topic), share)| {
            let [reason, error, limit] = parts(why);
            share.json([
                ("topic", topic.as_str().into()),
                ("reason", reason.into()),
                ("error", error.into()),
                ("limit", limit.into()),
            ])
        });
        let damage = |Damage { file, at, bytes }: &Damage| json!({"file": file, "at": at, "bytes": bytes});
        self.all.json([
            ("topics", topics.collect()),
            ("next", self.next.into()),
            ("disk_bytes", self.verified.bytes.into()),
            ("damage", self.verified.damage.iter().map(damage).collect()),
        ])
    }

    fn lines(&self, text: &mut String) {
        for ((why, topic), share) in &self.shares {
            let [reason, error, limit] = parts(why).map(|part| part.map(printable));
            let reason = reason.map_or_else(String::new, |reason| format!("{reason}: "));
            let error = error.map_or_else(String::new, |error| format!("; Kafka says {error}"));
            let limit = limit.map_or_else(String::new, |limit| format!(", with {limit}"));
            text.push_str(&format!("  {reason}{}: {}{error}{limit}\n", printable(topic), share.text()));
        }
    }
}

/// Why a record was set aside, of what its header says: Weir's word, Kafka's name for it, the topic's settings that
/// Kafka went by.
fn parts(why: &str) -> [Option<&str>; 3] {
    let mut parts = why.splitn(3, ' ').filter(|part| !part.is_empty());
    [parts.next(), parts.next(), parts.next()]
}

/// All that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    dir: PathBuf,
    held: Pile,
    aside: Pile,
}

/// What the spool in `dir` holds now.
pub(super) fn of(dir: &Path) -> Result<Status, JournalError> {
    let [held, aside] = super::piles(dir).map(|(dir, name)| Pile::of(&dir, name));
    Ok(Status { dir: dir.to_owned(), held: held?, aside: aside? })
}

impl Status {
    /// `{"spool","held":{…},"aside":{…}}`, each with `records`, `bytes`, `oldest`, `newest`, `topics`, `next`,
    /// `disk_bytes` and `damage`.
    pub(super) fn json(&self) -> String {
        let json = json!({"spool": self.dir, "held": self.held.json(), "aside": self.aside.json()});
        format!("{json}\n")
    }

    /// A few lines.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.dir.display());
        text.push_str(&format!("held for Kafka: {}\n", self.held.all.text()));
        self.held.lines(&mut text);
        text.push_str(&format!("set aside, because Kafka refuses them: {}\n", self.aside.all.text()));
        self.aside.lines(&mut text);
        text.push_str(&format!("the forwarder continues at record {}\n", self.held.next));
        text.push_str(&format!("on disk: {} bytes\n", self.held.verified.bytes + self.aside.verified.bytes));
        let damage: Vec<_> = self.held.verified.damage.iter().chain(&self.aside.verified.damage).collect();
        if !damage.is_empty() {
            let bytes: u64 = damage.iter().map(|damage| damage.bytes).sum();
            let places = counted(damage.len() as u64, "place");
            text.push_str(&format!("damaged: {bytes} bytes in {places}; `weir spool verify` shows where\n"));
        }
        text
    }
}
