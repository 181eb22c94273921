//! What a client and a broker say to each other, as far as a fault needs it: which answer belongs to a Produce
//! request, and where the outcome of its first partition stands in it.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clients::lock;

const PRODUCE: i16 = 0;
/// From this version on lengths are shorter, and tags may follow.
const FLEXIBLE: i16 = 9;
/// A longer Produce request has so many bytes, tags and the end of a record, behind a byte of a record.
const LEAST: usize = 300;
const BEHIND: usize = 16;

/// A connection's Produce requests that are not answered yet: their versions, by correlation id.
#[derive(Default)]
pub struct Conversation(Mutex<HashMap<i32, i16>>);

impl Conversation {
    /// The client sends this frame. Where it has records, breaks one of them if `wanted` says so: the broker
    /// sees that by their checksum.
    pub fn asked(&self, frame: &mut [u8], wanted: impl FnOnce() -> bool) {
        let mut reader = Reader { bytes: frame, at: 4 };
        if let (Some(PRODUCE), Some(version), Some(id)) = (reader.i16(), reader.i16(), reader.i32()) {
            lock(&self.0).insert(id, version);
            if frame.len() > LEAST && wanted() {
                let at = frame.len() - BEHIND;
                frame[at] ^= 1;
            }
        }
    }

    /// The broker answers with this frame. Where that is about records, puts `code` in place of the outcome of
    /// its first partition if `wanted` says so.
    pub fn answered(&self, frame: &mut [u8], code: i16, wanted: impl FnOnce() -> bool) {
        let mut reader = Reader { bytes: frame, at: 4 };
        let Some(version) = reader.i32().and_then(|id| lock(&self.0).remove(&id)) else { return };
        if let Some(at) = reader.first_outcome(version)
            && wanted()
        {
            frame[at..at + 2].copy_from_slice(&code.to_be_bytes());
        }
    }
}

/// Takes the frames that are whole off the front of `bytes`.
pub fn whole_frames(bytes: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(length) = (Reader { bytes, at: 0 }).i32() {
        let end = 4 + usize::try_from(length).unwrap_or(0);
        if bytes.len() < end {
            break;
        }
        frames.push(bytes.drain(..end).collect());
    }
    frames
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    /// Where the first partition's outcome stands, of an answer to a Produce request of this version.
    fn first_outcome(mut self, version: i16) -> Option<usize> {
        let name = if version >= FLEXIBLE {
            self.varint()?; // the header's tags
            self.varint()?; // topics
            self.varint()?.checked_sub(1)?
        } else {
            self.i32()?;
            usize::try_from(self.i16()?).ok()?
        };
        self.at += name;
        let partitions = if version >= FLEXIBLE {
            self.varint()?.checked_sub(1)?
        } else {
            usize::try_from(self.i32()?).ok()?
        };
        self.i32()?; // the partition
        (partitions > 0 && self.at + 2 <= self.bytes.len()).then_some(self.at)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk().copied()?;
        self.at += N;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn varint(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let [byte] = self.take()?;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }
}
