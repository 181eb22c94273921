//! The paths of the operators' API, made of the table by which its requests are answered.

use serde_json::{Map, Value, json};

use super::operation::Reply;
use super::{operators_server, responses};
use crate::http::api::ROOT;
use crate::http::api::routes::{Action, ApiRoute, ROUTES};

/// What every route may be answered.
const ALL: [(u16, &str); 5] = [
    (400, "a parameter or the body is not as it has to be: the sentence says what to do"),
    (401, "there is a token, and the request does not show it"),
    (403, "there is no token, and the request may come from elsewhere"),
    (404, "there is no such thing, or no store to keep it in"),
    (503, "Weir or its database can't do it now"),
];

/// Every path with its operations.
pub(super) fn items() -> Map<String, Value> {
    let mut items: Map<String, Value> = Map::new();
    for route in ROUTES {
        let item = items
            .entry(format!("{ROOT}{}", route.path))
            .or_insert_with(|| json!({ "servers": operators_server(), "parameters": names(route) }));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    items
}

/// What the path names.
fn names(route: &ApiRoute) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let schema = json!({"type": "string", "minLength": 1});
    let described = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": schema});
    names.map(described).collect()
}

fn operation(route: &ApiRoute) -> Value {
    let tenant = ("tenant", "id of the tenant; needed where there are several");
    let parameters = [tenant].into_iter().chain(route.query.iter().copied()).map(|(name, what)| {
        json!({"name": name, "in": "query", "schema": {"type": "string"}, "description": what})
    });
    let mut operation = json!({
        "summary": route.summary,
        "tags": ["operators"],
        "security": [{}, {"operatorToken": []}],
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses(&replies(route), false),
    });
    if let (Some(body), Some(members)) = (body(route.action), operation.as_object_mut()) {
        members.insert("requestBody".to_owned(), body);
    }
    operation
}

fn body(action: Action) -> Option<Value> {
    let (is_required, content) = match action {
        Action::RunJob => {
            let flag = json!({"type": "boolean"});
            let properties = json!({"full": flag, "allow_deletes": flag});
            let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
            (false, json!({"application/json": {"schema": schema}}))
        }
        Action::Apply => {
            let text = json!({"schema": {"type": "string"}});
            (true, json!({"application/toml": text, "application/json": {"schema": {"type": "object"}}}))
        }
        Action::Retry => (false, json!({"text/csv": {"schema": {"type": "string"}}})),
        _ => return None,
    };
    Some(json!({"required": is_required, "content": content}))
}

fn replies(route: &ApiRoute) -> Vec<Reply> {
    let good = route.statuses.iter().filter(|status| **status < 300);
    let mut replies: Vec<Reply> = good
        .map(|status| {
            let (kind, schema) = content(route.action);
            Reply { status: *status, ..Reply::page(route.summary, kind, schema) }
        })
        .collect();
    let other = route.statuses.iter().filter_map(|status| match status {
        409 => Some((409, "it does not go with what there is: the sentence says what to change")),
        413 => Some((413, "the body is too large")),
        502 => Some((502, "the other system can't be reached, or does not let Weir in")),
        _ => None,
    });
    let error = || json!({"$ref": "#/components/schemas/ApiError"});
    replies.extend(ALL.into_iter().chain(other).map(|(status, why)| Reply {
        status,
        retry_after: status == 503,
        ..Reply::page(why, "application/json", error())
    }));
    replies
}

fn content(action: Action) -> (&'static str, Value) {
    match action {
        Action::Errors => ("text/csv", json!({"type": "string"})),
        Action::Log => ("application/x-ndjson", json!({"type": "string"})),
        Action::Connections
        | Action::Objects
        | Action::Fields
        | Action::Jobs
        | Action::Chains
        | Action::Activity
        | Action::Runs
        | Action::Apply
        | Action::DeleteConnection
        | Action::DeleteJob
        | Action::DeleteChain => ("application/json", json!({"type": "array", "items": {"type": "object"}})),
        Action::RunJob | Action::Retry | Action::Cancel | Action::Run => {
            ("application/json", json!({"$ref": "#/components/schemas/ApiRun"}))
        }
        _ => ("application/json", json!({"type": "object"})),
    }
}
