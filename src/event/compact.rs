//! JSON text without its insignificant whitespace.

/// Appends `raw`, valid JSON, to `out` without the whitespace outside its strings. Numbers and strings keep
/// their text.
pub fn compact(raw: &str, out: &mut Vec<u8>) {
    let mut rest = raw.as_bytes();
    while !rest.is_empty() {
        // Outside strings: copy what is not whitespace.
        let quote = memchr::memchr(b'"', rest).unwrap_or(rest.len());
        let (outside, from_quote) = rest.split_at_checked(quote).unwrap_or((rest, &[]));
        out.extend(outside.iter().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')));
        let (string, after) =
            from_quote.split_at_checked(string_length(from_quote)).unwrap_or((from_quote, &[]));
        out.extend_from_slice(string);
        rest = after;
    }
}

/// Bytes of the string that `bytes` begins with, quotes included; all of them if it does not end.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compacted(raw: &str) -> String {
        let mut out = Vec::new();
        compact(raw, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_whitespace_outside_strings_goes() {
        let raw = " { \"a b\" :\t[ 1.0 , 1e3,\r\n \"x \\\" \\\\\" , null ] } ";
        assert_eq!(compacted(raw), r#"{"a b":[1.0,1e3,"x \" \\",null]}"#);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(raw in "[\\\\\" a{}]{0,24}") {
            compacted(&raw);
        }
    }
}
