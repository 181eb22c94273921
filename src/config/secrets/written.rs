//! How a secret is written in its file or variable: what surrounds it without being part of it, and what is probably
//! a mistake. No message repeats a secret's text.

use crate::admission::secrets::{PREFIX, signing_key};

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The secret in `bytes` without what surrounds it: a byte order mark, blanks, ends of lines.
///
/// # Errors
/// What to do where that is no single word of ASCII: such a text can't come in a header.
pub(super) fn alone(bytes: &[u8]) -> Result<&str, &'static str> {
    if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("is written in UTF-16; save it as plain text (UTF-8)");
    }
    let text = bytes.strip_prefix(UTF_8_MARK).unwrap_or(bytes).trim_ascii();
    match std::str::from_utf8(text) {
        Ok("") => Err("is empty; put the secret there"),
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
        Ok(text) if text.contains(['\n', '\r']) => {
            Err("has several lines; keep only one secret there, and list the others beside it")
        }
        Ok(text) if is_assignment(text) => {
            Err("contains more than the secret; keep only the text between the quotes, without them")
        }
        Ok(text) if text.contains([' ', '\t']) && text.bytes().all(is_printable) => {
            Err("contains blanks, or a comment after the secret; keep only the secret there")
        }
        _ => Err("may contain only the secret, in visible ASCII characters without blanks"),
    }
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' ' || byte == b'\t'
}

/// `name = "…"`, as `weir secret` prints it, or `NAME=…`, as files of variables have it.
fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| {
        let name = name.strip_prefix("export ").unwrap_or(name).trim_end();
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name && !name.is_empty() && value.trim_start().trim_start_matches(QUOTES).starts_with(PREFIX)
    })
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// What is probably wrong with `text`, which can come in a header, and so may be meant.
pub fn fault(text: &str) -> Option<&'static str> {
    if signing_key(text).is_some() {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let Some(at) = lower.find(PREFIX) else {
        let is_quoted = QUOTES.iter().any(|quote| text.starts_with(*quote) && text.ends_with(*quote));
        return match () {
            () if is_quoted && text.len() > 1 => {
                Some("stands in quotes, which count as part of it; remove them")
            }
            () if lower.starts_with("whsk_") || lower.starts_with("whpk_") => Some(
                "is a key for signatures of another kind (v1a), which Weir can't verify; use a secret that \
                 begins with whsec_",
            ),
            () => None,
        };
    };
    Some(match text.get(..at).unwrap_or_default() {
        "" if !text.starts_with(PREFIX) => {
            "begins with whsec_ in capitals, so it verifies no signature; write whsec_ in small letters"
        }
        "" if text.ends_with(QUOTES) || text.ends_with([',', ';']) => {
            "has a quote, comma or semicolon at its end, so it verifies no signature; remove that"
        }
        "" => {
            "what follows whsec_ is no standard base64, so it verifies no signature; copy it anew from its sender, or \
             make one with `weir secret`"
        }
        "v1," => {
            "begins with v1, as a signature does, so it verifies no signature; keep only the secret, from whsec_ on"
        }
        before if before.chars().all(|one| QUOTES.contains(&one)) => {
            "stands in quotes, which count as part of it, so it verifies no signature; remove them"
        }
        _ => "has something before whsec_, so it verifies no signature; keep only the secret, from whsec_ on",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 bytes.
    const GOOD: &str = "whsec_c2l4dGVlbiBieXRlcyBvaw==";

    #[test]
    fn what_surrounds_a_secret_is_no_part_of_it() {
        for (before, after) in
            [("", ""), ("", "\n"), ("", "\r\n"), ("\u{feff}", "\r\n"), (" \t\n", " \n\n"), ("\u{feff}\n", "")]
        {
            assert_eq!(alone(format!("{before}{GOOD}{after}").as_bytes()), Ok(GOOD), "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_can_not_come_in_a_header_is_refused_with_what_to_do() {
        let utf_16: Vec<u8> =
            [0xfeff].into_iter().chain(GOOD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(alone(&utf_16), Err("is written in UTF-16; save it as plain text (UTF-8)"));
        for (text, told) in [
            ("".to_owned(), "is empty; "),
            ("\u{feff}\r\n".to_owned(), "is empty; "),
            (format!("{GOOD}\n{GOOD}\n"), "has several lines; "),
            (format!("# of tickets\n{GOOD}"), "has several lines; "),
            (format!("secret = \"{GOOD}\"\n"), "contains more than the secret; "),
            (format!("export TICKETS_SECRET = '{GOOD}'"), "contains more than the secret; "),
            (format!("{GOOD} # of tickets"), "contains blanks, or a comment after the secret; "),
            (format!("{GOOD}\t# of tickets"), "contains blanks, or a comment after the secret; "),
            ("whsec_c2l4dGVl biBieXRlcyBvaw==".to_owned(), "contains blanks, or a comment"),
            (format!("{GOOD}\u{200b}"), "may contain only the secret, in visible ASCII"),
            (format!("\u{201c}{GOOD}\u{201d}"), "may contain only the secret, in visible ASCII"),
            (format!("a\u{0}{GOOD}"), "may contain only the secret, in visible ASCII"),
        ] {
            let advice = alone(text.as_bytes()).unwrap_err();
            assert!(advice.starts_with(told), "{text:?}: {advice}");
        }
    }

    #[test]
    fn what_can_come_in_a_header_but_was_hardly_meant_so_has_a_fault() {
        for (text, told) in [
            (format!("v1,{GOOD}"), "begins with v1, as a signature does"),
            (format!("\"{GOOD}\""), "stands in quotes"),
            (format!("'{GOOD}'"), "stands in quotes"),
            ("'plain-plain-plain'".to_owned(), "stands in quotes"),
            (format!("secret=\"{GOOD}\""), "has something before whsec_"),
            (format!("TICKETS_SECRET={GOOD}"), "has something before whsec_"),
            (format!("{{\"secret\":\"{GOOD}\"}}"), "has something before whsec_"),
            (format!("{GOOD}\","), "has a quote, comma or semicolon at its end"),
            (format!("{GOOD};"), "has a quote, comma or semicolon at its end"),
            (GOOD.to_ascii_uppercase(), "begins with whsec_ in capitals"),
            (format!("{GOOD}#comment"), "is no standard base64"),
            ("whsec_YW-_".to_owned(), "is no standard base64"),
            ("whsec_YWJ".to_owned(), "is no standard base64"),
            ("whsec_".to_owned(), "is no standard base64"),
            (format!("whsec_{GOOD}"), "is no standard base64"),
            ("whsk_c2l4dGVlbiBieXRlcyBvaw==".to_owned(), "of another kind (v1a)"),
        ] {
            let fault = fault(&text).unwrap_or_else(|| panic!("{text}"));
            assert!(fault.contains(told), "{text}: {fault}");
        }
        for sound in [GOOD, "whsec_c2l4dGVlbiBieXRlcyBvaw", "a-plain-secret-of-gainsight", "\"", "a\"b"] {
            assert_eq!(fault(sound), None, "{sound}");
        }
    }
}
