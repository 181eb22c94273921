//! Numbers that `jsonb` does not hold. Its numbers have some 131,072 digits, and it writes them all out: 20 bytes of
//! `1e131071` would become 128 KB. So a number of over 400 digits goes into it as a string; what came stays beside it.

use std::borrow::Cow;

use crate::store::types::is_long_number;

/// `json` as it goes into a column of type `jsonb`.
pub(super) fn for_jsonb(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut rest, mut is_string) = (json, false);
    let mut copied = json;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => {
                is_string = !is_string;
                1
            }
            b'\\' if is_string => 2,
            b'-' | b'0'..=b'9' if !is_string => {
                let length = rest.bytes().take_while(|byte| is_of_number(*byte)).count();
                let (number, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
                if is_long_number(number) {
                    let before = copied.len() - rest.len();
                    out.push_str(copied.get(..before).unwrap_or_default());
                    out.extend(["\"", number, "\""]);
                    copied = behind;
                }
                length
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    if out.is_empty() { Cow::Borrowed(json) } else { Cow::Owned(out + copied) }
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_over_400_digits_become_strings() {
        let long = "9".repeat(401);
        for (json, stored) in [
            (r#"{"a":1e3,"b":[1.10,-2],"c":"1e999"}"#.to_owned(), None),
            (r#"{"a":1e999}"#.to_owned(), Some(r#"{"a":"1e999"}"#.to_owned())),
            (format!("[{long},1]"), Some(format!("[\"{long}\",1]"))),
            (
                r#"{"\"1e999é\\":-1E-999 ,"b":[[2e400]]}"#.to_owned(),
                Some(r#"{"\"1e999é\\":"-1E-999" ,"b":[["2e400"]]}"#.to_owned()),
            ),
        ] {
            assert_eq!(for_jsonb(&json), stored.as_deref().unwrap_or(&json));
        }
    }
}
