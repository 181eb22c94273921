//! A real PostgreSQL for tests: one that all tests of a program share, each in a database of its own, or a server of a
//! test's own. Without one a test fails; none is ever skipped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A running PostgreSQL.
pub struct Server {
    /// Leads to its database `postgres`, as a superuser.
    pub url: String,
    /// `cluster hold`, where it is ours: it stops the server when its standard input ends, so also when this process
    /// dies. With it the folder of the server.
    held: Option<(Child, PathBuf)>,
}

impl Server {
    /// The one that `WEIR_TEST_POSTGRES` (a URL) names, else one for this whole process.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os("WEIR_TEST_POSTGRES") {
            Some(url) => Server { url: url.into_string().expect("WEIR_TEST_POSTGRES is text"), held: None },
            None => Server::start(),
        })
    }

    /// One that is stopped and removed on drop.
    pub fn start() -> Server {
        let mut holder = Command::new(script())
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/postgres/cluster can be run");
        let mut lines = BufReader::new(holder.stdout.take().expect("its output is piped")).lines();
        let mut line = || match lines.next() {
            Some(Ok(line)) => line,
            _ => {
                panic!(
                    "no PostgreSQL for the tests: `tests/postgres/cluster hold` failed, its message stands above"
                )
            }
        };
        let (url, folder) = (line(), PathBuf::from(line()));
        Server { url, held: Some((holder, folder)) }
    }

    /// Its folder, where it is a test's own.
    pub fn folder(&self) -> &Path {
        &self.held.as_ref().expect("a server of this test").1
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        self.command("reload", &[]);
    }

    /// Sends a signal to all its processes; after `KILL` they are gone.
    pub fn signal(&self, signal: &str) {
        self.command("signal", &[signal]);
    }

    /// Shuts it down.
    pub fn stop(&self) {
        self.command("down", &[]);
    }

    /// Starts it again, at the same address.
    pub fn start_again(&self) {
        self.command("start", &[]);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.url.rsplit_once('@').expect("a URL with a user");
        let (address, _) = address.split_once('/').expect("a URL with a database");
        address.parse().expect("an address")
    }

    fn command(&self, command: &str, more: &[&str]) {
        let told = Command::new(script()).arg(command).arg(self.folder()).args(more).status();
        assert!(told.expect("tests/postgres/cluster can be run").success());
    }

    /// Its URL with another database.
    pub fn url_of(&self, database: &str) -> String {
        let (server, _) = self.url.rsplit_once('/').expect("a URL ends with a database");
        format!("{server}/{database}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((holder, _)) = &mut self.held {
            drop(holder.stdin.take());
            holder.wait().ok();
        }
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/cluster")
}

/// A database of a test's own, removed on drop with all sessions in it.
pub struct Database {
    /// Leads to it, as a superuser.
    pub url: String,
    /// Its name, which no other test has.
    pub name: String,
    server: &'static Server,
}

impl Database {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let server = Server::shared();
        let name = format!("weir_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Asking::of(&server.url).run(&format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"));
        Database { url: server.url_of(&name), name, server }
    }

    /// A session in it.
    pub fn session(&self) -> Asking {
        Asking::of(&self.url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        Asking::of(&self.server.url).run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Any tool that asks a database.
pub struct Asking {
    runtime: Runtime,
    client: Client,
}

impl Asking {
    pub fn of(url: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(url, NoTls)).expect("PostgreSQL takes a connection");
        runtime.spawn(async { connection.await.ok() });
        let asking = Asking { runtime, client };
        asking.run("SET TimeZone = 'UTC'; SET client_min_messages = warning");
        asking
    }

    /// Runs statements that must succeed.
    pub fn run(&self, statements: &str) {
        self.try_to(statements).unwrap_or_else(|error| panic!("{error:?}: {statements}"));
    }

    /// Runs statements.
    pub fn try_to(&self, statements: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(statements))
    }

    /// Rows of texts with a bar between, as an SQLite of the same content shows them: `NULL` for nothing, 1 and 0 for
    /// booleans, RFC 3339 in UTC for times.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        let fail = |error| -> ! { panic!("{error:?}: {sql}") };
        let prepared = self.runtime.block_on(self.client.prepare(sql)).unwrap_or_else(|error| fail(error));
        let types: Vec<Type> = prepared.columns().iter().map(|column| column.type_().clone()).collect();
        let found = self.runtime.block_on(self.client.simple_query(sql)).unwrap_or_else(|error| fail(error));
        let rows = found.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |row: &tokio_postgres::SimpleQueryRow, index: usize| match (row.get(index), &types[index])
        {
            (None, _) => "NULL".to_owned(),
            (Some(text), &Type::BOOL) => String::from(if text == "t" { "1" } else { "0" }),
            (Some(text), &Type::TIMESTAMPTZ) => {
                let time: jiff::Timestamp = text.parse().expect("a time");
                format!("{time:.3}")
            }
            (Some(text), _) => text.to_owned(),
        };
        rows.map(|row| (0..types.len()).map(|index| text(&row, index)).collect::<Vec<_>>().join("|"))
            .collect()
    }
}
