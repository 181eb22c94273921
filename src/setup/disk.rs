//! Whether the disk has room for what the configuration allows, and advice for errors of the file system.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use crate::config::{Config, QueueKind};
use crate::system::advice::{advice, readable};

/// Fewer files than this can't be made where a data folder needs them.
const FEW_FILES: u64 = 64;

/// The disk of the data folder, or of the nearest folder above it that is there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Disk {
    folder: PathBuf,
    /// Bytes, in all and those that are free to this user.
    total: u64,
    free: u64,
    /// Files that can still be made; none where the file system has no such bound.
    files: Option<u64>,
    is_read_only: bool,
    is_writable: bool,
}

impl Disk {
    fn of(data: &Path) -> io::Result<Self> {
        // Above a relative path is nothing, which means where this process was started.
        let here = |folder| if folder == Path::new("") { Path::new(".") } else { folder };
        let folder = data.ancestors().map(here).find(|folder| folder.exists()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let stat = statvfs(folder)?;
        Ok(Disk {
            folder: folder.to_owned(),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            files: (stat.f_files > 0).then_some(stat.f_favail),
            is_read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
            is_writable: access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        })
    }
}

/// What the disk of the data folder lacks, each as `key: what it means`. That may change, and differs between
/// machines, so none of it makes a configuration wrong.
pub fn warnings(config: &Config) -> Vec<String> {
    match Disk::of(config.data.path()) {
        Ok(disk) => lacking(config, &disk),
        Err(error) => {
            vec![format!("data: {} can't be used: {error}; {}", config.data.path().display(), advice(&error))]
        }
    }
}

fn lacking(config: &Config, disk: &Disk) -> Vec<String> {
    let (queue, folder) = (&config.queue, disk.folder.display());
    let (name, without) = match queue.kind() {
        QueueKind::Journal => ("journal", "every request gets 503"),
        QueueKind::Kafka { .. } => ("spool", "Weir can hold nothing while Kafka is away"),
    };
    if disk.is_read_only {
        return vec![format!(
            "data: {folder} is on a file system that is mounted read-only, so Weir can't start; mount it for \
             writing, or choose another folder"
        )];
    }
    let mut found = Vec::new();
    if !disk.is_writable {
        found.push(format!(
            "data: this user may not write to {folder}; if Weir runs as this user, give it permission \
             (chown), or choose another folder"
        ));
    }
    if disk.files.is_some_and(|files| files < FEW_FILES) {
        found.push(format!(
            "data: the disk of {folder} has no room for more files (inodes), and the {name} needs one for \
             each segment; without them, {without}; delete some files, or choose another folder"
        ));
    }
    let (total, free, kept) = (readable(disk.total), readable(disk.free), readable(queue.free_bytes));
    if disk.free < queue.free_bytes {
        found.push(format!(
            "queue.free_bytes: the disk of {folder} has {free} free, less than the {kept} that the {name} \
             has to leave free, so {without}; free some space, lower queue.free_bytes, or choose another \
             folder with data"
        ));
    } else if queue.journal_bytes.saturating_add(queue.free_bytes) > disk.total {
        found.push(format!(
            "queue.journal_bytes: the {name} may hold {} and has to leave {kept} free, but the disk of \
             {folder} has {total} in all, so the disk is full before the {name} is; lower it to what the disk \
             can hold",
            readable(queue.journal_bytes)
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::setup::load;

    const GIB: u64 = 1 << 30;

    fn roomy() -> Disk {
        Disk {
            folder: PathBuf::from("/d"),
            total: 100 * GIB,
            free: 50 * GIB,
            files: Some(1_000_000),
            is_read_only: false,
            is_writable: true,
        }
    }

    fn found(brokers: Option<&str>, disk: Disk) -> Vec<String> {
        let overrides = Overrides { brokers: brokers.map(str::to_owned), ..Overrides::default() };
        lacking(&load(None, &overrides).unwrap(), &disk)
    }

    #[test]
    fn a_disk_with_room_has_no_warning() {
        assert_eq!(found(None, roomy()), [] as [&str; 0]);
        assert_eq!(found(None, Disk { files: None, ..roomy() }), [] as [&str; 0]);
        assert_eq!(found(None, Disk { free: GIB, total: 11 * GIB, ..roomy() }), [] as [&str; 0]);
    }

    #[test]
    fn what_a_disk_lacks_is_told_with_what_is_needed_what_there_is_and_the_key_to_change() {
        let read_only = Disk { is_read_only: true, is_writable: false, free: 0, ..roomy() };
        for (disk, key, parts) in [
            (
                Disk { free: GIB - 1, ..roomy() },
                "queue.free_bytes: ",
                &[
                    "/d has 1023.9 MiB free, less than the 1024.0 MiB",
                    "every request gets 503",
                    "lower queue.free_bytes",
                ][..],
            ),
            (
                Disk { total: GIB / 2, free: GIB / 4, ..roomy() },
                "queue.free_bytes: ",
                &["256.0 MiB free, less than the 1024.0 MiB"],
            ),
            (
                Disk { total: 11 * GIB - 1, free: 5 * GIB, ..roomy() },
                "queue.journal_bytes: ",
                &["may hold 10.0 GiB and has to leave 1024.0 MiB free", "/d has 10.9 GiB in all", "lower it"],
            ),
            (
                Disk { files: Some(0), ..roomy() },
                "data: ",
                &["no room for more files (inodes)", "every request gets 503"],
            ),
            (Disk { is_writable: false, ..roomy() }, "data: ", &["this user may not write to /d"]),
            (read_only, "data: ", &["/d is on a file system that is mounted read-only"]),
        ] {
            let found = found(None, disk);
            let [line] = found.as_slice() else { panic!("not one: {found:#?}") };
            assert!(line.starts_with(key) && parts.iter().all(|part| line.contains(part)), "{line}");
        }
        let behind_kafka = found(Some("k:1"), Disk { free: 0, ..roomy() });
        assert!(behind_kafka[0].contains("Weir can hold nothing while Kafka is away"), "{behind_kafka:?}");
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        let disk = Disk::of(&above.path().join("a/b")).unwrap();
        assert_eq!(disk.folder, above.path());
        assert!(disk.total > 0 && disk.is_writable && !disk.is_read_only);
        assert_eq!(Disk::of(Path::new("a-folder-that-is-not-there")).unwrap().folder, Path::new("."));
        let file = above.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(Disk::of(&file.join("data")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(5 << 19), "2560.0 KiB");
        assert_eq!(readable((256 << 20) + (1 << 19)), "256.5 MiB");
        assert_eq!(readable(10 << 30), "10.0 GiB");
    }
}
