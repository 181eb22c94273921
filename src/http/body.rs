//! A request's body: read within its deadlines, inflated while it streams, never larger than allowed.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Payload};
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::connection::ConnectionState;
use crate::admission::signature::Signature;
use crate::config::RequestLimits;
use crate::intake::budget::{Budget, Lease};

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, one member or several.
    Gzip,
}

impl Encoding {
    /// The encoding that `headers` name, in any letter case, in one list or several; `None` if Weir does not read it.
    pub fn of(headers: &HeaderMap) -> Option<Encoding> {
        let mut encoding = Encoding::Identity;
        for list in headers.get_all(header::CONTENT_ENCODING) {
            for name in list.to_str().ok()?.split(',').map(str::trim) {
                if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                    // What was compressed twice would have to be inflated twice.
                    if encoding == Encoding::Gzip {
                        return None;
                    }
                    encoding = Encoding::Gzip;
                } else if !means_unencoded(name) {
                    return None;
                }
            }
        }
        Some(encoding)
    }
}

/// What clients call a body that is not compressed. Besides the one name that HTTP has for that, they put here the
/// charset, MIME's transfer encoding, or what their language writes for nothing. Charsets that are more than ASCII and
/// not UTF-8 are not among them: to read such a body as UTF-8 would damage it without a word.
const NONE: [&str; 12] = [
    "",
    "identity",
    "none",
    "null",
    "undefined",
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "binary",
    "8bit",
    "7bit",
];

/// No encoding has a name with a slash: that is a media type, in the wrong place.
fn means_unencoded(name: &str) -> bool {
    NONE.iter().any(|none| name.eq_ignore_ascii_case(none)) || name.contains('/')
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Its encoding is none that Weir reads.
    UnknownEncoding,
    /// Larger than its room, before or after inflating.
    TooLarge,
    /// Broken chunks or too much around them, broken gzip, or the client went away.
    Unreadable,
    /// The memory for bodies is used up.
    NoRoom,
    /// Slower than `limits.chunk_ms` or `limits.body_ms` allow.
    TooSlow,
}

/// A body in full, and the memory it holds.
#[derive(Debug)]
pub struct Body {
    /// Its bytes, inflated.
    pub bytes: Bytes,
    pub(super) _lease: Lease,
}

/// The length that the client announced.
pub fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Bytes that chunked framing may take in all, besides what is in proportion to the body.
const FRAMING_BYTES: usize = 8_192;
/// Bytes of framing that every chunk may take besides: more than a size and its line ends need, even if it is padded.
const FRAMING_BYTES_PER_CHUNK: usize = 16;

/// A body on its way in, whose framing is in proportion to it: the sizes of chunks may be padded, every one may have
/// an extension, and trailers may follow, all of which is read and dropped, and would otherwise be without bound.
pub struct Incoming<'a> {
    payload: Payload,
    connection: Option<&'a ConnectionState>,
    /// Bytes of the body that were handed on, and in how many pieces: at least one for every chunk.
    bytes: usize,
    pieces: usize,
}

impl<'a> Incoming<'a> {
    /// The body of the request that `connection` has just begun.
    pub fn new(payload: Payload, connection: Option<&'a ConnectionState>) -> Self {
        Incoming { payload, connection, bytes: 0, pieces: 0 }
    }

    /// Whether more framing has come than may. Exact whenever all that was read has been taken apart, and the body
    /// has not ended: nothing of a next request can be among it.
    fn is_overframed(&self) -> bool {
        let read = self.connection.map_or(0, ConnectionState::body_bytes_read);
        let allowed = FRAMING_BYTES + self.pieces * FRAMING_BYTES_PER_CHUNK + self.bytes;
        read.saturating_sub(self.bytes) > allowed
    }
}

impl Stream for Incoming<'_> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.payload.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(piece))) => {
                self.bytes += piece.len();
                self.pieces += 1;
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyError::Unreadable))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.is_overframed() => Poll::Ready(Some(Err(BodyError::Unreadable))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// How much a body may hold, and when.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Most bytes, before and after inflating.
    pub most: usize,
    /// Whether the announced length is held at once. Who has proven nothing yet holds only what has come.
    pub at_once: bool,
}

/// Memory for a body that is announced, and how to read it.
pub struct Reserved {
    encoding: Encoding,
    /// Most bytes, before and after inflating.
    most: usize,
    lease: Lease,
}

