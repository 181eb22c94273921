//! A body as text. Nearly every body is UTF-8 and is read without a copy. Others are decoded by the charset that their
//! request declares, or repaired. A repaired text remembers where each part of it stood in the body, because a rejected
//! event is kept as it came.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// A repair that makes a body readable: the closed set of `weir_repaired_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A byte order mark was skipped.
    ByteOrderMark,
    /// The body was decoded by the charset that its request declares.
    Charset,
    /// Bytes that are not UTF-8 became U+FFFD.
    Utf8,
    /// `NaN`, `Infinity` or `-Infinity` became null.
    NonFinite,
    /// A batch that breaks in the middle was taken up to the break.
    CutBatch,
}

impl Repair {
    /// Every repair, in the order of its discriminant.
    pub const ALL: [Repair; 5] =
        [Repair::ByteOrderMark, Repair::Charset, Repair::Utf8, Repair::NonFinite, Repair::CutBatch];

    /// The `repair` label.
    pub fn label(self) -> &'static str {
        match self {
            Repair::ByteOrderMark => "byte_order_mark",
            Repair::Charset => "charset",
            Repair::Utf8 => "utf8",
            Repair::NonFinite => "non_finite",
            Repair::CutBatch => "cut_batch",
        }
    }
}

/// A body as text.
#[derive(Debug)]
pub struct Text<'b> {
    text: Cow<'b, str>,
    /// What it was made from, usually the body.
    origin: Origin<'b>,
    repairs: Vec<Repair>,
}

/// What a text was made from.
#[derive(Debug)]
enum Origin<'b> {
    /// It is as it came, or was decoded by a charset; then its original offsets are not known.
    Itself,
    /// These bytes, of which those that are not UTF-8 were replaced; and pairs of offsets in the text and in the bytes,
    /// ascending. The pairs are so far apart that there are few; what lies between two of them is decoded again.
    Bytes(&'b [u8], Vec<[usize; 2]>),
    /// This text; and the offsets in both texts after each word that was replaced.
    Text(&'b Text<'b>, Vec<[usize; 2]>),
}

/// After how many bytes of text another pair of offsets is kept.
const APART: usize = 4_096;
/// Most non-finite numbers in a body that is repaired: a body with more of them holds no events.
const MOST_NON_FINITE: usize = 10_000;

impl<'b> Text<'b> {
    /// Decodes `body`, whose request has this `Content-Type`.
    pub fn decode(body: &'b [u8], content_type: Option<&str>) -> Self {
        // In UTF-16 every ASCII character has a NUL byte beside it; a byte order mark begins with a byte above ASCII.
        let begins_plainly = !matches!(body, [0 | 0x80.., ..] | [_, 0, ..]);
        match std::str::from_utf8(body) {
            Ok(text) if begins_plainly => Text::plain(text),
            text => Text::odd(body, text.ok(), content_type),
        }
    }

    fn plain(text: &'b str) -> Self {
        Text { text: Cow::Borrowed(text), origin: Origin::Itself, repairs: Vec::new() }
    }

    fn odd(body: &'b [u8], utf8: Option<&'b str>, content_type: Option<&str>) -> Self {
        if let Some((encoding, length)) = Encoding::for_bom(body) {
            let behind = body.get(length..).unwrap_or_default();
            let mut text = match encoding {
                _ if encoding == UTF_8 => {
                    std::str::from_utf8(behind).map_or_else(|_| Text::lossy(behind), Text::plain)
                }
                _ => Text::decoded(behind, encoding),
            };
            text.repairs.push(Repair::ByteOrderMark);
            return text;
        }
        let declared = content_type.and_then(charset).filter(|declared| *declared != UTF_8);
        match (utf8, declared) {
            (_, Some(declared)) if [UTF_16LE, UTF_16BE].contains(&declared) => Text::decoded(body, declared),
            // Many senders that declare another charset send UTF-8 all the same.
            (Some(text), _) => Text::plain(text),
            (None, Some(declared)) => Text::decoded(body, declared),
            (None, None) => Text::lossy(body),
        }
    }

