//! Which contents of files were loaded through a connection.

use super::{Desk, DeskError, OpenDesk, values};
use crate::connect::files::seen::Seen;
use crate::connect::source::SourceError;

/// What one connection has loaded.
pub struct DeskSeen {
    open: OpenDesk,
    desk: Option<Desk>,
    tenant: String,
    connection: String,
}

impl std::fmt::Debug for DeskSeen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DeskSeen").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl DeskSeen {
    /// What a connection has loaded.
    pub fn new(open: &OpenDesk, tenant: &str, connection: &str) -> Self {
        let (tenant, connection) = (tenant.to_owned(), connection.to_owned());
        DeskSeen { open: OpenDesk::clone(open), desk: None, tenant, connection }
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Desk, &str, &str) -> Result<T, DeskError>,
    ) -> Result<T, SourceError> {
        let desk = match &mut self.desk {
            Some(desk) => desk,
            none => none.insert(Desk::open(&self.open)?),
        };
        let done = work(desk, &self.tenant, &self.connection);
        if matches!(done, Err(DeskError::Store(_))) {
            self.desk = None;
        }
        Ok(done?)
    }
}

impl Seen for DeskSeen {
    fn file(&mut self, digest: &str) -> Result<Option<String>, SourceError> {
        self.with(|desk, tenant, connection| {
            let found = desk.store.query(
                "SELECT file FROM weir_seen_file WHERE tenant = $1 AND connection = $2 AND digest = $3",
                values![tenant, connection, digest],
            )?;
            Ok(found.first().map(|row| row.string(0)))
        })
    }

    fn note(&mut self, digest: &str, file: &str) -> Result<(), SourceError> {
        self.with(|desk, tenant, connection| {
            desk.store.execute(
                "INSERT INTO weir_seen_file (tenant, connection, digest, file) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
                values![tenant, connection, digest, file],
            )?;
            Ok(())
        })
    }
}
