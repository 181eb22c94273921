//! A machine whose power fails, for tests. Its running processes see real files in a temporary folder. It also
//! records what is durable, and a power failure turns the folder into something in between.
//!
//! It is as unkind as POSIX allows. Data that was not synced may be there, in part, or as zeros or garbage. Any of
//! the names that were created, renamed or removed in a directory since its last sync may have taken effect. And what
//! a failed sync should have made durable never is, whatever a later sync says.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

use super::{Disk, RealDisk};

/// A machine with one disk.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<State>>);

struct State {
    root: TempDir,
    files: Vec<Content>,
    by_inode: HashMap<u64, usize>,
    dirs: BTreeMap<PathBuf, Names>,
    /// Calls until the power fails.
    power: Option<usize>,
}

/// What a file holds.
#[derive(Clone, Default)]
struct Content {
    /// For those who read it.
    now: Vec<u8>,
    /// At its longest since the last sync: what is cut off may come back.
    longest: Vec<u8>,
    /// On the disk.
    synced: Vec<u8>,
    /// What a failed sync has lost, though readers still see it.
    lost: Range<usize>,
}

/// The names in a directory.
#[derive(Clone, Default)]
struct Names {
    synced: BTreeMap<OsString, Entry>,
    since: Vec<Change>,
}

#[derive(Clone, Copy)]
enum Entry {
    File(usize),
    Dir,
}

#[derive(Clone)]
enum Change {
    Make(OsString, Entry),
    Rename(OsString, OsString, Entry),
    Remove(OsString),
}

impl Names {
    /// The names after those changes since the last sync that `happened`.
    fn after(&self, mut happened: impl FnMut() -> bool) -> BTreeMap<OsString, Entry> {
        let mut names = self.synced.clone();
        for change in self.since.iter().filter(|_| happened()) {
            match change {
                Change::Make(name, entry) => drop(names.insert(name.clone(), *entry)),
                Change::Remove(name) => drop(names.remove(name)),
                Change::Rename(from, to, entry) => {
                    names.remove(from);
                    names.insert(to.clone(), *entry);
                }
            }
        }
        names
    }
}

impl Content {
    fn of(bytes: Vec<u8>) -> Self {
        Content { now: bytes.clone(), longest: bytes.clone(), synced: bytes, lost: 0..0 }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.now.extend_from_slice(bytes);
        if self.now.len() >= self.longest.len() {
            self.longest.clone_from(&self.now);
        }
    }

    fn cut(&mut self, len: usize) {
        self.now.truncate(len);
        self.lost = self.lost.start.min(len)..self.lost.end.min(len);
    }

    fn sync(&mut self) {
        self.synced.clone_from(&self.now);
        self.synced[self.lost.clone()].fill(0);
        self.longest.clone_from(&self.now);
    }

    fn fail_to_sync(&mut self) {
        if self.lost.is_empty() {
            self.lost = self.synced.len().min(self.now.len())..self.now.len();
        }
        self.lost.end = self.now.len();
    }

    /// What a loss of power leaves of it.
    fn without_power(&self, dice: &mut Dice) -> Vec<u8> {
        let written = if dice.flip() { &self.now } else { &self.longest };
        let mut left = self.synced.clone();
        let Some(more) = written.get(left.len()..) else {
            return if dice.flip() { left } else { written.clone() };
        };
        let (some, rest) = more.split_at(dice.below(more.len() + 1));
        match dice.below(6) {
            0 => {}
            1 => left.extend(more),
            2 => left.extend(some),
            3 => left.extend([some, &vec![0; rest.len()]].concat()),
            4 => left.extend([&vec![0; some.len()], rest].concat()),
            // A disk writes a sector whole or leaves it unreadable. Garbage within one could make a file's first bytes
            // those of a later version, which nobody could tell from such a file.
            _ => {
                let whole = (left.len() + some.len()) / SECTOR * SECTOR;
                let (some, rest) = more.split_at(whole.saturating_sub(left.len()));
                left.extend(some.iter().copied().chain(rest.iter().map(|_| dice.byte())));
            }
        }
        left
    }
}