    fn decoded(body: &'b [u8], encoding: &'static Encoding) -> Self {
        let (text, _) = encoding.decode_without_bom_handling(body);
        Text { text, origin: Origin::Itself, repairs: vec![Repair::Charset] }
    }

    /// Replaces bytes that are not UTF-8 by U+FFFD.
    fn lossy(body: &'b [u8]) -> Self {
        let (mut text, mut pairs, mut at) = (String::with_capacity(body.len()), Vec::new(), 0);
        let mut last = 0;
        for chunk in body.utf8_chunks() {
            // A long valid chunk has a pair at both ends, so that it need not be decoded again.
            if text.len() - last >= APART || chunk.valid().len() >= APART {
                pairs.push([text.len(), at]);
                last = text.len();
            }
            text.push_str(chunk.valid());
            at += chunk.valid().len() + chunk.invalid().len();
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Text { text: Cow::Owned(text), origin: Origin::Bytes(body, pairs), repairs: vec![Repair::Utf8] }
    }

    /// The same text with null for every `NaN`, `Infinity` and `-Infinity` outside strings, which Python and others
    /// write. None if there are none of them, or too many.
    pub fn without_non_finite(&self) -> Option<Text<'_>> {
        let found = non_finite(&self.text);
        if found.is_empty() || found.len() > MOST_NON_FINITE {
            return None;
        }
        let (mut text, mut pairs, mut copied) = (String::with_capacity(self.text.len()), Vec::new(), 0);
        for [start, end] in found {
            text.push_str(self.text.get(copied..start)?);
            text.push_str("null");
            pairs.push([text.len(), end]);
            copied = end;
        }
        text.push_str(self.text.get(copied..)?);
        let repairs = self.repairs.iter().copied().chain([Repair::NonFinite]).collect();
        Some(Text { text: Cow::Owned(text), origin: Origin::Text(self, pairs), repairs })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The repairs that were made.
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// Where in the body the byte at `offset` of the text stood. (After a byte order mark, or if the body was decoded
    /// by a charset, it is the offset in the decoded text.)
    pub fn origin_of(&self, offset: usize) -> usize {
        match &self.origin {
            Origin::Itself => offset,
            Origin::Text(before, pairs) => {
                let [at, origin] = last_before(pairs, offset);
                before.origin_of(origin + (offset - at))
            }
            Origin::Bytes(bytes, pairs) => {
                let [at, origin] = last_before(pairs, offset);
                // Text never has fewer bytes than what it was made from.
                let end = bytes.len().min(origin + (offset - at));
                let between = bytes.get(origin..end).unwrap_or_default();
                let (mut at, mut origin) = (at, origin);
                for chunk in between.utf8_chunks() {
                    if at + chunk.valid().len() >= offset {
                        break;
                    }
                    at += chunk.valid().len() + char::REPLACEMENT_CHARACTER.len_utf8();
                    origin += chunk.valid().len() + chunk.invalid().len();
                    if at >= offset {
                        return origin;
                    }
                }
                origin + (offset - at)
            }
        }
    }

    /// The bytes of the body from which `part`, a slice of the text, was made.
    pub fn came_as<'t>(&'t self, part: &'t str) -> &'t [u8] {
        let mut first = self;
        while let Origin::Text(before, _) = first.origin {
            first = before;
        }
        let origin = match first.origin {
            Origin::Bytes(bytes, _) => bytes,
            Origin::Itself | Origin::Text(..) => first.text.as_bytes(),
        };
        let start = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        let bytes =
            start.and_then(|start| origin.get(self.origin_of(start)..self.origin_of(start + part.len())));
        bytes.unwrap_or(origin)
    }
}

/// The last pair at or before `offset`; the start of both, if there is none.
fn last_before(pairs: &[[usize; 2]], offset: usize) -> [usize; 2] {
    let before = pairs.partition_point(|[at, _]| *at <= offset);
    before.checked_sub(1).and_then(|last| pairs.get(last)).copied().unwrap_or_default()
}

/// The charset that a `Content-Type` declares, by any name that browsers know.
fn charset(content_type: &str) -> Option<&'static Encoding> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Encoding::for_label(value.trim().trim_matches(['"', '\'']).as_bytes())
}

