//! `weir gainsight status`.

use jiff::Timestamp;
use serde::Serialize;

use super::{OrgFlags, outbox};
use crate::cli::store::waiting::waiting;
use crate::cli::tail::print::time;
use crate::cli::{Failure, counted, print};
use crate::config::{Config, GainsightConfig};
use crate::gainsight::outbox::{Forecast, Limits, Outbox, Trouble, Waiting};
use crate::gainsight::window::{Used, Windows};
use crate::queue::subscription::Position;
use crate::setup::gainsight::{loaded_topics, public_settings};

/// `{"loader","lag","waiting","waiting_of","failed","trouble","calls":{"minute","day"},"day_carries","calls_needed",
/// "drains_in_s"}`
#[derive(Serialize)]
struct Status {
    loader: String,
    #[serde(skip)]
    is_begun: bool,
    /// Records of the queue that are not in the outbox; none where the queue can't be asked.
    lag: Option<i64>,
    /// How much waits in the outbox, and of what.
    waiting: u64,
    waiting_of: Parts,
    failed: u64,
    /// Why nothing goes out, and since when; none: nothing is known to be wrong.
    trouble: Option<Wrong>,
    calls: Calls,
    /// Calls that a day has for it.
    day_carries: u32,
    /// Calls that all of what waits needs.
    calls_needed: u64,
    /// When all of it will have gone, if nothing comes: seconds; none: in over a month.
    drains_in_s: Option<u64>,
}

#[derive(Serialize)]
struct Wrong {
    why: String,
    since: String,
}

#[derive(Serialize)]
struct Parts {
    companies: u64,
    people: u64,
    links: u64,
    links_without_company: u64,
    objects: u64,
    events: u64,
}

#[derive(Serialize)]
struct Calls {
    minute: Window,
    day: Window,
    /// Of events, where they have limits of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventCalls>,
}

#[derive(Serialize)]
struct EventCalls {
    minute: Window,
    day: Window,
}

#[derive(Serialize)]
struct Window {
    used: u32,
    left: u32,
}

pub(super) fn run(args: &OrgFlags) -> Result<(), Failure> {
    let (config, names) = args.load()?;
    let mut text = String::new();
    for name in names {
        let Some(org) = config.gainsight.get(&name) else { continue };
        let status = status(&config, &name, org)?;
        if args.json {
            text.push_str(
                &serde_json::to_string(&status).map_err(|error| Failure::Named(error.to_string()))?,
            );
            text.push('\n');
        } else {
            text.push_str(&plain(&status));
        }
    }
    print(&text)
}

fn status(config: &Config, name: &str, org: &GainsightConfig) -> Result<Status, Failure> {
    let settings = public_settings(config, name).map_err(Failure::Named)?;
    let outbox = outbox(config, name)?;
    let progress = outbox.as_ref().map(Outbox::progress).transpose()?.unwrap_or_default();
    let lag = waiting(config, &loaded_topics(config, org), &Position(progress));
    let waits = outbox.as_ref().map(|outbox| outbox.waiting(&settings)).transpose()?.unwrap_or_default();
    let windows = |limits, allowance| {
        let calls = outbox.as_ref().map(|outbox| outbox.calls(limits)).transpose()?;
        let (spent, closed_until) = calls.unwrap_or_default();
        Ok::<_, Failure>(Windows::new(allowance, spent, closed_until))
    };
    let of_events =
        settings.event_allowance.map(|allowance| windows(Limits::Events, allowance)).transpose()?;
    let windows = windows(Limits::Api, settings.allowance)?;
    let now = Timestamp::now().as_second();
    let Forecast { day_carries, calls_needed, drains_in_s } =
        waits.forecast(&windows, of_events.as_ref(), now);
    let (minute, day) = windows.used(now);
    let window = |Used { used, left }| Window { used, left };
    let of_events = of_events.map(|windows| windows.used(now));
    let of_events = of_events.map(|(minute, day)| EventCalls { minute: window(minute), day: window(day) });
    let trouble = outbox.as_ref().map(Outbox::trouble).transpose()?.flatten();
    let trouble = trouble.map(|Trouble { why, since_ms }| Wrong { why, since: time(since_ms) });
    Ok(Status {
        loader: settings.loader,
        is_begun: outbox.is_some(),
        lag: (!lag.is_empty()).then(|| lag.values().map(|waiting| waiting.lag).sum()),
        failed: waits.failed,
        drains_in_s: drains_in_s.filter(|_| trouble.is_none()),
        trouble,
        calls: Calls { minute: window(minute), day: window(day), events: of_events },
        day_carries,
        calls_needed,
        waiting: waits.of_each().iter().map(|(_, count)| count).sum(),
        waiting_of: Parts::of(&waits),
    })
}

impl Parts {
    fn of(waiting: &Waiting) -> Self {
        let Waiting { companies, people, links, links_without_company, objects, events, .. } = *waiting;
        Parts { companies, people, links, links_without_company, objects, events }
    }
}

fn plain(status: &Status) -> String {
    let Status { loader, is_begun, lag, waiting_of: waiting, failed, trouble, calls, day_carries, .. } =
        status;
    let Status { calls_needed, drains_in_s, .. } = status;
    let lag = match lag {
        None if !*is_begun => "no Weir has run on this data folder, yet".to_owned(),
        Some(0) => "all of the queue is in the outbox".to_owned(),
        Some(lag) => format!(
            "{} of the queue not in the outbox, yet",
            counted(u64::try_from(*lag).unwrap_or_default(), "record")
        ),
        None => "the queue can't be asked for its end".to_owned(),
    };
    let mut text = format!("{loader}  {lag}\n");
    text.push_str(&format!("  waiting: {}\n", waiting_text(waiting)));
    if let Some(Wrong { why, since }) = trouble {
        text.push_str(&format!("  nothing goes out since {since}: {why}\n"));
    }
    let Calls { minute, day, events } = calls;
    text.push_str(&format!(
        "  calls: {} in the last minute, {} left; {} in the last day, {} left of {day_carries}\n",
        minute.used, minute.left, day.used, day.left
    ));
    if let Some(EventCalls { minute, day }) = events {
        text.push_str(&format!(
            "  calls of events: {} in the last minute, {} left; {} in the last day, {} left\n",
            minute.used, minute.left, day.used, day.left
        ));
    }
    let when = match drains_in_s {
        None if trouble.is_some() => "nobody knows when".to_owned(),
        Some(seconds) => format!("in {seconds} s"),
        None => "in over a month".to_owned(),
    };
    if *calls_needed > 0 {
        let calls = counted(*calls_needed, "call");
        text.push_str(&format!(
            "  {calls} needed for what waits: {when} all of it will have gone, if nothing comes\n"
        ));
    }
    if *failed > 0 {
        let failed = counted(*failed, "row");
        text.push_str(&format!("  {failed} did not go there: `weir store failed list --loader {loader}`\n"));
    }
    text
}

/// How many rows of each kind wait.
fn waiting_text(waiting: &Parts) -> String {
    let parts = [
        ("company", "companies", waiting.companies),
        ("person", "people", waiting.people),
        ("link", "links", waiting.links),
        (
            "link that waits for its company",
            "links that wait for their companies",
            waiting.links_without_company,
        ),
        ("object", "objects", waiting.objects),
        ("event", "events", waiting.events),
    ];
    let named =
        |(one, many, count): &(&str, &str, u64)| format!("{count} {}", if *count == 1 { one } else { many });
    let parts: Vec<_> = parts.iter().filter(|(_, _, count)| *count > 0).map(named).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
