//! The description of Weir's HTTP interface, as `openapi.json`: every route of both listeners, with the answers of
//! each. It is made of the tables that requests are answered by, so routes, methods, statuses and texts are theirs.

mod api;
mod operation;
pub mod page;
mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::operation::{Operation, Reply};
use super::response::{error_text, retry_after, status};
use super::routes::{ADMIN_ROUTES, AdminPage, Endpoint, ROUTES, Route};
use crate::pipeline::answer::Answer;

const ABOUT: &str = "Events in the form of RudderStack's SDKs become durable records in Gainsight's form. \
    Paths may end in a slash, and have doubled ones. A method that a path does not list gets 405 with `Allow`, and an \
    unknown path 404. An OPTIONS request with `Access-Control-Request-Method` is answered 204 on every path, and every \
    answer has the headers of CORS. A body that arrives too slowly has its connection closed without an answer. What \
    is not HTTP is refused with 400, 408 or 431.";

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        paths.insert(route.path.to_owned(), path_item(route));
    }
    for (path, page) in ADMIN_ROUTES {
        paths.insert((*path).to_owned(), admin_item(*page));
    }
    paths.extend(api::items());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "where clients send (`listen`)"}],
        "paths": paths,
        "components": {"schemas": schema::all(), "securitySchemes": security()},
    })
}

fn security() -> Value {
    json!({
        "basic": {"type": "http", "scheme": "basic",
            "description": "The write key as the user; any password."},
        "operatorToken": {"type": "http", "scheme": "bearer", "description": "`[admin_api] token`, if it is set."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The write key as the token."},
        "accessKey": {"type": "apiKey", "in": "header", "name": "Accesskey"},
        "writeKey": {"type": "apiKey", "in": "query", "name": "writeKey"},
        "sharedSecret": {"type": "apiKey", "in": "header", "name": "sharedSecret"},
        "tenantId": {"type": "apiKey", "in": "header", "name": "tenantId"},
    })
}

fn path_item(route: &Route) -> Value {
    let mut item = Map::new();
    if let Some((_, parameter)) = route.path.split_once('{') {
        let name = parameter.trim_end_matches('}');
        let described = json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"},
            "description": format!("The id of the {name}.")});
        item.insert("parameters".to_owned(), json!([described]));
    }
    for method in route.endpoint.allow().split(", ") {
        let operation = Operation::of(route.endpoint, method);
        item.insert(method.to_ascii_lowercase(), described(&operation, method, route.endpoint));
    }
    Value::Object(item)
}

fn described(operation: &Operation, method: &str, endpoint: Endpoint) -> Value {
    let mut described = json!({
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "responses": responses(&operation.replies, method == "HEAD"),
    });
    if let Some(members) = described.as_object_mut() {
        if let Some((kind, body)) = &operation.body {
            let content = json!({*kind: {"schema": body}});
            members.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
        if !operation.parameters.is_empty() && (endpoint != COMPANY || method == "PUT") {
            members.insert("parameters".to_owned(), json!(operation.parameters));
        }
        if !operation.security.is_empty() {
            let schemes = operation.security.iter().map(|names| {
                let each = names.iter().map(|name| ((*name).to_owned(), json!([])));
                Value::Object(each.collect())
            });
            members.insert("security".to_owned(), schemes.collect());
        }
    }
    described
}

/// Its parameter says how an update finds its records.
const COMPANY: Endpoint = Endpoint::Gainsight(crate::pipeline::gainsight::Operation::Company);

/// What may be answered, by status. To HEAD, there is no body.
fn responses(replies: &[Reply], is_head: bool) -> Value {
    let mut by_status: BTreeMap<u16, Described<'_>> = BTreeMap::new();
    for reply in replies {
        let described = by_status.entry(reply.status).or_default();
        described.sentences.push(&reply.why);
        described.retry_after |= reply.retry_after;
        if let (Some((kind, schema)), false) = (&reply.content, is_head) {
            described.content.entry(kind).or_default().push(schema.clone());
        }
    }
    let each = by_status.into_iter().map(|(status, described)| (status.to_string(), described.response()));
    Value::Object(each.collect())
}

/// A response while it is put together.
#[derive(Default)]
struct Described<'r> {
    sentences: Vec<&'r str>,
    retry_after: bool,
    /// By media type, the schemas of which one holds.
    content: BTreeMap<&'static str, Vec<Value>>,
}

