//! Rejected events outlive the segment that they stand in: before it is removed, they are archived in `quarantine`,
//! beside the journal, with what is known of their replay. There the oldest are removed, by age and by size.
//!
//! The copy of a segment is one file of the same name and format, with the same frames. So a copy that a crash cut
//! short is simply made again, and readers read both places in the same way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::frame;
use super::recovery::Sealed;
use super::segment::{self, Cursor, Step};
use crate::config::data_dir::archive;
use crate::record::Kind;
use crate::record::topics::Bounds;
use crate::system::advice::advice;
use crate::system::disk::{self, Disk};

/// Bytes that are written at once.
const CHUNK: usize = 1 << 20;

/// Where they are copied to, and how many of them are kept.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    dir: PathBuf,
    bounds: Bounds,
}

impl Archive {
    pub(super) fn new(journal: &Path, bounds: Bounds) -> Self {
        Archive { dir: archive(journal), bounds }
    }

    /// Copies what `sealed`, a segment of `journal`, holds of quarantine. Returns once that is durable.
    pub(super) fn copy(&self, disk: &dyn Disk, journal: &Path, sealed: Sealed) -> io::Result<()> {
        self.make_copy(disk, journal, sealed).inspect_err(|_| {
            // It would only take room, which may be what is missing; the next try begins anew in any case.
            disk.remove(&self.draft_path(sealed.base)).ok();
        })
    }

    fn make_copy(&self, disk: &dyn Disk, journal: &Path, sealed: Sealed) -> io::Result<()> {
        let mut cursor = match Cursor::open(journal, sealed.base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let mut draft = None;
        let (mut frames, mut newest) = (Vec::new(), 0);
        loop {
            match cursor.step(sealed.end)? {
                Step::Frame(seq) => {
                    let body = Some(cursor.body())
                        .filter(|body| frame::is_without_key(body))
                        .and_then(frame::decode);
                    let Some(body) = body.filter(is_of_quarantine) else { continue };
                    newest = body.received_ms.max(newest);
                    frame::put_again(&mut frames, cursor.body(), seq);
                    if frames.len() >= CHUNK {
                        disk.write(self.draft(disk, &mut draft, sealed.base)?, &frames)?;
                        frames.clear();
                    }
                }
                // Readers of the journal have reported it.
                Step::Damage { .. } => {}
                Step::End { .. } => break,
            }
        }
        if frames.is_empty() && draft.is_none() {
            return Ok(());
        }
        let file = self.draft(disk, &mut draft, sealed.base)?;
        disk.write(file, &frames)?;
        // Age counts from the receipt of the newest.
        let received = UNIX_EPOCH + Duration::from_millis(u64::try_from(newest).unwrap_or(0));
        file.set_modified(received)?;
        disk.sync(file)?;
        disk.rename(&self.draft_path(sealed.base), &segment::path(&self.dir, sealed.base))?;
        disk.sync_dir(&self.dir)?;
        self.prune(disk);
        Ok(())
    }

    /// `next`, or the first number above all that were copied: a journal that was removed by hand must not begin
    /// with theirs.
    pub(super) fn number_above(&self, next: u64) -> u64 {
        match self.highest() {
            Ok(highest) => next.max(highest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => next,
            Err(error) => {
                let (path, advice) = (self.dir.display(), advice(&error));
                tracing::warn!(%error, %path, "kept rejected events can't be read: {advice}");
                next
            }
        }
    }

    /// A number above all that were copied.
    fn highest(&self) -> io::Result<u64> {
        let Some(last) = segment::list(&self.dir)?.pop() else { return Ok(0) };
        let mut cursor = Cursor::open(&self.dir, last)?;
        while !matches!(cursor.step(frame::MAX_SEQ)?, Step::End { .. }) {}
        Ok(cursor.next.max(last + 1))
    }

    fn draft_path(&self, base: u64) -> PathBuf {
        segment::path(&self.dir, base).with_extension("new")
    }

    /// The file that the copy is made in, begun where it is not there yet.
    fn draft<'f>(&self, disk: &dyn Disk, draft: &'f mut Option<File>, base: u64) -> io::Result<&'f File> {
        if draft.is_none() {
            disk::make_dir(disk, &self.dir)?;
            let path = self.draft_path(base);
            disk.remove(&path)?;
            let file = disk.create(&path, disk::FILE_MODE)?;
            disk.write(&file, segment::MAGIC)?;
            *draft = Some(file);
        }
        draft.as_ref().ok_or_else(|| io::Error::other("no file was begun"))
    }

    /// Removes what is too old, and the oldest of what is too much. What can't be removed stays, and is logged.
    pub(super) fn prune(&self, disk: &dyn Disk) {
        let removed = self.surplus().and_then(|surplus| {
            surplus.iter().try_for_each(|base| disk.remove(&segment::path(&self.dir, *base)))?;
            Ok(surplus.len())
        });
        match removed {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(files, "rejected events beyond the bounds of [quarantine] were deleted")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let (path, advice) = (self.dir.display(), advice(&error));
                tracing::warn!(
                    %error,
                    %path,
                    "old rejected events can't be deleted, so they stay beyond the bounds of [quarantine]: \
                     {advice}"
                );
            }
        }
    }

    /// The files that have to go.
    fn surplus(&self) -> io::Result<Vec<u64>> {
        let oldest = SystemTime::now().checked_sub(self.bounds.age).unwrap_or(UNIX_EPOCH);
        let (mut surplus, mut bytes) = (Vec::new(), 0);
        for base in segment::list(&self.dir)?.into_iter().rev() {
            let metadata = std::fs::metadata(segment::path(&self.dir, base))?;
            bytes += metadata.len();
            // One file may be larger than all may be: the newest goes by age alone.
            let is_too_much = bytes > self.bounds.bytes && bytes > metadata.len();
            if is_too_much || metadata.modified()? < oldest {
                surplus.push(base);
            }
        }
        Ok(surplus)
    }
}

fn is_of_quarantine(body: &frame::Body<'_>) -> bool {
    let kind = body.headers.iter().find(|(name, _)| *name == b"ce_type");
    let kind = kind.and_then(|(_, value)| Kind::of_ce_type(value));
    matches!(kind, Some(Kind::Rejected | Kind::Replayed))
}
