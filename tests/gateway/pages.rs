//! The small pages, for probes, crawlers and operators.

use crate::harness::weir::Weir;
use crate::harness::wire::{Wire, request};

#[test]
fn health_and_version_have_the_keys_that_probes_of_rudder_server_read() {
    let weir = Weir::standard();
    for page in ["/", "/health"] {
        let answer = weir.send("GET", page, &[], "");
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
        let health = answer.json();
        for (key, value) in [
            ("server", "UP"),
            ("db", "UP"),
            ("acceptingEvents", "TRUE"),
            ("routingEvents", "TRUE"),
            ("mode", "NORMAL"),
            ("appType", "GATEWAY"),
        ] {
            assert_eq!(health[key], value, "{page} {key}");
        }
        for key in ["backendConfigMode", "lastSync", "lastRegulationSync"] {
            assert!(health[key].is_string(), "{page} {key}");
        }
    }
    let version = weir.send("GET", "/version", &[], "").json();
    assert_eq!(version["Features"], serde_json::json!(["gzip-req-payload"]));
    assert_eq!(version["Version"], concat!("weir ", env!("CARGO_PKG_VERSION")));
    let robots = weir.send("GET", "/robots.txt", &[], "");
    assert_eq!(robots.text(), "User-agent: * \nDisallow: / \n");
}

#[test]
fn the_operators_listener_has_its_own_pages_and_no_route_of_the_clients() {
    let weir = Weir::standard();
    assert_eq!(weir.admin("/livez"), (200, "ok".to_owned()));
    assert_eq!(weir.admin("/readyz"), (200, "ok".to_owned()));
    assert_eq!(weir.metric("weir_ready"), 1.0);
    assert_eq!([weir.admin("/openapi.json").0, weir.admin("/docs").0], [200, 200]);
    for path in ["/", "/v1/track", "/health", "/sourceConfig", "/nope"] {
        assert_eq!(weir.admin(path).0, 404, "{path}");
    }
    assert_ne!(weir.url(), weir.admin_url());
}

#[test]
fn the_operators_listener_answers_head_as_get_without_the_body_and_says_which_methods_it_knows() {
    let weir = Weir::standard();
    let mut wire = Wire::connect(weir.admin_url());
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/nope", 404)] {
        wire.send(request("GET", path, &[], b""));
        let get = wire.answer();
        wire.send(request("HEAD", path, &[], b""));
        let head = wire.answer_to_head();
        assert_eq!((get.status, head.status), (status, status), "{path}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{path}");
        if path != "/metrics" {
            assert_eq!(head.header("Content-Length"), get.header("Content-Length"), "{path}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        wire.send(request(method, "/readyz", &[("Content-Length", "0")], b""));
        let answer = wire.answer();
        assert_eq!((answer.brief(), answer.header("Allow")), ((405, ""), Some("GET, HEAD")), "{method}");
    }
}
