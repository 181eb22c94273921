//! Ends what a test program started and did not end itself, as when it was killed: a shell that outlives it
//! kills what is left on its list, and removes the program's folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Reads `+pid` and `-pid` until the test program ends, which ends its input, too.
const REAP: &str = r#"trap '' INT TERM HUP
declare -A left
while read -r line; do
    case $line in
        +*) left[${line#+}]=1 ;;
        -*) unset "left[${line#-}]" ;;
    esac
done
[ ${#left[@]} -eq 0 ] || kill -9 "${!left[@]}"
rm -rf "$0""#;

/// A process on the list, killed when dropped.
#[derive(Debug)]
pub struct Reaped(Child);

impl Reaped {
    /// Puts `child` on the list.
    pub fn new(child: Child) -> Self {
        tell('+', child.id());
        Reaped(child)
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
        tell('-', self.0.id());
    }
}

/// Where this test program keeps files.
pub fn folder() -> &'static Path {
    &reaper().folder
}

struct Reaper {
    list: Mutex<ChildStdin>,
    folder: PathBuf,
}

fn tell(what: char, pid: u32) {
    let mut list = reaper().list.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(list, "{what}{pid}").expect("the reaper listens");
}

fn reaper() -> &'static Reaper {
    static REAPER: OnceLock<Reaper> = OnceLock::new();
    REAPER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        let mut shell = Command::new("bash");
        shell
            .args(["-c", REAP])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let list = shell.spawn().expect("bash is there").stdin.take().expect("its input is piped");
        Reaper { list: Mutex::new(list), folder }
    })
}
