//! When a certificate is valid, and whether clients can accept it at all. rustls doesn't report that, so it is read
//! from the DER here: a few fields at fixed places (RFC 5280, 4.1).

use jiff::civil::DateTime;
use jiff::fmt::strtime;

/// First and last second, in Unix time; and what else clients look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: i64,
    /// Not after.
    pub until: i64,
    /// Whether it is of version 3, the only one that TLS clients take.
    pub is_version_3: bool,
    /// Whether it names hosts where clients look for names: not in its subject.
    pub has_names: bool,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Version 3 is written as the integer 2.
const VERSION_3: &[u8] = &[0x02, 0x01, 0x02];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The validity of the certificate `der`; `None` if it is none.
pub fn of(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (mut rest, _) = expect(SEQUENCE, certificate)?;
    let mut is_version_3 = false;
    if let Some((version, behind)) = expect(VERSION, rest) {
        (is_version_3, rest) = (version == VERSION_3, behind);
    }
    for _serial_algorithm_issuer in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (validity, behind) = expect(SEQUENCE, rest)?;
    let (from, rest) = time(validity)?;
    let (until, _) = time(rest)?;
    Some(Validity { from, until, is_version_3, has_names: has_names(behind) })
}

/// Whether one of the extensions, which stand behind subject and key in `rest`, holds alternative names.
fn has_names(mut rest: &[u8]) -> bool {
    while let Some((tag, content, behind)) = element(rest) {
        rest = behind;
        let Some((mut extensions, _)) = expect(SEQUENCE, content).filter(|_| tag == EXTENSIONS) else {
            continue;
        };
        while let Some((extension, behind)) = expect(SEQUENCE, extensions) {
            extensions = behind;
            if expect(OBJECT_IDENTIFIER, extension).is_some_and(|(id, _)| id == SUBJECT_ALT_NAME) {
                return true;
            }
        }
    }
    false
}

/// The first element: its tag, its content, and what stands behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // More than four bytes of length is no certificate.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(wanted: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(tag, ..)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// A time and what stands behind it. Certificates have whole seconds in UTC only.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, content, rest) = element(der)?;
    let text = std::str::from_utf8(content).ok()?;
    let text = match (tag, text.len()) {
        // 50 and above are of the last century.
        (UTC_TIME, 13) => format!("{}{text}", if text >= "5" { "19" } else { "20" }),
        (GENERALIZED_TIME, 15) => text.to_owned(),
        _ => return None,
    };
    let time: DateTime = strtime::parse("%Y%m%d%H%M%SZ", text).ok()?.to_datetime().ok()?;
    Some((time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::sync::LazyLock;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["weir.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_of_writing_a_time_are_read() {
        let validity = |from, until| {
            let found = of(&certificate(from, until)).unwrap();
            (found.from, found.until)
        };
        // What `date -u -d 2026-11-21 +%s` says.
        assert_eq!(validity((2026, 11, 21), (2027, 2, 19)), (1_795_219_200, 1_802_995_200));
        assert_eq!(validity((1999, 12, 31), (2049, 12, 31)), (946_598_400, 2_524_521_600));
        assert_eq!(validity((1970, 1, 1), (9999, 12, 31)), (0, 253_402_214_400));
    }

    #[test]
    fn the_last_second_that_can_be_written_is_a_time() {
        let seconds = |tag: u8, text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            time(&[&[tag, length], text.as_bytes()].concat()).map(|(time, _)| time)
        };
        assert_eq!(seconds(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        for wrong in ["20261121000000", "20261121000000+", "20261321000000Z", "2026112100000 Z", ""] {
            assert_eq!(seconds(GENERALIZED_TIME, wrong), None, "{wrong}");
        }
        assert_eq!(seconds(UTC_TIME, "99991231235959Z"), None);
    }

    static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| certificate((2026, 1, 1), (2027, 1, 1)));

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>, flip in 0usize..400, value: u8) {
            of(&bytes);
            let mut damaged = SOUND.clone();
            for cut in [flip, damaged.len()] {
                of(&damaged[..cut.min(damaged.len())]);
            }
            if let Some(byte) = damaged.get_mut(flip) {
                *byte = value;
            }
            of(&damaged);
        }
    }
}
