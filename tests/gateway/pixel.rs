//! Events in the URLs of images.

use crate::harness::weir::{KEY, Weir, config, source};
use crate::harness::wire::{Answer, basic};

/// As base64, from rudder-server.
const GIF: &str = "R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";

fn get(weir: &Weir, target: &str) -> Answer {
    let answer = weir.send("GET", target, &[], "");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("image/gif")), "{target}");
    assert_eq!(data_encoding::BASE64.encode(&answer.body), GIF, "{target}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    answer
}

#[test]
fn the_parameters_of_an_image_become_an_event() {
    let weir = Weir::standard();
    let ids = "userId=u1&context.externalId.0.type=gainsightEventContractId&context.externalId.0.id=gold";
    let event = "event=Ticket+Closure&properties.status=resolved&properties.by.name=J%C3%BCrgen%20B";
    get(&weir, &format!("/pixel/v1/track?writeKey={KEY}&{ids}&{event}"));
    get(&weir, &format!("/pixel/v1/page?writeKey={KEY}&anonymousId=%22a%22&name="));
    let records = weir.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].header("ce_eventname"), "Ticket Closed");
    assert_eq!(records[0].header("ce_contract"), "gold");
    let properties = serde_json::json!({"status": "resolved", "by": {"name": "Jürgen B"}});
    assert_eq!(records[0].value, properties);
    let counted = |outcome: &str, kind: &str| {
        weir.metric(&format!(r#"weir_events_total{{outcome="{outcome}",source="web",type="{kind}"}}"#))
    };
    assert_eq!((counted("queued", "track"), counted("ignored", "page")), (1.0, 1.0));
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/pixel/v1/track",status="200"}"#), 1.0);
}

#[test]
fn two_views_of_one_image_are_two_events() {
    let weir = Weir::standard();
    let target = format!("/pixel/v1/track?writeKey={KEY}&userId=u&event=Ticket%20Closure");
    for _ in 0..3 {
        get(&weir, &target);
    }
    let records = weir.records();
    let ids: std::collections::BTreeSet<_> = records.iter().map(|record| record.header("ce_id")).collect();
    assert_eq!((records.len(), ids.len()), (3, 3));
}

#[test]
fn the_image_is_sent_whatever_becomes_of_the_event_which_quarantine_and_counters_tell() {
    let weir = Weir::with_config(&config(&source("off", "acme", &["off"], "enabled = false")));
    let good = format!("writeKey={KEY}");
    let deep = format!("{good}&userId=u&event=e&{}=1", vec!["a"; 300].join("."));
    for query in ["", "userId=u", "writeKey=wrong&userId=u", "writeKey=off&userId=u", &good, &deep] {
        for path in ["/pixel/v1/track", "/pixel/v1/page"] {
            get(&weir, &format!("{path}?{query}"));
        }
    }
    assert_eq!(weir.quarantine(), ["identity_missing", "identity_missing"]);
    // Bytes that are no UTF-8 make no key here either.
    get(&weir, &format!("/pixel/v1/track?{good}&userId=M%FCller&event=Ticket+Closure"));
    get(&weir, &format!("/pixel/v1/track?{good}&userId=u&event="));
    assert_eq!(weir.quarantine()[2..], ["key_undecodable", "event_name_missing"]);
    for record in weir.records() {
        assert!(!record.value.to_string().contains(KEY), "{record:?}");
    }
    assert_eq!(weir.send("GET", "/pixel/v1/screen?userId=u", &[], "").status, 404);
    for method in ["HEAD", "POST"] {
        let answer = weir.send(method, &format!("/pixel/v1/page?{good}"), &[], "");
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET")));
    }
}

#[test]
fn the_query_s_key_comes_before_a_header_s() {
    let weir = Weir::with_config(&config(&source("mail", "acme", &["of-mail"], "")));
    let header = basic(KEY);
    for (query, counts) in [("writeKey=of-mail&userId=u", "mail"), ("userId=u", "web")] {
        let target = format!("/pixel/v1/page?{query}");
        assert_eq!(weir.send("GET", &target, &[("Authorization", &header)], "").status, 200);
        let name = format!(r#"weir_events_total{{outcome="ignored",source="{counts}",type="page"}}"#);
        assert_eq!(weir.metric(&name), 1.0, "{query}");
    }
}