/// Bytes that a disk writes at once.
const SECTOR: usize = 512;

impl Machine {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let dirs = BTreeMap::from([(root.path().to_owned(), Names::default())]);
        let (files, by_inode) = (Vec::new(), HashMap::new());
        Machine(Arc::new(Mutex::new(State { root, files, by_inode, dirs, power: None })))
    }

    /// The folder that is its disk.
    pub(crate) fn root(&self) -> PathBuf {
        self.state().root.path().to_owned()
    }

    /// The disk as a new process has it.
    pub(crate) fn process(&self) -> Arc<Process> {
        Arc::new(Process { machine: self.clone(), fate: Mutex::default() })
    }

    /// The power fails after `calls` more calls of all processes.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.state().power = Some(calls);
    }

    /// Whether it has failed.
    pub(crate) fn is_without_power(&self) -> bool {
        self.state().power == Some(0)
    }

    /// The power fails, or has, and comes back; the folder is what the disk has kept, which `seed` decides. No
    /// process may have lived on.
    pub(crate) fn restart(&self, seed: u64) {
        let state = &mut *self.state();
        let mut dice = Dice(seed);
        let root = state.root.path().to_owned();
        for entry in std::fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        let (dirs, files) = (std::mem::take(&mut state.dirs), std::mem::take(&mut state.files));
        state.by_inode.clear();
        state.power = None;
        let mut left = vec![root];
        while let Some(dir) = left.pop() {
            let mut synced = dirs[&dir].after(|| dice.flip());
            for (name, entry) in &mut synced {
                let path = dir.join(name);
                match entry {
                    Entry::Dir => {
                        std::fs::create_dir(&path).unwrap();
                        left.push(path);
                    }
                    Entry::File(id) => {
                        let bytes = files[*id].without_power(&mut dice);
                        std::fs::write(&path, &bytes).unwrap();
                        *id = state.files.len();
                        state.files.push(Content::of(bytes));
                        state.by_inode.insert(std::fs::metadata(&path).unwrap().ino(), *id);
                    }
                }
            }
            state.dirs.insert(dir, Names { synced, since: Vec::new() });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn names(&mut self, path: &Path) -> (&mut Names, OsString) {
        let dir = path.parent().unwrap();
        (self.dirs.get_mut(dir).unwrap(), path.file_name().unwrap().to_owned())
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(OsString) -> Change) {
        let (names, name) = self.names(path);
        names.since.push(change(name));
    }

    fn content(&mut self, file: &File) -> &mut Content {
        let id = self.by_inode[&file.metadata().unwrap().ino()];
        &mut self.files[id]
    }
}

/// The disk as one process has it.
pub(crate) struct Process {
    machine: Machine,
    fate: Mutex<Fate>,
}

#[derive(Default)]
struct Fate {
    /// Calls made so far.
    calls: usize,
    /// The calls that fail.
    fails: Range<usize>,
    /// The call that it does not live to finish.
    dies: Option<usize>,
    is_gone: bool,
    /// Done once, before its next sync of a file.
    before_sync: Option<Box<dyn FnOnce() + Send>>,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Done,
    /// Nothing, or a part of it.
    Failed,
    /// As much, for want of a process.
    CutShort,
    /// Nobody is there to make it.
    Dead,
}

impl Process {
    /// Of its coming calls, `fails` fail.
    pub(crate) fn fail(&self, fails: Range<usize>) {
        let mut fate = self.fate();
        fate.fails = fate.calls + fails.start..fate.calls + fails.end;
    }

    /// It is killed after `calls` more calls.
    pub(crate) fn die_after(&self, calls: usize) {
        let mut fate = self.fate();
        fate.dies = Some(fate.calls.saturating_add(calls));
    }

    /// One call that is none of the disk's; whether it lives to make it.
    pub(crate) fn step(&self) -> bool {
        self.whole(|_| Ok(())).is_ok()
    }

    /// Whether it was killed, or has no power.
    pub(crate) fn is_dead(&self) -> bool {
        let fate = self.fate();
        fate.dies.is_some_and(|dies| dies <= fate.calls) || self.machine.is_without_power()
    }

    /// Whether a call of it has failed since `fail` was called.
    pub(crate) fn has_failed(&self) -> bool {
        let fate = self.fate();
        !fate.fails.is_empty() && fate.fails.start < fate.calls
    }

    /// How many calls it has made.
    pub(crate) fn calls(&self) -> usize {
        self.fate().calls
    }

    /// Does `what` when the next file has been written, and is not yet synced.
    pub(crate) fn before_sync(&self, what: impl FnOnce() + Send + 'static) {
        self.fate().before_sync = Some(Box::new(what));
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap()
    }

    /// One call.
    fn call<T>(&self, call: impl FnOnce(&mut State, Verdict) -> io::Result<T>) -> io::Result<T> {
        let mut fate = self.fate();
        let mut state = self.machine.state();
        let dies = fate.dies.is_some_and(|dies| dies <= fate.calls) || state.power == Some(0);
        let verdict = match () {
            () if fate.is_gone => Verdict::Dead,
            () if dies => Verdict::CutShort,
            () if fate.fails.contains(&fate.calls) => Verdict::Failed,
            () => Verdict::Done,
        };
        fate.is_gone = dies;
        if !dies {
            fate.calls += 1;
            state.power = state.power.map(|calls| calls - 1);
        }
        drop(fate);
        call(&mut state, verdict)
    }

    /// A call that does all or nothing.
    fn whole<T>(&self, call: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.call(|state, verdict| if verdict == Verdict::Done { call(state) } else { Err(no()) })
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl Disk for Process {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.whole(|state| {
            if !dir.is_dir() {
                RealDisk.make_dir(dir)?;
                state.change(dir, |name| Change::Make(name, Entry::Dir));
                state.dirs.insert(dir.to_owned(), Names::default());
            }
            Ok(())
        })
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.whole(|state| {
            let file = RealDisk.create(path, mode)?;
            let id = state.files.len();
            state.files.push(Content::default());
            state.by_inode.insert(file.metadata()?.ino(), id);
            state.change(path, |name| Change::Make(name, Entry::File(id)));
            Ok(file)
        })
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.call(|state, verdict| {
            let some = match verdict {
                Verdict::Done => bytes,
                // As a disk that fills up: some of it gets through.
                Verdict::Failed | Verdict::CutShort => {
                    &bytes[..Dice(bytes.len() as u64).below(bytes.len() + 1)]
                }
                Verdict::Dead => &[],
            };
            RealDisk.write(file, some)?;
            state.content(file).append(some);
            if verdict == Verdict::Done { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        self.whole(|state| {
            RealDisk.cut(file, len)?;
            state.content(file).cut(usize::try_from(len).unwrap());
            Ok(())
        })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let before = self.fate().before_sync.take();
        before.into_iter().for_each(|before| before());
        self.call(|state, verdict| {
            let content = state.content(file);
            match verdict {
                Verdict::Done => content.sync(),
                Verdict::Failed => content.fail_to_sync(),
                Verdict::CutShort | Verdict::Dead => {}
            }
            if verdict == Verdict::Done { Ok(()) } else { Err(no()) }
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(|state| {
            let id = state.by_inode[&std::fs::metadata(from)?.ino()];
            RealDisk.rename(from, to)?;
            let to = to.file_name().unwrap().to_owned();
            state.change(from, |from| Change::Rename(from, to, Entry::File(id)));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(|state| {
            if path.exists() {
                RealDisk.remove(path)?;
                state.change(path, Change::Remove);
            }
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.whole(|state| {
            if let Some(names) = state.dirs.get_mut(dir) {
                *names = Names { synced: names.after(|| true), since: Vec::new() };
            }
            Ok(())
        })
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        self.whole(|_| Ok(u64::MAX))
    }
}

fn no() -> io::Error {
    io::Error::other("the disk does not work")
}

/// Chance, the same for the same seed.
struct Dice(u64);

impl Dice {
    /// `SplitMix64`.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn flip(&mut self) -> bool {
        self.roll() & 1 == 1
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[7]
    }
}
