//! Prints rejected events, and the results of their replay, for a terminal and as JSON. Pure.

use serde_json::json;

use crate::cli::counted;
use crate::cli::tail::print::{printable, time};
use crate::event::json::compact;
use crate::operate::quarantine::{Entry, Stored};
use crate::operate::replay::{Fate, Summary, Told};

/// Receipt, source, reason, id, detail, and when it was replayed.
pub(super) fn entry(entry: &Entry, replayed: Option<i64>) -> String {
    let mut line = format!(
        "{}  {}  {}  {}  {}",
        time(entry.received_ms),
        printable(&entry.source),
        printable(&entry.reason),
        printable(&entry.id),
        printable(&entry.detail),
    );
    if let Some(at) = replayed {
        line.push_str(&format!("  (replayed {})", time(at)));
    }
    line
}

/// `{"id","messageId","source","received","reason","detail","index","path","replayed"}`
pub(super) fn entry_as_json(entry: &Entry, replayed: Option<i64>) -> String {
    json!({
        "id": entry.id,
        "messageId": entry.message_id(),
        "source": entry.source,
        "received": time(entry.received_ms),
        "reason": entry.reason,
        "detail": entry.detail,
        "index": entry.index,
        "path": entry.path,
        "replayed": replayed.map(time),
    })
    .to_string()
}

/// A line for each thing that is known, the event last.
pub(super) fn all_of(entry: &Entry, replayed: Option<i64>) -> String {
    let replayed = replayed.map_or_else(|| "never".to_owned(), time);
    let event = match &entry.event {
        Stored::Event(event) => compact(event),
        Stored::Bytes { base64, of, truncated: false } => format!("{of} bytes, in base64: {base64}"),
        Stored::Bytes { base64, of, truncated: true } => {
            format!("{of} bytes, of which the first are kept, in base64: {base64}")
        }
    };
    let headers = entry.head.as_ref().and_then(|head| serde_json::to_string(head).ok());
    let mut text = String::new();
    for (name, value) in [
        ("received", &time(entry.received_ms)),
        ("source", &entry.source),
        ("id", &entry.id),
        ("happened", entry.time.as_ref().unwrap_or(&"-".to_owned())),
        ("reason", &entry.reason),
        ("detail", &entry.detail),
        ("path", &entry.path),
        ("index", &entry.index.to_string()),
        ("replayed", &replayed),
        ("headers", &headers.unwrap_or_default()),
        ("event", &event),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("{name:<10}{}\n", printable(value)));
        }
    }
    text
}

/// Id and fate of an event that was, or in a dry run would be, replayed.
pub(super) fn told(told: &Told, dry_run: bool) -> String {
    let fate = match &told.fate {
        Fate::Queued { records } => {
            let done = if dry_run { "would be queued" } else { "queued" };
            format!("{done}: {}", counted(*records as u64, "record"))
        }
        Fate::Ignored { reason } => format!("ignored: {reason}"),
        Fate::Rejected { reason, detail } => format!("still rejected: {reason}: {detail}"),
        Fate::Impossible { detail } => format!("not replayed: {detail}"),
        Fate::Already { at_ms } => {
            format!("replayed before, at {}; --again replays it once more", time(*at_ms))
        }
    };
    format!("{}  {}  {}", printable(&told.source), printable(&told.id), printable(&fate))
}

/// One line.
pub(super) fn summary(summary: &Summary, dry_run: bool) -> String {
    let Summary { queued, ignored, rejected, impossible, already } = summary;
    let done = if dry_run { "would be queued" } else { "queued" };
    format!(
        "{queued} {done}, {ignored} ignored, {rejected} still rejected, {impossible} impossible to replay, \
         {already} replayed before"
    )
}
