//! Credentials of connections: the vault of a source, over the desk.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::leases::Lease;
use super::{Desk, DeskError, OpenDesk, values};
use crate::connect::credentials::{CredentialError, Key, Place};
use crate::connect::source::SourceError;
use crate::connect::vault::Vault;

/// How long one may renew tokens alone: longer than a call may take.
const ALONE_MS: i64 = 90_000;
/// How long one waits for another who does, in looks and the pause between two.
const LOOKS: (u32, Duration) = (1_200, Duration::from_millis(100));

/// The vault of one connection.
pub struct DeskVault {
    open: OpenDesk,
    desk: Option<Desk>,
    key: Key,
    tenant: String,
    connection: String,
    alone: Option<Lease>,
}

impl std::fmt::Debug for DeskVault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DeskVault").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl DeskVault {
    /// The vault of a connection, whose credentials are sealed with `key`.
    pub fn new(open: &OpenDesk, key: &Key, tenant: &str, connection: &str) -> Self {
        let (tenant, connection) = (tenant.to_owned(), connection.to_owned());
        DeskVault {
            open: OpenDesk::clone(open),
            desk: None,
            key: key.clone(),
            tenant,
            connection,
            alone: None,
        }
    }

    /// The desk, over a connection of its own: a source asks for tokens while its rows are put away.
    fn with<T>(&mut self, work: impl FnOnce(&mut Desk) -> Result<T, DeskError>) -> Result<T, SourceError> {
        let desk = match &mut self.desk {
            Some(desk) => desk,
            none => none.insert(Desk::open(&self.open)?),
        };
        let done = work(desk);
        if matches!(done, Err(DeskError::Store(_))) {
            self.desk = None;
        }
        Ok(done?)
    }
}

impl Vault for DeskVault {
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError> {
        let (tenant, connection) = (self.tenant.clone(), self.connection.clone());
        let place = Place { tenant: &tenant, connection: &connection, field };
        let sealed = self.with(|desk| desk.sealed(place))?;
        let opened = sealed.map(|sealed| self.key.open(place, &sealed)).transpose();
        opened.map_err(|error| SourceError::Authorize(error.to_string()))
    }

    fn put(&mut self, fields: &[(&str, Option<&str>)]) -> Result<(), SourceError> {
        let (tenant, connection) = (self.tenant.clone(), self.connection.clone());
        let mut sealed = Vec::new();
        for (field, text) in fields {
            let place = Place { tenant: &tenant, connection: &connection, field };
            let one = text.map(|text| self.key.seal(place, text)).transpose();
            sealed.push((*field, one.map_err(|error| SourceError::Here(error.to_string()))?));
        }
        self.with(|desk| desk.put_sealed(&tenant, &connection, &sealed))
    }

    fn lock(&mut self) -> Result<(), SourceError> {
        let name = format!("tokens/{}/{}", self.tenant, self.connection);
        let (looks, pause) = LOOKS;
        for _ in 0..looks {
            if let Some(lease) = self.with(|desk| desk.take(&name, "tokens", ALONE_MS))? {
                self.alone = Some(lease);
                return Ok(());
            }
            thread::sleep(pause);
        }
        let advice = "another process has been renewing this connection's token for two minutes; see what it waits for";
        Err(SourceError::Away(advice.to_owned()))
    }

    fn unlock(&mut self) {
        if let Some(lease) = self.alone.take() {
            // If that fails, it ends by itself.
            self.with(|desk| desk.release(&lease)).unwrap_or_default();
        }
    }
}

impl Desk {
    fn sealed(
        &mut self,
        Place { tenant, connection, field }: Place<'_>,
    ) -> Result<Option<Vec<u8>>, DeskError> {
        let found = self.store.query(
            "SELECT sealed FROM weir_credential WHERE tenant = $1 AND connection = $2 AND field = $3",
            values![tenant, connection, field],
        )?;
        Ok(found.first().and_then(|row| row.bytes(0)).map(<[u8]>::to_vec))
    }

    fn put_sealed(
        &mut self,
        tenant: &str,
        connection: &str,
        fields: &[(&str, Option<Vec<u8>>)],
    ) -> Result<(), DeskError> {
        self.transact(|store| {
            for (field, sealed) in fields {
                match sealed {
                    Some(sealed) => store.execute(
                        "INSERT INTO weir_credential (tenant, connection, field, sealed) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (tenant, connection, field) DO UPDATE SET sealed = excluded.sealed",
                        values![tenant, connection, *field, &sealed[..]],
                    )?,
                    None => store.execute(
                        "DELETE FROM weir_credential WHERE tenant = $1 AND connection = $2 AND field = $3",
                        values![tenant, connection, *field],
                    )?,
                };
            }
            Ok(())
        })
    }

    /// Which credentials a connection has.
    ///
    /// # Errors
    /// The store's.
    pub fn credential_names(&mut self, tenant: &str, connection: &str) -> Result<Vec<String>, DeskError> {
        let found = self.store.query(
            "SELECT field FROM weir_credential WHERE tenant = $1 AND connection = $2 ORDER BY field",
            values![tenant, connection],
        )?;
        Ok(found.iter().map(|row| row.string(0)).collect())
    }
}

/// The key in the file `path`, which is made for its owner alone if there is none.
///
/// # Errors
/// When it can't be read or made, or holds no key: a sentence.
pub fn key_in(path: &Path) -> Result<Key, String> {
    match fs::read_to_string(path) {
        Ok(text) => read_key(&text).map_err(|why| format!("{}: {why}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make_key(path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => key_in(path),
            made => made.map_err(|error| {
                let path = path.display();
                format!(
                    "cannot make the key for credentials in {path} ({error}); give this user permission there"
                )
            }),
        },
        Err(error) => {
            let path = path.display();
            Err(format!("cannot read the key for credentials in {path} ({error}); give this user permission"))
        }
    }
}

/// The key that `text` is: 64 hexadecimal digits.
///
/// # Errors
/// When it is none: a sentence without a subject.
pub fn read_key(text: &str) -> Result<Key, String> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let advice = "holds no key of 64 hexadecimal digits; make one with `openssl rand -hex 32`";
    bytes.map(|bytes| Key::new(&bytes)).ok_or_else(|| advice.to_owned())
}

fn make_key(path: &Path) -> io::Result<Key> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whole or not at all: a process that is killed here must not leave half a key.
    let made = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&made)?;
    writeln!(file, "{}", data_encoding::HEXLOWER.encode(&bytes))?;
    file.sync_all()?;
    let linked = fs::hard_link(&made, path);
    fs::remove_file(&made)?;
    linked?;
    Ok(Key::new(&bytes))
}

impl From<CredentialError> for DeskError {
    fn from(error: CredentialError) -> Self {
        DeskError::Refused(error.to_string())
    }
}
