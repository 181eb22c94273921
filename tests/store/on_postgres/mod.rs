//! What only PostgreSQL can get wrong: sessions that end, rights that are missing, views that others use; several
//! loaders at once ([`loaders`]), who it is that answers ([`tls`]), the binary with such a store
//! ([`binary`]), erasure beside them ([`erasing`]), and what its page shows ([`page`]).

mod binary;
mod erasing;
mod loaders;
mod page;
mod tls;

use weir::queue::subscription::Partition;
use weir::record::Kind;
use weir::store::inspect::Inspect;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::registry::Declared;
use weir::store::{Store, StoreError};

use crate::harness::postgres::{Asking, Database, Server};
use crate::loading::{Loading, known};
use crate::records::{ada, person, record, with};

fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(&Target::read(url).unwrap())
}

/// The sentence of an error of the kind wanted.
fn outage<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Outage(sentence)) => sentence,
        Err(other) => panic!("{other:?} is no outage"),
        Ok(_) => panic!("it went well"),
    }
}

fn unusable<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unusable(sentence)) => sentence,
        Err(other) => panic!("{other:?} is another error"),
        Ok(_) => panic!("it went well"),
    }
}

fn refused<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused(sentence)) => sentence,
        Err(other) => panic!("{other:?} refuses no value"),
        Ok(_) => panic!("it went well"),
    }
}

