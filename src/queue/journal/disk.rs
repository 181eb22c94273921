//! The four calls of the operating system that can fail while the journal runs, behind one small trait:
//! tests put failures there, everything else uses [`RealDisk`].

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Personal data: for the owner and the group, for nobody else.
const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;

/// What the committer asks of the disk.
pub(super) trait Disk: Send {
    /// Appends `bytes` to `file`.
    fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written to `file` would survive a loss of power.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Returns once the names of `dir`'s files would survive it, too.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;

    /// Bytes that are free to us on the file system of `dir`.
    fn free(&mut self, dir: &Path) -> io::Result<u64>;
}

/// The disk.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }

    fn free(&mut self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// How every file of the journal is opened.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Makes the entries of `dir` durable: files made, renamed or removed in it.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes `dir`, and what is missing above it, durably: a file in it is worth no more than its own entry.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = match dir.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    make_dir(above)?;
    match DirBuilder::new().mode(DIR_MODE).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_dir(above),
    }
}

/// Takes the lock at `path` for as long as the file returned is open; none when another process has it.
pub(super) fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = options().create(true).truncate(false).write(true).open(path)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncing_reaches_the_system_which_refuses_what_can_not_be_synced() {
        let null = File::options().write(true).open("/dev/null").unwrap();
        assert!(RealDisk.write(&null, b"x").is_ok());
        assert_eq!(RealDisk.sync(&null).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(sync_dir(Path::new("/dev/null")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
