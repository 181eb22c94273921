//! A store that an earlier Weir has made is brought up, with what is in it.

use rusqlite::Connection;
use weir::store::erase::erase;
use weir::store::inspect::Inspect;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::sqlite::SqliteStore;

use crate::harness::postgres::Database;
use crate::records::{RECEIVED, ada};

/// A person's row, as version 1 has it.
const ROW: &str = "INSERT INTO weir_row \
    (tenant, object, key, id, fields, written, created_ms, modified_ms, modified_by) \
    VALUES ('acme', 'person', 'ada@x.org', '1P01', '{\"Email\":\"ada@x.org\"}', \
    '{\"by\":[[\"/acme/web\",1,1]],\"of\":[0],\"latest\":[\"/acme/web\",1,1]}', 1, 1, '/acme/web')";

fn knows_and_erases_ada(mut store: impl Inspect) {
    let row = store.rows(&[&ada()]).unwrap().remove(0).unwrap();
    assert_eq!(row.value("Email"), Some("\"ada@x.org\""));
    assert_eq!(erase(&mut store, &ada(), RECEIVED).unwrap().1.rows, 1);
}

#[test]
fn an_sqlite_store_of_version_1_is_brought_up_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.sqlite");
    let made = Connection::open(&file).unwrap();
    made.execute_batch(include_str!("../../src/store/sqlite/schema.sql")).unwrap();
    made.execute_batch(&format!("{ROW}; PRAGMA user_version = 1")).unwrap();
    drop(made);
    knows_and_erases_ada(SqliteStore::open(&file).unwrap());
    let mut again = SqliteStore::open(&file).unwrap();
    assert_eq!(erase(&mut again, &ada(), RECEIVED).unwrap().0.hashes.len(), 1, "under the same salt");
    let version = |version: &str| {
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(version).unwrap();
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(version(""), 5);
    version("PRAGMA user_version = 99");
    let error = SqliteStore::open(&file).unwrap_err().to_string();
    assert!(error.contains("a store of version 99") && error.contains("use a newer Weir"), "{error}");
}

#[test]
fn a_postgresql_store_of_version_1_is_brought_up_once_whoever_comes_first() {
    let database = Database::new();
    let asking = database.session();
    asking.run(include_str!("../../src/store/postgres/schema.sql"));
    asking.run(&format!("INSERT INTO weir_store (version) VALUES (1); {ROW}"));
    let open = || PostgresStore::open(&Target::read(&database.url).unwrap());
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..4).map(|_| scope.spawn(|| open().map(drop))).collect();
        opening.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
    });
    assert_eq!(asking.ask("SELECT version, (SELECT count(*) FROM weir_salt) FROM weir_store"), ["5|1"]);
    knows_and_erases_ada(open().unwrap());
}
