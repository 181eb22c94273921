//! Replays on a real journal.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::{Config, Overrides};
use crate::event::kind::CallType;
use crate::pipeline::{Call, Processed, process};
use crate::queue::completion::wait_for;
use crate::queue::journal::JournalQueue;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::reader::{Next, ReadRecord, Reader, StartAt};
use crate::queue::{Completion, Receipt, TopicsError};
use crate::record::topics::Topics;
use crate::setup::load;

/// 2026-11-01T00:00:00.250Z
const RECEIVED: i64 = 1_793_491_200_250;

/// The source `web`, whose unknown events are quarantined; `events` are what its publisher maps.
fn config(events: &str) -> Config {
    let text = format!(
        r#"
        [tenants.acme]
        unmapped_events = "quarantine"
        [sources.web]
        tenant = "acme"
        publishers = ["tickets"]
        [publishers.tickets]
        tenant = "acme"
        topic = "Tickets"
        [publishers.tickets.events]
        {events}
        "#
    );
    load(Some((Path::new("test"), &text)), &Overrides::default()).unwrap()
}

const MAPPED: &str = r#""Closed" = { name = "Ticket Closed", version = "1" }"#;

const TRACK: Call = Call::One(CallType::Track);

/// A journal in quarantine.
struct Held {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
}

impl Held {
    fn new() -> Self {
        Held { folder: tempfile::tempdir().unwrap(), metrics: Arc::new(Metrics::new([]).unwrap()) }
    }

    fn dir(&self) -> std::path::PathBuf {
        self.folder.path().join("journal")
    }

    fn open(&self, config: &Config) -> (Tenants, JournalQueue) {
        let tenants = Tenants::from_config(config);
        let metrics = Arc::clone(&self.metrics);
        let queue = JournalQueue::open(&self.dir(), &config.queue, &tenants.topics, metrics).unwrap();
        (tenants, queue)
    }

    /// Takes a body, as a gateway would.
    fn take(&self, config: &Config, call: Call, path: &'static str, body: &[u8]) {
        let (tenants, queue) = self.open(config);
        take(&tenants, &queue, call, path, body);
        queue.close(Instant::now() + Duration::from_secs(180));
    }

    fn track(&self, body: &str) {
        self.take(&config(""), TRACK, "/v1/track", body.as_bytes());
    }

    fn place(&self) -> Place {
        Place::Journal(self.dir())
    }

    /// Replays with these events mapped: what became of each, and the sums.
    fn replay(&self, events: &str, order: &Order) -> (Vec<Fate>, Summary) {
        self.replay_with(&config(events), order)
    }

    fn replay_with(&self, config: &Config, order: &Order) -> (Vec<Fate>, Summary) {
        let (tenants, queue) = self.open(config);
        let mut told = Vec::new();
        let with = (!order.dry_run).then_some((&queue as &dyn Queue, &*self.metrics));
        let replay = Replay::new(&tenants, rules(), with, &|| false, order.clone());
        let done = replay.run(self.place(), &mut |one| {
            assert_eq!(one.source, "/acme/web");
            told.push(one.fate);
            true
        });
        queue.close(Instant::now() + Duration::from_secs(180));
        (told, done.unwrap())
    }

    fn records(&self) -> Vec<ReadRecord> {
        let begin = Begin::From(StartAt::Oldest);
        let mut reader = JournalReader::open(&self.dir(), begin, true, Default::default()).unwrap();
        let mut records = Vec::new();
        while let Next::Record(record) = reader.next(Duration::ZERO).unwrap() {
            records.push(record);
        }
        records
    }

    fn ids(&self) -> Vec<String> {
        self.records().iter().map(|record| header(record, "ce_id").unwrap()).collect()
    }
}

fn take(tenants: &Tenants, queue: &JournalQueue, call: Call, path: &'static str, body: &[u8]) {
    let request = Request {
        source: &tenants.sources[0],
        proof: Proof::NONE,
        path,
        traceparent: Some("00-a-b-01"),
        content_type: None,
        received: &Received::at(RECEIVED),
        rules: &rules(),
        rate: None,
    };
    let Processed { records, .. } = process(call, &request, body);
    wait_for(queue.enqueue(records).unwrap()).unwrap();
}

fn header(record: &ReadRecord, wanted: &str) -> Option<String> {
    let found = record.headers.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| String::from_utf8(value.clone()).unwrap())
}

fn rules() -> Rules {
    Rules { event_bytes: 200_000, events: 10, depth: 20, record_bytes: 1 << 20 }
}

