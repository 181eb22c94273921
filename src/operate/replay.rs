//! Replay: maps rejected events again, with today's configuration, and queues them as if they arrived now.
//!
//! Once the records of an event are durable, a note in quarantine says so (`weir.replayed.v1`, on the topic of the
//! rejected events), and it is not replayed again. If a crash comes between the two, the records come once more, with
//! the same ids. What still can't be mapped stays as it is, and is reported.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::admission::secrets::Proof;
use crate::event::decode::Text;
use crate::event::head::EventHead;
use crate::event::json::write_string;
use crate::event::rejection::Reason;
use crate::event::rejection::Rejection;
use crate::event::time::{Received, believed};
use crate::http::routes::{Endpoint, find};
use crate::intake::submit::Enqueued;
use crate::observe::metrics::Metrics;
use crate::operate::quarantine::{Entry, Place, Quarantine, Selection, Stored};
use crate::pipeline::gainsight;
use crate::pipeline::gainsight::Operation;
use crate::pipeline::{Call, MappedAgain, Request, Rules, map_again, map_batch_again};
use crate::queue::reader::ReadError;
use crate::queue::{Queue, Refused};
use crate::record::stamp::Stamp;
use crate::record::{Kind, Records};
use crate::tenants::{Source, Tenants};

/// Most events, and bytes of their records, that are made durable at once.
const GROUP: (usize, usize) = (500, 1 << 20);

/// What is to be replayed, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which events.
    pub selection: Selection,
    /// Also those that were replayed before.
    pub again: bool,
    /// Only tell what would happen.
    pub dry_run: bool,
    /// Also to publishers that require a secret: the operator's word stands for it.
    pub without_secret: bool,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// `ce_id` of the rejected event.
    pub id: String,
    /// `ce_source` of it.
    pub source: String,
    /// The rest of the story.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became, or in a dry run would become, of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    /// So many records of it are durable.
    Queued {
        /// How many.
        records: usize,
    },
    /// Today's configuration ignores it; it stays in quarantine.
    Ignored {
        /// Label of why.
        reason: String,
    },
    /// It still can't be mapped; it stays in quarantine.
    Rejected {
        /// Label of why.
        reason: String,
        /// One sentence.
        detail: String,
    },
    /// It can't be replayed at all, or not with this order; it stays in quarantine.
    Impossible {
        /// One sentence.
        detail: String,
    },
    /// It was replayed before.
    Already {
        /// When: milliseconds since the Unix epoch.
        at_ms: i64,
    },
}

/// The events by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Now durable on the queue.
    pub queued: u64,
    /// Ignored.
    pub ignored: u64,
    /// Still not to be mapped.
    pub rejected: u64,
    /// Not to be replayed.
    pub impossible: u64,
    /// Replayed before.
    pub already: u64,
}

impl Summary {
    fn count(&mut self, fate: &Fate) {
        let count = match fate {
            Fate::Queued { .. } => &mut self.queued,
            Fate::Ignored { .. } => &mut self.ignored,
            Fate::Rejected { .. } => &mut self.rejected,
            Fate::Impossible { .. } => &mut self.impossible,
            Fate::Already { .. } => &mut self.already,
        };
        *count += 1;
    }
}

/// Why a replay ended early: one sentence. What was told as queued is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The quarantine can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The queue took nothing more.
    #[error(
        "the replay ended early: {0}; what is reported as queued is queued; run the same command again for \
         the rest"
    )]
    Queue(&'static str),
    /// Nobody listens any more.
    #[error("nobody listens any more")]
    Unheard,
}

/// All that a replay works with.
pub struct Replay<'a> {
    /// Today's sources.
    pub tenants: &'a Tenants,
    /// Today's limits.
    pub rules: Rules,
    /// Where records become durable, and are counted; none for a dry run.
    pub queue: Option<(&'a dyn Queue, &'a Metrics)>,
    /// Whether to end early, as the gateway is about to.
    pub ends: &'a dyn Fn() -> bool,
    /// What the order was, and what came of it so far.
    order: Order,
    group: Group,
    summary: Summary,
}

/// Events whose records become durable together.
struct Group {
    records: Records,
    /// One for each event that is queued.
    notes: Records,
    told: Vec<Told>,
}

impl Group {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // The time of the replay, not of the first receipt: Kafka deletes by it, and would at once.
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Group { records: Records::new(now), notes: Records::new(now), told: Vec::new() }
    }

    /// Whether it is large enough for a queue that takes records of at most `record_bytes`: a small one has no
    /// room for much at once.
    fn is_full(&self, record_bytes: usize) -> bool {
        self.told.len() >= GROUP.0 || self.records.bytes() >= GROUP.1.min(record_bytes / 4)
    }
}

impl<'a> Replay<'a> {
    /// A replay as `order` says.
    pub fn new(
        tenants: &'a Tenants,
        rules: Rules,
        queue: Option<(&'a dyn Queue, &'a Metrics)>,
        ends: &'a dyn Fn() -> bool,
        order: Order,
    ) -> Self {
        Replay { tenants, rules, queue, ends, order, group: Group::new(), summary: Summary::default() }
    }

