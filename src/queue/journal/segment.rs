//! Segment files: their names and headers, and [`Cursor`], which reads the frames of one in order and gets past
//! damage. Recovery, counting and readers all read through it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::frame::{self, Look};

/// How a segment begins: what it is, and the version of its format, a digit or, later, a letter.
pub(super) const MAGIC: &[u8; 8] = b"WEIRJNL1";
/// Bytes before the first frame.
pub(super) const HEADER: u64 = MAGIC.len() as u64;
/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// The file of the segment whose first sequence number is `base`.
pub(super) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// The first sequence numbers of all segments in `dir`, in order.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        bases.extend(entry?.file_name().to_str().and_then(base));
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Refuses a journal in which a segment has a version that is not known yet: to this Weir all of it would be damage,
/// which is skipped and cut off.
///
/// # Errors
/// When there is such a segment, and on I/O errors.
pub(super) fn refuse_newer(dir: &Path) -> Result<(), JournalError> {
    let io = |source| JournalError::Io { path: dir.to_owned(), source };
    for base in list(dir).map_err(io)? {
        let path = path(dir, base);
        let mut magic = [0; MAGIC.len()];
        // One that can't be read is reported where it is read; it may also be gone by now.
        let is_read = File::open(&path).and_then(|file| file.read_exact_at(&mut magic, 0)).is_ok();
        if is_read && is_newer(&magic) {
            return Err(JournalError::Newer(path));
        }
    }
    Ok(())
}

fn is_newer(magic: &[u8; 8]) -> bool {
    let ([name @ .., version], [ours @ .., known]) = (magic, MAGIC);
    name == ours && version.is_ascii_alphanumeric() && version > known
}

fn base(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().filter(|base| *base < frame::MAX_SEQ)
}

/// A place in a segment that moves forward.
#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    /// The segment's first sequence number.
    pub(super) base: u64,
    /// Offset of the next frame.
    pub(super) at: u64,
    /// The lowest number that the next frame can have.
    pub(super) next: u64,
    /// Bytes of the file; those from `start` on stand at `at`.
    window: Vec<u8>,
    start: usize,
    body: std::ops::Range<usize>,
    /// The file's length when nothing more was found in it: no use to look again before that changes.
    ended: Option<u64>,
}

/// What a cursor came upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame; `Cursor::body` has its body.
    Frame(u64),
    /// Bytes that are no frame, followed by one that is.
    Damage {
        /// Where they begin.
        at: u64,
        /// How many they are.
        bytes: u64,
    },
    /// No further frame so far; the file ends `left` bytes after `at`.
    End {
        /// Bytes of an unfinished or broken frame.
        left: u64,
    },
}

impl Cursor {
    /// The beginning of the segment at `base`.
    pub(super) fn open(dir: &Path, base: u64) -> io::Result<Self> {
        Ok(Self::new(File::open(path(dir, base))?, base))
    }

    fn new(file: File, base: u64) -> Self {
        Cursor { file, base, at: 0, next: base, window: Vec::new(), start: 0, body: 0..0, ended: None }
    }

    /// Goes on to the next frame below the sequence number `limit`.
    pub(super) fn step(&mut self, limit: u64) -> io::Result<Step> {
        if let Some(ended) = self.ended {
            if self.file.metadata()?.len() == ended {
                return Ok(Step::End { left: ended.saturating_sub(self.at) });
            }
            self.ended = None;
        }
        loop {
            if self.at == 0 && self.rest().starts_with(MAGIC) {
                self.advance(MAGIC.len());
            }
            match self.look(limit) {
                Look::Frame { seq, len } => {
                    let body = self.start + frame::HEADER;
                    self.body = body..body + len;
                    self.next = seq + 1;
                    self.advance(frame::HEADER + len);
                    return Ok(Step::Frame(seq));
                }
                // The file may grow at any time: what is judged is all of it, and after the last look.
                Look::Short | Look::Bad if self.more()? => {}
                Look::Short | Look::Bad => return Ok(self.search(limit)),
            }
        }
    }

    /// The body of the frame that the last step came upon.
    pub(super) fn body(&self) -> &[u8] {
        self.window.get(self.body.clone()).unwrap_or_default()
    }

    /// Makes the file durable as it stands.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Where frames that it came upon were taken back, the end of what is left. A segment gets shorter only
    /// where a write failed.
    pub(super) fn back(&self, limit: u64) -> io::Result<Option<Self>> {
        if self.file.metadata()?.len() >= self.at {
            return Ok(None);
        }
        let mut back = Self::new(self.file.try_clone()?, self.base);
        while !matches!(back.step(limit)?, Step::End { .. }) {}
        Ok(Some(back))
    }

    /// Finds the next frame behind bytes that are none. What stands in a file never changes, it is only
    /// cut off or added to, so an intact frame behind a broken one proves damage.
    fn search(&mut self, limit: u64) -> Step {
        let (at, rest, seqs) = (self.at, self.rest(), self.next..limit);
        // A client's text behind a length that Weir wrote may look like a frame, but never like a body.
        let is_frame = |skip: &usize| {
            let rest = rest.get(*skip..).unwrap_or_default();
            let Look::Frame { len, .. } = frame::look(rest, &seqs) else { return false };
            rest.get(frame::HEADER..frame::HEADER + len).and_then(frame::decode).is_some()
        };
        if let Some(skip) = (1..rest.len()).find(is_frame) {
            self.advance(skip);
            return Step::Damage { at, bytes: skip as u64 };
        }
        let left = rest.len() as u64;
        self.ended = Some(at + left);
        // The rest may be half of a frame that is being written: it is read anew next time.
        self.window.clear();
        self.start = 0;
        Step::End { left }
    }

    fn look(&self, limit: u64) -> Look {
        match self.rest() {
            rest if self.at > 0 => frame::look(rest, &(self.next..limit)),
            rest if rest.len() < MAGIC.len() => Look::Short,
            _ => Look::Bad,
        }
    }

    fn rest(&self) -> &[u8] {
        self.window.get(self.start..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.at += bytes as u64;
    }

    /// Reads a further chunk behind the window; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        self.window.drain(..self.start.min(self.window.len()));
        self.start = 0;
        let held = self.window.len();
        let more = self.file.metadata()?.len().saturating_sub(self.at + held as u64);
        // One byte more than there is, in case there is more by now.
        let chunk = usize::try_from(more + 1).map_or(CHUNK, |more| more.min(CHUNK));
        self.window.resize(held + chunk, 0);
        let read = self.window.get_mut(held..).map(|free| self.file.read_at(free, self.at + held as u64));
        match read.unwrap_or(Ok(0)) {
            Ok(read) => {
                self.window.truncate(held + read);
                Ok(read > 0)
            }
            Err(error) => {
                self.window.truncate(held);
                if error.kind() == io::ErrorKind::Interrupted { Ok(true) } else { Err(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_version_is_newer() {
        let newer = |magic| is_newer(magic);
        assert!(newer(b"WEIRJNL2") && newer(b"WEIRJNLA"));
        assert!(!newer(MAGIC) && !newer(b"WEIRJNL0"), "known");
        assert!(!newer(b"WEIRJNL\xb1") && !newer(b"WEJRJNL2"), "damaged");
    }
}
