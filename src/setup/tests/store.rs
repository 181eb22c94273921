//! Where the store may be.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::*;
use crate::config::{SecretPlace, StorePlace};
use crate::setup::{Roles, load_to_serve};

fn place(url: &str) -> StorePlace {
    loaded(&format!("[store]\nurl = {url}")).store.unwrap().place
}

#[test]
fn a_store_is_a_file_or_a_url_that_stands_elsewhere() {
    assert_eq!(place("'sqlite:a/b.sqlite'"), StorePlace::Sqlite(PathBuf::from("a/b.sqlite")));
    assert_eq!(loaded("[store]").store.unwrap().place, StorePlace::Sqlite(PathBuf::from("store.sqlite")));
    let file = SecretPlace::File(PathBuf::from("/run/secrets/store"));
    assert_eq!(place("{ file = '/run/secrets/store' }"), StorePlace::Postgres(file));
    assert_eq!(place("{ env = 'STORE' }"), StorePlace::Postgres(SecretPlace::Env("STORE".to_owned())));
}

#[test]
fn a_url_of_postgresql_must_not_stand_in_the_configuration() {
    for url in ["'postgres://u:hush@h/d'", "' postgresql://h/d'"] {
        let text = format!("[store]\nurl = {url}");
        assert_problem(&text, "store.url", "may hold a password");
        assert!(!problems(&text)[0].contains("hush"));
    }
    for url in ["'store.sqlite'", "'sqlite:'", "1", "{ path = 'x' }", "{ file = 'x', env = 'X' }"] {
        assert_problem(
            &format!("[store]\nurl = {url}"),
            "store.url",
            "must be \"sqlite:\" and the path of a file, or {",
        );
    }
}

#[test]
fn the_url_is_read_and_what_is_wrong_with_it_has_its_key() {
    let environment = |name: &OsStr| -> Option<OsString> {
        Some(match name.to_str()? {
            "GOOD" => "postgres://weir:hush@db/cs?sslmode=require\n".into(),
            "MYSQL" => "mysql://weir:hush@db/cs".into(),
            "NO_ROOT" => "postgres://weir:hush@db/cs?sslmode=verify-full&sslrootcert=/none/ca.pem".into(),
            "EMPTY" => "\n".into(),
            _ => return None,
        })
    };
    let read = |name: &str| {
        let text = format!("[store]\nurl = {{ env = '{name}' }}");
        let read = load_to_serve(
            Some((Path::new("weir.toml"), &text)),
            &Overrides::default(),
            Roles::default(),
            &environment,
        );
        read.map_or_else(|problems| problems.lines().to_vec(), |_| Vec::new())
    };
    assert_eq!(read("GOOD"), Vec::<String>::new());
    for (name, advice) in [
        ("MYSQL", "is no URL of PostgreSQL"),
        ("NO_ROOT", "sslrootcert /none/ca.pem can't be read"),
        ("EMPTY", "its environment variable is empty"),
        ("UNSET", "its environment variable is not set"),
    ] {
        let found = read(name);
        let [line] = found.as_slice() else { panic!("not one problem: {found:?}") };
        assert!(line.starts_with("store.url: ") && line.contains(advice) && !line.contains("hush"), "{line}");
    }
}

#[test]
fn two_tenants_may_not_share_a_view() {
    let tenants = "[tenants.a-b]\n[tenants.a_b]\n[store]\n";
    let on_postgres = format!("{tenants}url = {{ env = 'X' }}");
    assert!(problems(&on_postgres).iter().any(|line| line.contains("the view weir_a_b.person would show")));
    assert!(problems(tenants).iter().any(|line| line.contains("the view a_b_person would show")));
}
