//! Bytes of a file as bytes of a text: inflated, and UTF-16 made UTF-8. Any other encoding keeps its bytes: which one
//! it is shows in each value.

use std::io::{self, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How UTF-8 may begin.
const UTF_8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// How UTF-16 begins, by the order of its bytes.
const UTF_16_MARKS: [([u8; 2], &Encoding); 2] = [([0xff, 0xfe], UTF_16LE), ([0xfe, 0xff], UTF_16BE)];
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// A text's bytes.
pub struct Decoded<'r> {
    /// They, without a mark of the encoding.
    pub bytes: Box<dyn Read + Send + 'r>,
    /// How many bytes of the file come before them, where they are the file's own: then one may go on in the middle.
    pub begins_at: Option<u64>,
}

/// The text in `file`, which stands at its beginning.
///
/// # Errors
/// When it can't be read.
pub fn open<'r>(file: Box<dyn Read + Send + 'r>) -> io::Result<Decoded<'r>> {
    let (head, file) = peek(file)?;
    if head.starts_with(&GZIP) {
        // A file may be several, one after the other.
        let (head, inflated) = peek(Box::new(MultiGzDecoder::new(file)))?;
        return Ok(Decoded { begins_at: None, ..marked(&head, inflated)? });
    }
    marked(&head, file)
}

/// Takes a mark of the encoding off.
fn marked<'r>(head: &[u8], mut text: Box<dyn Read + Send + 'r>) -> io::Result<Decoded<'r>> {
    if head.starts_with(&UTF_8_MARK) {
        text.read_exact(&mut [0; UTF_8_MARK.len()])?;
        return Ok(Decoded { bytes: text, begins_at: Some(3) });
    }
    match UTF_16_MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        Some((_, encoding)) => {
            let decoder = encoding.new_decoder_with_bom_removal();
            Ok(Decoded { bytes: Box::new(Utf16::new(text, decoder)), begins_at: None })
        }
        None => Ok(Decoded { bytes: text, begins_at: Some(0) }),
    }
}

/// The first bytes of `file`, and all of it.
fn peek<'r>(mut file: Box<dyn Read + Send + 'r>) -> io::Result<(Vec<u8>, Box<dyn Read + Send + 'r>)> {
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(file))))
}

/// UTF-16 as UTF-8, piece by piece.
struct Utf16<'r> {
    file: Box<dyn Read + Send + 'r>,
    decoder: Decoder,
    /// Bytes of the file, and which of them are still to be decoded.
    piece: Vec<u8>,
    at: usize,
    /// Bytes of the text, and which of them are still to be given.
    text: Vec<u8>,
    given: usize,
    is_end: bool,
}

impl<'r> Utf16<'r> {
    fn new(file: Box<dyn Read + Send + 'r>, decoder: Decoder) -> Self {
        Utf16 { file, decoder, piece: Vec::new(), at: 0, text: Vec::new(), given: 0, is_end: false }
    }

    /// Decodes some more.
    fn decode(&mut self) -> io::Result<()> {
        if self.at == self.piece.len() && !self.is_end {
            self.piece.clear();
            self.at = 0;
            let read = (&mut self.file).take(PIECE as u64).read_to_end(&mut self.piece)?;
            self.is_end = read < PIECE;
        }
        // A unit of two bytes becomes at most three.
        self.text.resize(PIECE * 2, 0);
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let (result, read, written, _) = self.decoder.decode_to_utf8(rest, &mut self.text, self.is_end);
        self.at += read;
        self.text.truncate(written);
        self.given = 0;
        debug_assert!(result == CoderResult::OutputFull || self.at == self.piece.len());
        Ok(())
    }
}

impl Read for Utf16<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.is_end && self.at == self.piece.len() {
                return Ok(0);
            }
            self.decode()?;
        }
        let read = self.text.get(self.given..).unwrap_or_default().read(into)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn utf_16(text: &str, is_big: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn text(file: &[u8]) -> (String, Option<u64>) {
        let decoded = open(Box::new(file)).unwrap();
        let (mut text, begins_at, mut bytes) = (String::new(), decoded.begins_at, decoded.bytes);
        bytes.read_to_string(&mut text).unwrap();
        (text, begins_at)
    }

    #[test]
    fn a_text_is_the_same_in_any_wrapping() {
        let said = "Name,Größe\r\nŁódź,€ 😀\r\n";
        let utf_8_marked = [&UTF_8_MARK[..], said.as_bytes()].concat();
        assert_eq!(text(said.as_bytes()), (said.to_owned(), Some(0)));
        assert_eq!(text(&utf_8_marked), (said.to_owned(), Some(3)));
        assert_eq!(text(&utf_16(said, false)), (said.to_owned(), None));
        assert_eq!(text(&utf_16(said, true)), (said.to_owned(), None));
        assert_eq!(text(&gzip(&utf_8_marked)), (said.to_owned(), None));
        assert_eq!(text(&gzip(&utf_16(said, true))), (said.to_owned(), None));
        let two = [gzip(b"a\n"), gzip(b"b\n")].concat();
        assert_eq!(text(&two), ("a\nb\n".to_owned(), None), "one after the other");
        assert_eq!(text(b""), (String::new(), Some(0)));
    }

    #[test]
    fn a_gzip_file_that_ends_early_is_an_error() {
        let whole = gzip(&b"abcdefgh\n".repeat(1_000));
        let mut decoded = open(Box::new(&whole[..whole.len() - 9])).unwrap();
        assert!(decoded.bytes.read_to_end(&mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn utf_16_of_any_length_is_read(said in "\\PC{0,40}", times in 1..4_000usize, is_big: bool) {
            let said = said.repeat(times);
            prop_assert_eq!(text(&utf_16(&said, is_big)), (said, None));
        }
    }
}
