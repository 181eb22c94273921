//! Shared secrets: where a configuration says they are, and reading them from there. Only commands that check secrets
//! read them, so `weir tail` needs no permission to.

pub mod written;

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Config;
use super::problems::Problems;
use super::quoting::join;
use crate::admission::keys;
use crate::admission::secrets::{Secret, SecretId, signing_key};

/// The most bytes of a secret: it must fit into a header.
const MOST: u64 = 4_096;
/// What may stand around it: a mark of the encoding, ends of lines.
const SLACK: u64 = 16;
/// Fewer bytes than this can be guessed.
const FEW: usize = 16;

/// Where a secret is kept: never in the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In a file, alone.
    File(PathBuf),
    /// In an environment variable of this name.
    Env(String),
}

/// How environment variables are looked up.
pub type Environment<'a> = &'a dyn Fn(&OsStr) -> Option<OsString>;

/// The secrets that were read, by publisher.
#[derive(Clone, Default)]
pub struct Secrets {
    /// By the SHA-256 of their text.
    known: HashMap<[u8; 32], Arc<Secret>>,
    publishers: BTreeMap<String, Vec<Arc<Secret>>>,
    warnings: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Secrets").field("publishers", &self.publishers).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads all that `config` lists, and adds what can't be used to `problems`.
    pub fn read(config: &Config, environment: Environment<'_>, problems: &mut Problems) -> Secrets {
        let mut secrets = Secrets::default();
        // By what a secret proves with: its key has several texts, with padding and without.
        let mut owners: HashMap<[u8; 32], (&str, &str)> = HashMap::new();
        for (id, publisher) in &config.publishers {
            let path = join(&join("publishers", id), "secrets");
            for (index, place) in publisher.secrets.iter().enumerate() {
                let key = format!("{path}[{index}]");
                let text = match place.read(environment) {
                    Ok(text) => text,
                    Err(advice) => {
                        problems.add(key, advice);
                        continue;
                    }
                };
                secrets.warn(&key, place, &text);
                secrets.add(id, &text);
                let proving = signing_key(&text).unwrap_or_else(|| text.into_bytes());
                let owner = owners.entry(keys::digest(&proving)).or_insert((id, &publisher.tenant));
                let (owner, tenant) = *owner;
                if tenant != publisher.tenant {
                    let other = join("publishers", owner);
                    problems.add(
                        key,
                        format_args!("{other}, of another tenant, has the same secret; give each its own"),
                    );
                }
            }
        }
        secrets
    }

    /// Adds the secret `text` to those of `publisher`.
    pub(crate) fn add(&mut self, publisher: &str, text: &str) {
        let next = SecretId::new(self.known.len());
        let known = self.known.entry(keys::digest(text.as_bytes()));
        let secret = Arc::clone(known.or_insert_with(|| Arc::new(Secret::new(next, text))));
        let (id, listed) = (secret.id(), self.publishers.entry(publisher.to_owned()).or_default());
        if listed.iter().all(|other| other.id() != id) {
            listed.push(secret);
        }
    }

    /// The secrets of `publisher`, each once.
    pub fn of(&self, publisher: &str) -> &[Arc<Secret>] {
        self.publishers.get(publisher).map_or(&[], Vec::as_slice)
    }

    /// What may surprise about them, each as `key: what it means`.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn warn(&mut self, key: &str, place: &SecretPlace, text: &str) {
        let mut warn = |meaning: &str| self.warnings.push(format!("{key}: {meaning}"));
        let bytes = signing_key(text).map_or(text.len(), |key| key.len());
        if let Some(fault) = written::fault(text) {
            warn(fault);
        } else if bytes < FEW {
            warn("has fewer than 16 bytes, so it can be guessed; `weir secret` makes a better one");
        }
        if place.is_open_to_all() {
            warn("every user of this machine may read its file; chmod 600 it");
        }
    }
}

impl SecretPlace {
    /// The secret, or what to do about it. Names neither file nor variable: a secret may stand there by mistake.
    ///
    /// # Errors
    /// When it is not there, or not as a secret is written.
    pub fn read(&self, environment: Environment<'_>) -> Result<String, String> {
        let (what, bytes) = match self {
            SecretPlace::File(path) => {
                let bytes = read_file(path);
                (
                    "its file",
                    bytes
                        .map_err(|error| format!("its file can't be read: {error}; put the secret there"))?,
                )
            }
            SecretPlace::Env(name) => {
                let value = environment(OsStr::new(name));
                let value = value.ok_or("its environment variable is not set; set it to the secret")?;
                ("its environment variable", value.into_encoded_bytes())
            }
        };
        if bytes.len() as u64 > MOST + SLACK {
            return Err(format!("{what} has more than {MOST} bytes; a secret is one short line"));
        }
        match written::alone(&bytes) {
            Ok(text) if text.len() as u64 > MOST => {
                Err(format!("{what} has more than {MOST} bytes; a secret is one short line"))
            }
            read => read.map(str::to_owned).map_err(|advice| format!("{what} {advice}")),
        }
    }

    /// Whether every user of this machine may read its file.
    pub fn is_open_to_all(&self) -> bool {
        let SecretPlace::File(path) = self else { return false };
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Of more than that nothing is known but that it is too much.
    File::open(path)?.take(MOST + SLACK + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