/// Reserves memory for the body that `headers` announce, before a byte of it is read.
///
/// # Errors
/// When it can't be read, is larger than `allowance`, or finds none in `budget`.
pub fn reserve(
    headers: &HeaderMap,
    allowance: Allowance,
    budget: &Arc<Budget>,
) -> Result<Reserved, BodyError> {
    let encoding = Encoding::of(headers).ok_or(BodyError::UnknownEncoding)?;
    let announced = content_length(headers).unwrap_or(0);
    if announced > allowance.most {
        return Err(BodyError::TooLarge);
    }
    let bytes = if allowance.at_once { announced.max(1) } else { 1 };
    let lease = budget.lease(bytes).ok_or(BodyError::NoRoom)?;
    Ok(Reserved { encoding, most: allowance.most, lease })
}

impl Reserved {
    /// A body of what `make` makes, for which `room` is needed in all.
    ///
    /// # Errors
    /// There is no room, or it is larger than allowed.
    pub fn filled(mut self, room: usize, make: impl FnOnce() -> Vec<u8>) -> Result<Body, BodyError> {
        if !self.lease.grow_to(room) {
            return Err(BodyError::NoRoom);
        }
        let bytes = make();
        if bytes.len() > self.most {
            return Err(BodyError::TooLarge);
        }
        Ok(Body { bytes: Bytes::from(bytes), _lease: self.lease })
    }
}

/// Reads `incoming` to its end. A `signature` takes the bytes as they are transferred.
///
/// # Errors
/// When it does not come, or not as it should.
pub async fn read(
    mut incoming: Incoming<'_>,
    Reserved { encoding, most, lease }: Reserved,
    limits: &RequestLimits,
    mut signature: Option<&mut Signature>,
) -> Result<Body, BodyError> {
    let last = Instant::now() + limits.body;
    let mut sink = Sink::new(encoding, most, lease);
    loop {
        let deadline = last.min(Instant::now() + limits.chunk);
        match timeout_at(deadline, incoming.next()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(Some(Ok(chunk))) => {
                if let Some(signature) = &mut signature {
                    signature.update(&chunk);
                }
                sink.take(chunk)?;
            }
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) => return sink.finish(),
        }
    }
}

/// Takes a body chunk by chunk.
enum Sink {
    /// Kept as it came; one chunk alone is not copied.
    Identity { first: Bytes, all: Capped },
    /// Inflated as it comes.
    Gzip { raw: usize, inflater: Box<MultiGzDecoder<Capped>> },
}

