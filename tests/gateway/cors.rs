//! CORS as RudderStack's SDKs know it, on every kind of answer.

use crate::harness::weir::Weir;
use crate::harness::wire::{Answer, basic};

const ORIGIN: &str = "https://app.example.com";

fn allowed(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("Access-Control-Allow-Origin"), answer.header("Access-Control-Allow-Credentials"))
}

#[test]
fn trap_8_every_kind_of_answer_lets_the_page_that_asked_read_it() {
    let weir = Weir::with_limits("body_bytes = 1000\nevent_bytes = 1000");
    let (good, wrong) = (basic(weir.key()), basic("wrong"));
    let large = "x".repeat(1_001);
    let rows = [
        ("POST", "/v1/page", Some(&good), r#"{"userId":"u"}"#, 200),
        ("POST", "/v1/identify", Some(&good), r#"{"userId":"u"}"#, 200),
        ("POST", "/v1/page", Some(&good), "{", 400),
        ("POST", "/v1/page", None, "{}", 401),
        ("POST", "/v1/page", Some(&wrong), "{}", 401),
        ("POST", "/v1/page", Some(&good), large.as_str(), 413),
        ("POST", "/nope", None, "{}", 404),
        ("GET", "/v1/page", None, "", 405),
        ("OPTIONS", "/v1/page", None, "", 405),
        ("GET", "/health", None, "", 200),
        ("GET", "/version", None, "", 200),
        ("GET", "/robots.txt", None, "", 200),
    ];
    for (method, path, key, body, status) in rows {
        let key: Vec<(&str, &str)> = key.map(|key| ("Authorization", key.as_str())).into_iter().collect();
        let from_page = weir.send(method, path, &[&key[..], &[("Origin", ORIGIN)]].concat(), body);
        assert_eq!(from_page.status, status, "{method} {path}");
        assert_eq!(allowed(&from_page), (Some(ORIGIN), Some("true")), "{method} {path}");
        assert_eq!(from_page.header("Vary"), Some("Origin"));

        let from_elsewhere = weir.send(method, path, &key, body);
        assert_eq!(allowed(&from_elsewhere), (None, None), "{method} {path}");
        assert_eq!(from_elsewhere.header("Vary"), Some("Origin"));
    }
}

#[test]
fn trap_8_a_preflight_is_allowed_without_a_key_on_any_path() {
    let weir = Weir::standard();
    let names = "anonymousid,authorization,content-type";
    let headers = [
        ("Origin", ORIGIN),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", names),
    ];
    for path in ["/v1/track", "/v1/batch", "/nope", "/"] {
        let answer = weir.send("OPTIONS", path, &headers, "");
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(allowed(&answer), (Some(ORIGIN), Some("true")));
        assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("POST"));
        assert_eq!(answer.header("Access-Control-Allow-Headers"), Some(names));
        assert_eq!(answer.header("Access-Control-Max-Age"), Some("900"));
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        assert_eq!(answer.header("Vary"), Some(vary));
    }
}

#[test]
fn a_preflight_for_another_method_or_without_an_origin_allows_nothing() {
    let weir = Weir::standard();
    let put = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT")];
    let nowhere = [("Access-Control-Request-Method", "POST")];
    for headers in [&put[..], &nowhere] {
        let answer = weir.send("OPTIONS", "/v1/track", headers, "");
        assert_eq!(answer.status, 204);
        let told =
            answer.headers.iter().filter(|(name, _)| name.to_lowercase().starts_with("access-control"));
        assert_eq!(told.count(), 0, "{answer:?}");
        assert!(answer.header("Vary").unwrap().starts_with("Origin, "));
    }
}

#[test]
fn a_preflight_without_requested_headers_names_none() {
    let weir = Weir::standard();
    let answer = weir.send(
        "OPTIONS",
        "/v1/track",
        &[("Origin", "null"), ("Access-Control-Request-Method", "GET")],
        "",
    );
    assert_eq!(allowed(&answer), (Some("null"), Some("true")));
    assert_eq!(answer.header("Access-Control-Allow-Methods"), Some("GET"));
    assert_eq!(answer.header("Access-Control-Allow-Headers"), None);
}
