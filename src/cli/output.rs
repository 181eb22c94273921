//! Stdout, and whether anybody still reads it: a command whose output may be lost never exits with 0.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::ioctl_fionread;

use super::Failure;

/// How long one look at a pipe that its reader has yet to empty takes.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Where a command writes its results.
pub trait Output: Write {
    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When it can't be written, and with [`io::ErrorKind::BrokenPipe`] when its reader has gone, even where
    /// everything could still be written.
    fn hand_over(&mut self) -> io::Result<()>;

    /// The same, and returns once the reader has taken everything, where that can be known.
    ///
    /// # Errors
    /// As `hand_over`, also when the reader goes before it has taken everything.
    fn until_taken(&mut self) -> io::Result<()>;
}

/// This process's stdout, with a buffer.
#[derive(Debug)]
pub(super) struct Stdout(BufWriter<StdoutLock<'static>>);

impl Stdout {
    pub(super) fn new() -> Self {
        Stdout(BufWriter::new(io::stdout().lock()))
    }

    /// To be called last: nothing that was written may be lost unseen.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.hand_over().map_err(Failure::Output)
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for Stdout {
    fn hand_over(&mut self) -> io::Result<()> {
        self.flush()?;
        unless_gone(self.0.get_ref().as_fd(), AT_ONCE)
    }

    fn until_taken(&mut self) -> io::Result<()> {
        self.hand_over()?;
        let stdout = self.0.get_ref().as_fd();
        // Only a pipe tells how much of it was taken.
        while is_pipe(stdout) && ioctl_fionread(stdout).is_ok_and(|left| left > 0) {
            unless_gone(stdout, LOOK)?;
        }
        Ok(())
    }
}

/// Waits so long for the reader to go; an error when it has.
fn unless_gone(stdout: BorrowedFd<'_>, wait: Timespec) -> io::Result<()> {
    let mut polled = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
    match poll(&mut polled, Some(&wait)) {
        Ok(found) if found > 0 => Err(io::ErrorKind::BrokenPipe.into()),
        // What can't be polled has no reader that could go.
        _ => Ok(()),
    }
}

fn is_pipe(stdout: BorrowedFd<'_>) -> bool {
    fstat(stdout).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo())
}

#[cfg(test)]
impl Output for Vec<u8> {
    fn hand_over(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn until_taken(&mut self) -> io::Result<()> {
        Ok(())
    }
}
