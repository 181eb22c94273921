//! Whether what Weir answers is in its own description.

use std::sync::LazyLock;

use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(weir::http::openapi::document);

/// Fails the test if `method` at `target`, where clients send, was answered with a `status` that the description does
/// not have. Paths that are not in it are not looked at: they may be an alias.
pub fn assert_documented(method: &str, target: &str, status: u16) {
    let path = target.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut path = format!("/{}", parts.join("/"));
    if let ["webhook", _] = parts[..] {
        "/webhook/{source}".clone_into(&mut path);
    }
    let Some(item) = DOCUMENT["paths"].get(&path) else { return };
    let documented = match item.get(method.to_lowercase()) {
        // A page of the operators' listener, which clients do not find.
        _ if item.get("servers").is_some() => status == 404,
        Some(operation) => operation["responses"].get(status.to_string()).is_some(),
        // What is said of all paths: other methods, and preflights.
        None => status == 405 || (method == "OPTIONS" && status == 204),
    };
    assert!(documented, "{method} {path} was answered {status}, which /openapi.json does not say");
}