    /// Replays what lies at `place`; calls `tell` for each event once it is certain what became of it. Those
    /// that were replayed before are told only where they were named. Blocks.
    ///
    /// # Errors
    /// When the quarantine can't be read, the queue takes no more, or `tell` gives false.
    pub fn run(mut self, place: Place, tell: &mut dyn FnMut(Told) -> bool) -> Result<Summary, ReplayError> {
        let (quarantine, selection) = (Quarantine::open(place)?, self.order.selection.clone());
        quarantine.each(&selection, |entry, _, replayed| {
            if (self.ends)() {
                return Err(ReplayError::Queue("Weir is shutting down"));
            }
            let fate = match replayed {
                Some(at_ms) if !self.order.again => Fate::Already { at_ms },
                _ => self.replay(&entry),
            };
            self.group.told.push(Told { id: entry.id, source: entry.source, fate });
            if self.group.is_full(self.rules.record_bytes) {
                self.settle(tell)?;
            }
            Ok(true)
        })?;
        self.settle(tell)?;
        Ok(self.summary)
    }

    /// Puts the records of one event, and the note about it, into the group.
    fn replay(&mut self, entry: &Entry) -> Fate {
        let found = match self.find(entry) {
            Ok(found) => found,
            Err(detail) => return Fate::Impossible { detail },
        };
        let received = Received::at(entry.received_ms);
        // An earlier Weir left it out where the event brought none, and wrote some that no reader takes.
        let time =
            entry.time.as_deref().map_or(Cow::Borrowed(received.text()), |time| believed(time, &received));
        let stamp = Stamp {
            message_id: entry.message_id(),
            ce_source: &found.source.ce_source,
            time: &time,
            user_id: None,
            traceparent: entry.traceparent.as_deref(),
            replay_of: Some(&entry.id),
        };
        let before = self.group.records.len();
        match self.map(entry, &found, &received, &stamp) {
            MappedAgain::Queued => {
                self.note(entry, &found, &stamp);
                Fate::Queued { records: self.group.records.len() - before }
            }
            MappedAgain::Ignored(why) => Fate::Ignored { reason: why.label().to_owned() },
            MappedAgain::Rejected(rejection) => self.still_rejected(&found, rejection),
        }
    }

