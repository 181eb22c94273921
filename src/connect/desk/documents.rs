//! Connections, jobs and chains, as they were applied, and what was changed of them.

use serde_json::Value;

use super::chains::forget_times;
use super::{Desk, DeskError, values, wrote};
use crate::store::inspect::Inspect;

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A connection.
    Connection,
    /// A job.
    Job,
    /// A chain.
    Chain,
}

impl Kind {
    /// As the tables and people call it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Connection => "connection",
            Kind::Job => "job",
            Kind::Chain => "chain",
        }
    }
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Id of the tenant.
    pub tenant: String,
    /// Its id there.
    pub id: String,
    /// JSON, as documents are exported.
    pub json: String,
    /// When it was changed last: milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Id of the tenant.
    pub tenant: String,
    /// When: milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// `connection`, `job` or `chain`.
    pub kind: String,
    /// Its id.
    pub subject: String,
    /// `created`, `changed`, `deleted`, `authorized`, …
    pub what: String,
}

/// Which documents there are: it changes whenever one of them does, but for changes within a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// How many there are.
    pub count: i64,
    /// When one was changed last: milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

/// What an application of a document changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// There was none.
    Created,
    /// There was another one.
    Changed,
    /// It was there.
    Same,
}

impl Applied {
    /// As people are told.
    pub fn word(self) -> &'static str {
        match self {
            Applied::Created => "created",
            Applied::Changed => "changed",
            Applied::Same => "unchanged",
        }
    }
}

impl Desk {
    /// Puts documents, all of them or none.
    ///
    /// # Errors
    /// The store's.
    pub fn apply(&mut self, documents: &[(Kind, &str, &str, &str)]) -> Result<Vec<Applied>, DeskError> {
        self.transact(|store| {
            let now_ms = store.now_ms()?;
            let mut applied = Vec::new();
            for (kind, tenant, id, json) in documents {
                let known = store.query(
                    "SELECT document FROM weir_document WHERE tenant = $1 AND kind = $2 AND id = $3",
                    values![*tenant, kind.word(), *id],
                )?;
                let known = known.first().map(|known| known.string(0));
                let outcome = match &known {
                    None => Applied::Created,
                    Some(known) if known == json => Applied::Same,
                    Some(_) => Applied::Changed,
                };
                applied.push(outcome);
                if outcome == Applied::Same {
                    continue;
                }
                store.execute(
                    "INSERT INTO weir_document (tenant, kind, id, document, changed_ms) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, kind, id) DO UPDATE SET \
                     document = excluded.document, changed_ms = excluded.changed_ms",
                    values![*tenant, kind.word(), *id, *json, now_ms],
                )?;
                if known.is_none_or(|known| times(*kind, id, &known) != times(*kind, id, json)) {
                    forget_times(store, (*kind, tenant, id))?;
                }
                let change = (*tenant, *kind, *id, outcome.word());
                note(store, now_ms, change)?;
            }
            Ok(applied)
        })
    }

    /// Which documents there are.
    ///
    /// # Errors
    /// The store's.
    pub fn version(&mut self) -> Result<Version, DeskError> {
        let found = self.store.query("SELECT count(*), max(changed_ms) FROM weir_document", values![])?;
        let number = |column| found.first().and_then(|row| row.int(column)).unwrap_or_default();
        Ok(Version { count: number(0), changed_ms: number(1) })
    }

    /// The document of this id.
    ///
    /// # Errors
    /// The store's.
    pub fn document(&mut self, kind: Kind, tenant: &str, id: &str) -> Result<Option<Stored>, DeskError> {
        Ok(self.documents(kind, Some(tenant))?.into_iter().find(|stored| stored.id == id))
    }

    /// The documents of a tenant, or of all.
    ///
    /// # Errors
    /// The store's.
    pub fn documents(&mut self, kind: Kind, tenant: Option<&str>) -> Result<Vec<Stored>, DeskError> {
        let found = self.store.query(
            "SELECT tenant, id, document, changed_ms FROM weir_document WHERE kind = $1 \
             AND ($2 IS NULL OR tenant = $2) ORDER BY tenant, id",
            values![kind.word(), tenant],
        )?;
        let stored = found.iter().map(|row| Stored {
            tenant: row.string(0),
            id: row.string(1),
            json: row.string(2),
            changed_ms: row.int(3).unwrap_or_default(),
        });
        Ok(stored.collect())
    }

