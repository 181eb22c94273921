//! Recognises what a file of `[tls]` contains if it is not what it should be: other tools write certificates and keys
//! in many formats, and Weir reads PEM.

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF_16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// How the content of a PKCS#12 file begins: version 3, and a sequence.
const PKCS_12: &[u8] = &[0x02, 0x01, 0x03, 0x30];
/// That of PKCS#7: the object identifier of signed data.
const PKCS_7: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// That of a key: its version.
const KEYS: [&[u8]; 2] = [&[0x02, 0x01, 0x00], &[0x02, 0x01, 0x01]];

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Certificate,
    Key,
}

/// `bytes` without a byte order mark, with which some editors begin.
pub(super) fn plain(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(UTF_8_MARK).unwrap_or(bytes)
}

/// What `bytes`, in which `file` was looked for in vain, are instead, and what to do; none where that can't be told.
pub(super) fn instead(bytes: &[u8], file: File) -> Option<&'static str> {
    if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Some("is written in UTF-16; save it as plain text (ASCII or UTF-8)");
    }
    if let Some(content) = der_content(bytes) {
        return Some(of_der(content, file));
    }
    let says = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let table: &[(&str, &str)] = match file {
        File::Certificate => &[
            (
                "BEGIN CERTIFICATE REQUEST",
                "contains a request for a certificate; put the certificate there that the authority made \
                 from it",
            ),
            (
                "BEGIN NEW CERTIFICATE REQUEST",
                "contains a request for a certificate; put the certificate there that the authority made \
                 from it",
            ),
            (
                "BEGIN PKCS7",
                "is PKCS#7; turn it into PEM with `openssl pkcs7 -print_certs -in FILE -out chain.pem`",
            ),
            (
                "BEGIN TRUSTED CERTIFICATE",
                "is in OpenSSL's own format; turn it into PEM with `openssl x509 -in FILE -out chain.pem`",
            ),
            (
                "PRIVATE KEY-----",
                "contains a key and no certificate; tls.certificate and tls.key may be swapped",
            ),
        ],
        File::Key => &[
            (
                "BEGIN OPENSSH PRIVATE KEY",
                "contains a key in OpenSSH's format; turn a copy of it into PEM with `ssh-keygen -p -m pem -f COPY`",
            ),
            ("BEGIN PUBLIC KEY", "contains a public key; put the matching private key there"),
            (
                "BEGIN CERTIFICATE",
                "contains a certificate and no key; tls.certificate and tls.key may be swapped",
            ),
        ],
    };
    table.iter().find(|(mark, _)| says(mark)).map(|(_, meaning)| *meaning)
}

fn of_der(content: &[u8], file: File) -> &'static str {
    match file {
        _ if content.starts_with(PKCS_12) => {
            "is PKCS#12 (.p12, .pfx); take it apart with `openssl pkcs12 -in FILE -nokeys -out chain.pem` and \
             `openssl pkcs12 -in FILE -nocerts -nodes -out key.pem`"
        }
        File::Certificate if content.starts_with(PKCS_7) => {
            "is PKCS#7; turn it into PEM with `openssl pkcs7 -inform der -print_certs -in FILE -out chain.pem`"
        }
        File::Certificate if KEYS.iter().any(|key| content.starts_with(key)) => {
            "contains a key and no certificate; tls.certificate and tls.key may be swapped"
        }
        File::Certificate => {
            "is DER; turn it into PEM with `openssl x509 -inform der -in FILE -out chain.pem`"
        }
        File::Key => "is DER; turn it into PEM with `openssl pkey -inform der -in FILE -out key.pem`",
    }
}

/// The content of the one DER sequence that `bytes` are, by its length.
fn der_content(bytes: &[u8]) -> Option<&[u8]> {
    let (0x30, rest) = bytes.split_first().map(|(tag, rest)| (*tag, rest))? else { return None };
    let (first, rest) = rest.split_first()?;
    let (length, content) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, content) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), content)
        }
        _ => return None,
    };
    (content.len() >= length).then_some(content)
}
