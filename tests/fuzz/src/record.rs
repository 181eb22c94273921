//! The senders of events that the properties speak of, and what every record promises its readers.

use std::path::Path;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use weir::config::Overrides;
use weir::event::outcome::Outcome;
use weir::operate::quarantine::{Entry, Stored};
use weir::pipeline::Rules;
use weir::pipeline::tally::Tally;
use weir::queue::reader::ReadRecord;
use weir::record::{Kind, RecordRef, Records};
use weir::setup;
use weir::tenants::{Source, Tenants};

use super::{json, rfc3339};

/// 2026-11-21T12:00:00Z
pub const RECEIVED_MS: i64 = 1_795_262_400_000;
/// 2000-01-01T00:00:00Z
const EARLIEST_MS: i64 = 946_684_800_000;
/// How far ahead of ours a client's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// The widest offset that every reader takes.
const WIDEST_OFFSET: i64 = 18 * 3_600;

/// A tenant for every choice that one has, `t0` to `t7`, each with a source.
static TENANTS: LazyLock<Tenants> = LazyLock::new(|| {
    let tables = (0..8_u8).map(|choice| {
        let pick = |bit: u8, off: &'static str, on: &'static str| if choice & bit == 0 { off } else { on };
        format!(
            r#"
            [tenants.t{choice}]
            topic_prefix = "t{choice}."
            unmapped_traits = "{}"
            unmapped_events = "{}"
            group_email = "{}"
            [tenants.t{choice}.person_fields]
            plan = "Plan__gc"
            city = "Location"
            "Ünï" = "Ünï__gc"
            [tenants.t{choice}.company_fields]
            tier = "Tier__gc"
            size = "Employees"
            [sources.web-{choice}]
            tenant = "t{choice}"
            publishers = ["tickets-{choice}", "alerts-{choice}"]
            [publishers.tickets-{choice}]
            tenant = "t{choice}"
            topic = "Ticket Actions"
            contract = "standard"
            contracts = ["standard", "gold"]
            [publishers.tickets-{choice}.events]
            "Ticket Closure" = {{ name = "Ticket Closed", version = "1.0.0" }}
            Both = {{ name = "B", version = "2" }}
            [publishers.alerts-{choice}]
            tenant = "t{choice}"
            topic = "Alerts"
            contracts = ["gold"]
            secrets = [{{ env = "ALERTS" }}]
            require_secret = true
            [publishers.alerts-{choice}.events]
            Both = {{ name = "Other B", version = "3.1" }}
            "a.b" = {{ name = "Dotted", version = "1" }}
            "#,
            pick(1, "drop", "suffix"),
            pick(2, "ignore", "quarantine"),
            pick(4, "required", "optional"),
        )
    });
    let text: String = tables.collect();
    let config = setup::load(Some((Path::new("fuzz.toml"), &text)), &Overrides::default());
    Tenants::from_config(&config.unwrap_or_else(|problems| panic!("{problems}")))
});

/// The source of the tenant that the lowest bits of `choice` tell.
pub fn source(choice: u8) -> &'static Source {
    &TENANTS.sources[usize::from(choice & 7)]
}

/// A publisher of that tenant, as the sender of its events.
pub fn publisher(choice: u8) -> &'static Source {
    &TENANTS.senders[usize::from(choice & 7)].publishers[0]
}

/// Limits as they are by default, or so small that any input may meet them.
pub fn rules(are_small: bool) -> Rules {
    if are_small {
        Rules { event_bytes: 200, events: 3, depth: 4, record_bytes: 1_200 }
    } else {
        Rules { event_bytes: 524_288, events: 5_000, depth: 200, record_bytes: 1_000_000 }
    }
}

/// Holds what is promised of the records that `source` has sent; gives the rejected ones, as they are read back.
pub fn sound(records: &Records, source: &Source, rules: &Rules) -> Vec<Entry> {
    let mut rejected = Vec::new();
    for record in records.iter() {
        let value = json::strict(record.value());
        assert!(record.bytes() <= rules.record_bytes, "{} bytes: {value}", record.bytes());
        key(&record, source);
        headers(&record);
        if record.kind() == Kind::Rejected {
            rejected.extend(entry(&record, source));
        }
    }
    rejected
}