    /// Deletes documents with what belongs to them: a connection's credentials, a job's memory of what it sent. All of
    /// them or none. False: one of them was not there.
    ///
    /// # Errors
    /// The store's.
    pub fn remove(&mut self, documents: &[(Kind, &str, &str)]) -> Result<bool, DeskError> {
        self.transact(|store| {
            let now_ms = store.now_ms()?;
            let mut were_there = true;
            for (kind, tenant, id) in documents {
                let whose = values![*tenant, *id];
                let of_kind = values![*tenant, *id, kind.word()];
                let statement = "DELETE FROM weir_document WHERE tenant = $1 AND id = $2 AND kind = $3";
                were_there &= wrote(store, statement, of_kind)?;
                let with_it: &[&str] = match kind {
                    Kind::Connection => &[
                        "DELETE FROM weir_credential WHERE tenant = $1 AND connection = $2",
                        "DELETE FROM weir_seen_file WHERE tenant = $1 AND connection = $2",
                    ],
                    Kind::Job => &[
                        "DELETE FROM weir_cursor WHERE tenant = $1 AND job = $2",
                        "DELETE FROM weir_job_row WHERE tenant = $1 AND job = $2",
                        "DELETE FROM weir_job_unfound WHERE tenant = $1 AND job = $2",
                    ],
                    Kind::Chain => &[],
                };
                for statement in with_it {
                    store.execute(statement, whose)?;
                }
                forget_times(store, (*kind, tenant, id))?;
                note(store, now_ms, (*tenant, *kind, *id, "deleted"))?;
            }
            Ok(were_there)
        })
    }

    /// Notes that something else was changed of a connection, a job or a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn note(&mut self, tenant: &str, kind: Kind, id: &str, what: &str) -> Result<(), DeskError> {
        let now_ms = self.store.now_ms()?;
        note(&mut *self.store, now_ms, (tenant, kind, id, what))
    }

    /// The last changes, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn changes(&mut self, tenant: Option<&str>, most: i64) -> Result<Vec<Change>, DeskError> {
        let found = self.store.query(
            "SELECT tenant, at_ms, kind, subject, what FROM weir_change WHERE ($1 IS NULL OR tenant = $1) \
             ORDER BY at_ms DESC, id DESC LIMIT $2",
            values![tenant, most],
        )?;
        let change = found.iter().map(|row| Change {
            tenant: row.string(0),
            at_ms: row.int(1).unwrap_or_default(),
            kind: row.string(2),
            subject: row.string(3),
            what: row.string(4),
        });
        Ok(change.collect())
    }
}

/// What a document says of when it runs.
fn times(kind: Kind, id: &str, json: &str) -> [Option<Value>; 3] {
    let document: Value = serde_json::from_str(json).unwrap_or_default();
    let table = document.get(format!("{}s", kind.word())).and_then(|all| all.get(id));
    ["schedule", "refresh", "enabled"].map(|key| table.and_then(|table| table.get(key)).cloned())
}

fn note(
    store: &mut dyn Inspect,
    now_ms: i64,
    (tenant, kind, id, what): (&str, Kind, &str, &str),
) -> Result<(), DeskError> {
    // Their ids tell the order of those of one millisecond.
    let same = "SELECT count(*) FROM weir_change WHERE tenant = $1 AND at_ms = $2";
    let number =
        store.query(same, values![tenant, now_ms])?.first().and_then(|row| row.int(0)).unwrap_or_default();
    let unique = super::runs::random_word()?;
    store.execute(
        "INSERT INTO weir_change (id, tenant, at_ms, kind, subject, what) VALUES ($1, $2, $3, $4, $5, $6)",
        values![&format!("{now_ms:015}-{number:06}-{unique}"), tenant, now_ms, kind.word(), id, what],
    )?;
    Ok(())
}
