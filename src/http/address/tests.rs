//! Whose request it is, and who may say so.

use actix_web::http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// Trusted here: 10.0.0.0/8 and `2001:db8:1::/48`.
fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap()).to_vec()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn of(peer: &str, lines: &[(&'static str, &str)]) -> String {
    client(peer.parse().unwrap(), &trusted(), &headers(lines)).to_string()
}

const PROXY: &str = "10.0.0.1";

#[test]
fn nobody_but_a_trusted_proxy_says_for_whom_it_asks() {
    for name in [FORWARDED, X_FORWARDED_FOR] {
        let value = if name == FORWARDED { "for=192.0.2.7" } else { "192.0.2.7" };
        assert_eq!(of("198.51.100.1", &[(name, value)]), "198.51.100.1");
        assert_eq!(of("2001:db8:2::1", &[(name, value)]), "2001:db8:2::1");
        for proxy in [PROXY, "::ffff:10.0.0.1", "2001:db8:1::1"] {
            assert_eq!(of(proxy, &[(name, value)]), "192.0.2.7", "{proxy}");
        }
    }
    assert_eq!(of(PROXY, &[]), PROXY);
    assert_eq!(of("::ffff:192.0.2.7", &[]), "192.0.2.7");
}

#[test]
fn of_x_forwarded_for_the_right_most_address_that_is_no_trusted_proxy_counts() {
    for (value, expected) in [
        ("192.0.2.7", "192.0.2.7"),
        ("1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("1.1.1.1,192.0.2.7,10.9.9.9 , 10.0.0.2", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.7, 2001:db8:1::5", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, ,", "192.0.2.7"),
        // All of them are trusted: the first of them asked.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        // Who asked the last one that is known is hidden.
        ("1.1.1.1, unknown", PROXY),
        ("1.1.1.1, _hidden, 10.0.0.2", "10.0.0.2"),
        ("1.1.1.1, 192.0.2.999", PROXY),
        ("1.1.1.1, 192.0.2.7:x", PROXY),
        ("1.1.1.1, 192.0.2.7:123456", PROXY),
        ("1.1.1.1, [2001:db8::7", PROXY),
        ("1.1.1.1, [192.0.2.7]", PROXY),
        ("1.1.1.1, fe80::1%eth0", PROXY),
        ("1.1.1.1, \u{fc}", PROXY),
        ("", PROXY),
        (" , ", PROXY),
    ] {
        assert_eq!(of(PROXY, &[(X_FORWARDED_FOR, value)]), expected, "{value}");
    }
}

#[test]
fn of_forwarded_the_same_counts() {
    for (value, expected) in [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=\"192.0.2.7:4711\"", "192.0.2.7"),
        ("for=192.0.2.7:4711", "192.0.2.7"),
        ("for=192.0.2.7:_port", "192.0.2.7"),
        ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("for=[2001:db8::7]", "2001:db8::7"),
        ("for=\"\\1\\92.0.2.7\"", "192.0.2.7"),
        ("for=1.1.1.1, for=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        ("by=\"[::1]:80\" ; proto=http ;for=192.0.2.7 , ,for=10.0.0.2", "192.0.2.7"),
        ("for=192.0.2.7;", "192.0.2.7"),
        ("for=192.0.2.7;ext=\"a, for=1.1.1.1\"", "192.0.2.7"),
        ("for=10.0.0.3,for=10.0.0.2", "10.0.0.3"),
        ("for=1.1.1.1, for=unknown", PROXY),
        ("for=1.1.1.1, for=_hidden", PROXY),
        ("for=1.1.1.1, for=\"_hidden\", for=10.0.0.2", "10.0.0.2"),
        ("for=1.1.1.1, proto=https", PROXY),
        // What is not well-formed tells of nobody.
        ("for=1.1.1.1;x=\", for=192.0.2.7", PROXY),
        ("for=1.1.1.1, x=\", for=192.0.2.7", PROXY),
        ("for=1.1.1.1;x=\", for=\"192.0.2.7\"", PROXY),
        ("for=1.1.1.1;x=\"\\, for=\"192.0.2.7\"", PROXY),
        ("for=1.1.1.1;for=192.0.2.7", PROXY),
        ("for=", PROXY),
        ("192.0.2.7", PROXY),
        ("for = 192.0.2.7", PROXY),
        ("for=192.0.2.7 for=1.1.1.1", PROXY),
        ("", PROXY),
    ] {
        assert_eq!(of(PROXY, &[(FORWARDED, value)]), expected, "{value}");
    }
}

#[test]
fn several_lines_are_one_list_whose_last_line_is_the_nearest() {
    let lines = [(X_FORWARDED_FOR, "1.1.1.1"), (X_FORWARDED_FOR, "192.0.2.7"), (X_FORWARDED_FOR, "10.0.0.2")];
    assert_eq!(of(PROXY, &lines), "192.0.2.7");
    let lines = [(FORWARDED, "for=1.1.1.1;x=\""), (FORWARDED, "for=192.0.2.7")];
    assert_eq!(of(PROXY, &lines), "192.0.2.7");
    assert_eq!(of(PROXY, &[lines[1], lines[0]]), PROXY);
}

#[test]
fn two_headers_count_only_if_they_tell_the_same() {
    let both = |forwarded: &'static str| [(FORWARDED, forwarded), (X_FORWARDED_FOR, "1.1.1.1, 192.0.2.7")];
    assert_eq!(of(PROXY, &both("for=2.2.2.2, for=192.0.2.7")), "192.0.2.7");
    for other in ["for=1.1.1.1", "for=unknown", "garbage"] {
        assert_eq!(of(PROXY, &both(other)), PROXY, "{other}");
    }
    // An empty header tells nothing.
    assert_eq!(of(PROXY, &both("")), "192.0.2.7");
}

/// What a client may have written: anything, and above all what looks like these headers.
fn written() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "(for=1\\.1\\.1\\.1|x=\"|[,;=\" \\\\]|for=|1\\.1\\.1\\.1|\\[::1\\]|_a|unknown){0,8}",
    ]
}