const CLOSED: &str = r#"{"userId":"u","messageId":"m","event":"Closed","properties":{"n":1.50}}"#;

#[test]
fn an_event_is_queued_as_it_would_have_been_and_noted() {
    let held = Held::new();
    held.track(CLOSED);
    let (told, sums) = held.replay(MAPPED, &Order::default());
    assert_eq!(told, [Fate::Queued { records: 1 }]);
    assert_eq!(sums, Summary { queued: 1, ..Summary::default() });

    let records = held.records();
    assert_eq!(held.ids(), ["m/rejected", "m/event.tickets", "m/replayed"]);
    let (event, note) = (&records[1], &records[2]);
    assert_eq!(
        (event.topic.as_str(), event.key.as_deref()),
        ("weir.events.tickets", Some(&b"acme\x1fu"[..]))
    );
    assert_eq!(event.value, br#"{"n":1.50}"#);
    assert_eq!(header(event, "ce_replayof").as_deref(), Some("m/rejected"));
    assert_eq!(header(event, "ce_time").as_deref(), Some("2026-11-01T00:00:00.250Z"));
    assert_eq!(header(event, "traceparent").as_deref(), Some("00-a-b-01"));
    assert!(event.timestamp_ms > RECEIVED, "Kafka deletes by this time");
    assert_eq!((note.topic.as_str(), &note.key), ("weir.rejected", &None));
    assert_eq!(header(note, "ce_type").as_deref(), Some("weir.replayed.v1"));
    assert_eq!(header(note, "ce_source").as_deref(), Some("/acme/web"));
    assert!(
        header(note, "ce_time").is_some_and(|time| time.as_str() > "2026-11-21T12:00:00"),
        "of the replay"
    );
    assert_eq!(note.value, br#"{"replayed":"m/rejected"}"#);
    let counted = String::from_utf8(held.metrics.render()).unwrap();
    assert!(counted.contains("weir_records_total{record=\"event\"} 1\n"), "{counted}");
}

#[test]
fn an_event_keeps_the_time_that_it_brought() {
    let held = Held::new();
    held.track(r#"{"userId":"u","messageId":"m","event":"Closed","timestamp":"2020-02-03T04:05:06+01:00"}"#);
    held.replay(MAPPED, &Order::default());
    assert_eq!(header(&held.records()[1], "ce_time").as_deref(), Some("2020-02-03T04:05:06+01:00"));
}

#[test]
fn an_event_is_not_replayed_twice_unless_that_is_asked_for() {
    let held = Held::new();
    held.track(CLOSED);
    // Its client sent it again: readers drop repeats, and so does a replay.
    held.track(CLOSED);
    assert_eq!(held.replay(MAPPED, &Order::default()).1.queued, 1);
    let (told, sums) = held.replay(MAPPED, &Order::default());
    assert_eq!((told.len(), sums), (0, Summary { already: 1, ..Summary::default() }));
    let selection = Selection { ids: vec!["m".to_owned()], ..Selection::default() };
    let named = Order { selection, ..Order::default() };
    assert!(matches!(held.replay(MAPPED, &named).0[..], [Fate::Already { at_ms }] if at_ms > RECEIVED));
    assert_eq!(held.ids().len(), 4);
    let again = Order { again: true, ..Order::default() };
    assert_eq!(held.replay(MAPPED, &again).1.queued, 1);
    assert_eq!(held.ids()[4..], ["m/event.tickets", "m/replayed"]);
}

#[test]
fn a_dry_run_tells_the_same_and_queues_nothing() {
    let held = Held::new();
    held.track(CLOSED);
    let (told, sums) = held.replay(MAPPED, &Order { dry_run: true, ..Order::default() });
    assert_eq!((told, sums.queued), (vec![Fate::Queued { records: 1 }], 1));
    assert_eq!(held.ids(), ["m/rejected"]);
}

#[test]
fn what_still_fails_or_is_ignored_stays_as_it_is() {
    let held = Held::new();
    held.track(CLOSED);
    let (told, _) = held.replay("", &Order::default());
    let detail = "no publisher of this source maps the event name".to_owned();
    assert_eq!(told, [Fate::Rejected { reason: "event_not_mapped".to_owned(), detail }]);
    let mut ignoring = config("");
    ignoring.tenants.get_mut("acme").unwrap().unmapped_events = crate::tenants::UnmappedEvents::Ignore;
    let (told, _) = held.replay_with(&ignoring, &Order::default());
    assert_eq!(told, [Fate::Ignored { reason: "event_not_mapped".to_owned() }]);
    assert_eq!(held.ids(), ["m/rejected"]);
    assert_eq!(held.replay(MAPPED, &Order::default()).1.queued, 1, "neither counts as replayed");
}

#[test]
fn what_is_kept_in_part_or_of_an_unknown_source_can_not_be_replayed() {
    let held = Held::new();
    let large = format!(r#"{{"batch":[{{"type":"track","userId":"u","event":"{}"}}]}}"#, "x".repeat(250_000));
    held.take(&config(""), Call::Batch, "/v1/batch", large.as_bytes());
    let (told, sums) = held.replay(MAPPED, &Order::default());
    assert!(
        matches!(&told[..], [Fate::Impossible { detail }] if detail.contains("only a part of its bytes")),
        "{told:?}"
    );
    assert_eq!(sums, Summary { impossible: 1, ..Summary::default() });

    let held = Held::new();
    held.track(CLOSED);
    let mut other = config(MAPPED);
    other.sources.clear();
    let (told, _) = held.replay_with(&other, &Order::default());
    assert!(
        matches!(&told[..], [Fate::Impossible { detail }] if detail.contains("/acme/web is not configured")),
        "{told:?}"
    );
}

#[test]
fn an_event_that_was_too_deep_and_is_kept_whole_is_replayed_under_a_higher_limit() {
    let held = Held::new();
    let deep = format!(
        r#"{{"userId":"u","messageId":"m","event":"Closed","properties":{{"a":{}1{}}}}}"#,
        "[".repeat(30),
        "]".repeat(30)
    );
    held.track(&deep);
    let (tenants, queue) = held.open(&config(MAPPED));
    let higher = Rules { depth: 100, ..rules() };
    let with = Some((&queue as &dyn Queue, &*held.metrics));
    let replay = Replay::new(&tenants, higher, with, &|| false, Order::default());
    assert_eq!(replay.run(held.place(), &mut |_| true).unwrap().queued, 1);
    assert_eq!(held.ids(), ["m/rejected", "m/event.tickets", "m/replayed"]);
}

#[test]
fn one_without_a_secret_is_replayed_only_on_purpose() {
    let held = Held::new();
    let (tenants, queue) = held.open(&config(""));
    let stamp = Stamp {
        message_id: "m",
        ce_source: "/acme/web",
        time: "2026-11-01T00:00:00Z",
        user_id: None,
        traceparent: None,
        replay_of: None,
    };
    let mut records = Records::new(RECEIVED);
    let topic = tenants.sources[0].tenant.rejected;
    stamp.on(&mut records).draft(Kind::Rejected, topic, None, ["rejected", ""]).value(|out| {
        let value = format!(
            r#"{{"reason":"secret_missing","detail":"d","index":0,"path":"/v1/track","event":{CLOSED}}}"#
        );
        out.extend_from_slice(value.as_bytes());
    });
    wait_for(queue.enqueue(records).unwrap()).unwrap();
    queue.close(Instant::now() + Duration::from_secs(180));
    let (told, _) = held.replay(MAPPED, &Order::default());
    assert!(
        matches!(&told[..], [Fate::Impossible { detail }] if detail.contains("--without-secret")),
        "{told:?}"
    );
    let order = Order { without_secret: true, ..Order::default() };
    assert_eq!(held.replay(MAPPED, &order).1.queued, 1);
}

#[test]
fn an_event_of_another_reason_reaches_no_publisher_that_requires_a_secret_unless_told_to() {
    let held = Held::new();
    // Nobody mapped it, so nobody asked for a secret.
    held.track(CLOSED);
    let requiring = format!(
        "{MAPPED}\n[publishers.strict]\ntenant = 'acme'\ntopic = 'S'\nrequire_secret = true\n\
         secrets = [{{ env = 'NOT_READ_BY_A_REPLAY' }}]\nevents.'Closed' = {{ name = 'C', version = '1' }}"
    );
    let mut config = config(&requiring);
    config.sources.get_mut("web").unwrap().publishers.push("strict".to_owned());
    let (told, _) = held.replay_with(&config, &Order::default());
    assert!(
        matches!(&told[..], [Fate::Impossible { detail }] if detail.contains("--without-secret")),
        "{told:?}"
    );
    assert_eq!(held.ids(), ["m/rejected"], "not even the publisher that requires none has it");
    let order = Order { without_secret: true, ..Order::default() };
    assert_eq!(held.replay_with(&config, &order).0, [Fate::Queued { records: 2 }]);
    assert_eq!(held.ids()[1..], ["m/event.tickets", "m/event.strict", "m/replayed"]);
}

/// A queue that takes so many sets of records, and then makes none durable.
struct Failing<'a>(&'a JournalQueue, std::sync::atomic::AtomicUsize);

impl Queue for Failing<'_> {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.1.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return self.0.enqueue(records);
        }
        let (completion, receipt) = Completion::new(records.len());
        completion.failed();
        Ok(receipt)
    }

    fn prepare(&self, _: &Topics) -> Result<(), TopicsError> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn largest_record(&self) -> usize {
        1 << 20
    }

    fn close(&self, _: Instant) -> usize {
        0
    }
}

