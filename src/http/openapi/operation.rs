//! What each endpoint takes and may answer.

use serde_json::{Value, json};

use super::schema::reference;
use crate::event::kind::CallType;
use crate::http::bulk::Bulk;
use crate::http::routes::Endpoint;
use crate::pipeline::Call;
use crate::pipeline::answer::Answer;
use crate::pipeline::gainsight::Operation as Gainsight;

/// One of the answers of an operation.
pub(super) struct Reply {
    pub status: u16,
    /// When it comes.
    pub why: String,
    /// The media type and the schema of its body.
    pub content: Option<(&'static str, Value)>,
    pub retry_after: bool,
}

impl Reply {
    /// A page that is always there.
    pub fn page(why: &str, kind: &'static str, schema: Value) -> Reply {
        Reply { status: 200, why: why.to_owned(), content: Some((kind, schema)), retry_after: false }
    }
}

/// An operation of the clients' listener, whichever of its methods is used.
pub(super) struct Operation {
    pub tag: &'static str,
    pub summary: String,
    pub description: &'static str,
    /// The media type and the schema of the body, if it takes one.
    pub body: Option<(&'static str, Value)>,
    pub parameters: Vec<Value>,
    /// Ways to show who sends, each with all that it needs.
    pub security: Vec<&'static [&'static str]>,
    pub replies: Vec<Reply>,
}

const KEYS: [&[&str]; 4] = [&["basic"], &["bearer"], &["accessKey"], &["writeKey"]];

/// What a request with a key may be told before its body is read.
const OF_KEYS: [Answer; 7] = [
    Answer::UnknownKey,
    Answer::KeyNotYetKnown,
    Answer::LimitReached { seconds: 1 },
    Answer::InvalidSecret,
    Answer::SignatureExpired,
    Answer::OriginNotAllowed,
    Answer::SourceDisabled,
];

/// What a request with a body may be told.
const OF_BODIES: [Answer; 4] =
    [Answer::UnreadableBody, Answer::TooLarge, Answer::UnknownEncoding, Answer::Unavailable];

impl Operation {
    /// What `endpoint` does, asked with `method`.
    pub fn of(endpoint: Endpoint, method: &str) -> Operation {
        match endpoint {
            Endpoint::Events(call) => events(call),
            Endpoint::Beacon => beacon(),
            Endpoint::Pixel(call) => pixel(call),
            Endpoint::Gainsight(operation) => gainsight(operation),
            Endpoint::Bulk(Bulk::Own) if method == "GET" => run(),
            Endpoint::Bulk(Bulk::Own) => bulk(),
            Endpoint::Bulk(Bulk::Import) => import(),
            Endpoint::Bulk(Bulk::Status) => import_status(),
            Endpoint::SourceConfig => source_config(),
            Endpoint::SdkMetrics => Operation {
                description: "Whatever comes is taken and ignored.",
                replies: vec![Reply::plain(&Answer::Ok)],
                ..page("What an SDK reports about itself", Vec::new())
            },
            Endpoint::Health => page(
                "Whether Weir takes events",
                vec![
                    Reply::page("it does", "application/json", reference("Health")),
                    Reply::plain(&Answer::Unavailable),
                ],
            ),
            Endpoint::Version => page(
                "Which Weir this is",
                vec![Reply::page("its version", "application/json", reference("Version"))],
            ),
            Endpoint::Robots => page(
                "Tells crawlers to stay away",
                vec![Reply::page("for all of them", "text/plain", json!({"type": "string"}))],
            ),
        }
    }
}

fn page(summary: &str, replies: Vec<Reply>) -> Operation {
    Operation {
        tag: "pages",
        summary: summary.to_owned(),
        description: "",
        body: None,
        parameters: Vec::new(),
        security: Vec::new(),
        replies,
    }
}

fn events(call: Call) -> Operation {
    let (summary, body, own) = match call {
        Call::One(kind) => (format!("One {} call", kind.label()), "Event", one()),
        Call::Batch => ("A batch of calls".to_owned(), "Batch", batch()),
        Call::Import => {
            let own = batch().into_iter().filter(|answer| *answer != Answer::EmptyBatch);
            ("A batch that may hold nothing".to_owned(), "Batch", own.collect())
        }
        Call::Webhook => {
            let rule = Answer::Rejected("the rule that a single event breaks, in one sentence".into());
            let own = one().into_iter().chain([Answer::EmptyBatch, Answer::TooManyEvents, rule]);
            ("What RudderStack's webhook destinations send".to_owned(), "EventOrEvents", own.collect())
        }
    };
    Operation {
        tag: "events",
        summary,
        description: "The body may be compressed with gzip, deflate or zstd, and have any Content-Type.",
        body: Some(("application/json", reference(body))),
        security: KEYS.to_vec(),
        replies: plain(own.iter().chain(&[Answer::NoKey]).chain(&OF_KEYS).chain(&OF_BODIES)),
        ..page("", Vec::new())
    }
}

fn beacon() -> Operation {
    let own = batch();
    Operation {
        summary: "A batch from a page that is closing".to_owned(),
        description: "The key in the query comes before one in a header. Bodies are read whatever their type.",
        replies: plain(own.iter().chain(&[Answer::NoKeyInQuery]).chain(&OF_KEYS).chain(&OF_BODIES)),
        ..events(Call::Batch)
    }
}

fn plain<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<Reply> {
    answers.map(Reply::plain).collect()
}

fn one() -> Vec<Answer> {
    let quarantined = Answer::Quarantined(Vec::new());
    vec![Answer::Ok, quarantined, Answer::InvalidEvent, Answer::NoIdentity, Answer::InvalidJson]
}

fn batch() -> Vec<Answer> {
    let quarantined = Answer::Quarantined(Vec::new());
    vec![Answer::Ok, quarantined, Answer::InvalidJson, Answer::EmptyBatch, Answer::TooManyEvents]
}

fn pixel(call: CallType) -> Operation {
    let members = json!({"name": "event", "in": "query", "style": "form", "explode": true,
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "description": "The event's members. Dots in a name nest them, as in properties.status."});
    Operation {
        tag: "events",
        summary: format!("One {} call in the URL of an image", call.label()),
        description: "The image comes whatever becomes of the event.",
        parameters: vec![members],
        security: KEYS.to_vec(),
        ..page("", vec![Reply::page("an image of one pixel", "image/gif", json!({}))])
    }
}

fn source_config() -> Operation {
    // What SDKs take as final is a 400 here.
    let unknown = Reply { status: 400, ..Reply::plain(&Answer::UnknownKey) };
    let refused = [
        Answer::NoKey,
        Answer::KeyNotYetKnown,
        Answer::LimitReached { seconds: 1 },
        Answer::OriginNotAllowed,
    ];
    let found = Reply::page("what is known of the source", "application/json", reference("SourceConfig"));
    Operation {
        summary: "What an SDK asks about its source before it sends".to_owned(),
        description: "In place of RudderStack's control plane.",
        security: KEYS.to_vec(),
        replies: [found, unknown].into_iter().chain(plain(refused.iter())).collect(),
        ..page("", Vec::new())
    }
}

fn gainsight(operation: Gainsight) -> Operation {
    let (summary, body) = match operation {
        Gainsight::People => ("Puts a person", "Fields"),
        Gainsight::CompanyQuery => ("Asks for companies", "Fields"),
        Gainsight::Company => ("Puts companies", "Companies"),
        Gainsight::Event => ("Publishes an event", "Fields"),
    };
    let done = Reply::page("every record is durable", "application/json", reference("Gainsight"));
    let broken = Reply {
        status: 400,
        why: "Gainsight's code and sentence for what a record breaks".to_owned(),
        ..enveloped(&Answer::InvalidJson)
    };
    let is_event = operation == Gainsight::Event;
    let of_secrets = [Answer::InvalidSecret, Answer::SignatureExpired];
    let of_keys: Vec<_> = [Answer::NoKey].into_iter().chain(OF_KEYS).collect();
    let refused = if is_event { of_secrets.as_slice() } else { of_keys.as_slice() };
    let refused = refused.iter().chain(&OF_BODIES).map(enveloped);
    let header = |name: &str, required: bool| {
        let schema = json!({"type": "string"});
        json!({"name": name, "in": "header", "required": required, "schema": schema})
    };
    let parameters = match operation {
        Gainsight::Company => vec![json!({"name": "keys", "in": "query", "required": true,
            "schema": {"const": "Name"}, "description": "By what an update finds its records."})],
        Gainsight::Event => vec![
            header("topicName", true),
            header("eventName", true),
            header("eventVersion", true),
            header("contractId", false),
        ],
        _ => Vec::new(),
    };
    Operation {
        tag: "Gainsight",
        summary: summary.to_owned(),
        description: "As Gainsight's own API does it, for RudderStack's Gainsight destination.",
        body: Some(("application/json", reference(body))),
        parameters,
        security: if is_event { vec![&["sharedSecret", "tenantId"]] } else { KEYS.to_vec() },
        replies: [done, broken].into_iter().chain(refused).collect(),
    }
}

/// What who sends a file, or asks about one, may be told because of the key.
const OF_FILE_KEYS: [Answer; 6] = [
    Answer::NoKey,
    Answer::UnknownKey,
    Answer::KeyNotYetKnown,
    Answer::LimitReached { seconds: 1 },
    Answer::OriginNotAllowed,
    Answer::SourceDisabled,
];

fn text(status: u16, why: &str) -> Reply {
    let content = Some(("text/plain", json!({"type": "string"})));
    Reply { status, why: why.to_owned(), content, retry_after: false }
}

const NO_JOB: &str = "no such job takes files";
const NO_SOURCE: &str = "the job takes no files from this source";
const NO_RUN: &str = "there is no such run";

fn bulk() -> Operation {
    let queued = Reply {
        status: 202,
        ..Reply::page("the file is durable, and its run asked for", "application/json", reference("Queued"))
    };
    let own = [
        queued,
        text(400, "nothing came, or no form as it should be"),
        text(403, NO_SOURCE),
        text(404, NO_JOB),
    ];
    Operation {
        tag: "files",
        summary: "A file for a job".to_owned(),
        description: "The file is the body, or the part `file` of a form; plain or gzip. The connection of the job has \
            connector = \"upload\".",
        body: Some(("text/csv", json!({"type": "string"}))),
        parameters: vec![json!({"name": "file", "in": "query", "schema": {"type": "string"},
            "description": "What the file is called, where it is the body."})],
        security: KEYS.to_vec(),
        replies: own.into_iter().chain(plain(OF_FILE_KEYS.iter().chain(&OF_BODIES))).collect(),
    }
}

fn run() -> Operation {
    let own = [Reply::page("how far it is", "application/json", reference("Run")), text(404, NO_RUN)];
    Operation {
        summary: "What has become of a file".to_owned(),
        description: "The path ends in the id of the run that the answer to the file named.",
        body: None,
        parameters: Vec::new(),
        replies: own.into_iter().chain(plain(OF_FILE_KEYS.iter())).collect(),
        ..bulk()
    }
}

fn import() -> Operation {
    let refused = [
        in_envelope(400, "nothing came, or no form as it should be"),
        in_envelope(403, NO_SOURCE),
        in_envelope(404, NO_JOB),
    ];
    Operation {
        summary: "A file for a job, as Gainsight's Bulk API takes it".to_owned(),
        description: "A form with the file and the id of its job.",
        body: Some(("multipart/form-data", reference("Import"))),
        parameters: Vec::new(),
        replies: [in_envelope(200, "the file is durable, and its run asked for")]
            .into_iter()
            .chain(refused)
            .chain(OF_FILE_KEYS.iter().chain(&OF_BODIES).map(enveloped))
            .collect(),
        ..bulk()
    }
}

fn import_status() -> Operation {
    let own = [in_envelope(200, "how far its run is"), in_envelope(404, NO_RUN)];
    Operation {
        summary: "What has become of a file".to_owned(),
        description: "As Gainsight's Bulk API tells it: INIT, IN_PROGRESS or COMPLETED, and how many rows.",
        body: None,
        parameters: Vec::new(),
        replies: own.into_iter().chain(OF_FILE_KEYS.iter().map(enveloped)).collect(),
        ..bulk()
    }
}

fn enveloped(answer: &Answer) -> Reply {
    Reply::as_answered(answer, ("application/json", reference("Gainsight")))
}

fn in_envelope(status: u16, why: &str) -> Reply {
    Reply { status, ..Reply::page(why, "application/json", reference("Gainsight")) }
}
