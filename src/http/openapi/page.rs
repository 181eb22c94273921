//! The document as a page to read. It loads nothing, and runs nothing.

use serde_json::{Map, Value};

/// What a browser may load for the page: its own style, and nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#1d2733;background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #cbd5e1}\
    h3 code{font-size:1.05rem}.m{color:#fff;background:#245;border-radius:3px;padding:.1rem .4rem;margin-right:.4rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;\
    border-top:1px solid #e2e8f0}td:first-child{white-space:nowrap}\
    @media(prefers-color-scheme:dark){body{color:#dbe4ee;background:#10161d}td,th{border-color:#2b3947}\
    h2{border-color:#2b3947}a{color:#8bf}}";

/// The page of `document`.
pub fn html(document: &Value) -> String {
    let mut out = String::new();
    let text = |pointer: &str| escaped(document.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let (title, version, about) = (text("/info/title"), text("/info/version"), text("/info/description"));
    let head = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} {version}: HTTP interface</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>{title} {version}</h1><p>{about}</p><p>For programs: <a href=\"openapi.json\">openapi.json</a></p>"
    );
    out.push_str(&head);
    let mut tag = String::new();
    for (path, item) in by_tag(document) {
        let own = tag_of(item);
        if own != tag {
            let heading = format!("<h2>{}</h2>", escaped(own));
            out.push_str(&heading);
            own.clone_into(&mut tag);
        }
        write_path(&mut out, path, item);
    }
    out
}

/// The paths, those of one tag together.
fn by_tag(document: &Value) -> Vec<(&String, &Map<String, Value>)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let mut paths: Vec<_> = paths.filter_map(|(path, item)| Some((path, item.as_object()?))).collect();
    paths.sort_by_key(|(_, item)| tag_of(item));
    paths
}

fn tag_of(item: &Map<String, Value>) -> &str {
    operations(item).find_map(|(_, one)| one.pointer("/tags/0")?.as_str()).unwrap_or_default()
}

fn operations(item: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    item.iter().filter(|(_, operation)| operation.get("responses").is_some())
}

/// A path, whose methods all have the same answers.
fn write_path(out: &mut String, path: &str, item: &Map<String, Value>) {
    let methods = operations(item).map(|(method, _)| method.to_ascii_uppercase());
    let methods: String = methods.map(|method| format!("<span class=\"m\">{method}</span>")).collect();
    let Some((_, operation)) = operations(item).next() else { return };
    let text = |name: &str| escaped(operation.get(name).and_then(Value::as_str).unwrap_or_default());
    let heading = format!("<h3>{methods}<code>{}</code></h3>", escaped(path));
    out.push_str(&heading);
    let said = format!("<p>{}. {}</p><table>", text("summary"), text("description"));
    out.push_str(&said);
    for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let why = response.get("description").and_then(Value::as_str).unwrap_or_default();
        let kinds = response.get("content").and_then(Value::as_object).into_iter().flatten();
        let kinds = kinds.map(|(kind, _)| escaped(kind)).collect::<Vec<_>>().join(", ");
        let row = format!("<tr><td>{status}</td><td>{}</td><td>{kinds}</td></tr>", escaped(why));
        out.push_str(&row);
    }
    out.push_str("</table>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_path_with_its_answers_is_on_the_page_and_nothing_is_loaded() {
        let document = crate::http::openapi::document();
        let page = html(&document);
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
            assert!(!tag_of(item.as_object().unwrap()).is_empty(), "{path}");
        }
        assert!(page.contains("request neither has anonymousId nor userId"));
        for loads in ["http://", "https://", "<script", "<link", "<img", "src=", "@import", "url("] {
            assert!(!page.contains(loads), "{loads}");
        }
    }

    #[test]
    fn what_the_document_says_is_text_on_the_page() {
        let responses = json!({"200": {"description": "<b>&\""}});
        let document =
            json!({"info": {"title": "<i>"}, "paths": {"/<u>": {"get": {"responses": responses}}}});
        let page = html(&document);
        assert!(
            page.contains("&lt;i&gt;")
                && page.contains("/&lt;u&gt;")
                && page.contains("&lt;b&gt;&amp;&quot;")
        );
    }
}
