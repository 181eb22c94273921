//! Which encoding a body has: one that compresses, or one of the many names for none.

use actix_web::http::header::{self, HeaderMap};

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, one member or several.
    Gzip,
    /// Deflate, in zlib's format or, as some clients have it, bare.
    Deflate,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Encoding {
    /// The encoding that `headers` name, in any letter case, in one list or several; `None` if Weir does not read it.
    pub fn of(headers: &HeaderMap) -> Option<Encoding> {
        let mut encoding = Encoding::Identity;
        for list in headers.get_all(header::CONTENT_ENCODING) {
            for name in list.to_str().ok()?.split(',').map(str::trim) {
                if means_unencoded(name) {
                    continue;
                }
                // What was compressed twice would have to be inflated twice.
                if encoding != Encoding::Identity {
                    return None;
                }
                encoding = compression(name)?;
            }
        }
        Some(encoding)
    }
}

fn compression(name: &str) -> Option<Encoding> {
    let names = [
        ("gzip", Encoding::Gzip),
        ("x-gzip", Encoding::Gzip),
        ("deflate", Encoding::Deflate),
        ("zstd", Encoding::Zstd),
    ];
    names.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
}

/// What clients call a body that is not compressed. Besides the one name that HTTP has for that, they put here the
/// charset, MIME's transfer encoding, or what their language writes for nothing. Charsets that are more than ASCII and
/// not UTF-8 are not among them: to read such a body as UTF-8 would damage it without a word.
const NONE: [&str; 12] = [
    "",
    "identity",
    "none",
    "null",
    "undefined",
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "binary",
    "8bit",
    "7bit",
];

/// No encoding has a name with a slash: that is a media type, in the wrong place.
fn means_unencoded(name: &str) -> bool {
    NONE.iter().any(|none| name.eq_ignore_ascii_case(none)) || name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_in_any_letter_case_and_so_are_the_names_of_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(value));
            }
            Encoding::of(&headers)
        };
        assert_eq!(of(&[]), Some(Encoding::Identity));
        let [none, gzip, unknown] = [Some(Encoding::Identity), Some(Encoding::Gzip), None];
        let [deflate, zstd] = [Some(Encoding::Deflate), Some(Encoding::Zstd)];
        let rows: [(&[&'static str], _); 29] = [
            (&["identity"], none),
            (&["UTF-8"], none),
            (&["utf8"], none),
            (&["None"], none),
            (&[""], none),
            (&["us-ascii"], none),
            (&["binary"], none),
            (&["8bit"], none),
            (&["undefined"], none),
            (&["application/json; charset=utf-8"], none),
            (&["identity", "utf-8"], none),
            (&["GZIP"], gzip),
            (&["x-gzip"], gzip),
            (&["identity, gzip"], gzip),
            (&["gzip,identity"], gzip),
            (&["gzip", "none"], gzip),
            (&[", gzip ,"], gzip),
            (&["utf-8", "", "gzip"], gzip),
            (&["deflate"], deflate),
            (&["Zstd"], zstd),
            (&["identity", "DEFLATE"], deflate),
            (&["gzip, zstd"], unknown),
            (&["deflate", "utf-8", "deflate"], unknown),
            (&["br"], unknown),
            (&["iso-8859-1"], unknown),
            (&["base64"], unknown),
            (&["gzip, gzip"], unknown),
            (&["gzip", "gzip"], unknown),
            (&["identity, br"], unknown),
        ];
        for (values, encoding) in rows {
            assert_eq!(of(values), encoding, "{values:?}");
        }
    }
}
