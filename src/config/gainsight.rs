//! `[gainsight.<name>]`: orgs of Gainsight to which the queue's records go.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Value;

use super::SecretPlace;
use super::read::{SECRET, secret_place};
use super::section::{Section, non_blank};

/// What goes to Gainsight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Records {
    /// Companies.
    Company,
    /// People.
    Person,
    /// Links between the two.
    Link,
    /// Events.
    Event,
    /// Objects of a tenant's own, and customer goals.
    Object,
}

impl Records {
    /// As a configuration names them.
    pub const WORDS: [(&'static str, Records); 5] = [
        ("person", Records::Person),
        ("company", Records::Company),
        ("link", Records::Link),
        ("event", Records::Event),
        ("object", Records::Object),
    ];

    fn of_word(word: &str) -> Option<Records> {
        Records::WORDS.iter().find(|(known, _)| *known == word).map(|(_, records)| *records)
    }
}

/// What becomes of a value whose field an org lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is left out, and the row goes.
    Drop,
    /// The row is filed as failed.
    Reject,
}

/// One org.
#[derive(Clone, Debug, PartialEq)]
pub struct GainsightConfig {
    /// Id of the tenant whose records go there.
    pub tenant: String,
    /// Its address, without a slash at its end.
    pub url: String,
    /// Where its access key is kept; none after a problem.
    pub access_key: Option<SecretPlace>,
    /// What goes there.
    pub records: BTreeSet<Records>,
    /// Payload field of events that gets their `ce_id`.
    pub id_field: Option<String>,
    /// What becomes of values whose field the org lacks.
    pub unknown_fields: UnknownFields,
    /// The field by which customer goals are found; none: they don't go there.
    pub goal_key: Option<String>,
    /// How long changes of one row are gathered.
    pub wait: Duration,
    /// The org's limits of calls, a minute and a day.
    pub calls: (u32, u32),
    /// Those of events, where they have their own.
    pub event_calls: Option<(u32, u32)>,
    /// The share of them that is left to others.
    pub reserve: f64,
}

const URL: &str = "the address of your org, such as \"https://acme.gainsightcloud.com\"";
const RECORDS: &str = "person, company, link, event or object";
const EVENT_CALLS: &str = "a whole number from 1 to 10000000";
const FIELD: &str = "the name of a field";
const RESERVE: &str = "a share from 0 to 0.9";
/// Longer than any limit that was heard of.
const MOST_CALLS: u64 = 10_000_000;
/// An hour.
const LONGEST_WAIT_MS: u64 = 3_600_000;

pub(super) fn gainsight(mut section: Section<'_>) -> GainsightConfig {
    let url = |value: &Value| {
        let url = value.as_str()?.trim();
        let is_plain = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']);
        let url = url.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        is_plain(rest).then(|| url.to_owned())
    };
    let field = |value: &Value| value.as_str().and_then(non_blank);
    let reserve = |value: &Value| {
        #[expect(clippy::cast_precision_loss, reason = "all but 0 is refused")]
        let share = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
        (0.0..=0.9).contains(&share).then_some(share)
    };
    let mut limits = section.section("limits");
    let calls =
        |limits: &mut Section<'_>, key| u32::try_from(limits.number(key, 1..=MOST_CALLS)).unwrap_or(u32::MAX);
    let minute = calls(&mut limits, "calls_per_minute");
    let day = calls(&mut limits, "calls_per_day");
    let mut event_calls = |key| {
        let count = |value: &Value| value.as_integer().and_then(|count| u32::try_from(count).ok());
        limits.optional(key, EVENT_CALLS, |value| {
            count(value).filter(|count| (1..=MOST_CALLS).contains(&(*count).into()))
        })
    };
    let events = (event_calls("event_calls_per_minute"), event_calls("event_calls_per_day"));
    if events.0.is_some() != events.1.is_some() {
        let missing = if events.0.is_none() { "event_calls_per_minute" } else { "event_calls_per_day" };
        limits.problem(missing, "is missing; events have both limits of their own, or none");
    }
    let reserve = limits.required("reserve", RESERVE, reserve).unwrap_or_default();
    limits.finish();
    let config = GainsightConfig {
        tenant: section.text("tenant"),
        url: section.required("url", URL, url).unwrap_or_default(),
        access_key: section.required("access_key", SECRET, secret_place),
        records: section.list("records", RECORDS, Records::of_word).into_iter().collect(),
        id_field: section.optional("id_field", FIELD, field),
        unknown_fields: section
            .choice("unknown_fields", [("drop", UnknownFields::Drop), ("reject", UnknownFields::Reject)]),
        goal_key: section.optional("goal_key", FIELD, field),
        wait: Duration::from_millis(section.number("wait_ms", 0..=LONGEST_WAIT_MS)),
        calls: (minute, day),
        event_calls: events.0.zip(events.1),
        reserve,
    };
    section.finish();
    config
}
