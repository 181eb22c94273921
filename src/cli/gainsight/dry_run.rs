//! `weir gainsight check --dry-run`: runs the sender on a copy of the outbox, against nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::outbox;
use crate::cli::{Failure, print};
use crate::config::Config;
use crate::gainsight::Settings;
use crate::gainsight::answer::Answer;
use crate::gainsight::client::{Call, Method};
use crate::gainsight::event::SECRET;
use crate::gainsight::outbox::Outbox;
use crate::gainsight::send::{Org, Sender, Step};
use crate::gainsight::window::Allowance;
use crate::setup::gainsight::{loader_name, settings};

/// Most calls that are shown.
const MOST: usize = 1_000;
/// Longer than anything is gathered, or that Weir pauses: an hour and two minutes.
const LATER_MS: i64 = 3_720_000;

/// Takes every call, and answers as an org that has nothing and takes everything.
#[derive(Clone, Default)]
struct Nobody(Arc<Mutex<Vec<Call>>>);

impl Nobody {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Org for Nobody {
    fn call(&mut self, call: &Call) -> (Option<u16>, Answer) {
        let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
        let mut calls = self.calls();
        calls.push(call.clone());
        let records = body.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
        let made = records.into_iter().enumerate().map(|(index, mut record)| {
            if let Some(fields) = record.as_object_mut() {
                // A placeholder for the id that Gainsight would give.
                let gsid = format!("(id {}.{})", calls.len(), index + 1);
                fields.insert("Gsid".to_owned(), Value::from(gsid));
            }
            record
        });
        (Some(200), Answer::Done(made.collect()))
    }
}

/// Prints the calls that would be made next for the org `name`.
pub(super) fn run(config: &Config, name: &str, json: bool) -> Result<(), Failure> {
    let Some(outbox) = outbox(config, name)? else {
        return if json { Ok(()) } else { print(&format!("{}: nothing waits\n", loader_name(name))) };
    };
    let mut settings = settings(config, name, &|name| std::env::var_os(name)).map_err(Failure::Named)?;
    (settings.allowance, settings.event_allowance) = (Allowance { minute: u32::MAX, day: u32::MAX }, None);
    let calls = simulate(outbox.copy()?, &settings)?;
    if calls.is_empty() && !json {
        return print(&format!("{}: nothing waits\n", loader_name(name)));
    }
    let loader = loader_name(name);
    let heading = if json { String::new() } else { format!("{loader}: the next calls\n\n") };
    let shown: String =
        calls.iter().map(|call| if json { line(&loader, call) } else { plain(call) }).collect();
    let more =
        if calls.len() < MOST || json { String::new() } else { format!("and more after these {MOST}\n") };
    print(&format!("{heading}{shown}{more}"))
}

/// Sends what waits in `outbox`, a copy that nobody else has.
fn simulate(outbox: Outbox, settings: &Settings) -> Result<Vec<Call>, Failure> {
    let nobody = Nobody::default();
    let mut sender = Sender::new(settings, outbox, Box::new(nobody.clone()))?;
    // After any pause, and when all that is gathered is due.
    let now_ms = Timestamp::now().as_millisecond().saturating_add(LATER_MS);
    while nobody.calls().len() < MOST {
        match sender.step(now_ms)? {
            Step::Done => {}
            Step::Idle | Step::Full(_) | Step::Away(_) | Step::Closed(_) => break,
        }
    }
    let calls = nobody.calls().clone();
    Ok(calls)
}

fn plain(call: &Call) -> String {
    let mut text = format!("{} {}\n", method(call), call.path);
    for (name, value) in headers(call) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text + &call.body + "\n\n"
}

/// `{"loader","method","path","headers","body"}`
fn line(loader: &str, call: &Call) -> String {
    let headers: serde_json::Map<String, Value> =
        headers(call).map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let (method, path, headers) = (method(call), Value::from(&*call.path), Value::from(headers));
    format!(
        "{{\"loader\":\"{loader}\",\"method\":\"{method}\",\"path\":{path},\"headers\":{headers},\"body\":{}}}\n",
        call.body
    )
}

fn method(call: &Call) -> &'static str {
    match call.method {
        Method::Post => "POST",
        Method::Put => "PUT",
    }
}

/// Without what is secret.
fn headers(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    let shown = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
    shown.map(|(name, value)| (name, if name == SECRET { "(secret)" } else { value }))
}
