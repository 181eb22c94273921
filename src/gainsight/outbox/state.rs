//! What a sender and those who look at its outbox tell each other.

use rusqlite::{OptionalExtension, params};

use super::Outbox;
use crate::store::StoreError;

/// Why nothing goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence.
    pub why: String,
    /// Since when: milliseconds since the Unix epoch.
    pub since_ms: i64,
}

impl Outbox {
    /// Notes why nothing goes out since `now_ms`; none: it does.
    ///
    /// # Errors
    /// The outbox's.
    pub fn set_trouble(&self, why: Option<&str>, now_ms: i64) -> Result<(), StoreError> {
        self.store.run(|connection| match why {
            Some(why) => connection.execute(
                "INSERT OR REPLACE INTO gainsight_state VALUES ('trouble', ?1, ?2)",
                params![why, now_ms],
            ),
            None => connection.execute("DELETE FROM gainsight_state WHERE what = 'trouble'", []),
        })?;
        Ok(())
    }

    /// Why nothing goes out, if nothing does.
    ///
    /// # Errors
    /// The outbox's.
    pub fn trouble(&self) -> Result<Option<Trouble>, StoreError> {
        self.store.run(|connection| {
            let sql = "SELECT why, since_ms FROM gainsight_state WHERE what = 'trouble'";
            let read = |row: &rusqlite::Row<'_>| Ok(Trouble { why: row.get(0)?, since_ms: row.get(1)? });
            connection.query_row(sql, [], read).optional()
        })
    }

    /// Has its sender ask the org anew which fields it has: somebody may have changed them.
    ///
    /// # Errors
    /// The outbox's.
    pub fn ask_again(&self) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection.execute("INSERT OR REPLACE INTO gainsight_state VALUES ('ask', '', 0)", [])
        })?;
        Ok(())
    }

    /// Whether that was asked since this was last looked at.
    ///
    /// # Errors
    /// The outbox's.
    pub fn is_asked_again(&self) -> Result<bool, StoreError> {
        let sql = "DELETE FROM gainsight_state WHERE what = 'ask'";
        let is_there = "SELECT 1 FROM gainsight_state WHERE what = 'ask'";
        self.store.run(|connection| {
            // Without a lock first: this is looked at all the time.
            let asked = connection.prepare_cached(is_there)?.query_row([], |_| Ok(())).optional()?;
            Ok(asked.is_some() && connection.execute(sql, [])? > 0)
        })
    }
}
