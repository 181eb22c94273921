//! One connection to the database, driven by the thread that uses it: every call blocks until its answer is there.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::failure::{code, failure};
use super::target::Target;
use crate::store::StoreError;

/// How long an answer may take: longer than the server gives itself, whose own words say more.
const ANSWER: Duration = Duration::from_secs(90);
/// How long a connection that is let go may take to say so.
const FAREWELL: Duration = Duration::from_millis(500);

/// What every session wants of the server. A loader that hangs, or whose machine is gone, must not keep others from its
/// rows; a commit that returned must be durable, whatever is usual there. Rows are looked up by their keys, in the
/// order in which they are given, even where the planner would rather read all of a table that is not large yet: so
/// all loaders lock them in the same order.
const SETTINGS: &str = "SET client_min_messages = warning; SET standard_conforming_strings = on; SET jit = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; \
    SET idle_in_transaction_session_timeout = '30s'; SET statement_timeout = '60s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// How long a statement waits for what others have locked.
pub(super) const LOCK_TIMEOUT: &str = "20s";

/// A parameter of a statement, with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection. It must not be used or dropped by a thread that runs async tasks.
pub(super) struct Session {
    place: String,
    runtime: Runtime,
    /// None: lost.
    client: Option<Client>,
    connection: Option<JoinHandle<Result<(), Error>>>,
    /// Whether answers may take as long as they like.
    pub(super) is_patient: bool,
}

impl Session {
    /// Connects to `target`.
    pub(super) fn open(target: &Target) -> Result<Self, StoreError> {
        let place = target.to_string();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            StoreError::Outage(format!(
                "cannot connect to the store: {error}; look for what uses up this machine"
            ))
        })?;
        let connect = target.config.connect(target.tls.clone());
        let opened = runtime.block_on(async { timeout(ANSWER, connect).await });
        let opened = opened.map_err(|_| silent(&place))?;
        let (client, connection) = opened.map_err(|error| failure(&place, &error))?;
        let connection = Some(runtime.spawn(connection));
        let mut session = Session { place, runtime, client: Some(client), connection, is_patient: false };
        session.batch(&format!("{SETTINGS}; SET lock_timeout = '{LOCK_TIMEOUT}'"))?;
        Ok(session)
    }

    /// What the database is called in messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The rows that `statement` gives. It is sent with its parameters at once, and nothing stays prepared: a batch has
    /// few statements, and a pooler between may hand the next one to another server process.
    pub(super) fn query(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.run(async |client| client.query_typed(statement, parameters).await)
    }

    /// The one row that it gives, if it gives any.
    pub(super) fn row(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(statement, parameters)?.into_iter().next())
    }

    /// How many rows `statement` has written.
    pub(super) fn execute(
        &mut self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, StoreError> {
        self.run(async |client| client.execute_typed(statement, parameters).await)
    }

    /// The same; none where it ends in an error with this SQLSTATE.
    pub(super) fn execute_unless(
        &mut self,
        expected: &str,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<u64>, StoreError> {
        let mut is_expected = false;
        let done = self.run(async |client| {
            let done = client.execute_typed(statement, parameters).await;
            is_expected = done.as_ref().err().and_then(code) == Some(expected);
            done
        });
        if is_expected { Ok(None) } else { done.map(Some) }
    }

    /// Runs statements that have no parameters.
    pub(super) fn batch(&mut self, statements: &str) -> Result<(), StoreError> {
        self.run(async |client| client.batch_execute(statements).await)
    }

    /// The same; an error with one of the SQLSTATEs `expected` comes back as that.
    pub(super) fn attempt(
        &mut self,
        statements: &str,
        expected: &[&'static str],
    ) -> Result<Option<&'static str>, StoreError> {
        let mut found = None;
        let done = self.run(async |client| {
            let done = client.batch_execute(statements).await;
            found = done.as_ref().err().and_then(|error| {
                let code = code(error)?;
                expected.iter().find(|expected| **expected == code).copied()
            });
            done
        });
        if found.is_some() { Ok(found) } else { done.map(|()| None) }
    }

    fn run<T>(&mut self, call: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, StoreError> {
        let Some(client) = &self.client else {
            return Err(StoreError::Outage(format!("the connection to the store at {} is lost", self.place)));
        };
        let within = if self.is_patient { Duration::MAX } else { ANSWER };
        let answer = self.runtime.block_on(async { timeout(within, call(client)).await });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let why = if error.is_closed() { self.lose() } else { None };
                Err(failure(&self.place, why.as_ref().unwrap_or(&error)))
            }
            Err(_) => {
                self.lose();
                Err(silent(&self.place))
            }
        }
    }

    /// Lets go of the connection. Returns why it ended, if it had.
    pub(super) fn lose(&mut self) -> Option<Error> {
        self.client = None;
        let connection = self.connection.take()?;
        let stop = connection.abort_handle();
        let ended = self.runtime.block_on(async { timeout(FAREWELL, connection).await });
        stop.abort();
        ended.ok()?.ok()?.err()
    }
}

impl Drop for Session {
    /// Says good-bye, or the server would log a client that vanished.
    fn drop(&mut self) {
        self.lose();
    }
}

fn silent(place: &str) -> StoreError {
    let seconds = ANSWER.as_secs();
    StoreError::Outage(format!(
        "the store at {place} has not answered for {seconds} s; see to the server, and to the network"
    ))
}
