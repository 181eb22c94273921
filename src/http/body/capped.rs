//! Where a body gathers: no more than it may, and no more than there is memory for.

use std::io::{self, Write};

use super::BodyError;
use crate::intake::budget::Lease;

/// Where a body's bytes gather, up to a limit: a few kilobytes of gzip can mean gigabytes. The lease holds
/// what is allocated, which is more than what is filled.
pub(super) struct Capped {
    pub out: Vec<u8>,
    pub limit: usize,
    lease: Lease,
    /// What the lease holds besides, for whatever fills this.
    aside: usize,
    refused: Option<BodyError>,
}

impl Capped {
    /// Empty; it may come to hold `limit` bytes.
    pub fn new(limit: usize, lease: Lease) -> Self {
        Capped { out: Vec::new(), limit, lease, aside: 0, refused: None }
    }

    /// What gathered, and the memory that it holds.
    pub fn into_parts(self) -> (Vec<u8>, Lease) {
        (self.out, self.lease)
    }

    /// Why it took no more, if it did not; else that what should fill it is broken.
    pub fn why(&self) -> BodyError {
        self.refused.unwrap_or(BodyError::Unreadable)
    }

    /// Holds `bytes` besides, for whatever fills this.
    pub fn hold_aside(&mut self, bytes: usize) -> Result<(), BodyError> {
        let more = bytes.saturating_sub(self.aside);
        if !self.lease.grow(more) {
            return Err(BodyError::NoRoom);
        }
        self.aside += more;
        Ok(())
    }

    /// Has the lease cover `bytes`.
    pub fn hold(&mut self, bytes: usize) -> Result<(), BodyError> {
        if bytes > self.limit {
            return Err(BodyError::TooLarge);
        }
        if self.lease.grow_to(bytes + self.aside) { Ok(()) } else { Err(BodyError::NoRoom) }
    }

    pub fn add(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let (length, capacity) = (self.out.len() + bytes.len(), self.out.capacity());
        if length > capacity {
            // The announced length at once, if there is one, else twice as much each time.
            let wanted = (self.lease.bytes() - self.aside).max(capacity * 2).min(self.limit).max(length);
            self.hold(wanted)?;
            self.out.reserve_exact(wanted - self.out.len());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.add(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(refused) => {
                self.refused = Some(refused);
                Err(io::Error::other("no room"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
