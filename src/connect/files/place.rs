//! A place in which files lie, and what Weir does to them there.

use std::io::Read;

use jiff::Timestamp;

use crate::connect::source::SourceError;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, with the folders before it: `daily/contacts.csv`.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// What changes whenever its content does, as far as the place can tell without reading it.
    pub tag: String,
}

/// A file's content, from the byte that was asked for.
pub type Content = Box<dyn Read + Send>;

/// A folder, or a bucket.
pub trait Place: Send {
    /// As people call it: `the folder /data/in`.
    fn about(&self) -> String;

    /// The files in `folder` (`""`, `daily/`), without those in folders below it, sorted by name.
    fn list(&mut self, folder: &str) -> Result<Vec<Entry>, SourceError>;

    /// The content of `file` from `offset` on. Reading it fails where the file changes meanwhile, if the place can
    /// tell.
    fn open(&mut self, file: &Entry, offset: u64) -> Result<Content, SourceError>;

    /// Whether `file` is there as it was listed.
    fn is_unchanged(&mut self, file: &Entry) -> Result<bool, SourceError>;

    /// What two files share if they have the same content.
    fn digest(&mut self, file: &Entry) -> Result<String, SourceError>;

    /// Gives `file` the name `to`, which none has. One that is gone already is no error.
    fn rename(&mut self, file: &Entry, to: &str) -> Result<(), SourceError>;

    /// Writes a small file, whole or not at all, in place of one that has this name.
    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SourceError>;

    /// Removes a file, which may be gone already.
    fn remove(&mut self, name: &str) -> Result<(), SourceError>;

    /// Whether it is reached over the network.
    fn is_remote(&self) -> bool {
        false
    }

    /// Calls over the network since this was asked last.
    fn calls(&mut self) -> u64 {
        0
    }
}
