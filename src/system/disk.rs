//! Every call that changes the disk, behind one small trait. Tests inject failures and power failures there;
//! everything else uses [`RealDisk`]. Reads bypass it, and so do locks, which need not survive.

#[cfg(test)]
pub(crate) mod simulated;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Personal data: for the owner and the group, for nobody else.
pub(crate) const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;

/// What a journal and its consumers ask of the disk.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Makes the directory `dir`, which may be there already, in one that is there.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the file at `path`, which must not be there, to append to it. Nobody may open it whom `mode` does not
    /// allow to.
    fn create(&self, path: &Path, mode: u32) -> io::Result<File>;

    /// Appends `bytes` to `file`.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Cuts `file` off after `len` bytes.
    fn cut(&self, file: &File, len: u64) -> io::Result<()>;

    /// Returns once everything written to `file` or cut off it would survive a loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives the file at `from` the name `to`, in the same directory, in place of the file that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the file at `path`, which may be gone already.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns once the names in `dir` would survive a loss of power: made, renamed or removed.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that are free to us on the file system of `dir`.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// The disk.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let made = DirBuilder::new().mode(DIR_MODE).create(dir);
        made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(mode).open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = std::fs::remove_file(path);
        removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// How every file of the journal is opened.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Makes `dir`, and what is missing above it, durably: a file in it is worth no more than its own entry. One
/// that is there was made after those above it were durable, but who made it may not have lived to make it so.
pub(crate) fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let above = above(dir);
    if !dir.is_dir() {
        make_dir(disk, above)?;
        disk.make_dir(dir)?;
        return disk.sync_dir(above);
    }
    match disk.sync_dir(above) {
        // Not ours, then.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// The directory that `path` stands in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."))
}

/// Who may read a file that is written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone, from the first moment: it holds secrets.
    Owner,
    /// Everyone, less those whom the process's mask excludes.
    Unmasked,
    /// Everyone.
    Everyone,
}

/// Writes the file at `path`, whole or not at all, and returns once it would survive a loss of power.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    // What an earlier try may have left.
    disk.remove(draft)?;
    let file = disk.create(draft, if readers == Readers::Owner { 0o600 } else { 0o644 })?;
    if readers == Readers::Everyone {
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    disk.write(&file, bytes)?;
    disk.sync(&file)?;
    disk.rename(draft, path)?;
    disk.sync_dir(above(path))
}

/// Takes the lock at `path` for as long as the file returned is open; none when another process has it.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
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
    fn a_file_is_written_whole_over_what_an_earlier_try_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::fs::write(folder.path().join("run.json.new"), "half of it").unwrap();
        for text in ["first", "second"] {
            write_whole(&RealDisk, &path, Readers::Owner, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn syncing_reaches_the_system_which_refuses_what_can_not_be_synced() {
        let null = File::options().write(true).open("/dev/null").unwrap();
        assert!(RealDisk.write(&null, b"x").is_ok());
        assert_eq!(RealDisk.sync(&null).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            RealDisk.sync_dir(Path::new("/dev/null")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
