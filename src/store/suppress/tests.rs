//! Whom records are about, what hashes tell apart, and which failures and rejected events are somebody's.

use proptest::prelude::*;

use super::*;
use crate::queue::subscription::Partition;

fn record(kind: Kind, key: &str, value: &str) -> ReadRecord {
    ReadRecord {
        topic: "weir.people".to_owned(),
        partition: 0,
        offset: 1,
        timestamp_ms: 1,
        key: (!key.is_empty()).then(|| key.as_bytes().to_vec()),
        headers: vec![("ce_type".to_owned(), kind.ce_type().as_bytes().to_vec())],
        value: value.as_bytes().to_vec(),
    }
}

fn ada() -> Theirs {
    let salt = Salt::new(b"salt");
    let hashes = [Whom::Person("ada@x.org"), Whom::User("ada")].map(|whom| salt.hash("acme", whom)).into();
    Theirs { salt, tenant: "acme".to_owned(), key: "ada@x.org".to_owned(), hashes }
}

#[test]
fn a_record_is_about_the_person_or_the_user_of_its_key_also_if_it_is_broken() {
    let person = Some(("acme", Whom::Person("ada@x.org")));
    for kind in [Kind::Person, Kind::Link] {
        assert_eq!(whom(&record(kind, "acme\x1fada@x.org", "[1")), person);
    }
    assert_eq!(whom(&record(Kind::Event, "acme\x1fada", "")), Some(("acme", Whom::User("ada"))));
    let gone = |object: &str| {
        record(Kind::Deleted, "acme\x1fada@x.org", &format!(r#"{{"object":"{object}","keys":{{}}}}"#))
    };
    assert_eq!((whom(&gone("person")), whom(&gone("company_person"))), (person, person));
    assert_eq!(whom(&gone("company")), None, "a company that is called so");
    for nobody in [
        record(Kind::Company, "acme\x1fada@x.org", "{}"),
        record(Kind::Object, "acme\x1fdeal__gc\x1f1", "{}"),
        record(Kind::Event, "", "{}"),
        record(Kind::Person, "ada@x.org", "{}"),
    ] {
        assert_eq!(whom(&nobody), None, "{nobody:?}");
    }
}

#[test]
fn a_salt_is_never_shown() {
    assert_eq!(format!("{:?}", Salt::new(b"hush")), "Salt(…)");
}

#[test]
fn a_failure_is_theirs_if_its_record_is() {
    let failed = |tenant: Option<&str>, record: &ReadRecord| {
        let mut line = Vec::new();
        line::write(record, &mut line);
        Failed {
            loader: "store".to_owned(),
            tenant: tenant.map(str::to_owned),
            partition: Partition::journal(),
            offset: 1,
            run: None,
            reason: String::new(),
            detail: String::new(),
            record: String::from_utf8(line).unwrap(),
            failed_ms: 1,
        }
    };
    let theirs = [
        record(Kind::Person, "acme\x1fada@x.org", "[1]"),
        record(Kind::Event, "acme\x1fada", r#"{"a":"\ud800"}"#),
        // Without a key that tells.
        record(Kind::Person, "", r#"{"Email":" Ada@X.org"}"#),
    ];
    for record in &theirs {
        assert!(ada().have_failed(&failed(Some("acme"), record)) && ada().have_failed(&failed(None, record)));
        assert!(!ada().have_failed(&failed(Some("other"), record)));
    }
    for record in [
        record(Kind::Person, "acme\x1fbob@x.org", r#"{"Email":"bob@x.org","Comments":"ada@x.org"}"#),
        record(Kind::Event, "acme\x1fbob", r#"{"to":"ada@x.org"}"#),
        record(Kind::Person, "other\x1fada@x.org", "[1]"),
        // Of others, whom a key that is no key does not tell.
        record(Kind::Company, "Acme", r#"{"Name":"Acme","Email":"ada@x.org"}"#),
        record(Kind::Event, "", r#"{"Email":"ada@x.org"}"#),
    ] {
        assert!(!ada().have_failed(&failed(None, &record)), "{record:?}");
    }
    assert!(!ada().have_failed(&Failed { record: "ada@x.org".to_owned(), ..failed(None, &theirs[0]) }));
}

#[test]
fn a_rejected_event_is_theirs_if_its_user_is_or_it_has_their_email() {
    for event in [
        r#"{"type":"track","userId":"ada"}"#,
        r#"{"anonymousId":"ada","event":7}"#,
        r#"{"traits":{"email":" ADA@x.org "}}"#,
        r#"{"context":{"traits":{"e":["\u0061da@x.org"]}}}"#,
        r#"{"traits":{"email":"ada@x.org"},"broken"#,
    ] {
        assert!(ada().have_sent(event), "{event}");
    }
    for event in [r#"{"userId":"bob","properties":{"userId":"ada"}}"#, r#"{"e":"nada@x.org"}"#, "7", "{"] {
        assert!(!ada().have_sent(event), "{event}");
    }
    assert!(ada().are_named_in(b"\xffemail=Ada@X.org") && !ada().are_named_in(b"ada"));
}

proptest! {
    #[test]
    fn a_hash_is_of_one_person_or_user_of_one_tenant_under_one_salt(
        [one, other] in any::<[(bool, bool, bool, u8); 2]>(),
    ) {
        let hash = |(salt, tenant, is_person, who): (bool, bool, bool, u8)| {
            let (salt, who) = (Salt::new(if salt { b"1" } else { b"2" }), who.to_string());
            salt.hash(
                if tenant { "acme" } else { "other" },
                if is_person { Whom::Person(&who) } else { Whom::User(&who) },
            )
        };
        prop_assert_eq!(hash(one) == hash(other), one == other);
    }
}
