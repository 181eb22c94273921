//! Which contents were loaded already, so that a file that is sent twice is loaded once.

use std::collections::BTreeMap;
use std::io::{self, Read};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::connect::source::SourceError;

/// Knows the contents that one connection loaded into one object. Kept where runs are kept.
pub trait Seen: Send {
    /// The file by which content with this digest came, if it was loaded.
    fn file(&mut self, digest: &str) -> Result<Option<String>, SourceError>;

    /// Notes that content was loaded. That it was noted already is no error.
    fn note(&mut self, digest: &str, file: &str) -> Result<(), SourceError>;
}

/// Knows it for as long as the process lives.
#[derive(Clone, Debug, Default)]
pub struct SeenHere(BTreeMap<String, String>);

impl Seen for SeenHere {
    fn file(&mut self, digest: &str) -> Result<Option<String>, SourceError> {
        Ok(self.0.get(digest).cloned())
    }

    fn note(&mut self, digest: &str, file: &str) -> Result<(), SourceError> {
        self.0.entry(digest.to_owned()).or_insert_with(|| file.to_owned());
        Ok(())
    }
}

/// What two contents share if they are the same.
///
/// # Errors
/// When it can't be read.
pub fn digest(mut content: impl Read) -> io::Result<String> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 128 * 1024]);
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(format!("sha256:{}", HEXLOWER.encode(&hash.finalize()))),
            read => hash.update(piece.get(..read).unwrap_or_default()),
        }
    }
}
