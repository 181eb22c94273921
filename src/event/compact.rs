//! Raw JSON text without its insignificant whitespace: numbers, strings and the order of members keep the
//! client's text.

/// Appends `raw`, which must be valid JSON, to `out`, less the whitespace outside of strings. Other text
/// comes out in some form, but never fails.
pub fn compact(raw: &str, out: &mut Vec<u8>) {
    let mut rest = raw.as_bytes();
    while let Some(first) = rest.first() {
        let run = match first {
            b'"' => string(rest),
            byte if is_space(*byte) => {
                rest = rest.trim_ascii_start();
                continue;
            }
            _ => rest.iter().position(|byte| *byte == b'"' || is_space(*byte)).unwrap_or(rest.len()),
        };
        let (head, tail) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        out.extend_from_slice(head);
        rest = tail;
    }
}

/// JSON's whitespace, and the form feed that `trim_ascii_start` takes, too: both must agree, or a run
/// could be empty.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// The length of the string at the start of `text`, both quotes included.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    text.len()
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
    fn whitespace_goes_outside_of_strings_only() {
        let raw = " {\r\n\t\"a b\" : [ 1 , \"x \\\" y\\\\\" , { } ] ,\n\"\" : \" \" } ";
        assert_eq!(compacted(raw), r#"{"a b":[1,"x \" y\\",{}],"":" "}"#);
    }

    #[test]
    fn numbers_keep_their_text() {
        assert_eq!(
            compacted("[ 1.0, 1e3, 12345678901234567890.10, -0 ]"),
            "[1.0,1e3,12345678901234567890.10,-0]"
        );
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(text in any::<Vec<(String, i64)>>()) {
            let raw = serde_json::to_string_pretty(&text).unwrap();
            prop_assert_eq!(compacted(&raw), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn any_text_comes_through_without_a_panic(text in "[\"\\\\ \n\u{c}a{}]*") {
            prop_assert!(compacted(&text).len() <= text.len());
        }
    }
}
