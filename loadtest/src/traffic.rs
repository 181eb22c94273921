//! What is sent: RudderStack calls as the SDKs write them, laid out once as the bytes of a whole HTTP
//! request. Before a request is sent again, only its numbers are written over.
//!
//! Event `n` of a run has the message id `<run>-<n>` and the user `u-<n modulo the number of users>`.
//! Request `n` comes from source `n % sources`.

use std::io::Write;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use weir::admission::keys::AccessKey;

/// Bytes of a track event, and the least of an identify or a group event.
pub const EVENT_BYTES: usize = 955;

/// Digits of an event's number in its message id.
const ID_DIGITS: usize = 10;
/// Digits of a user's number in its id and email.
const USER_DIGITS: usize = 5;
/// Digits of an event's number in its company's name.
const COMPANY_DIGITS: usize = 3;
/// Digits of a contract's number in its name.
const CONTRACT_DIGITS: usize = 3;
/// Users, where nobody says how many: as many as their digits can tell apart.
pub const PEOPLE: u64 = 100_000;

/// When it was sent by the client's clock: in a single call or in the batch, as SDKs do.
const SENT_AT: &str = ",\"sentAt\":\"2026-11-21T09:00:01.000Z\"";

/// Which calls are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// Track alone.
    Track,
    /// Identify, group and track in turn.
    Mixed,
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Becomes a person.
    Identify,
    /// Becomes a company and a link.
    Group,
    /// Becomes an event.
    Track,
}

impl Mix {
    /// The call that event `number` of a run with `batch` events a request is.
    pub fn call(self, number: u64, batch: u64) -> Call {
        // In a batch the place decides, so that every request looks alike.
        let place = if batch > 1 { number % batch } else { number };
        match (self, place % 3) {
            (Mix::Track, _) | (Mix::Mixed, 2) => Call::Track,
            (Mix::Mixed, 0) => Call::Identify,
            (Mix::Mixed, _) => Call::Group,
        }
    }
}

/// What a run sends.
#[derive(Clone, Debug)]
pub struct Shape {
    /// First part of every message id.
    pub run: String,
    /// Which calls.
    pub mix: Mix,
    /// Events a request; 1: single calls on routes of their own.
    pub batch: u64,
    /// Sources, each with an access key of its own; requests take turns.
    pub sources: u64,
    /// Custom fields of every person and company.
    pub fields: usize,
    /// Users, each of whom is a person.
    pub people: u64,
    /// Contracts, each with a topic of its own; track events name them in turn. None: no event names one.
    pub topics: Option<u64>,
    /// Whether the server is none of Weir's kind: all goes to `/events`, a batch as lines.
    pub raw: bool,
    /// Whether bodies are gzipped, anew for each request: then the generator is not cheap any more.
    pub gzip: bool,
}

/// The access key of source `source`: known to all, for it opens nothing but a server under test.
pub fn key(source: u64) -> AccessKey {
    AccessKey::from(format!("loadtest-key-of-source-{source:05}"))
}

/// The place of the source's number in its key and the colon after it, from where base64's groups of three begin
/// anew: that much is written over when the source changes.
const KEY_TAIL: usize = 21;

/// `key:` of `source` as HTTP's Basic scheme has it: what is the same for all, and the rest.
fn user(source: u64) -> (String, String) {
    let user = format!("{}:", key(source).as_str());
    let (same, rest) = user.split_at(KEY_TAIL);
    (BASE64.encode(same.as_bytes()), BASE64.encode(rest.as_bytes()))
}

/// What a Weir under test is configured for.
#[derive(clap::Args, Clone, Debug)]
pub struct Tenant {
    /// How the topics' names begin
    #[arg(long, default_value = "weir.")]
    pub prefix: String,
    /// Sources, each with an access key of its own
    #[arg(long, default_value_t = 1)]
    pub sources: u64,
    /// Rows of each map: of person's fields, of company's, of events
    #[arg(long, default_value_t = 1)]
    pub rows: usize,
    /// Contracts, each with a topic of its own; without it one that no event needs to name
    #[arg(long)]
    pub topics: Option<u64>,
    /// Events a second that each source may send; 0: as many as come
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
}

impl Tenant {
    /// The configuration, in TOML. The rows that this traffic needs come first.
    pub fn toml(&self) -> String {
        let mut text = format!("[tenants.load]\ntopic_prefix = \"{}\"\n", self.prefix);
        for map in ["person_fields", "company_fields"] {
            text += &format!("[tenants.load.{map}]\n");
            for row in 0..self.rows {
                text += &format!("custom{row} = \"Custom{row}__gc\"\n");
            }
        }
        for source in 0..self.sources {
            text += &format!(
                "[sources.source-{source}]\ntenant = \"load\"\nkeys = [\"{}\"]\npublishers = [\"tickets\"]\n\
                 rate = {}\n",
                key(source).hash(),
                self.rate
            );
        }
        text += "[publishers.tickets]\ntenant = \"load\"\ntopic = \"Ticket Actions\"\n";
        text += &match self.topics {
            None => "contract = \"standard\"\n".to_owned(),
            Some(topics) => format!("contracts = {:?}\n", (0..topics).map(contract).collect::<Vec<_>>()),
        };
        text += "[publishers.tickets.events]\n";
        text += "\"Ticket Closure\" = { name = \"Ticket Closed\", version = \"1.0.0\" }\n";
        for row in 1..self.rows {
            text += &format!("\"Ticket Event {row}\" = {{ name = \"Event {row}\", version = \"1.0.0\" }}\n");
        }
        text
    }
}

