//! What clients send: events of every kind that leaves one record, and the record that each must become.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::harness::tenant::{KEY, Sample};
use crate::harness::wire::{basic, request};
use crate::oracle::Expected;

/// The configuration that this traffic is made for, and whatever `more` says.
pub fn configuration(prefix: &str, more: &str) -> String {
    Sample::default().prefix(prefix).more(more).toml()
}

/// The topics that it goes to.
pub fn topics(prefix: &str) -> Vec<String> {
    ["people", "rejected", EVENTS, GOLD].map(|name| format!("{prefix}{name}")).to_vec()
}

/// The events that name no contract.
pub const EVENTS: &str = "events.ticket-actions";
/// The events of a contract.
pub const GOLD: &str = "events.ticket-actions.gold";

/// A client's part of the traffic.
pub struct Traffic {
    prefix: String,
    name: String,
    dice: Dice,
    sent: usize,
    /// How often its keys were changed for new ones.
    generation: usize,
}

/// A request: its bytes, and what must come of it.
pub struct Load {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// The record of each of its events.
    pub expected: Vec<Expected>,
}

impl Traffic {
    /// The traffic of the client `name` to the topics under `prefix`.
    pub fn new(prefix: &str, name: String, dice: Dice) -> Self {
        Traffic { prefix: prefix.to_owned(), name, dice, sent: 0, generation: 0 }
    }

    /// From here on other keys are used.
    pub fn change_keys(&mut self) {
        self.generation += 1;
    }

    /// The next request.
    pub fn next(&mut self) -> Load {
        if self.dice.once_in(3) {
            let count = self.dice.of(2..13);
            let (events, expected): (Vec<_>, Vec<_>) = (0..count).map(|_| self.event()).unzip();
            let body = json!({"batch": events}).to_string();
            Load { bytes: post("/v1/batch", &body), expected }
        } else {
            let (event, expected) = self.event();
            let path = format!("/v1/{}", event["type"].as_str().unwrap_or_default());
            Load { bytes: post(&path, &event.to_string()), expected: vec![expected] }
        }
    }

    fn event(&mut self) -> (Value, Expected) {
        let id = format!("{}-{}", self.name, self.sent);
        self.sent += 1;
        // Few keys: the order within each is what is looked at.
        let user = format!("{}-{}-{}", self.name, self.generation, self.dice.of(0..2));
        let text = self.text();
        let (event, topic, record, key, value) = match self.dice.of(0..20) {
            0 => {
                let event = json!({"type": "identify", "messageId": id, "userId": user,
                    "traits": {"comments": text}});
                (event.clone(), "rejected", "rejected", None, event)
            }
            1..8 => {
                let email = format!("{user}@example.com");
                let event = json!({"type": "identify", "messageId": id, "userId": user, "timestamp": self.time(),
                    "traits": {"email": email, "comments": text}});
                (event, "people", "person", Some(email.clone()), json!({"Email": email, "Comments": text}))
            }
            8..12 => {
                let properties = json!({"text": text, "number": self.sent, "of": [null, true, {"a.b": 1}]});
                let event = json!({"type": "track", "messageId": id, "userId": user,
                    "event": "Ticket Closure", "properties": properties,
                    "context": {"externalId": [{"type": "gainsightEventContractId", "id": "gold"}]}});
                (event, GOLD, "event.tickets", Some(user), properties)
            }
            _ => {
                let properties = json!({"text": text, "number": self.sent});
                let event = json!({"type": "track", "messageId": id, "userId": user,
                    "event": "Ticket Closure", "properties": properties});
                (event, EVENTS, "event.tickets", Some(user), properties)
            }
        };
        let expected = Expected {
            id: format!("{id}/{record}"),
            topic: format!("{}{topic}", self.prefix),
            key: key.map(|key| format!("acme\u{1f}{key}")),
            value,
        };
        (event, expected)
    }

    /// Later than that of any earlier event.
    fn time(&self) -> String {
        let begin = Timestamp::from_second(1_767_225_600).expect("a time");
        (begin + SignedDuration::from_secs(i64::try_from(self.sent).expect("not so many"))).to_string()
    }

    /// Mostly short, now and then some kilobytes, and nothing that can be compressed well.
    fn text(&mut self) -> String {
        let length = if self.dice.once_in(40) { self.dice.of(5_000..30_000) } else { self.dice.of(1..900) };
        (0..length).map(|_| char::from(*self.dice.pick(LETTERS))).collect()
    }
}

/// What texts are made of.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn post(path: &str, body: &str) -> Vec<u8> {
    let headers = [("Authorization", &*basic(KEY)), ("Content-Type", "application/json")];
    request("POST", path, &headers, body.as_bytes())
}
