//! What to do where the system refuses a file or a folder, and sizes in words.

use std::io;

/// What an operator can do about `error` of a file or folder.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user permission (chown, chmod), run Weir as the user that owns it, or choose another \
             folder with data"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "its file system is mounted read-only: mount it for writing, or choose another folder with data"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space or inodes on the disk, or choose another folder with data"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a folder should be: move it away, or choose another folder with data"
        }
        io::ErrorKind::NotFound => "create what is missing, or choose another folder with data",
        _ => "check the system's log (dmesg) for a failing disk, or choose another folder with data",
    }
}

/// In the largest unit that leaves something before the point.
pub fn readable(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x40_0000 => (1 << 10, "KiB"),
        0x40_0000..0x1_0000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}
