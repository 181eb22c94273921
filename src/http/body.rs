//! A request's body: read within its deadlines, inflated while it streams, never larger than allowed.

mod capped;
mod encoding;
mod inflate;
mod sink;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Payload};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use self::encoding::Encoding;
use self::sink::Sink;
use super::connection::ConnectionState;
use crate::admission::signature::Signature;
use crate::config::RequestLimits;
use crate::intake::budget::{Budget, Lease};

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Its encoding is none that Weir reads.
    UnknownEncoding,
    /// Larger than its room, before or after inflating.
    TooLarge,
    /// Broken chunks or too much around them, what can't be inflated, or the client went away.
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
