//! A small file system of its own, to be filled to the last byte.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Mounts one at the path given, and takes it away once its standard input ends: so also when this process dies.
const HOLD: &str = r#"mount -t tmpfs -o "size=$1" weir-faults "$0" || exit
trap '' INT TERM
echo mounted
cat >/dev/null
umount -l "$0""#;

/// A mounted file system, there until it is dropped.
pub struct Tmpfs {
    holder: Child,
    folder: TempDir,
    bytes: usize,
}

impl Tmpfs {
    /// One of `bytes` bytes.
    pub fn mount(bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut holder = Command::new("bash")
            .arg("-c")
            .arg(HOLD)
            .args([folder.path().as_os_str(), bytes.to_string().as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut said = String::new();
        let mut lines = BufReader::new(holder.stdout.take().expect("its output is piped"));
        lines.read_line(&mut said).expect("it says something");
        assert_eq!(
            said, "mounted\n",
            "no small file system can be mounted: run this as root, with CAP_SYS_ADMIN"
        );
        Tmpfs { holder, folder, bytes }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Has no room from now on, and takes no memory for that.
    pub fn fill(&self) {
        let taken = || {
            let stat = rustix::fs::statvfs(self.path()).expect("it can be asked");
            (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        };
        // Whoever writes in the meantime takes more than was counted, and it can't be made that small any more.
        let mut bytes = taken();
        while !self.is_resized(bytes) {
            assert!(bytes < taken(), "it can't be made {bytes} bytes large");
            bytes = taken();
        }
    }

    /// Has its room again.
    pub fn widen(&self) {
        assert!(self.is_resized(self.bytes as u64), "it can't be made {} bytes large", self.bytes);
    }

    fn is_resized(&self, bytes: u64) -> bool {
        let options = format!("remount,size={bytes}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.path()).status();
        done.expect("mount can be run").success()
    }

    /// Takes `bytes` bytes of it, until the file is removed.
    pub fn take(&self, bytes: usize) -> PathBuf {
        let path = self.path().join("taken");
        std::fs::write(&path, vec![1; bytes]).expect("there is room");
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().expect("the holder ends");
    }
}