impl Sink {
    fn new(encoding: Encoding, limit: usize, lease: Lease) -> Self {
        let capped = Capped { out: Vec::new(), limit, lease, refused: None };
        match encoding {
            Encoding::Identity => Sink::Identity { first: Bytes::new(), all: capped },
            Encoding::Gzip => Sink::Gzip { raw: 0, inflater: Box::new(MultiGzDecoder::new(capped)) },
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        match self {
            Sink::Identity { first, all } if first.is_empty() && all.out.is_empty() => {
                all.hold(chunk.len())?;
                *first = chunk;
            }
            Sink::Identity { first, all } => {
                all.add(&std::mem::take(first))?;
                all.add(&chunk)?;
            }
            Sink::Gzip { raw, inflater } => {
                *raw += chunk.len();
                if *raw > inflater.get_ref().limit {
                    return Err(BodyError::TooLarge);
                }
                if inflater.write_all(&chunk).is_err() {
                    return Err(inflater.get_ref().refused.unwrap_or(BodyError::Unreadable));
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Body, BodyError> {
        match self {
            Sink::Identity { first, all } => {
                let bytes = if all.out.is_empty() { first } else { Bytes::from(all.out) };
                Ok(Body { bytes, _lease: all.lease })
            }
            Sink::Gzip { mut inflater, .. } => {
                // Checks that the last member is whole, and its checksum.
                if inflater.try_finish().is_err() {
                    return Err(inflater.get_ref().refused.unwrap_or(BodyError::Unreadable));
                }
                let capped = inflater.finish().map_err(|_| BodyError::Unreadable)?;
                Ok(Body { bytes: Bytes::from(capped.out), _lease: capped.lease })
            }
        }
    }
}

/// Where a body's bytes gather, up to a limit: a few kilobytes of gzip can mean gigabytes. The lease holds
/// what is allocated, which is more than what is filled.
struct Capped {
    out: Vec<u8>,
    limit: usize,
    lease: Lease,
    refused: Option<BodyError>,
}

impl Capped {
    /// Sees to it that the lease covers `bytes`.
    fn hold(&mut self, bytes: usize) -> Result<(), BodyError> {
        if bytes > self.limit {
            return Err(BodyError::TooLarge);
        }
        if self.lease.grow_to(bytes) { Ok(()) } else { Err(BodyError::NoRoom) }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let (length, capacity) = (self.out.len() + bytes.len(), self.out.capacity());
        if length > capacity {
            // The announced length at once, if there is one, else twice as much each time.
            let wanted = self.lease.bytes().max(capacity * 2).min(self.limit).max(length);
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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(body: &[u8], limit: usize, room: usize, chunk: usize) -> Result<Vec<u8>, BodyError> {
        let mut sink = Sink::new(Encoding::Gzip, limit, Budget::new(room).lease(0).unwrap());
        for chunk in body.chunks(chunk) {
            sink.take(Bytes::copy_from_slice(chunk))?;
        }
        sink.finish().map(|body| body.bytes.to_vec())
    }

    #[test]
    fn gzip_is_inflated_in_any_chunks_and_members() {
        let body = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        for chunk in [1, 7, 1_000] {
            assert_eq!(inflate(&body, 100, 1_000, chunk).unwrap(), b"{\"a\":1}");
        }
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(inflate(&bomb, 100_000, usize::MAX, 512), Err(BodyError::TooLarge));
        assert_eq!(inflate(&bomb, 100_000_000, 1_000_000, 512), Err(BodyError::NoRoom));
    }

    #[test]
    fn broken_gzip_is_unreadable() {
        let whole = gzip(b"some text that is compressed");
        let truncated = whole.split_last().unwrap().1;
        let mut wrong_checksum = whole.clone();
        *wrong_checksum.iter_mut().rev().nth(5).unwrap() ^= 1;
        let trailing = [whole.clone(), b"junk".to_vec()].concat();
        for body in [truncated, &wrong_checksum, &trailing, b"plain", b""] {
            assert_eq!(inflate(body, 1_000, 10_000, 5), Err(BodyError::Unreadable), "{body:?}");
        }
    }

    #[test]
    fn what_a_growing_body_allocates_is_leased() {
        for (announced, room) in [(1, 3_000), (900, 900)] {
            let budget = Budget::new(room);
            let mut sink = Sink::new(Encoding::Identity, 1_000, budget.lease(announced).unwrap());
            for _ in 0..90 {
                sink.take(Bytes::from_static(b"0123456789")).unwrap();
                let Sink::Identity { first, all } = &sink else { panic!("another sink") };
                assert!(budget.used() >= all.out.capacity().max(first.len()));
            }
            assert!(budget.used() <= 1_000);
            let body = sink.finish().unwrap();
            assert_eq!(body.bytes, b"0123456789".repeat(90));
            drop(body);
            assert_eq!(budget.used(), 0);
        }
        let mut full = Sink::new(Encoding::Identity, 1_000, Budget::new(15).lease(1).unwrap());
        full.take(Bytes::from_static(b"0123456789")).unwrap();
        assert_eq!(full.take(Bytes::from_static(b"0123456789")), Err(BodyError::NoRoom));
    }

    #[test]
    fn encodings_are_read_in_any_letter_case_and_so_are_the_names_of_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(value));
            }
            Encoding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Encoding::Identity));
        let [none, gzip, unknown] = [Some(Encoding::Identity), Some(Encoding::Gzip), None];
        let rows: [(&[&'static str], _); 25] = [
            (&["identity"], none),
            (&["UTF-8"], none),
            (&["utf8"], none),
            (&["None"], none),
            (&[""], none),
            (&["us-ascii"], none),
            (&["binary"], none),
            (&["8bit"], none),
            (&["undefined"], none),
            (&["application/json; charset=utf-8"], none),
            (&["identity", "utf-8"], none),
            (&["GZIP"], gzip),
            (&["x-gzip"], gzip),
            (&["identity, gzip"], gzip),
            (&["gzip,identity"], gzip),
            (&["gzip", "none"], gzip),
            (&[", gzip ,"], gzip),
            (&["utf-8", "", "gzip"], gzip),
            (&["deflate"], unknown),
            (&["br"], unknown),
            (&["iso-8859-1"], unknown),
            (&["base64"], unknown),
            (&["gzip, gzip"], unknown),
            (&["gzip", "gzip"], unknown),
            (&["identity, br"], unknown),
        ];
        for (values, encoding) in rows {
            assert_eq!(of(values), encoding, "{values:?}");
        }
    }
}
