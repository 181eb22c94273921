//! Listeners that ask for the PROXY protocol.

use std::time::Duration;

use rustls::version::TLS13;

use crate::harness::tls::{Authority, Files};
use crate::harness::weir::{KEY, Weir, config};
use crate::harness::wire::{Wire, basic, request};

const PAGE: &str = r#"{"userId":"u"}"#;

/// Lines above all tables of a configuration that asks for the protocol.
const ASKING: &str = "proxy_protocol = true\ntrusted_proxies = ['127.0.0.0/8', '10.0.0.0/8']\n";

fn with_limits(limits: &str) -> Weir {
    Weir::with_config(&format!("{ASKING}{}", config(&format!("[limits]\n{limits}\n"))))
}

fn page(key: &str) -> Vec<u8> {
    request("POST", "/v1/page", &[("Authorization", &basic(key))], PAGE.as_bytes())
}

/// The header of version 2 for a client with this IPv4 address.
fn v2(command: u8, client: [u8; 4]) -> Vec<u8> {
    let block = [&client[..], &[10, 0, 0, 1, 0x12, 0x67, 0, 80]].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, 0x11, 0, 12], &block].concat()
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.0.0.1 4711 80\r\n").into_bytes()
}

fn status(weir: &Weir, header: &[u8], key: &str) -> u16 {
    let mut wire = weir.connect();
    wire.send([header, &page(key)].concat());
    wire.answer().status
}

fn outcomes(weir: &Weir, outcome: &str) -> f64 {
    weir.metric(&format!("weir_proxy_protocol_total{{outcome=\"{outcome}\"}}"))
}

#[test]
fn the_client_is_whom_the_proxy_tells_in_either_version() {
    let weir = with_limits("failed_keys = 2");
    for header in [v1("192.0.2.1"), v2(0x21, [192, 0, 2, 2]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let statuses = [(); 3].map(|()| status(&weir, &header, "wrong"));
        assert_eq!(statuses, [401, 401, 429], "{header:?}");
        assert_eq!(status(&weir, &header, KEY), 200, "{header:?}");
    }
    // LOCAL is the proxy itself, whatever addresses it names; so is whoever the other version does not know.
    assert_eq!(status(&weir, &v2(0x20, [192, 0, 2, 9]), "wrong"), 429);
    assert_eq!((outcomes(&weir, "client"), outcomes(&weir, "proxy")), (8.0, 5.0));
    // A proxy in front of that proxy tells its client in a header.
    let mut wire = weir.connect();
    let forwarded = [("Authorization", basic("wrong")), ("X-Forwarded-For", "192.0.2.1".to_owned())];
    let forwarded = forwarded.each_ref().map(|(name, value)| (*name, value.as_str()));
    wire.send([v1("10.0.0.7"), request("POST", "/v1/page", &forwarded, PAGE.as_bytes())].concat());
    assert_eq!(wire.answer().status, 429);
}

#[test]
fn many_requests_follow_one_header() {
    let weir = with_limits("");
    let mut wire = weir.connect();
    for piece in v1("192.0.2.1").chunks(5) {
        wire.send(piece);
    }
    for _ in 0..3 {
        wire.send(page(KEY));
        assert_eq!(wire.answer().brief(), (200, "ok"));
    }
    assert_eq!(outcomes(&weir, "client"), 1.0);
}

#[test]
fn a_connection_without_the_header_is_closed_without_a_word() {
    let weir = with_limits("header_ms = 300");
    for (bytes, outcome) in [
        (page(KEY), "missing"),
        (b"PROXY TCP4 1.2.3.4 10.0.0.1 4711\r\n".to_vec(), "missing"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(), "missing"),
        (b"PROXY TCP4".to_vec(), "late"),
        (Vec::new(), "late"),
    ] {
        let before = outcomes(&weir, outcome);
        let mut wire = weir.connect();
        wire.send(&bytes);
        assert!(ended(&mut wire), "{bytes:?}");
        weir.await_metric(&format!("weir_proxy_protocol_total{{outcome=\"{outcome}\"}}"), before + 1.0);
    }
    let silent = weir.connect();
    silent.end();
    weir.await_metric("weir_proxy_protocol_total{outcome=\"silent\"}", 1.0);
    assert_eq!(weir.log().matches("did not begin with the PROXY protocol").count(), 1, "{}", weir.log());
    assert_eq!(weir.log().matches("within limits.header_ms").count(), 1, "{}", weir.log());
    assert_eq!(status(&weir, &v1("192.0.2.1"), KEY), 200);
}

/// Whether the connection ends, by an end or a reset, and brings nothing before that.
fn ended(wire: &mut Wire) -> bool {
    wire.exchange(b"").is_err()
}

#[test]
fn nobody_but_a_trusted_proxy_connects() {
    let toml = format!("proxy_protocol = true\ntrusted_proxies = ['10.0.0.0/8']\n{}", config(""));
    let weir = Weir::with_config(&toml);
    let mut wire = weir.connect();
    wire.try_send([v1("10.0.0.7"), page(KEY)].concat());
    assert!(ended(&mut wire));
    weir.await_metric("weir_proxy_protocol_total{outcome=\"untrusted\"}", 1.0);
    assert!(weir.log().contains("takes connections from trusted_proxies only"), "{}", weir.log());
}

#[test]
fn tls_comes_behind_the_header_on_the_listener_that_asks_for_it() {
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(2030));
    let tls = files.toml("listen = \"127.0.0.1:0\"\nproxy_protocol = true\n");
    let toml = format!(
        "trusted_proxies = ['127.0.0.0/8']\n{}",
        config(&format!("{tls}[limits]\nfailed_keys = 1\n"))
    );
    let weir = Weir::with_config(&toml);
    let client = authority.client(&TLS13);
    let secured = |header: &[u8]| {
        let mut wire = Wire::connect(&weir.tls_url()).within(Duration::from_secs(60));
        wire.send(header);
        wire.over_tls(&client)
    };
    for (key, expected) in [("wrong", 401), ("wrong", 429), (KEY, 200)] {
        let (mut wire, _) = secured(&v2(0x21, [192, 0, 2, 7])).unwrap();
        wire.send(page(key));
        assert_eq!(wire.answer().status, expected);
    }
    assert!(secured(b"").is_err());
    // The plain listener does not ask for it.
    assert_eq!(status(&weir, b"", KEY), 200);
}
