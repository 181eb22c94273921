//! What senders are told whose keys no source has, and how often they may try.

use std::time::Duration;

use crate::harness::weir::{KEY, Start, Weir, command, config, source};
use crate::harness::wire::{Answer, Headers, basic};

const PAGE: &str = r#"{"userId":"u"}"#;
const UNKNOWN: (u16, &str) = (401, "invalid write key\n");
const LIMITED: (u16, &str) = (429, "max requests limit reached\n");

/// A Weir that counts three failed keys a minute, behind a proxy on this machine.
fn behind_a_proxy() -> Weir {
    Weir::with_config(&format!(
        "trusted_proxies = ['127.0.0.0/8']\n{}",
        config("[limits]\nfailed_keys = 3\n")
    ))
}

fn with_key(weir: &Weir, key: &str, headers: Headers<'_>) -> Answer {
    let key = basic(key);
    weir.send("POST", "/v1/page", &[&[("Authorization", key.as_str())], headers].concat(), PAGE)
}

#[test]
fn too_many_unknown_keys_of_one_address_get_429_and_good_keys_still_pass() {
    let weir = Weir::with_limits("failed_keys = 3");
    let briefs = || with_key(&weir, "wrong", &[]);
    assert!((0..3).all(|_| briefs().brief() == UNKNOWN));
    let refused = briefs();
    assert_eq!(refused.brief(), LIMITED);
    let seconds: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    // Wherever the key stands, and whichever it is.
    let body = r#"{"userId":"u","writeKey":"another"}"#;
    assert_eq!(weir.send("POST", "/v1/page", &[], body).brief(), LIMITED);
    assert_eq!(weir.send("POST", "/v1/webhook?writeKey=third", &[], "[]").brief(), LIMITED);
    let gainsight = weir.send("PUT", "/v1.0/api/people", &[("Accesskey", "wrong")], "{}");
    assert_eq!((gainsight.status, &gainsight.json()["errorCode"]), (429, &"GU_2400".into()));
    // Neither good keys nor missing ones nor wrong secrets are counted or kept out.
    assert_eq!(with_key(&weir, KEY, &[]).brief(), (200, "ok"));
    assert_eq!(weir.send("POST", "/v1/page", &[], PAGE).status, 401);
    let wrong = [("sharedSecret", "wrong"), ("tenantId", "acme")];
    for _ in 0..5 {
        assert_eq!(with_key(&weir, KEY, &wrong).brief(), (401, "invalid shared secret\n"));
    }
    assert_eq!(weir.metric("weir_failed_keys_refused_total"), 4.0);
    assert_eq!(weir.metric("weir_failed_keys_addresses"), 1.0);
}

