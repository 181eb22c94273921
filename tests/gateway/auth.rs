//! Access keys: where they may stand, which one counts, and what is no key at all.

use crate::harness::weir::{KEY, Weir, config, hash, source};
use crate::harness::wire::{Headers, basic};

const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;

/// A gateway with the sources `one` to `four`, whose keys are called alike; `two` has a second key.
fn four_sources() -> Weir {
    let sources =
        [("one", &["one"][..]), ("two", &["two", "two-new"]), ("three", &["three"]), ("four", &["four"])];
    let text: String = sources.into_iter().map(|(id, keys)| source(id, "acme", keys, "")).collect();
    Weir::with_config(&config(&text))
}

#[test]
fn basic_counts_before_bearer_before_accesskey_before_the_query() {
    let weir = four_sources();
    let (one, bad) = (basic("one"), "Basic !!!".to_owned());
    let bearer = ("Authorization", "Bearer two");
    let access = ("Accesskey", "three");
    let query = "/v1/identify?writeKey=four";
    let rows: [(Headers<'_>, &str, &str); 9] = [
        (&[("Authorization", &one), access], query, "one"),
        (&[bearer, ("Authorization", &one), access], query, "one"),
        (&[bearer, access], query, "two"),
        (&[("authorization", "bEARER two-new")], query, "two"),
        (&[access], query, "three"),
        (&[("ACCESSKEY", "three")], query, "three"),
        (&[], query, "four"),
        (&[("Authorization", &bad)], query, "four"),
        (&[], "/v1/identify?a=b&writeKey=%66our&writeKey=other", "four"),
    ];
    for (headers, target, source) in rows {
        assert_eq!(weir.send("POST", target, headers, IDENTIFY).brief(), (200, "ok"), "{headers:?} {target}");
        let newest = weir.records().pop().unwrap();
        assert_eq!(newest.header("ce_source"), format!("/acme/{source}"), "{headers:?} {target}");
    }
}

#[test]
fn a_wrong_key_is_not_made_good_by_another_in_a_lesser_place() {
    let weir = four_sources();
    for headers in [
        &[("Authorization", basic("wrong").as_str()), ("Accesskey", "three")][..],
        &[("Authorization", "Bearer wrong"), ("Accesskey", "three")],
    ] {
        let answer = weir.send("POST", "/v1/identify?writeKey=four", headers, IDENTIFY);
        assert_eq!(answer.brief(), (401, "invalid write key\n"));
    }
    assert!(weir.records().is_empty());
}

#[test]
fn malformed_and_empty_credentials_are_a_missing_key() {
    let weir = Weir::standard();
    let unpadded = basic(KEY).trim_end_matches('=').to_owned();
    let no_colon = format!("Basic {}", data_encoding::BASE64.encode(KEY.as_bytes()));
    let empty = basic("");
    assert_ne!(unpadded, basic(KEY));
    let values = [
        "",
        "Basic",
        "Basic ",
        "Basic !",
        unpadded.as_str(),
        &no_colon,
        &empty,
        "Bearer",
        "Bearer  ",
        "Digest x",
        KEY,
    ];
    for value in values {
        let answer = weir.send(
            "POST",
            "/v1/identify?writeKey=",
            &[("Authorization", value), ("Accesskey", "")],
            IDENTIFY,
        );
        assert_eq!(answer.brief(), (401, "failed to read writekey from header\n"), "{value}");
    }
    assert!(weir.records().is_empty());
}

#[test]
fn a_key_is_compared_whole_and_in_its_letter_case() {
    let weir = Weir::standard();
    let long = "x".repeat(10_000);
    for wrong in [KEY.to_uppercase().as_str(), "ey-of-web", &format!("{KEY} "), &hash(KEY), &long, "\u{e9}"] {
        let answer = weir.send("POST", "/v1/identify", &[("Authorization", &basic(wrong))], IDENTIFY);
        assert_eq!(answer.brief(), (401, "invalid write key\n"), "{wrong}");
    }
    assert_eq!(weir.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
}

#[test]
fn a_disabled_source_is_told_so_by_any_of_its_keys_and_others_go_on() {
    let off = source("off", "acme", &["k1", "k2"], "enabled = false");
    let weir = Weir::with_config(&config(&off));
    for key in ["k1", "k2"] {
        let answer = weir.send("POST", "/v1/batch", &[("Authorization", &basic(key))], "{}");
        assert_eq!(answer.brief(), (404, "source is disabled\n"));
    }
    assert_eq!(weir.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
}