proptest! {
    #[test]
    fn whatever_the_headers_hold_they_are_read(
        lines in proptest::collection::vec((any::<bool>(), "\\PC{0,60}"), 0..4),
    ) {
        let lines: Vec<_> =
            lines.iter().map(|(one, text)| (if *one { FORWARDED } else { X_FORWARDED_FOR }, text.as_str())).collect();
        of(PROXY, &lines);
    }

    #[test]
    fn a_client_behind_a_proxy_that_appends_its_address_is_nobody_else(
        x in written(), forwarded in written(), other in written(), quoted in any::<bool>(), own_line in any::<bool>(),
    ) {
        let real = "192.0.2.7";
        let joined = |written: &str, appended: &str| format!("{written}, {appended}");
        let appended = if quoted { "for=\"192.0.2.7:80\";by=\"10.0.0.1\"" } else { "for=192.0.2.7" };
        // With one header, which is the proxy's; and with the other one, which it passes on.
        for further in [None, Some(other.as_str())] {
            let mut lines = if own_line {
                vec![(X_FORWARDED_FOR, x.clone()), (X_FORWARDED_FOR, real.to_owned())]
            } else {
                vec![(X_FORWARDED_FOR, joined(&x, real))]
            };
            lines.extend(further.map(|text| (FORWARDED, text.to_owned())));
            let lines: Vec<_> = lines.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let told = of(PROXY, &lines);
            prop_assert!(told == real || (further.is_some() && told == PROXY), "{} {:?}", told, lines);

            let mut lines = if own_line {
                vec![(FORWARDED, forwarded.clone()), (FORWARDED, appended.to_owned())]
            } else {
                vec![(FORWARDED, joined(&forwarded, appended))]
            };
            lines.extend(further.map(|text| (X_FORWARDED_FOR, text.to_owned())));
            let lines: Vec<_> = lines.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let told = of(PROXY, &lines);
            prop_assert!(told == real || told == PROXY, "{} {:?}", told, lines);
        }
    }

    #[test]
    fn a_client_that_no_trusted_proxy_speaks_for_is_its_peer(x in written(), forwarded in written()) {
        let lines = [(X_FORWARDED_FOR, x.as_str()), (FORWARDED, forwarded.as_str())];
        prop_assert_eq!(of("198.51.100.1", &lines), "198.51.100.1");
    }
}