impl Described<'_> {
    fn response(mut self) -> Value {
        self.sentences.dedup();
        let content = self.content.into_iter().map(|(kind, mut schemas)| {
            schemas.dedup();
            let schema = match schemas.as_slice() {
                [one] => one.clone(),
                _ => json!({"anyOf": schemas}),
            };
            (kind.to_owned(), json!({"schema": schema}))
        });
        let content: Map<_, _> = content.collect();
        let mut response = json!({"description": self.sentences.join("; ")});
        if let Some(members) = response.as_object_mut() {
            if !content.is_empty() {
                members.insert("content".to_owned(), Value::Object(content));
            }
            if self.retry_after {
                let seconds = json!({"schema": {"type": "integer", "minimum": 1}, "required": true,
                    "description": "after how many seconds to come again"});
                members.insert("headers".to_owned(), json!({"Retry-After": seconds}));
            }
        }
        response
    }
}

impl Reply {
    /// As `http::response` says it.
    fn plain(answer: &Answer) -> Reply {
        let schema = match (answer, error_text(answer)) {
            (Answer::Rejected(_), _) => json!({"type": "string"}),
            (_, Some(text)) => json!({"type": "string", "const": format!("{text}\n")}),
            (_, None) => json!({"type": "string", "const": "ok"}),
        };
        let content = match answer {
            Answer::Quarantined(_) => {
                ("application/json", json!({"$ref": "#/components/schemas/Quarantined"}))
            }
            _ => ("text/plain", schema),
        };
        Reply::as_answered(answer, content)
    }

    /// With the status and the headers of `answer`, and this content.
    fn as_answered(answer: &Answer, content: (&'static str, Value)) -> Reply {
        let why = match answer {
            Answer::Ok => "every event is durable, or was ignored for a reason that is counted".to_owned(),
            Answer::Quarantined(_) => "these events could not be mapped; the others are durable".to_owned(),
            _ => error_text(answer).unwrap_or_default().into_owned(),
        };
        let retry_after = retry_after(answer).is_some();
        Reply { status: status(answer).as_u16(), why, content: Some(content), retry_after }
    }
}

fn operators_server() -> Value {
    json!([{"url": "http://127.0.0.1:9464", "description": "where operators look (`admin`)"}])
}

fn admin_item(page: AdminPage) -> Value {
    let (summary, kind, may_fail) = match page {
        AdminPage::Metrics => ("Metrics, for Prometheus", "text/plain", false),
        AdminPage::Alive => ("Whether the process answers", "text/plain", false),
        AdminPage::Ready => ("Whether the process can do what it is there for", "text/plain", true),
        AdminPage::OpenApi => ("This document", "application/json", false),
        AdminPage::Docs => ("This document, to read", "text/html", false),
        AdminPage::Consent => ("Where browsers bring back consent to a connection", "text/plain", false),
    };
    let schema =
        if kind == "application/json" { json!({"type": "object"}) } else { json!({"type": "string"}) };
    let mut replies = vec![Reply::page(summary, kind, schema)];
    if may_fail {
        replies.push(Reply::plain(&Answer::Unavailable));
    }
    if page == AdminPage::Consent {
        let why = "the query is not what Weir waits for, or there is no token: a sentence says what to do";
        replies.push(Reply { status: 400, ..Reply::page(why, kind, json!({"type": "string"})) });
    }
    let operation = |is_head| {
        let responses = responses(&replies, is_head);
        json!({"summary": summary, "tags": ["operators"], "responses": responses})
    };
    let mut item = json!({
        "servers": operators_server(),
        "get": operation(false),
    });
    // Consent is taken, not looked at.
    if page != AdminPage::Consent
        && let Some(item) = item.as_object_mut()
    {
        item.insert("head".to_owned(), operation(true));
    }
    item
}
