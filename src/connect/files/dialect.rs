//! What stands between the values of a table: seen from its first records. Pure.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::table::{Parsed, parse};

/// What may.
pub const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many records are looked at.
const RECORDS: usize = 50;

/// The delimiter of the table that begins with `head`, and how many bytes a line takes that names it (`sep=;`, as
/// spreadsheets write).
pub fn sniff(head: &[u8], is_whole: bool) -> (u8, usize) {
    if let Some(named) = head.strip_prefix(b"sep=")
        && let [delimiter, rest @ ..] = named
        && let Some(end) = [&b"\r\n"[..], b"\n", b"\r"].iter().find(|end| rest.starts_with(end))
    {
        return (*delimiter, b"sep=".len() + 1 + end.len());
    }
    // The one that cuts most records into as many values as the header; of several the one that cuts through fewer
    // quoted values, and then the one that makes more values.
    let mut best = (DELIMITERS[0], (0, Reverse(0), 0));
    for delimiter in DELIMITERS {
        let (counts, cut) = counts(head, delimiter, is_whole);
        let Some(columns) = counts.first().filter(|columns| **columns > 1) else { continue };
        let alike = counts.iter().filter(|count| *count == columns).count();
        let fit = (alike, Reverse(cut), *columns);
        if fit > best.1 {
            best = (delimiter, fit);
        }
    }
    (best.0, 0)
}

/// How many values each record has, and how many of them are parts of quoted ones.
fn counts(mut head: &[u8], delimiter: u8, is_whole: bool) -> (Vec<usize>, usize) {
    let (mut counts, mut cut) = (Vec::new(), 0);
    let is_cut = |field: &&Cow<'_, [u8]>| field.starts_with(b"\"") || field.ends_with(b"\"");
    while counts.len() < RECORDS && !head.is_empty() {
        let Parsed::Record { fields, used, .. } = parse(head, delimiter, is_whole) else { break };
        if !fields.iter().all(|field| field.is_empty()) {
            counts.push(fields.len());
            cut += fields.iter().filter(is_cut).count();
        }
        head = head.get(used..).unwrap_or_default();
    }
    (counts, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_records_alike() {
        for (head, delimiter) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b;c\n1,5;2,5;3,5\n4;5;6,0\n", b';'),
            ("a\tb\n1, 2\t3, 4\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("Name;\"City, State\"\nx;\"Paris, TX\"\n", b';'),
            ("\"a;b\",c\n\"1;2;3\",4\n", b','),
            ("alone\n1\n2\n", b','),
            ("", b','),
            // The last record may be cut.
            ("a;b;c\n1;2;3\n4;", b';'),
        ] {
            assert_eq!(sniff(head.as_bytes(), false), (delimiter, 0), "{head:?}");
        }
    }

    #[test]
    fn a_first_line_may_name_the_delimiter() {
        assert_eq!(sniff(b"sep=;\r\na;b\r\n", true), (b';', 7));
        assert_eq!(sniff(b"sep=,\na;b\n", true), (b',', 6));
        assert_eq!(sniff(b"sep;x\n1;2\n", true), (b';', 0));
    }
}
