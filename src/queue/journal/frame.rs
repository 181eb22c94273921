//! One record as bytes on disk: a header of 16 bytes, then the body. Pure functions, no I/O.
//!
//! ```text
//! len u32 | crc32c u32 | seq u64 | body: received_ms i64, key hash u32, topic, key, headers, value
//! ```
//! All little-endian; every length is a u32, the value is what is left of the body. The checksum covers
//! the body and then the sequence number, so that the request's thread can do the long part of it before
//! the number is known.
//!
//! Bodies stay below 16 MiB: the top byte of every length is a NUL, which no client's text can hold. So the search
//! after damage, which tries a frame at every byte, can't be led into one that a client made up. Such a frame could
//! begin with a length that Weir wrote before the text, and its checksum and number could be in the text, but the
//! lengths in its body can't.

use std::ops::Range;

use crate::record::RecordRef;

/// Bytes of a frame's header.
pub const HEADER: usize = 16;
/// Largest body.
pub(super) const MAX_BODY: usize = (16 << 20) - 1;
/// Smallest body: all parts empty.
const MIN_BODY: usize = 24;
/// Smallest frame.
pub(super) const MIN_FRAME: u64 = (HEADER + MIN_BODY) as u64;
/// Sequence numbers stay below this, as they are read back as i64.
pub const MAX_SEQ: u64 = i64::MAX as u64;
/// Stands for the length of a key that is not there, which is not the same as an empty one.
const NO_KEY: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct FrameHeader {
    len: u32,
    crc: u32,
    seq: u64,
}

impl FrameHeader {
    fn read(bytes: &[u8; HEADER]) -> Self {
        let [a, b, c, d, e, f, g, h, seq @ ..] = *bytes;
        FrameHeader {
            len: u32::from_le_bytes([a, b, c, d]),
            crc: u32::from_le_bytes([e, f, g, h]),
            seq: u64::from_le_bytes(seq),
        }
    }

    fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, d] = self.len.to_le_bytes();
        let [e, f, g, h] = self.crc.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = self.seq.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

/// A record as its frame will hold it: one of a request's, or one that was read back.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a, H> {
    /// Time of receipt: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// Full topic name.
    pub topic: &'a str,
    /// Key, if there is one.
    pub key: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: H,
    /// Value.
    pub value: &'a [u8],
}

impl<'n, 'h, H: Iterator<Item = (&'n str, &'h [u8])> + Clone> Parts<'_, H> {
    /// Bytes of the frame; none when the record is too large for one.
    pub(super) fn size(self) -> Option<usize> {
        let headers: usize = self.headers.map(|(name, value)| 8 + name.len() + value.len()).sum();
        let key = self.key.map_or(0, <[u8]>::len);
        let body = MIN_BODY + self.topic.len() + key + headers + self.value.len();
        (body <= MAX_BODY).then_some(HEADER + body)
    }

    /// Appends the frame, complete but for its sequence number.
    pub fn encode(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        out.extend_from_slice(&self.received_ms.to_le_bytes());
        out.extend_from_slice(&self.key.map_or(0, crc32c::crc32c).to_le_bytes());
        put(out, self.topic.as_bytes());
        match self.key {
            Some(key) => put(out, key),
            None => out.extend_from_slice(&NO_KEY.to_le_bytes()),
        }
        out.extend_from_slice(&length(self.headers.clone().count()).to_le_bytes());
        for (name, value) in self.headers {
            put(out, name.as_bytes());
            put(out, value);
        }
        out.extend_from_slice(self.value);
        if let Some((head, body)) = out.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut()) {
            *head = FrameHeader { len: length(body.len()), crc: crc32c::crc32c(body), seq: 0 }.bytes();
        }
    }
}

fn parts<'r>(
    record: RecordRef<'r>,
) -> Parts<'r, impl Iterator<Item = (&'static str, &'r [u8])> + Clone + use<'r>> {
    Parts {
        received_ms: record.received_ms(),
        topic: record.topic().name(),
        key: record.key(),
        headers: record.headers(),
        value: record.value(),
    }
}