    /// What is needed to map `entry`, or a sentence that says why it can't be replayed.
    fn find<'e>(&self, entry: &'e Entry) -> Result<Found<'a, 'e>, String> {
        if entry.reason == Reason::SecretMissing.label() && !self.order.without_secret {
            let text = "its sender showed no secret of the publisher; --without-secret replays it anyway";
            return Err(text.to_owned());
        }
        let event = whole(&entry.event).ok_or(
            "only a part of its bytes is kept, so it can't be replayed; its sender must send it again",
        )?;
        let unknown = || "this Weir does not know the route by which it arrived".to_owned();
        let route = find(&entry.path).ok_or_else(unknown)?;
        let (path, way) = match route.endpoint {
            Endpoint::Gainsight(operation) => (route.path, Way::Gainsight(operation)),
            endpoint => (route.path, Way::Sdk(endpoint.call().ok_or_else(unknown)?)),
        };
        let is_its = |source: &&Arc<Source>| source.ce_source == entry.source;
        let (source, table) = match way {
            Way::Gainsight(Operation::Event) => (self.tenants.publishers().find(is_its), "publishers"),
            _ => (self.tenants.sources.iter().find(is_its), "sources"),
        };
        let filed = source.ok_or_else(|| {
            format!("its source {} is not configured; add it under [{table}], then replay", entry.source)
        })?;
        let head = entry.head.clone().unwrap_or_default();
        let source = match way {
            Way::Gainsight(Operation::Event) => self.publisher(filed, &head),
            _ => filed,
        };
        Ok(Found { event, path, way, filed, source, head })
    }

    /// Maps `entry` and adds its records to the group.
    fn map(
        &mut self,
        entry: &Entry,
        Found { event, path, way, source, head, .. }: &Found<'_, '_>,
        received: &Received,
        stamp: &Stamp<'_>,
    ) -> MappedAgain {
        let proof = if self.order.without_secret { Proof::Operator } else { Proof::NONE };
        let (traceparent, rules) = (stamp.traceparent, &self.rules);
        let (content_type, rate) = (None, None);
        let request = Request { source, proof, path, traceparent, content_type, received, rules, rate };
        let records = &mut self.group.records;
        let is_batch = entry.reason == Reason::InvalidJson.label();
        let text = Text::decode(event, None);
        let nulled = text.without_non_finite();
        let text = nulled.as_ref().unwrap_or(&text).text();
        match *way {
            Way::Sdk(call @ (Call::Batch | Call::Import | Call::Webhook)) if is_batch => {
                let index = usize::try_from(entry.index).unwrap_or(0);
                map_batch_again(call, &request, (index, &entry.id), event, records)
            }
            Way::Sdk(call) => map_again(call, &request, text, stamp.on(records)),
            Way::Gainsight(operation) => {
                gainsight::map_again(operation, head, &request, text, stamp.on(records))
            }
        }
    }

    fn still_rejected(&self, found: &Found<'_, '_>, rejection: Rejection) -> Fate {
        let detail = match rejection.reason {
            // What its sender showed when it was rejected for another reason is not known any more.
            Reason::SecretMissing => {
                "one of its publishers requires a secret, which a replay can't show; --without-secret \
                 replays it anyway"
            }
            Reason::TopicUnknown if self.knows(found.filed, &found.head) => {
                "no publisher with its topic is known to list a secret that its sender showed; \
                 --without-secret replays it anyway"
            }
            _ => {
                let reason = rejection.reason.label().to_owned();
                return Fate::Rejected { reason, detail: rejection.detail.into_owned() };
            }
        };
        Fate::Impossible { detail: detail.to_owned() }
    }

    /// Adds to the group that `entry` was replayed, as a record of the source that it is filed under, whoever sends it
    /// today.
    fn note(&mut self, entry: &Entry, found: &Found<'_, '_>, stamp: &Stamp<'_>) {
        let now = Received::at(self.group.notes.received_ms());
        let note = Stamp { ce_source: &found.filed.ce_source, time: now.text(), traceparent: None, ..*stamp };
        let topic = found.source.tenant.rejected;
        let mut notes = note.on(&mut self.group.notes);
        notes.draft(Kind::Replayed, topic, None, ["replayed", ""]).value(|out| {
            out.extend_from_slice(b"{\"replayed\":");
            write_string(out, &entry.id);
            out.push(b'}');
        });
    }

    /// The publisher that `head` leads to today, chosen as on the route: one whose sender has shown a secret that
    /// `filed` lists, under which the event was filed. It, where there is none.
    fn publisher(&self, filed: &'a Arc<Source>, head: &EventHead) -> &'a Arc<Source> {
        let listed: Vec<_> = filed.secrets.iter().map(|secret| secret.id()).collect();
        let proof = if self.order.without_secret { Proof::Operator } else { Proof::Secrets(&listed) };
        let senders = self.tenants.senders.iter().find(|one| one.tenant.id == filed.tenant.id);
        let chosen = senders
            .and_then(|senders| senders.publisher(head.topic.as_deref(), head.contract.as_deref(), proof));
        chosen.unwrap_or(filed)
    }

    /// Whether the tenant of `filed` has a publisher with the topic of `head`.
    fn knows(&self, filed: &Source, head: &EventHead) -> bool {
        let of_tenant = self.tenants.publishers().filter(|one| one.tenant.id == filed.tenant.id);
        let mut topics = of_tenant.flat_map(|one| &one.publishers).map(|publisher| &publisher.topic);
        topics.any(|topic| head.topic.as_ref() == Some(topic))
    }

    /// Makes the group durable, then tells of it.
    fn settle(&mut self, tell: &mut dyn FnMut(Told) -> bool) -> Result<(), ReplayError> {
        let Group { records, notes, told } = std::mem::replace(&mut self.group, Group::new());
        if let Some(queue) = self.queue
            && !records.is_empty()
        {
            make_durable(queue, records)?;
            make_durable(queue, notes)?;
        }
        for told in told {
            self.summary.count(&told.fate);
            let is_wanted =
                !matches!(told.fate, Fate::Already { .. }) || !self.order.selection.ids.is_empty();
            if is_wanted && !tell(told) {
                return Err(ReplayError::Unheard);
            }
        }
        Ok(())
    }
}

fn make_durable((queue, metrics): (&dyn Queue, &Metrics), records: Records) -> Result<(), ReplayError> {
    let submitted = Enqueued::new(queue, metrics, records).map_err(|refused| {
        ReplayError::Queue(match refused {
            Refused::Full => "the queue is full",
            Refused::Closed => "the queue accepts no records",
        })
    })?;
    let durable = submitted.wait().then_some(());
    durable.ok_or(ReplayError::Queue("the queue did not make its records durable"))
}

/// A rejected event that can be mapped again.
struct Found<'a, 'e> {
    event: Cow<'e, [u8]>,
    path: &'static str,
    way: Way,
    /// The source that it is filed under.
    filed: &'a Arc<Source>,
    /// The source that it would be sent by today.
    source: &'a Arc<Source>,
    head: EventHead,
}

/// What an event came by.
#[derive(Clone, Copy)]
enum Way {
    Sdk(Call),
    Gainsight(Operation),
}

/// An event that is kept whole.
fn whole(event: &Stored) -> Option<Cow<'_, [u8]>> {
    match event {
        Stored::Event(event) => Some(Cow::Borrowed(event.as_bytes())),
        Stored::Bytes { truncated: true, .. } => None,
        Stored::Bytes { base64, .. } => data_encoding::BASE64.decode(base64.as_bytes()).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests;