#[test]
fn a_session_that_is_killed_leaves_nothing_half_written() {
    let mut loading = Loading::on_postgres();
    let (url, asking) = loading.postgres();
    let partition = Partition::journal();
    loading.store.begin().unwrap();
    assert!(loading.store.advance("store", &partition, None, 5).unwrap());
    let records =
        [person("1/person", r#"{"Email":"ada@x.org"}"#), record(Kind::Event, "ada", "1/event.x", "{}")];
    loading.apply(&records).unwrap();
    asking.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'weir'",
    );
    let sentence = outage(loading.store.commit());
    assert!(sentence.contains("57P01"), "{sentence}");
    loading.store.rollback();
    assert!(outage(loading.store.begin()).contains("is lost"));
    assert_eq!(
        asking.ask("SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_event)"),
        ["0|0"]
    );
    let mut next = open(&url).unwrap();
    assert!(next.progress("store").unwrap().is_empty());
    loading.store = Box::new(next);
    loading.load(&records);
    assert_eq!(loading.ask("SELECT email FROM acme_person"), ["ada@x.org"]);
}

#[test]
fn a_view_that_another_depends_on_stays_as_it_is_and_loading_goes_on() {
    let mut loading = Loading::on_postgres();
    let (_, asking) = loading.postgres();
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org","Score__gc":7}"#)]);
    asking.run("CREATE VIEW scores AS SELECT key, score__gc FROM weir_acme.person");
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org","Plan__gc":"gold"}"#)]);
    assert_eq!(loading.ask("SELECT score__gc, plan__gc FROM acme_person"), ["7|gold"], "columns still come");
    let high =
        with(person("3/person", r#"{"Email":"ada@x.org","Score__gc":"high","New__gc":1}"#), "ce_time", LATER);
    loading.load(&[high]);
    assert_eq!(asking.ask("SELECT * FROM scores"), ["ada@x.org|NULL"], "it does not fit");
    asking.run("DROP VIEW scores");
    loading.load(&[person("4/person", r#"{"Email":"ada@x.org","Newer__gc":1}"#)]);
    assert_eq!(loading.ask("SELECT score__gc, plan__gc, new__gc FROM acme_person"), ["high|gold|1"]);
}

const LATER: &str = "2026-05-28T20:10:00Z";

#[test]
fn a_view_that_is_made_anew_keeps_who_may_read_it() {
    let mut loading = Loading::on_postgres();
    let (url, asking) = loading.postgres();
    let role = format!("reader_{}", Target::read(&url).unwrap().to_string().rsplit('/').next().unwrap());
    asking.run(&format!("CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA weir_acme TO {role}"));
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org","Score__gc":7}"#)]);
    asking.run(&format!("GRANT SELECT ON weir_acme.person TO {role}"));
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org","Score__gc":"high"}"#)]);
    let reader = Asking::of(&url.replace("//weir@", &format!("//{role}@")));
    assert_eq!(reader.ask("SELECT score__gc, user_ids FROM weir_acme.person"), ["high|[\"ada\"]"]);
    assert!(reader.try_to("SELECT * FROM weir_row").is_err(), "the tables are nobody's");
    drop(reader);
    asking.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn who_reads_a_view_for_long_holds_up_no_loading() {
    let mut loading = Loading::on_postgres();
    let (_, asking) = loading.postgres();
    asking.run("BEGIN; SELECT * FROM weir_acme.person");
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org","Plan__gc":"gold"}"#)]);
    assert_eq!(asking.ask("SELECT email FROM weir_acme.person"), ["ada@x.org"]);
    asking.run("COMMIT");
    loading.declare(Declared::default());
    assert_eq!(loading.ask("SELECT plan__gc FROM acme_person"), ["gold"], "it comes with the next session");
}

#[test]
fn something_else_with_the_name_of_a_view_holds_up_no_loading() {
    let mut loading = Loading::on_postgres();
    let (_, asking) = loading.postgres();
    asking.run("DROP VIEW weir_acme.person; CREATE TABLE weir_acme.person (mine text)");
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org","Plan__gc":"gold"}"#)]);
    assert_eq!(asking.ask("SELECT key FROM weir_row"), ["ada@x.org"]);
    assert_eq!(asking.ask("SELECT mine FROM weir_acme.person"), Vec::<String>::new());
}

#[test]
fn what_a_foreign_record_holds_is_refused_without_being_repeated() {
    let mut loading = Loading::on_postgres();
    let secret = "hush-hush";
    let half = person("1/person", &format!(r#"{{"Email":"ada@x.org","S__gc":"\ud800 {secret}"}}"#));
    let nul = person("2/person", &format!(r#"{{"Email":"ada@x.org","S__gc":"\u0000 {secret}"}}"#));
    let nul_key = record(Kind::Person, &format!("{secret}\0"), "3/person", "{}");
    let event = record(Kind::Event, "ada", "4/event.x", &format!(r#"{{"a":"\udead {secret}"}}"#));
    for record in [half, nul, nul_key, event] {
        let sentence = refused(loading.try_to_load(std::slice::from_ref(&record)));
        assert!(!sentence.contains(secret) && sentence.contains("correct it at its source"), "{sentence}");
        let source = with(record, "ce_source", "/ac\0me/web");
        loading.store.begin().unwrap();
        loading.file(&[source], &sentence).unwrap();
        loading.store.commit().unwrap();
    }
    assert_eq!(loading.ask("SELECT count(*) FROM weir_failed WHERE reason = 'value_refused'"), ["4"]);
    assert_eq!(loading.ask("SELECT count(*) FROM weir_row"), ["0"]);
}

#[test]
fn who_can_not_be_reached_or_has_no_such_database_is_named_without_the_password() {
    let database = Database::new();
    let with_password = |url: &str| url.replace("weir@", "weir:hush@");
    let sentence = unusable(open(&with_password(&Server::shared().url_of("no_such"))));
    assert!(sentence.contains("create the database") && !sentence.contains("hush"), "{sentence}");
    let sentence = outage(open("postgres://weir:hush@127.0.0.1:1/x"));
    assert!(sentence.contains("127.0.0.1:1/x can't be reached") && !sentence.contains("hush"), "{sentence}");
    let nobody = database.url.replace("//weir@", "//nobody_at_all:hush@");
    let sentence = unusable(open(&nobody));
    assert!(sentence.contains("correct the user") && !sentence.contains("hush"), "{sentence}");
}

#[test]
fn a_database_that_lacks_characters_is_of_no_use() {
    let database = Database::new();
    let name = format!("{}_ascii", database.name);
    let server = Asking::of(&Server::shared().url);
    server.run(&format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"));
    let sentence = unusable(open(&Server::shared().url_of(&name)));
    assert!(sentence.contains("ENCODING 'UTF8'"), "{sentence}");
    server.run(&format!("DROP DATABASE {name} WITH (FORCE)"));
}

#[test]
fn tables_of_another_version_or_damaged_ones_are_of_no_use() {
    let database = Database::new();
    drop(open(&database.url).unwrap());
    let asking = database.session();
    asking.run("UPDATE weir_store SET version = 99");
    assert!(unusable(open(&database.url)).contains("use a newer Weir"));
    asking.run("UPDATE weir_store SET version = 5; DROP TABLE weir_progress");
    let mut store = open(&database.url).unwrap();
    assert!(unusable(store.progress("store")).contains("restore them"));
    asking.run("DROP TABLE weir_store");
    assert!(unusable(open(&database.url)).contains("some tables of Weir's and not all"));
}

#[test]
fn a_role_needs_no_more_than_the_documented_rights_and_each_that_is_missing_is_named() {
    let database = Database::new();
    let (admin, name) = (database.session(), &database.name);
    admin.run(&format!("CREATE ROLE least_{name} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
    let url = database.url.replace("//weir@", &format!("//least_{name}@"));
    let sentence = unusable(open(&url));
    assert!(sentence.contains("permission denied for schema public") && sentence.contains("docs/store.md"));
    admin.run(&format!("GRANT CREATE ON SCHEMA public TO least_{name}"));
    let mut store = open(&url).unwrap();
    let views = |store: &mut PostgresStore| {
        let registry = known(store, Declared::default());
        store.begin()?;
        registry.objects().try_for_each(|object| store.put_view(object, &registry.columns(object)))?;
        store.commit()
    };
    let sentence = unusable(views(&mut store));
    assert!(sentence.contains(&format!("permission denied for database {name}")), "{sentence}");
    store.rollback();
    admin.run(&format!("CREATE SCHEMA weir_acme; GRANT USAGE, CREATE ON SCHEMA weir_acme TO least_{name}"));
    views(&mut store).unwrap();
    assert_eq!(store.row_counts().unwrap(), []);
    drop(store);
    admin.run(&format!("DROP OWNED BY least_{name}; DROP ROLE least_{name}"));
}

#[test]
fn rows_that_were_only_looked_at_are_not_made() {
    let mut loading = Loading::on_postgres();
    loading.store.begin().unwrap();
    assert_eq!(loading.store.rows(&[&ada()]).unwrap(), [None]);
    loading.store.commit().unwrap();
    assert_eq!(loading.store.rows(&[&ada()]).unwrap(), [None]);
    assert_eq!(loading.ask("SELECT count(*) FROM weir_row"), ["0"]);
}

#[test]
fn what_was_seen_long_ago_is_forgotten() {
    let mut loading = Loading::on_postgres();
    for day in [1_u8, 2, 3] {
        assert_eq!(loading.store.see(&[[day; 16], [day; 16]], day.into()).unwrap(), [false, true]);
    }
    loading.store.forget(3).unwrap();
    assert_eq!(loading.ask("SELECT day FROM weir_seen"), ["3"]);
}

#[test]
fn sessions_are_known_by_their_name() {
    let loading = Loading::on_postgres();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'weir'";
    assert_eq!(loading.ask(sql), ["1"]);
}