/// Where non-finite numbers, which are not JSON, stand in `text` outside strings: start and end of each.
fn non_finite(text: &str) -> Vec<[usize; 2]> {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    let mut in_string = false;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if in_string {
            let Some(special) = memchr::memchr2(b'"', b'\\', rest) else { break };
            in_string = rest.get(special) == Some(&b'\\');
            at += special + if in_string { 2 } else { 1 };
            continue;
        }
        let Some(special) = memchr::memchr3(b'"', b'N', b'I', rest) else { break };
        let start = at + special;
        in_string = bytes.get(start) == Some(&b'"');
        let word = [&b"NaN"[..], b"Infinity"]
            .into_iter()
            .find(|word| bytes.get(start..).is_some_and(|rest| rest.starts_with(word)));
        at = start + word.map_or(1, <[u8]>::len);
        if let Some(word) = word {
            let is_negative =
                word.len() > 3 && start.checked_sub(1).and_then(|sign| bytes.get(sign)) == Some(&b'-');
            found.push([start - usize::from(is_negative), at]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode<'b>(body: &'b [u8], content_type: &str) -> Text<'b> {
        Text::decode(body, Some(content_type))
    }

    #[test]
    fn utf_8_is_read_where_it_lies_whatever_is_declared() {
        for content_type in
            ["application/json", "application/json; charset=ISO-8859-1", "text/plain;charset=utf-8", ""]
        {
            let text = decode("{\"a\":\"\u{e9}\"}".as_bytes(), content_type);
            assert!(matches!(text.text, Cow::Borrowed("{\"a\":\"\u{e9}\"}")), "{content_type}");
            assert!(text.repairs().is_empty());
        }
    }

    #[test]
    fn the_declared_charset_decodes_what_is_not_utf_8() {
        for (body, content_type) in [
            (&b"{\"a\":\"caf\xe9\"}"[..], "application/json; charset=ISO-8859-1"),
            (b"{\"a\":\"caf\xe9\"}", "application/json;CHARSET=\"latin1\""),
            (b"{\"a\":\"caf\xe9\"}", "application/json; a=b; charset = windows-1252 "),
            (b"{\"a\":\"caf\x8e\"}", "application/json; charset=macintosh"),
        ] {
            let text = decode(body, content_type);
            assert_eq!(
                (text.text(), text.repairs()),
                ("{\"a\":\"caf\u{e9}\"}", &[Repair::Charset][..]),
                "{content_type}"
            );
        }
        let japanese = decode(b"\"\x83e\x83X\x83g\"", "application/json; charset=Shift_JIS");
        assert_eq!(japanese.text(), "\"\u{30c6}\u{30b9}\u{30c8}\"");
    }

    #[test]
    fn utf_16_is_read_by_its_mark_or_by_its_declaration() {
        let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let marked = units("\u{feff}{\"a\":\"\u{20ac}\"}");
        let text = Text::decode(&marked, None);
        assert_eq!(
            (text.text(), text.repairs()),
            ("{\"a\":\"\u{20ac}\"}", &[Repair::Charset, Repair::ByteOrderMark][..])
        );
        let bare = units("{\"a\":1}");
        assert_eq!(decode(&bare, "application/json; charset=utf-16le").text(), "{\"a\":1}");
        assert_eq!(decode(&bare, "application/json").text(), "{\0\"\0a\0\"\0:\x001\0}\0");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let text = Text::decode(b"\xef\xbb\xbf{}", None);
        assert_eq!((text.text(), text.repairs()), ("{}", &[Repair::ByteOrderMark][..]));
        let odd = Text::decode(b"\xef\xbb\xbf\"\xff\"", None);
        assert_eq!((odd.text(), odd.repairs()), ("\"\u{fffd}\"", &[Repair::Utf8, Repair::ByteOrderMark][..]));
    }

    #[test]
    fn what_can_not_be_decoded_is_marked_and_its_bytes_are_found_again() {
        let body = b"[\"a\xff\xfe\",\"b\xc3\",\"c\"]";
        let text = Text::decode(body, Some("application/json; charset=nonsense"));
        assert_eq!(text.text(), "[\"a\u{fffd}\u{fffd}\",\"b\u{fffd}\",\"c\"]");
        for (part, bytes) in [
            ("\"a\u{fffd}\u{fffd}\"", &b"\"a\xff\xfe\""[..]),
            ("\"b\u{fffd}\"", b"\"b\xc3\""),
            ("\"c\"", b"\"c\""),
        ] {
            let start = text.text().find(part).unwrap();
            assert_eq!(text.came_as(text.text().get(start..start + part.len()).unwrap()), bytes);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_null_outside_strings() {
        let text = Text::decode(br#"{"NaN":NaN,"a":[Infinity,-Infinity, "\"NaN"],"b":"-Infinity"}"#, None);
        let nulled = text.without_non_finite().unwrap();
        assert_eq!(nulled.text(), r#"{"NaN":null,"a":[null,null, "\"NaN"],"b":"-Infinity"}"#);
        assert_eq!(nulled.repairs(), [Repair::NonFinite]);
        for whole in [r#"{"a":"NaN"}"#, "[1]", "\"I", "N", "Inf", ""] {
            assert!(Text::decode(whole.as_bytes(), None).without_non_finite().is_none(), "{whole}");
        }
    }

    #[test]
    fn a_place_is_found_again_behind_both_repairs() {
        let body = b"[\"\xff\",NaN,\"\xfe\xff\",-Infinity,7]";
        let text = Text::decode(body, None);
        let nulled = text.without_non_finite().unwrap();
        assert_eq!(nulled.text(), "[\"\u{fffd}\",null,\"\u{fffd}\u{fffd}\",null,7]");
        let (in_text, in_body) = (nulled.text().find('7').unwrap(), body.len() - 2);
        assert_eq!(nulled.origin_of(in_text), in_body);
        let middle = nulled.text().find("\"\u{fffd}\u{fffd}\"").unwrap();
        assert_eq!(nulled.came_as(nulled.text().get(middle..middle + 8).unwrap()), b"\"\xfe\xff\"");
    }

    #[test]
    fn what_is_noted_of_a_body_of_odd_bytes_alone_is_small_and_every_place_is_found() {
        let valid = "x".repeat(20_000);
        let body =
            [&[0xff; 50_000][..], valid.as_bytes(), b"\xc3\xff", valid.as_bytes(), &[0xff; 50_000]].concat();
        let text = Text::decode(&body, None);
        let Origin::Bytes(_, pairs) = &text.origin else { panic!("not repaired") };
        assert!(pairs.len() < 100, "{}", pairs.len());
        let (mut at, mut origin) = (0, 0);
        for chunk in body.utf8_chunks() {
            for place in [0, chunk.valid().len() / 2, chunk.valid().len()] {
                assert_eq!(text.origin_of(at + place), origin + place);
            }
            at += chunk.valid().len() + if chunk.invalid().is_empty() { 0 } else { 3 };
            origin += chunk.valid().len() + chunk.invalid().len();
        }
        assert_eq!(text.origin_of(at), body.len());
        assert!(Text::decode("NaN,".repeat(10_001).as_bytes(), None).without_non_finite().is_none());
    }

    proptest! {
        #[test]
        fn every_part_of_any_body_is_found_again(pieces in prop::collection::vec(0..6_usize, 0..12)) {
            const PIECES: [&[u8]; 6] = [b"NaN", b"-Infinity", b"\xff", b"\xf0\x9f", b"\"x\"", b","];
            let body = pieces.iter().map(|piece| PIECES[*piece]).collect::<Vec<_>>().concat();
            let text = Text::decode(&body, None);
            prop_assert_eq!(text.came_as(text.text()), &body[..]);
            if let Some(nulled) = text.without_non_finite() {
                prop_assert_eq!(nulled.came_as(nulled.text()), &body[..]);
                let commas = |text: &str| text.match_indices(',').map(|(at, _)| at).collect::<Vec<_>>();
                let places: Vec<usize> = commas(nulled.text()).into_iter().map(|at| nulled.origin_of(at)).collect();
                let expected: Vec<usize> = (0..body.len()).filter(|at| body[*at] == b',').collect();
                prop_assert_eq!(places, expected);
            }
        }
    }
}
