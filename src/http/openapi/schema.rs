//! The shapes of bodies. Weir takes more than they say, and loses nothing that they do not name.

use serde_json::{Value, json};

use crate::connect::desk::runs::State;

/// Every shape that the document refers to, by its name.
pub(super) fn all() -> Value {
    let shapes =
        [events(), pages(), gainsight(), files(), operators()].into_iter().filter_map(
            |shapes| match shapes {
                Value::Object(shapes) => Some(shapes),
                _ => None,
            },
        );
    Value::Object(shapes.flatten().collect())
}

/// What operators are told.
fn operators() -> Value {
    let states: Vec<_> = State::ALL.iter().map(|state| state.word()).collect();
    json!({
        "ApiError": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string", "description": "One sentence that says what to do."},
                "problems": {"type": "array", "items": {"type": "string"},
                    "description": "All that is wrong with a document, each with its key."},
            },
        },
        "ApiRun": {
            "type": "object",
            "required": ["id", "job", "state"],
            "properties": {"id": {"type": "string"}, "job": {"type": "string"}, "state": {"enum": states}},
        },
    })
}

fn events() -> Value {
    let identity = json!({"type": "string", "pattern": "[A-Za-z0-9]"});
    json!({
        "Event": {
            "type": "object",
            "description": "One call of an SDK, of a user who has one of the two ids. There may be other members.",
            "anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}],
            "properties": {
                "type": {"type": "string", "description": "On /v1/{type}, the path says it."},
                "userId": identity.clone(),
                "anonymousId": identity,
                "messageId": {"type": "string", "description": "By which a repeat is known as one."},
                "event": {"type": "string", "description": "The name of a track call."},
                "groupId": {"type": "string"},
                "traits": {"type": "object"},
                "properties": {"type": "object"},
                "context": {"type": "object"},
                "integrations": {"type": "object"},
                "originalTimestamp": {"type": "string"},
                "timestamp": {"type": "string"},
                "sentAt": {"type": "string"},
            },
        },
        "Batch": {
            "type": "object",
            "required": ["batch"],
            "properties": {
                "batch": {"type": "array", "items": reference("Event"), "minItems": 1},
                "sentAt": {"type": "string"},
            },
        },
        "EventOrEvents": {
            "anyOf": [reference("Event"), {"type": "array", "items": reference("Event"), "minItems": 1}],
        },
        "Quarantined": {
            "type": "object",
            "required": ["quarantined"],
            "properties": {"quarantined": {"type": "array", "items": {
                "type": "object",
                "required": ["index", "messageId", "reason", "detail"],
                "properties": {
                    "index": {"type": "integer", "description": "Its place in the request, from 0."},
                    "messageId": {"type": "string"},
                    "reason": {"type": "string"},
                    "detail": {"type": "string"},
                },
            }}},
        },
    })
}

fn pages() -> Value {
    json!({
        "Health": {
            "type": "object",
            "required": ["server", "db", "acceptingEvents", "routingEvents", "mode"],
        },
        "Version": {"type": "object", "required": ["Version", "Features"]},
        "SourceConfig": {
            "type": "object",
            "required": ["source"],
            "properties": {"source": {
                "type": "object",
                "required":
                    ["id", "name", "writeKey", "enabled", "workspaceId", "updatedAt", "config", "destinations"],
                "properties": {"enabled": {"type": "boolean"}, "destinations": {"type": "array"}},
            }},
        },
    })
}

fn gainsight() -> Value {
    json!({
        "Fields": {"type": "object", "description": "Fields of Gainsight's, by their names."},
        "Companies": {
            "type": "object",
            "required": ["records"],
            "properties": {"records": {"type": "array", "items": reference("Fields")}},
        },
        "Gainsight": {
            "type": "object",
            "description": "Gainsight's envelope, of successes and failures.",
            "required": ["result", "errorCode", "errorDesc", "requestId", "data", "message"],
            "properties": {
                "result": {"type": "boolean"},
                "errorCode": {"type": ["string", "null"]},
                "errorDesc": {"type": ["string", "null"]},
                "requestId": {"type": "string"},
                "data": {"type": ["object", "null"]},
                "message": {"type": ["string", "null"]},
            },
        },
    })
}

fn files() -> Value {
    let text = || json!({"type": ["string", "null"]});
    json!({
        "Import": {
            "type": "object",
            "required": ["file", "jobId"],
            "properties": {
                "file": {"type": "string", "contentMediaType": "text/csv"},
                "jobId": {"type": "string"},
            },
        },
        "Queued": {
            "type": "object",
            "required": ["run", "job", "file", "bytes", "state"],
            "properties": {
                "run": {"type": "string", "description": "Its id, by which to ask what has become of the file."},
                "job": {"type": "string"},
                "file": {"type": "string"},
                "bytes": {"type": "integer"},
                "state": {"type": "string"},
            },
        },
        "Run": {
            "type": "object",
            "required": ["id", "job", "state", "extracted", "rejected", "loaded", "failed", "error"],
            "properties": {
                "id": {"type": "string"},
                "job": {"type": "string"},
                "file": text(),
                "state": {"enum": State::ALL.map(State::word)},
                "extracted": {"type": "integer"},
                "rejected": {"type": "integer"},
                "loaded": {"type": "integer"},
                "failed": {"type": "integer"},
                "error": text(),
            },
        },
    })
}

/// A reference to the shape of this name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