/// The name of a contract.
fn contract(number: u64) -> String {
    format!("c{number:0CONTRACT_DIGITS$}")
}

/// A place in a request that holds the last digits of an event's number.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    digits: usize,
    /// Which event of the request.
    event: u64,
    /// What the number is taken modulo of, where that is not the digits' own end.
    of: Option<u64>,
}

/// A request that is sent again and again with other numbers.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// Where the source's part of the key stands.
    user: usize,
    sources: u64,
    batch: u64,
    /// Where the body begins.
    body: usize,
    /// What is sent instead, where bodies are gzipped: head and body, made anew for each request.
    gzipped: Option<(Vec<u8>, Vec<u8>)>,
}

impl Request {
    /// The requests that a connection sends in turn: one, or one for each call where single calls are mixed.
    pub fn all(shape: &Shape) -> Vec<Request> {
        let kinds = if shape.batch == 1 && shape.mix == Mix::Mixed { 3 } else { 1 };
        (0..kinds).map(|kind| Request::new(shape, kind)).collect()
    }

    fn new(shape: &Shape, kind: u64) -> Request {
        let mut body = Body { people: shape.people.max(1), ..Body::default() };
        let (path, content) = if shape.raw {
            // No line ends the last event: some would make a record of the nothing after it.
            body.events(shape, kind, "\n");
            ("/events", if shape.batch == 1 { "json" } else { "x-ndjson" })
        } else if shape.batch == 1 {
            body.events(shape, kind, "");
            let path = match shape.mix.call(kind, 1) {
                Call::Identify => "/v1/identify",
                Call::Group => "/v1/group",
                Call::Track => "/v1/track",
            };
            (path, "json")
        } else {
            body.text("{\"batch\":[");
            body.events(shape, kind, ",");
            body.text("]");
            body.text(SENT_AT);
            body.text("}");
            ("/v1/batch", "json")
        };
        let (same, rest) = user(0);
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: weir.test\r\nAuthorization: Basic {same}");
        let user = head.len();
        head += &rest;
        head += &format!("\r\nContent-Type: application/{content}\r\nUser-Agent: weir-loadtest\r\n");
        let gzipped = shape.gzip.then(|| {
            let head = format!("{head}Content-Encoding: gzip\r\nContent-Length: ").into_bytes();
            (head, Vec::new())
        });
        head += &format!("Content-Length: {}\r\n\r\n", body.bytes.len());
        let start = head.len();
        let mut bytes = head.into_bytes();
        bytes.append(&mut body.bytes);
        let places = body.places.iter().map(|place| Place { at: place.at + start, ..*place }).collect();
        let (sources, batch) = (shape.sources.max(1), shape.batch);
        Request { bytes, places, user, sources, batch, body: start, gzipped }
    }

    /// Makes it request `number`: writes its source and the numbers of its events over those before.
    pub fn number(&mut self, number: u64) {
        let (_, user) = user(number % self.sources);
        let heads = [Some(&mut self.bytes), self.gzipped.as_mut().map(|(head, _)| head)];
        for head in heads.into_iter().flatten() {
            if let Some(place) = head.get_mut(self.user..self.user + user.len()) {
                place.copy_from_slice(user.as_bytes());
            }
        }
        for place in &self.places {
            let event = number * self.batch + place.event;
            let mut left = place.of.map_or(event, |of| event % of);
            let digits = self.bytes.get_mut(place.at..place.at + place.digits).unwrap_or_default();
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
                left /= 10;
            }
        }
        if let Some((head, request)) = &mut self.gzipped {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let body = self.bytes.get(self.body..).unwrap_or_default();
            // Writing to memory does not fail.
            let body = encoder.write_all(body).and_then(|()| encoder.finish()).unwrap_or_default();
            request.clear();
            request.extend_from_slice(head);
            request.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
            request.extend_from_slice(&body);
        }
    }

    /// Where its body begins; a gzipped one's is not known.
    pub fn body(&self) -> usize {
        self.body
    }

    /// What goes on the wire.
    pub fn bytes(&self) -> &[u8] {
        self.gzipped.as_ref().map_or(&self.bytes, |(_, request)| request)
    }
}