/// Bytes that `records` take as frames; none when one of them is too large for a frame.
pub(super) fn size<'r>(mut records: impl Iterator<Item = RecordRef<'r>>) -> Option<usize> {
    records.try_fold(0, |sum, record| Some(sum + parts(record).size()?))
}

/// The frames of `records` in one buffer of `size` bytes, complete but for the sequence numbers.
pub(super) fn encode<'r>(records: impl Iterator<Item = RecordRef<'r>>, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    records.for_each(|record| parts(record).encode(&mut out));
    out
}

/// Appends the frame of a body as it was read, with its number.
pub(super) fn put_again(out: &mut Vec<u8>, body: &[u8], seq: u64) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(body), &seq.to_le_bytes());
    out.extend_from_slice(&FrameHeader { len: length(body.len()), crc, seq }.bytes());
    out.extend_from_slice(body);
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&length(part.len()).to_le_bytes());
    out.extend_from_slice(part);
}

/// A length on disk. `size` has refused what does not fit.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Numbers the frames that `encode` made, from `next` on; gives the number after the last.
pub fn number(mut frames: &mut [u8], mut next: u64) -> u64 {
    while let Some((head, rest)) = frames.split_first_chunk_mut() {
        let FrameHeader { len, crc, .. } = FrameHeader::read(head);
        let crc = crc32c::crc32c_append(crc, &next.to_le_bytes());
        *head = FrameHeader { len, crc, seq: next }.bytes();
        next += 1;
        let Some((_, after)) = rest.split_at_mut_checked(len as usize) else { break };
        frames = after;
    }
    next
}

/// Whether one of these whole frames has no key.
pub(super) fn any_without_key(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_first_chunk() {
        let Some((body, after)) = rest.split_at_checked(FrameHeader::read(head).len as usize) else { break };
        if is_without_key(body) {
            return true;
        }
        frames = after;
    }
    false
}

/// Whether a body has no key, by its hash: one key in four thousand millions passes for none.
pub(super) fn is_without_key(body: &[u8]) -> bool {
    body.get(8..12) == Some(&[0; 4])
}

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A whole, intact frame.
    Frame {
        /// Its sequence number.
        seq: u64,
        /// The length of its body; the frame is `HEADER` longer.
        len: usize,
    },
    /// Perhaps the beginning of a frame: more bytes would decide.
    Short,
    /// No frame that belongs here.
    Bad,
}

/// Looks for a frame with a number in `seqs` at the start of `bytes`.
pub fn look(bytes: &[u8], seqs: &Range<u64>) -> Look {
    let Some((head, rest)) = bytes.split_first_chunk() else { return Look::Short };
    let FrameHeader { len, crc, seq } = FrameHeader::read(head);
    let len = len as usize;
    if !(MIN_BODY..=MAX_BODY).contains(&len) || !seqs.contains(&seq) || seq >= MAX_SEQ {
        return Look::Bad;
    }
    let Some(body) = rest.get(..len) else { return Look::Short };
    if crc32c::crc32c_append(crc32c::crc32c(body), &seq.to_le_bytes()) != crc {
        return Look::Bad;
    }
    Look::Frame { seq, len }
}

/// The parts of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Body<'a> {
    /// Time of receipt: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// CRC32C of the key; 0 without one.
    pub key_hash: u32,
    /// Full topic name.
    pub topic: &'a [u8],
    /// Key, if there is one.
    pub key: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: Vec<(&'a [u8], &'a [u8])>,
    /// Value.
    pub value: &'a [u8],
}

/// Takes a body apart; none when its lengths do not add up.
pub fn decode(body: &[u8]) -> Option<Body<'_>> {
    let (received, rest) = body.split_first_chunk()?;
    let mut rest = rest;
    let key_hash = take_u32(&mut rest)?;
    let topic = take(&mut rest)?;
    let key = if rest.starts_with(&NO_KEY.to_le_bytes()) {
        take_u32(&mut rest)?;
        None
    } else {
        Some(take(&mut rest)?)
    };
    let count = take_u32(&mut rest)?;
    let headers = (0..count).map(|_| Some((take(&mut rest)?, take(&mut rest)?))).collect::<Option<_>>()?;
    Some(Body { received_ms: i64::from_le_bytes(*received), key_hash, topic, key, headers, value: rest })
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_u32(rest)? as usize;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
