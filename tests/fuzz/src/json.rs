//! JSON as the strictest of readers takes it.

use serde::de::IgnoredAny;

/// `value` as text; it must be JSON in UTF-8 with neither a lone surrogate nor a NUL in its strings, nor a control
/// character outside them.
#[track_caller]
pub fn strict(value: &[u8]) -> &str {
    let text = std::str::from_utf8(value).unwrap_or_else(|error| panic!("{error}: {value:?}"));
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        panic!("{error}: {text}");
    }
    assert!(units(text), "a lone surrogate or a NUL: {text}");
    text
}

/// Whether the escapes of the strings in `json` give whole characters, none of them NUL.
fn units(json: &str) -> bool {
    let mut rest = json.as_bytes();
    let mut high = false;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            if high {
                return false;
            }
            continue;
        }
        let Some((escape, after)) = rest.split_first() else { return false };
        rest = after;
        let unit = match escape {
            b'u' => {
                let Some((digits, after)) = rest.split_at_checked(4) else { return false };
                rest = after;
                let digits = std::str::from_utf8(digits).ok();
                let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
                    return false;
                };
                unit
            }
            _ => 1,
        };
        let low = (0xdc00..0xe000).contains(&unit);
        if unit == 0 || low != high {
            return false;
        }
        high = (0xd800..0xdc00).contains(&unit);
    }
    !high
}
