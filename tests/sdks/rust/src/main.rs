//! Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Rust SDK, each event in a request of its
//! own, or with the argument `batch` all of them in one, and tells, as one JSON line, what the SDK itself confirmed.
//! Exits 1 on any SDK error.

use std::error::Error;
use std::process::ExitCode;

use rudderanalytics::client::RudderAnalytics;
use rudderanalytics::message::{Batch, BatchMessage, Message};
use rudderanalytics::retry::RetryConfig;
use serde_json::{Value, from_value, json};

/// As `Cargo.toml` pins it: the SDK doesn't say it.
const VERSION: &str = "2.0.1";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut retry = RetryConfig::default();
    if let Ok(retries) = std::env::var("WEIR_RETRIES") {
        retry.max_retries = retries.parse()?;
    }
    let (key, url) = (std::env::var("WEIR_KEY")?, std::env::var("WEIR_URL")?);
    let client = RudderAnalytics::load_with_retry_config(key, url, retry);
    let (mut messages, mut batch) = (Vec::new(), Vec::new());
    for line in std::io::stdin().lines() {
        let mut line: Value = serde_json::from_str(&line?)?;
        let mut args = line["args"].take();
        // This SDK knows the event's time by one name only.
        if let Some(time) = args.get_mut("timestamp").map(Value::take) {
            args["originalTimestamp"] = time;
        }
        macro_rules! as_both {
            ($kind:ident) => {
                (Message::$kind(from_value(args.clone())?), BatchMessage::$kind(from_value(args)?))
            };
        }
        let (single, batched) = match line["call"].as_str() {
            Some("identify") => as_both!(Identify),
            Some("group") => as_both!(Group),
            Some("track") => as_both!(Track),
            Some("page") => as_both!(Page),
            Some("screen") => as_both!(Screen),
            Some("alias") => as_both!(Alias),
            call => return Err(format!("no such call: {call:?}").into()),
        };
        messages.push((1, single));
        batch.push(batched);
    }
    let calls = batch.len();
    if std::env::args().nth(1).as_deref() == Some("batch") {
        messages = vec![(calls, Message::Batch(Batch { batch, ..Default::default() }))];
    }
    let (mut ok, mut errors) = (0, Vec::new());
    for (events, message) in &messages {
        match client.send(message) {
            Ok(()) => ok += events,
            Err(error) => errors.push(error.to_string()),
        }
    }
    println!("{}", json!({"sdk": format!("rust {VERSION}"), "calls": calls, "ok": ok, "errors": errors}));
    Ok(if calls > 0 && ok == calls { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
