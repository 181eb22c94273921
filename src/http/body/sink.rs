//! Takes a body chunk by chunk, as it is or inflated.

use actix_web::web::Bytes;

use super::capped::Capped;
use super::encoding::Encoding;
use super::inflate::Inflater;
use super::{Body, BodyError};
use crate::intake::budget::Lease;

/// Takes a body chunk by chunk.
pub(super) enum Sink {
    /// Kept as it came; one chunk alone is not copied.
    Identity { first: Bytes, all: Capped },
    /// Inflated as it comes.
    Compressed { raw: usize, limit: usize, inflater: Box<Inflater> },
}

impl Sink {
    /// For a body with this encoding, of at most `limit` bytes before and after inflating.
    pub fn new(encoding: Encoding, limit: usize, lease: Lease) -> Self {
        let capped = Capped::new(limit, lease);
        match encoding {
            Encoding::Identity => Sink::Identity { first: Bytes::new(), all: capped },
            _ => Sink::Compressed { raw: 0, limit, inflater: Box::new(Inflater::new(encoding, capped)) },
        }
    }

    /// Takes the next chunk.
    pub fn take(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        match self {
            Sink::Identity { first, all } if first.is_empty() && all.out.is_empty() => {
                all.hold(chunk.len())?;
                *first = chunk;
            }
            Sink::Identity { first, all } => {
                all.add(&std::mem::take(first))?;
                all.add(&chunk)?;
            }
            Sink::Compressed { raw, limit, inflater } => {
                *raw += chunk.len();
                if raw > limit {
                    return Err(BodyError::TooLarge);
                }
                inflater.take(&chunk)?;
            }
        }
        Ok(())
    }

    /// The whole body, once the last chunk is taken.
    pub fn finish(self) -> Result<Body, BodyError> {
        let (first, all) = match self {
            Sink::Identity { first, all } => (first, all),
            Sink::Compressed { inflater, .. } => (Bytes::new(), inflater.finish()?),
        };
        let (out, lease) = all.into_parts();
        let bytes = if out.is_empty() { first } else { Bytes::from(out) };
        Ok(Body { bytes, _lease: lease })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::budget::Budget;

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
}
