//! How far a journal of the spool has been read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::reader::{Next, Reader, StartAt};
use crate::system::disk::Disk;

/// The place of reading that is kept under `name`. One that is damaged is put out of the way: all that is left is read again.
pub(super) fn place(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Result<Consumer, JournalError> {
    let open = || Consumer::open_on(Arc::clone(disk), dir, name, &BTreeSet::new());
    match open() {
        Err(JournalError::ConsumerDamaged(path)) => {
            tracing::error!(path = %path.display(), "the spool's place of reading is damaged: all it holds is sent again");
            let aside = path.with_extension("damaged");
            disk.rename(&path, &aside).map_err(|source| JournalError::Io { path, source })?;
            open()
        }
        opened => opened,
    }
}

/// Where reading goes on.
pub(super) fn begin(place: &Consumer) -> Begin {
    place.next().map_or(Begin::From(StartAt::Oldest), Begin::At)
}

/// Whether the journal in `dir` holds a record behind that place; one that does not exist yet holds none.
pub(super) fn holds(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Result<bool, JournalError> {
    if !dir.is_dir() {
        return Ok(false);
    }
    let mut reader = JournalReader::open(dir, begin(&place(disk, dir, name)?), true, BTreeSet::new())?;
    Ok(matches!(reader.next(Duration::ZERO), Ok(Next::Record(_))))
}