/// A body while it is laid out.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    places: Vec<Place>,
    people: u64,
}

impl Body {
    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn digits(&mut self, event: u64, digits: usize) {
        self.digits_of(event, digits, None);
    }

    fn digits_of(&mut self, event: u64, digits: usize, of: Option<u64>) {
        self.places.push(Place { at: self.bytes.len(), digits, event, of });
        self.bytes.resize(self.bytes.len() + digits, b'0');
    }

    fn user(&mut self, event: u64) {
        self.digits_of(event, USER_DIGITS, Some(self.people));
    }

    fn email(&mut self, event: u64) {
        self.text("\"email\":\"user-");
        self.user(event);
        self.text("@example.com\"");
    }

    /// The events of a request whose first is of kind `kind`, with `between` between them.
    fn events(&mut self, shape: &Shape, kind: u64, between: &str) {
        for event in 0..shape.batch {
            if event > 0 {
                self.text(between);
            }
            self.event(shape.mix.call(kind + event, shape.batch), shape, event);
        }
    }

    fn event(&mut self, call: Call, shape: &Shape, event: u64) {
        let start = self.bytes.len();
        self.text("{\"messageId\":\"");
        self.text(&shape.run);
        self.text("-");
        self.digits(event, ID_DIGITS);
        self.text("\",\"userId\":\"u-");
        self.user(event);
        self.text("\",\"anonymousId\":\"6b9f0c1e-5a1d-4a53-9a3c-0f6f4f1b2d77\"");
        match call {
            Call::Identify => self.identify(shape.fields, event),
            Call::Group => self.group(shape.fields, event),
            Call::Track => self.track(event),
        }
        self.text(",\"originalTimestamp\":\"2026-11-21T09:00:00.000Z\"");
        if shape.batch == 1 {
            self.text(SENT_AT);
        }
        self.text(",\"context\":{");
        self.text("\"library\":{\"name\":\"RudderLabs JavaScript SDK\",\"version\":\"3.7.5\"},\"traits\":{");
        self.email(event);
        self.text("}");
        if let (Call::Track, Some(_)) = (call, shape.topics) {
            self.text(",\"externalId\":[{\"type\":\"gainsightEventContractId\",\"id\":\"c");
            self.digits_of(event, CONTRACT_DIGITS, shape.topics);
            self.text("\"}]");
        }
        self.text(
            ",\"locale\":\"en-GB\",\"timezone\":\"GMT+0100\",\"page\":{\"path\":\"/tickets\",\"search\":\"",
        );
        let end = "\"}}}";
        let used = self.bytes.len() - start + end.len();
        self.filling(EVENT_BYTES.saturating_sub(used));
        self.text(end);
    }

    fn identify(&mut self, fields: usize, event: u64) {
        self.text(",\"type\":\"identify\",\"traits\":{");
        self.email(event);
        self.text(
            ",\"firstName\":\"Ada\",\"lastName\":\"Lovelace\",\"title\":\"Head of Support\",\
             \"phone\":\"+44 20 7946 0000\",\"timezone\":\"Europe/London\"",
        );
        self.custom(fields, event);
        self.text("}");
    }

    fn group(&mut self, fields: usize, event: u64) {
        self.text(",\"type\":\"group\",\"groupId\":\"g-");
        self.digits(event, COMPANY_DIGITS);
        self.text("\",\"traits\":{\"name\":\"Company ");
        self.digits(event, COMPANY_DIGITS);
        self.text(
            "\",\"industry\":\"Software\",\"employees\":250,\"website\":\"https://company.example.com\"",
        );
        self.custom(fields, event);
        self.text("}");
    }

    fn custom(&mut self, fields: usize, event: u64) {
        for field in 0..fields {
            self.text(&format!(",\"custom{field}\":\"value-"));
            self.digits(event, USER_DIGITS);
            self.text("\"");
        }
    }

    fn track(&mut self, event: u64) {
        self.text(",\"type\":\"track\",\"event\":\"Ticket Closure\",\"properties\":{\"ticketId\":\"T-");
        self.digits(event, ID_DIGITS);
        self.text(
            "\",\"status\":\"resolved\",\"priority\":\"high\",\"channel\":\"email\",\"hours\":1.50,\
             \"reopened\":false,\"tags\":[\"billing\",\"invoice\",\"vat\"],\"assignee\":{\"id\":\"a-17\",\
             \"team\":\"Support EMEA\"},\"subject\":\"The invoice of November shows the wrong VAT rate\",\"note\":\"",
        );
        self.filling(96);
        self.text("\"}");
    }

    /// Text that does not repeat itself within an event.
    fn filling(&mut self, bytes: usize) {
        let mut state = 0x9e37_79b9_u32;
        for _ in 0..bytes {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let letter = u8::try_from(state % 26).unwrap_or(0);
            self.bytes.push(b'a' + letter);
        }
    }
}

#[cfg(test)]
mod tests;