#[test]
fn nothing_is_told_or_noted_that_is_not_durable() {
    for (sets, left_behind) in [(0, 1), (1, 2)] {
        let held = Held::new();
        held.track(CLOSED);
        let (tenants, queue) = held.open(&config(MAPPED));
        let failing = Failing(&queue, sets.into());
        let with = Some((&failing as &dyn Queue, &*held.metrics));
        let replay = Replay::new(&tenants, rules(), with, &|| false, Order::default());
        let ended = replay.run(held.place(), &mut |_| panic!("nothing is certain")).unwrap_err();
        assert!(ended.to_string().contains("run the same command again"), "{ended}");
        queue.close(Instant::now() + Duration::from_secs(180));
        drop(queue);
        assert_eq!(held.ids().len(), left_behind);
        // Records that were durable come once more, with the same ids.
        assert_eq!(held.replay(MAPPED, &Order::default()).1.queued, 1);
    }
}

#[test]
fn thousands_are_replayed_in_groups_and_an_end_keeps_what_was_told() {
    let held = Held::new();
    let (tenants, queue) = held.open(&config(""));
    for number in 0..1_200 {
        let body = format!(r#"{{"userId":"u","messageId":"m{number}","event":"Closed"}}"#);
        take(&tenants, &queue, TRACK, "/v1/track", body.as_bytes());
    }
    queue.close(Instant::now() + Duration::from_secs(180));
    drop(queue);
    let (tenants, queue) = held.open(&config(MAPPED));
    let with = Some((&queue as &dyn Queue, &*held.metrics));
    let mut told = 0;
    let replay = Replay::new(&tenants, rules(), with, &|| false, Order::default());
    let ended = replay.run(held.place(), &mut |_| {
        told += 1;
        told < 501
    });
    assert_eq!(ended.unwrap_err(), ReplayError::Unheard);
    queue.close(Instant::now() + Duration::from_secs(180));
    drop(queue);
    let sums = held.replay(MAPPED, &Order::default()).1;
    assert_eq!((sums.queued, sums.already), (200, 1_000));
}

#[test]
fn the_rest_of_a_broken_batch_is_replayed_as_a_batch_from_its_place_on() {
    let held = Held::new();
    // A comma is missing, so that the rest is a batch by itself; and it is too large for one record.
    let event = |id: &str, more: &str| {
        format!(r#"{{"type":"track","userId":"u","messageId":"{id}","event":"Closed","x":"{more}"}}"#)
    };
    let nameless = r#"{"type":"track","userId":"u","messageId":"m4"}"#;
    let large = ["m3", "m5", "m6", "m7", "m8"].map(|id| event(id, &"x".repeat(180_000)));
    let body =
        format!(r#"{{"batch":[{} {},{nameless},{}]}}"#, event("m1", ""), event("m2", ""), large.join(","));
    held.take(&config(MAPPED), Call::Batch, "/v1/batch", body.as_bytes());
    let ids = held.ids();
    assert_eq!(ids[0], "m1/event.tickets");
    assert!(ids.len() > 2 && ids[2].ends_with("/rejected.1"), "{ids:?}");
    let parts = ids.len();

    let (told, sums) = held.replay(MAPPED, &Order::default());
    assert_eq!((told, sums.queued), (vec![Fate::Queued { records: 7 }], 1));
    let records = held.records();
    let made: Vec<_> = held.ids().split_off(parts);
    assert_eq!(made[..3], ["m2/event.tickets", "m4/rejected", "m3/event.tickets"]);
    assert!(made[7].ends_with("/replayed"), "{made:?}");
    assert_eq!(header(&records[parts], "ce_replayof").as_deref(), Some(ids[1].as_str()));
    // The index of an event is its place in the request.
    assert!(String::from_utf8_lossy(&records[parts + 1].value).contains(r#""index":2"#));
    assert_eq!(held.replay(MAPPED, &Order::default()).1.already, 1);
}
