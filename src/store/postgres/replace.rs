//! Makes views, beside those who read them and beside views that others have made of them. What is in the way of a view
//! holds up no loading: then it stays as it is, or comes later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::session::{LOCK_TIMEOUT, Session};
use super::views::{View, quoted, view_name};
use crate::store::StoreError;
use crate::store::registry::{Column, ObjectName};

/// How long loading waits for those who read a view that is to change.
const PATIENCE: &str = "1s";
/// How much later it comes then.
const LATER: Duration = Duration::from_secs(10);

/// SQLSTATEs of what may be in the way: its columns have other types, somebody's view depends on it, somebody reads it
/// for long, something else has its name.
const OTHER_COLUMNS: &str = "42P16";
const DEPENDED_ON: &str = "2BP01";
const LOCKED: &str = "55P03";
const NO_VIEW: &str = "42809";

const GRANTS: &str = "SELECT format('GRANT %s ON %s TO %s', a.privilege_type, $1, \
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) \
    || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner";

/// The views that are not as they should be.
pub(super) struct Unmade {
    /// Those that wait for their readers.
    late: BTreeMap<ObjectName, Vec<Column>>,
    since: Instant,
    /// Those of which the log has said that they stay as they are.
    stuck: BTreeSet<ObjectName>,
}

impl Unmade {
    pub(super) fn new() -> Self {
        Unmade { late: BTreeMap::new(), since: Instant::now(), stuck: BTreeSet::new() }
    }

    /// Views that have waited long enough to be tried again.
    pub(super) fn due(&mut self) -> BTreeMap<ObjectName, Vec<Column>> {
        if self.since.elapsed() < LATER { BTreeMap::new() } else { std::mem::take(&mut self.late) }
    }

    /// Makes the view of `object` within a transaction, unless it is as it should be.
    pub(super) fn put(
        &mut self,
        session: &mut Session,
        object: &ObjectName,
        columns: &[Column],
    ) -> Result<(), StoreError> {
        let view = View::of(object, columns);
        let comment = session
            .row("SELECT obj_description(to_regclass($1), 'pg_class')", &[(&view.name, Type::TEXT)])?
            .and_then(|row| row.get::<_, Option<String>>(0));
        self.late.remove(object);
        if comment.as_ref() == Some(&view.comment) {
            return Ok(());
        }
        let why = match make(session, &view)? {
            None => {
                self.stuck.remove(object);
                return Ok(());
            }
            Some(LOCKED) => {
                self.late.insert(object.clone(), columns.to_vec());
                self.since = Instant::now();
                return Ok(());
            }
            Some(DEPENDED_ON) => {
                "another view depends on it, and the type of a column has changed: drop that view"
            }
            Some(_) => "something else has its name: rename that",
        };
        if self.stuck.insert(object.clone()) {
            let name = view_name(object);
            tracing::warn!(
                "the view {name} stays as it is, and loading goes on: {why}, then start Weir again"
            );
        }
        Ok(())
    }
}

/// Makes `view`. Returns what is in the way, if something is.
fn make(session: &mut Session, view: &View) -> Result<Option<&'static str>, StoreError> {
    // Looked for first: who has a right to a schema may have none to make one.
    let schema =
        session.row("SELECT FROM pg_namespace WHERE nspname = $1", &[(&view.schema.as_str(), Type::TEXT)])?;
    if schema.is_none() {
        session.batch(&format!("CREATE SCHEMA {}", quoted(&view.schema)))?;
    }
    let code = attempt(session, &view.replace(), &[OTHER_COLUMNS, LOCKED, NO_VIEW])?;
    if code != Some(OTHER_COLUMNS) {
        return Ok(code);
    }
    let grants = session.query(GRANTS, &[(&view.name, Type::TEXT)])?;
    let grants: Vec<String> = grants.iter().map(|row| row.get(0)).collect();
    attempt(session, &view.recreate(&grants), &[DEPENDED_ON, LOCKED, NO_VIEW])
}

/// Runs `statements`, and goes on as if nothing had been tried where something `expected` is in the way.
fn attempt(
    session: &mut Session,
    statements: &str,
    expected: &[&'static str],
) -> Result<Option<&'static str>, StoreError> {
    let tried = format!(
        "SAVEPOINT weir_view; SET LOCAL lock_timeout = '{PATIENCE}'; {statements}; \
         SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; RELEASE weir_view"
    );
    let code = session.attempt(&tried, expected)?;
    if code.is_some() {
        session.batch("ROLLBACK TO weir_view; RELEASE weir_view")?;
    }
    Ok(code)
}
