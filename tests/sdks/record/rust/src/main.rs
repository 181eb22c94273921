//! Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Rust SDK, so that its payloads can be
//! recorded: every event in a request of its own, then all of them in one batch.

use std::error::Error;

use rudderanalytics::client::RudderAnalytics;
use rudderanalytics::message::{Batch, BatchMessage, Message};
use serde_json::{Value, from_value};

fn main() -> Result<(), Box<dyn Error>> {
    let client = RudderAnalytics::load(std::env::var("WEIR_KEY")?, std::env::var("WEIR_URL")?);
    let mut batch = Vec::new();
    for line in std::io::stdin().lines() {
        let mut line: Value = serde_json::from_str(&line?)?;
        let mut args = line["args"].take();
        // This SDK knows the event's time by one name only.
        args["originalTimestamp"] = args["timestamp"].take();
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
        client.send(&single)?;
        batch.push(batched);
    }
    client.send(&Message::Batch(Batch { batch, ..Default::default() }))?;
    Ok(())
}
