//! The small pages, for probes, crawlers and operators.

use crate::harness::weir::Weir;

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
fn the_operators_listener_tells_metrics_liveness_and_readiness_and_nothing_else() {
    let weir = Weir::standard();
    assert_eq!(weir.admin("/livez"), (200, "ok".to_owned()));
    assert_eq!(weir.admin("/readyz"), (200, "ok".to_owned()));
    assert_eq!(weir.metric("weir_ready"), 1.0);
    for path in ["/", "/v1/track", "/health", "/nope"] {
        assert_eq!(weir.admin(path).0, 404, "{path}");
    }
    assert_ne!(weir.url(), weir.admin_url());
}
