//! A store, what its loader knows, and what others see of it.

use std::path::Path;

use tempfile::TempDir;
use weir::loader::Wanted;
use weir::loader::batch::{Counts, Outcome, Rules, apply};
use weir::queue::reader::ReadRecord;
use weir::store::inspect::Inspect;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::registry::{Declared, ObjectName, Registry};
use weir::store::sqlite::SqliteStore;
use weir::store::{Store, StoreError};

use crate::harness::postgres::{Asking, Database};

/// The objects that are there from the start.
pub const OBJECTS: [&str; 4] = ["person", "company", "company_person", "event"];

/// A loader's store with what it knows.
pub struct Loading {
    // Before the database, which is removed with the sessions in it.
    pub store: Box<dyn Inspect>,
    pub registry: Registry,
    pub rules: Rules,
    asking: Ask,
}

enum Ask {
    Sqlite(TempDir),
    /// A session in a database, its URL, and the database where it is this test's own, to be removed.
    Postgres(Box<Asking>, String, #[expect(dead_code, reason = "it is held")] Option<Database>),
}

impl Loading {
    pub fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Box::new(SqliteStore::open(&dir.path().join("store.sqlite")).unwrap());
        Loading::of(store, Ask::Sqlite(dir))
    }

    pub fn on_postgres() -> Self {
        let database = Database::new();
        let (store, asking) = (open(&database.url), database.session());
        Loading::of(store, Ask::Postgres(Box::new(asking), database.url.clone(), Some(database)))
    }

    /// Another loader in the same PostgreSQL database.
    pub fn beside(url: &str) -> Self {
        Loading::of(open(url), Ask::Postgres(Box::new(Asking::of(url)), url.to_owned(), None))
    }

    /// The URL of its PostgreSQL database, and another session in it.
    pub fn postgres(&self) -> (String, Asking) {
        let Ask::Postgres(_, url, _) = &self.asking else { panic!("this store is in SQLite") };
        (url.clone(), Asking::of(url))
    }

    /// Another loader's connection to the same store.
    pub fn another(&self) -> Box<dyn Inspect> {
        match &self.asking {
            Ask::Sqlite(dir) => Box::new(SqliteStore::open(&dir.path().join("store.sqlite")).unwrap()),
            Ask::Postgres(_, url, _) => open(url),
        }
    }

    /// The files in the folder of a store in SQLite.
    pub fn files(&self) -> Vec<String> {
        let Ask::Sqlite(dir) = &self.asking else { return Vec::new() };
        let names = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    /// The schemas of a store in PostgreSQL.
    pub fn schemas(&self) -> Option<Vec<String>> {
        let Ask::Postgres(asking, ..) = &self.asking else { return None };
        Some(asking.ask("SELECT nspname FROM pg_namespace"))
    }

    /// Puts a file into the folder of a store in SQLite.
    pub fn put_file(&self, name: &str) {
        let Ask::Sqlite(dir) = &self.asking else { panic!("this store is in PostgreSQL") };
        std::fs::write(dir.path().join(name), "").unwrap();
    }

    fn of(store: Box<dyn Inspect>, asking: Ask) -> Self {
        let rules = wanted(&OBJECTS).rules;
        let mut loading = Loading { store, registry: Registry::default(), rules, asking };
        loading.declare(Declared::default());
        loading
    }

    /// Starts as a loader does whose configuration has these types.
    pub fn declare(&mut self, declared: Declared) {
        self.registry = known(&mut *self.store, declared);
        self.store.begin().unwrap();
        for object in self.registry.objects() {
            self.store.put_view(object, &self.registry.columns(object)).unwrap();
        }
        self.store.commit().unwrap();
    }

    pub fn load(&mut self, records: &[ReadRecord]) -> Counts {
        self.try_to_load(records).unwrap()
    }

    /// Loads as a session does.
    pub fn try_to_load(&mut self, records: &[ReadRecord]) -> Result<Counts, StoreError> {
        self.store.begin()?;
        let applied = self.apply(records);
        let loaded = applied.and_then(|counts| self.store.commit().map(|()| counts));
        if loaded.is_err() {
            self.store.rollback();
        }
        loaded
    }

    /// Loads within a transaction.
    pub fn apply(&mut self, records: &[ReadRecord]) -> Result<Counts, StoreError> {
        apply(&mut *self.store, &mut self.registry, &self.rules, records, None)
    }

    /// Files records as refused within a transaction.
    pub fn file(&mut self, records: &[ReadRecord], why: &str) -> Result<Counts, StoreError> {
        apply(&mut *self.store, &mut self.registry, &self.rules, records, Some(why))
    }

    /// What any tool sees: rows of texts, `NULL` for nothing. Views are called as SQLite has them.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        match &self.asking {
            Ask::Sqlite(dir) => ask_sqlite(dir, sql),
            Ask::Postgres(asking, ..) => asking.ask(&sql.replace("acme_", "weir_acme.")),
        }
    }

    /// Lets no erasure come to its end.
    pub fn refuse_to_suppress(&self) {
        match &self.asking {
            Ask::Sqlite(dir) => rusqlite::Connection::open(dir.path().join("store.sqlite"))
                .unwrap()
                .execute_batch(
                    "CREATE TRIGGER refuse BEFORE INSERT ON weir_suppressed BEGIN SELECT RAISE(ABORT, 'no'); END",
                )
                .unwrap(),
            Ask::Postgres(asking, ..) => asking.run("ALTER TABLE weir_suppressed ADD CHECK (erased_ms < 0)"),
        }
    }

    /// The folder of its SQLite file.
    pub fn folder(&self) -> &Path {
        let Ask::Sqlite(dir) = &self.asking else { panic!("this store is in PostgreSQL") };
        dir.path()
    }

    /// All that is in the files of its SQLite store.
    pub fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// What the two databases show in two ways.
    pub fn either<T>(&self, on_sqlite: T, on_postgres: T) -> T {
        match &self.asking {
            Ask::Sqlite(_) => on_sqlite,
            Ask::Postgres(..) => on_postgres,
        }
    }
}

fn open(url: &str) -> Box<dyn Inspect> {
    Box::new(PostgresStore::open(&Target::read(url).unwrap()).unwrap())
}

/// What a loader of the tenant acme wants that has these objects from the start.
pub fn wanted(objects: &[&str]) -> Wanted {
    let object = |object: &&str| ObjectName { tenant: "acme".to_owned(), object: (*object).to_owned() };
    Wanted {
        rules: Rules { loader: "store".to_owned(), seen_days: 7, ..Rules::default() },
        declared: Declared::default(),
        objects: objects.iter().map(object).collect(),
    }
}

/// What a store says that has been seen.
pub fn known(store: &mut dyn Store, declared: Declared) -> Registry {
    let mut registry = Registry::new(declared);
    for object in OBJECTS {
        registry.know(&ObjectName { tenant: "acme".to_owned(), object: object.to_owned() });
    }
    for (object, field) in store.fields().unwrap() {
        registry.add(object, field);
    }
    registry
}

fn ask_sqlite(dir: &TempDir, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(dir.path().join("store.sqlite")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let texts = (0..columns).map(|index| {
            Ok(match row.get_ref(index)? {
                rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Real(number) => format!("{number:?}"),
                other => other.as_str()?.to_owned(),
            })
        });
        Ok(texts.collect::<rusqlite::Result<Vec<String>>>()?.join("|"))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

pub fn counted(counts: &Counts) -> Vec<(&'static str, Outcome, u64)> {
    counts.iter().map(|((label, outcome), count)| (*label, *outcome, *count)).collect()
}
