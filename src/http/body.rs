//! A request's body: read within its deadlines, inflated while it streams, never larger than allowed.

use std::io::{self, Write};
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, Lease};
use crate::config::Limits;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, one member or several.
    Gzip,
}

impl Encoding {
    /// The encoding that `headers` name, in any letter case; `None` if Weir does not read it.
    pub fn of(headers: &HeaderMap) -> Option<Encoding> {
        let mut named = headers.get_all(header::CONTENT_ENCODING);
        let (first, second) = (named.next(), named.next());
        let Some(first) = first else { return Some(Encoding::Identity) };
        let name = first.to_str().ok()?.trim();
        match name {
            _ if second.is_some() => None,
            _ if name.is_empty() || name.eq_ignore_ascii_case("identity") => Some(Encoding::Identity),
            _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                Some(Encoding::Gzip)
            }
            _ => None,
        }
    }
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than `limits.body_bytes`, before or after inflating.
    TooLarge,
    /// Broken chunks, broken gzip, or the client went away.
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

/// Reads `payload` to its end; `lease` holds the announced length already.
pub async fn read(
    mut payload: Payload,
    encoding: Encoding,
    limits: &Limits,
    lease: Lease,
) -> Result<Body, BodyError> {
    let last = Instant::now() + limits.body;
    let mut sink = Sink::new(encoding, limits.body_bytes, lease);
    loop {
        let deadline = last.min(Instant::now() + limits.chunk);
        match timeout_at(deadline, payload.next()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(Some(Ok(chunk))) => sink.take(chunk)?,
            Ok(Some(Err(_))) => return Err(BodyError::Unreadable),
            Ok(None) => return sink.finish(),
        }
    }
}

/// Takes a body chunk by chunk.
enum Sink {
    /// Kept as it came; one chunk alone is not copied.
    Identity { first: Bytes, rest: BytesMut, limit: usize, lease: Lease },
    /// Inflated as it comes.
    Gzip { raw: usize, inflater: Box<MultiGzDecoder<Capped>> },
}

impl Sink {
    fn new(encoding: Encoding, limit: usize, lease: Lease) -> Self {
        match encoding {
            Encoding::Identity => Sink::Identity { first: Bytes::new(), rest: BytesMut::new(), limit, lease },
            Encoding::Gzip => {
                let capped = Capped { out: Vec::new(), limit, lease, refused: None };
                Sink::Gzip { raw: 0, inflater: Box::new(MultiGzDecoder::new(capped)) }
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        match self {
            Sink::Identity { first, rest, limit, lease } => {
                let length = first.len() + rest.len() + chunk.len();
                if length > *limit {
                    return Err(BodyError::TooLarge);
                }
                if !lease.grow_to(length) {
                    return Err(BodyError::NoRoom);
                }
                if first.is_empty() && rest.is_empty() {
                    *first = chunk;
                } else {
                    rest.extend_from_slice(&std::mem::take(first));
                    rest.extend_from_slice(&chunk);
                }
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
            Sink::Identity { first, rest, lease, .. } => {
                let bytes = if rest.is_empty() { first } else { rest.freeze() };
                Ok(Body { bytes, _lease: lease })
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

/// Where inflated bytes go, up to a limit: a few kilobytes of gzip can mean gigabytes.
struct Capped {
    out: Vec<u8>,
    limit: usize,
    lease: Lease,
    refused: Option<BodyError>,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.len() + bytes.len();
        if length > self.limit {
            self.refused = Some(BodyError::TooLarge);
        } else if length > self.out.capacity() {
            let capacity = (self.out.capacity() * 2).clamp(length, self.limit);
            if self.lease.grow(capacity - self.out.capacity()) {
                self.out.reserve_exact(capacity - self.out.len());
            } else {
                self.refused = Some(BodyError::NoRoom);
            }
        }
        if self.refused.is_some() {
            return Err(io::Error::other("no room"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A lease for the body that `headers` announce, taken before a byte of it is read.
pub fn reserve(headers: &HeaderMap, limits: &Limits, budget: &Arc<Budget>) -> Result<Lease, BodyError> {
    let announced = content_length(headers).unwrap_or(0);
    if announced > limits.body_bytes {
        return Err(BodyError::TooLarge);
    }
    budget.lease(announced.max(1)).ok_or(BodyError::NoRoom)
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
    fn encodings_are_read_in_any_letter_case() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(value));
            }
            Encoding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Encoding::Identity));
        assert_eq!(of(&["GZIP"]), Some(Encoding::Gzip));
        assert_eq!(of(&["identity"]), Some(Encoding::Identity));
        for other in [&["deflate"][..], &["br"], &["gzip, gzip"], &["gzip", "gzip"]] {
            assert_eq!(of(other), None);
        }
    }
}