#[test]
fn whoever_waits_as_told_may_try_again() {
    let weir = Weir::with_limits("failed_keys = 60");
    let refused =
        std::iter::repeat_with(|| with_key(&weir, "wrong", &[])).find(|answer| answer.status == 429);
    assert_eq!(refused.unwrap().header("Retry-After"), Some("1"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(with_key(&weir, "wrong", &[]).brief(), UNKNOWN);
}

#[test]
fn without_a_limit_none_is_counted() {
    let weir = Weir::with_limits("failed_keys = 0");
    assert!((0..50).all(|_| with_key(&weir, "wrong", &[]).brief() == UNKNOWN));
    assert_eq!(weir.metric("weir_failed_keys_addresses"), 0.0);
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_by_itself() {
    let weir = behind_a_proxy();
    let from = |headers: Headers<'_>| with_key(&weir, "wrong", headers).status;
    for headers in [
        &[("X-Forwarded-For", "1.1.1.1, 192.0.2.1")][..],
        &[("Forwarded", "for=192.0.2.2")],
        &[("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2001:db8::1")],
        &[],
    ] {
        assert_eq!([from(headers), from(headers), from(headers), from(headers)], [401, 401, 401, 429]);
    }
    // Whatever a client writes before what its proxy appends.
    assert_eq!(from(&[("X-Forwarded-For", "9.9.9.9, 192.0.2.1")]), 429);
    assert_eq!(from(&[("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "2001:db8::2")]), 429);
    assert_eq!(weir.metric("weir_failed_keys_addresses"), 4.0);
}

#[test]
fn whoever_is_no_trusted_proxy_can_not_choose_its_address() {
    let weir = Weir::with_config(&format!(
        "trusted_proxies = ['10.0.0.0/8', '2001:db8::/32']\n{}",
        config("[limits]\nfailed_keys = 3\n")
    ));
    let statuses: Vec<u16> = (0..4)
        .map(|n| {
            let address = format!("192.0.2.{n}");
            with_key(
                &weir,
                "wrong",
                &[("X-Forwarded-For", &address), ("Forwarded", &format!("for={address}"))],
            )
            .status
        })
        .collect();
    assert_eq!(statuses, [401, 401, 401, 429]);
}

#[test]
fn while_a_configuration_is_rolled_out_unknown_keys_are_to_come_again() {
    let other = source("other", "acme", &["of-other"], "");
    let toml = format!("unknown_key = 'retry'\n{}", config(&format!("{other}\n[limits]\nfailed_keys = 1\n")));
    let weir = Start::default().config(toml).serve();
    // Such keys are expected, and count for nothing.
    for _ in 0..3 {
        let answer = with_key(&weir, "wrong", &[]);
        assert_eq!(answer.brief(), (503, "invalid write key\n"));
        assert_eq!(answer.header("Retry-After"), Some("10"));
    }
    let body = r#"{"userId":"u","writeKey":"another"}"#;
    assert_eq!(weir.send("POST", "/v1/page", &[], body).brief(), (503, "invalid write key\n"));
    let gainsight = weir.send("PUT", "/v1.0/api/people", &[("Accesskey", "wrong")], "{}");
    assert_eq!((gainsight.status, &gainsight.json()["errorCode"]), (503, &"GU_1101".into()));
    assert_eq!(gainsight.header("Retry-After"), Some("10"));
    // A missing key is missing everywhere, and a known one is that of its source.
    assert_eq!(weir.send("POST", "/v1/page", &[], PAGE).status, 401);
    assert_eq!(with_key(&weir, KEY, &[]).brief(), (200, "ok"));
    let elsewhere = weir.send("POST", "/webhook/other", &[("Accesskey", KEY)], "[]");
    assert_eq!(elsewhere.brief(), UNKNOWN);
    assert_eq!(weir.metric("weir_unavailable_total{cause=\"unknown_key\"}"), 5.0);
    assert_eq!(weir.metric("weir_failed_keys_addresses"), 0.0);
    assert!(
        weir.log().contains("unknown_key: senders with a wrong key come again for ever"),
        "{}",
        weir.log()
    );
}

#[test]
fn a_reload_takes_over_what_strangers_are_told() {
    let weir = Weir::with_limits("failed_keys = 1");
    assert_eq!([with_key(&weir, "wrong", &[]).status, with_key(&weir, "wrong", &[]).status], [401, 429]);
    let from = [("X-Forwarded-For", "192.0.2.1")];
    let limits = config("[limits]\nfailed_keys = 1\n");
    weir.reload(&format!("trusted_proxies = ['127.0.0.0/8']\n{limits}"), "loaded");
    assert_eq!([with_key(&weir, "wrong", &[]).status, with_key(&weir, "wrong", &from).status], [429, 401]);
    weir.reload(&format!("unknown_key = 'retry'\n{limits}"), "loaded");
    assert_eq!(with_key(&weir, "wrong", &[]).status, 503);
}

#[test]
fn a_network_that_is_none_is_refused_at_the_start_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, "trusted_proxies = ['10.0.0.0/8', '10.0.0.1/8', 'proxy']\n").unwrap();
    let output = command(&["serve", "--config", file.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for key in ["trusted_proxies[1]: must be a network", "trusted_proxies[2]: must be a network"] {
        assert!(told.contains(key), "{told}");
    }
    assert!(!told.contains("trusted_proxies[0]"), "{told}");
}