/// Which of these an event counts among; they must be counted as often as there are rejected records.
pub fn events(tally: &Tally, rejected: usize) -> u64 {
    let counted = |wanted: Option<Outcome>| -> u64 {
        tally
            .each()
            .filter(|(_, outcome, _)| wanted.is_none_or(|one| one == *outcome))
            .map(|(_, _, n)| n)
            .sum()
    };
    assert_eq!(u64::try_from(rejected), Ok(counted(Some(Outcome::Quarantined))));
    counted(None)
}

fn key(record: &RecordRef<'_>, source: &Source) {
    let Some(key) = record.key() else {
        // Of an event that Gainsight's event route brings nobody says whose it is.
        assert!(matches!(record.kind(), Kind::Rejected | Kind::Event), "{:?} without a key", record.kind());
        return;
    };
    assert_ne!(record.kind(), Kind::Rejected);
    let key = std::str::from_utf8(key).unwrap_or_else(|error| panic!("{error}: {key:?}"));
    let own = key.strip_prefix(&source.tenant.id).and_then(|own| own.strip_prefix('\u{1f}'));
    assert!(own.is_some_and(|own| !own.is_empty()), "{key:?}");
}

fn headers(record: &RecordRef<'_>) {
    let mut time = None;
    for (name, value) in record.headers() {
        let text = std::str::from_utf8(value).unwrap_or_else(|error| panic!("{name}: {error}: {value:?}"));
        assert!(!text.is_empty() && !text.contains(char::is_control), "{name}: {text:?}");
        match name {
            "ce_time" => time = Some(text),
            "ce_id" => assert!(text.len() <= 200 + "/event.".len() + 64, "{text:?}"),
            _ => {}
        }
    }
    let time = time.unwrap_or_else(|| panic!("{:?} without a time", record.kind()));
    moment(time, RECEIVED_MS);
}

/// Holds what is promised of a time of what was received then.
pub fn moment(time: &str, received_ms: i64) {
    let instant = rfc3339::instant(time).unwrap_or_else(|| panic!("{time} is no time"));
    assert!(time.get(17..19).is_some_and(|seconds| seconds < "60"), "{time} has a second too many");
    let received = Timestamp::from_millisecond(received_ms).unwrap_or_default();
    assert!(instant.as_millisecond() >= EARLIEST_MS, "{time} is too early");
    // jiff keeps more than milliseconds, which a reader rounds.
    assert!(instant.duration_since(received) < AHEAD + SignedDuration::from_millis(1), "{time} is too late");
    assert!(rfc3339::offset_seconds(time).abs() <= WIDEST_OFFSET, "{time} is too far off UTC");
}

/// A rejected event, read back; none where the record holds a later part of one.
fn entry(record: &RecordRef<'_>, source: &Source) -> Option<Entry> {
    let read = ReadRecord {
        topic: String::new(),
        partition: 0,
        offset: 0,
        timestamp_ms: RECEIVED_MS,
        key: record.key().map(<[u8]>::to_vec),
        headers: record.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        value: record.value().to_vec(),
    };
    let entry = Entry::of(&read);
    let (entry, part) =
        entry.unwrap_or_else(|| panic!("can't be read back: {}", String::from_utf8_lossy(record.value())));
    assert_eq!(entry.source, source.ce_source);
    if let Stored::Bytes { base64, of, truncated } = &entry.event {
        let kept = data_encoding::BASE64.decode(base64.as_bytes()).map(|kept| kept.len() as u64);
        let is_whole = part.is_none() && !truncated;
        assert!(kept.is_ok_and(|kept| if is_whole { kept == *of } else { kept < *of }), "{entry:?}");
    }
    part.is_none_or(|[place, _]| place == 0).then_some(entry)
}
