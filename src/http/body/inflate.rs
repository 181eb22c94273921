//! Inflates a body while it streams. Whatever does not end, or goes on behind its end, is unreadable: half a body is
//! no body.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::BodyError;
use super::capped::Capped;
use super::encoding::Encoding;

/// The largest window that a frame of Zstandard may ask for, as a power of two: what RFC 9659 has every sender keep to.
/// Frames may ask for gigabytes.
const ZSTD_WINDOW: u32 = 23;
/// Bytes that are inflated at once.
const STEP: usize = 8_192;

/// Inflates one body.
pub(super) enum Inflater {
    Gzip(MultiGzDecoder<Capped>),
    Deflate(Deflate),
    Zstd(Zstd),
}

impl Inflater {
    /// For a body with this encoding, which inflates into `out`.
    pub fn new(encoding: Encoding, out: Capped) -> Self {
        match encoding {
            Encoding::Deflate => Inflater::Deflate(Deflate::new(out)),
            Encoding::Zstd => Inflater::Zstd(Zstd { context: None, is_whole: false, out }),
            Encoding::Gzip | Encoding::Identity => Inflater::Gzip(MultiGzDecoder::new(out)),
        }
    }

    /// Inflates the next chunk.
    pub fn take(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        match self {
            Inflater::Gzip(decoder) => decoder.write_all(chunk).map_err(|_| decoder.get_ref().why()),
            Inflater::Deflate(deflate) => deflate.take(chunk),
            Inflater::Zstd(zstd) => zstd.take(chunk),
        }
    }

    /// What was inflated, if it has ended.
    pub fn finish(self) -> Result<Capped, BodyError> {
        let (is_whole, out) = match self {
            Inflater::Gzip(mut decoder) => {
                // Checks that the last member is whole, and its checksum.
                decoder.try_finish().map_err(|_| decoder.get_ref().why())?;
                return decoder.finish().map_err(|_| BodyError::Unreadable);
            }
            Inflater::Deflate(Deflate { is_whole, out, .. }) | Inflater::Zstd(Zstd { is_whole, out, .. }) => {
                (is_whole, out)
            }
        };
        if is_whole { Ok(out) } else { Err(BodyError::Unreadable) }
    }
}

/// HTTP's `deflate` is zlib's format (RFC 9110, 8.4.1.2). Some clients leave zlib's frame out, so the first two bytes
/// decide: a bare stream never begins as zlib's header does.
pub(super) struct Deflate {
    head: Vec<u8>,
    stream: Option<Decompress>,
    is_whole: bool,
    out: Capped,
}

impl Deflate {
    fn new(out: Capped) -> Self {
        Deflate { head: Vec::new(), stream: None, is_whole: false, out }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        if self.stream.is_some() {
            return self.inflate(chunk);
        }
        self.head.extend_from_slice(chunk);
        let Some(head) = self.head.first_chunk() else { return Ok(()) };
        self.stream = Some(Decompress::new(is_zlib(*head)));
        let head = std::mem::take(&mut self.head);
        self.inflate(&head)
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<(), BodyError> {
        let mut room = [0; STEP];
        while let (false, Some(stream)) = (self.is_whole, &mut self.stream) {
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(input, &mut room, FlushDecompress::None);
            self.is_whole = status.map_err(|_| BodyError::Unreadable)? == Status::StreamEnd;
            let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(stream.total_out() - written).unwrap_or(usize::MAX);
            self.out.add(room.get(..written).unwrap_or_default())?;
            input = input.get(read..).unwrap_or_default();
            if read == 0 && written == 0 {
                break;
            }
        }
        if self.is_whole && !input.is_empty() { Err(BodyError::Unreadable) } else { Ok(()) }
    }
}

/// Whether zlib's format begins with these bytes (RFC 1950, 2.2).
fn is_zlib([method, flags]: [u8; 2]) -> bool {
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

/// Zstandard (RFC 8878).
pub(super) struct Zstd {
    context: Option<DCtx<'static>>,
    /// Whether nothing has come behind the end of a frame.
    is_whole: bool,
    out: Capped,
}

impl Zstd {
    fn take(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => new_context()?,
        };
        let mut room = [0; STEP];
        let mut input = InBuffer::around(chunk);
        let mut is_full = false;
        while input.pos() < chunk.len() || is_full && !self.is_whole {
            let mut output = OutBuffer::around(&mut room[..]);
            let hint = context.decompress_stream(&mut output, &mut input);
            self.is_whole = hint.map_err(|_| BodyError::Unreadable)? == 0;
            self.out.hold_aside(context.sizeof())?;
            is_full = output.pos() == STEP;
            self.out.add(output.as_slice())?;
        }
        self.context = Some(context);
        Ok(())
    }
}

fn new_context() -> Result<DCtx<'static>, BodyError> {
    let mut context = DCtx::try_create().ok_or(BodyError::NoRoom)?;
    // Its own default is sixteen times as much.
    context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).map_err(|_| BodyError::Unreadable)?;
    Ok(context)
}

#[cfg(test)]
mod tests;
