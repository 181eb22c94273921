//! What becomes of the times that senders write.

use std::borrow::Cow;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// 2026-11-21T12:00:00Z
const RECEIVED: i64 = 1_795_262_400_000;
const RECEIPT: &str = "2026-11-21T12:00:00.000Z";

/// These times, in the order of the fields; each is JSON.
fn times<'a>([timestamp, original, sent]: [Option<&'a str>; 3]) -> Times<'a> {
    Times {
        timestamp: timestamp.map(Value::new),
        original: original.map(Value::new),
        sent: sent.map(Value::new),
    }
}

fn happened(times: Times<'_>, batch: Option<&str>) -> (String, bool, u32) {
    let receipt = Received::at(RECEIVED);
    let Happened { text, has_milliseconds, unreadable } = times.happened(batch.map(Value::new), &receipt);
    (text.into_owned(), has_milliseconds, unreadable)
}

/// What becomes of a timestamp, given as JSON.
fn raw(raw: &str) -> (String, bool, u32) {
    happened(times([Some(raw), None, None]), None)
}

/// What becomes of the text of a timestamp that can be read.
fn timestamp(text: &str) -> String {
    let (written, _, unreadable) = raw(&format!("\"{text}\""));
    assert_eq!(unreadable, 0, "{text}");
    written
}

fn unreadable() -> (String, bool, u32) {
    (RECEIPT.to_owned(), false, 1)
}

#[test]
fn trap_7_a_readable_timestamp_keeps_its_offset_and_fraction() {
    for text in [
        "2026-11-21T01:56:20.458Z",
        "2026-11-21T01:53:00.796676+00:00",
        "2026-11-21T01:56:41.167285828Z",
        "2026-11-21T01:56:20.100-08:30",
        "2009-11-10T23:00:00Z",
        "2026-11-21T18:00:00+18:00",
        "2000-01-01T00:00:00Z",
    ] {
        assert_eq!(timestamp(text), text);
    }
}

#[test]
fn other_iso_forms_are_written_as_rfc_3339_and_no_offset_means_utc() {
    for (text, expected) in [
        ("2026-11-21 01:56:20", "2026-11-21T01:56:20Z"),
        ("2026-11-21T01:56:20.5+0530", "2026-11-21T01:56:20.5+05:30"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21t01:56z", "2026-11-21T01:56:00Z"),
        ("20261121T015620Z", "2026-11-21T01:56:20Z"),
        ("2026-11-21T01:56:20,25Z", "2026-11-21T01:56:20.25Z"),
        ("2026-11-21T01:56:20.123+01:00[Europe/Berlin]", "2026-11-21T01:56:20.123+01:00"),
        (" 2026-11-21T01:56:20Z ", "2026-11-21T01:56:20Z"),
    ] {
        assert_eq!(timestamp(text), expected);
    }
}

#[test]
fn what_readers_refuse_is_written_as_they_take_it() {
    for (text, expected) in [
        // The official CloudEvents SDK for Python and Java's OffsetDateTime know no second 60.
        ("2023-12-11T11:31:60.000Z", "2023-12-11T11:32:00Z"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
        ("2023-12-11 11:31:60 +0100 CET", "2023-12-11T11:32:00+01:00"),
        // Java's offsets end at 18 hours.
        ("2026-11-21T10:00:00+23:59", "2026-11-20T10:01:00Z"),
        ("2026-11-20T10:00:00.250-18:01", "2026-11-21T04:01:00.25Z"),
        // Java's fractions end at nine digits.
        ("2026-11-21T01:56:20.1234567890123Z", "2026-11-21T01:56:20.123456789Z"),
        ("2026-11-21T01:56:20-00:00", "2026-11-21T01:56:20Z"),
    ] {
        assert_eq!(timestamp(text), expected);
    }
}

/// Each row as rudder-server's parser reads it: Go's `dateparse` (v0.0.0-20190622164848-0fb0a474d195) was run on the
/// text.
#[test]
fn what_rudder_server_reads_as_a_time_is_read_alike() {
    for (text, expected) in [
        ("2020-04-17 10:22:17 UTC", "2020-04-17T10:22:17Z"),
        ("2016-07-18 10:00:00.123456789 +0000 UTC", "2016-07-18T10:00:00.123456789Z"),
        ("2016-07-18 10:00:00.123456789 +0000 UTC m=+0.000000001", "2016-07-18T10:00:00.123456789Z"),
        ("1587118937", "2020-04-17T10:22:17Z"),
        ("1587118937123", "2020-04-17T10:22:17.123Z"),
        ("1587118937123456", "2020-04-17T10:22:17.123456Z"),
        ("1587118937123456789", "2020-04-17T10:22:17.123456789Z"),
        ("Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T15:04:05-07:00"),
        ("Tue, 11 Jul 2017 16:28:13 +0200 (CEST)", "2017-07-11T16:28:13+02:00"),
        ("Sat, 21 Nov 2026 10:11:12 GMT", "2026-11-21T10:11:12Z"),
        ("Fri Jul 03 2015 18:04:07 GMT+0100 (GMT Daylight Time)", "2015-07-03T18:04:07+01:00"),
        ("Mon Aug 10 15:44:11 UTC+0100 2015", "2015-08-10T15:44:11+01:00"),
        ("Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"),
        ("Mon Jan 02 15:04:05 -0700 2006", "2006-01-02T15:04:05-07:00"),
        ("Monday, 02-Jan-06 15:04:05 UTC", "2006-01-02T15:04:05Z"),
        ("May 8, 2009 5:57:51 PM", "2009-05-08T17:57:51Z"),
        ("oct. 7, 2010", "2010-10-07T00:00:00Z"),
        ("7 oct 2010", "2010-10-07T00:00:00Z"),
        ("October 7th, 2010", "2010-10-07T00:00:00Z"),
        ("September 17, 2012 10:09am", "2012-09-17T10:09:00Z"),
        ("September 17, 2012 at 10:09am PST-08", "2012-09-17T10:09:00-08:00"),
        ("12 Feb 2006, 19:17", "2006-02-12T19:17:00Z"),
        ("14 May 2019 19:11:40.164", "2019-05-14T19:11:40.164Z"),
        ("2013-Feb-03", "2013-02-03T00:00:00Z"),
        ("3/31/2014", "2014-03-31T00:00:00Z"),
        ("4/8/14 22:05", "2014-04-08T22:05:00Z"),
        ("8/8/2015 12:00:00 AM", "2015-08-08T00:00:00Z"),
        ("8/8/2015 1:00 PM", "2015-08-08T13:00:00Z"),
        ("2014/04/2 03:00:51", "2014-04-02T03:00:51Z"),
        ("2012/03/19 10:11:59.3186369", "2012-03-19T10:11:59.3186369Z"),
        ("2014年04月08日", "2014-04-08T00:00:00Z"),
        ("2014-04-26 05:24:37 PM", "2014-04-26T17:24:37Z"),
        ("2014-04-26 13:13:43 +0800", "2014-04-26T13:13:43+08:00"),
        ("2014-04-26 13:13:44 +09:00", "2014-04-26T13:13:44+09:00"),
        ("2015-02-08 03:02:00 +0300 MSK", "2015-02-08T03:02:00+03:00"),
        ("2014-05-11 08:20:13,787", "2014-05-11T08:20:13.787Z"),
        ("3.31.2014", "2014-03-31T00:00:00Z"),
        ("2014.03.30", "2014-03-30T00:00:00Z"),
        ("2014-04", "2014-04-01T00:00:00Z"),
        ("2014", "2014-01-01T00:00:00Z"),
        ("20140601", "2014-06-01T00:00:00Z"),
        ("20140722105203", "2014-07-22T10:52:03Z"),
        ("Sat Nov 21 10:11:12 CET 2026", "2026-11-21T10:11:12Z"),
    ] {
        assert_eq!(timestamp(text), expected);
    }
}

#[test]
fn forms_that_only_weir_reads_mean_what_they_can_only_mean() {
    for (text, expected) in [
        ("31/12/2014", "2014-12-31T00:00:00Z"),
        ("21.11.2025 10:11", "2025-11-21T10:11:00Z"),
        ("11/21/2025, 10:11:12\u{202f}AM", "2025-11-21T10:11:12Z"),
        ("1587118937.123", "2020-04-17T10:22:17.123Z"),
        // RFC 2822 says what these are; rudder-server takes every name for UTC.
        ("Mon, 02 Jan 2006 15:04:05 EST", "2006-01-02T15:04:05-05:00"),
    ] {
        assert_eq!(timestamp(text), expected);
    }
    for (number, expected) in [
        ("1587118937", "2020-04-17T10:22:17Z"),
        ("1587118937123", "2020-04-17T10:22:17.123Z"),
        ("1587118937.5", "2020-04-17T10:22:17.5Z"),
    ] {
        assert_eq!(raw(number).0, expected);
    }
}

#[test]
fn trap_7_an_unreadable_time_leaves_the_receipt_and_is_counted() {
    for text in [
        "yesterday",
        "{{ RSA_DEF_SENT_AT_TS }}",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:61:00Z",
        "2026-11-21T00:00:00+25:00",
        "158711893",
        "15871189371",
        "99999999999999999999",
        "may",
        "May 8",
        "13:00",
        "1/2/3/4",
        "32 Jan 2020",
        "Jan Feb 2020",
        "2020-01-01 1:00 2:00",
        "2020-01-01 13:00 PM",
        "01/02/03 some day",
        "2020-01-01T00:00:00Z and then a long tale of what was done on that day, and why it took so long to tell",
    ] {
        assert_eq!(raw(&format!("\"{text}\"")), unreadable(), "{text}");
    }
    for json in ["{}", "[\"2026-01-01\"]", "true", "12", "1e9", "-1587118937"] {
        assert_eq!(raw(json), unreadable(), "{json}");
    }
}

#[test]
fn a_time_that_is_null_or_blank_is_not_there() {
    for nothing in ["null", "\"\"", "\"  \"", "\"\\u0000\""] {
        assert_eq!(raw(nothing), (RECEIPT.to_owned(), false, 0), "{nothing}");
    }
    assert_eq!(happened(Times::default(), None), (RECEIPT.to_owned(), false, 0));
}

#[test]
fn what_lies_before_2000_or_over_five_minutes_after_the_receipt_is_not_believed() {
    for text in ["1999-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01"] {
        assert_eq!(raw(&format!("\"{text}\"")), unreadable(), "{text}");
    }
    assert_eq!(timestamp("2026-11-21T12:05:00Z"), "2026-11-21T12:05:00Z");
    for text in ["2026-11-21T12:05:00.001Z", "2558-07-03T10:00:00Z", "9999-12-31T23:59:59Z"] {
        assert_eq!(raw(&format!("\"{text}\"")), unreadable(), "{text}");
    }
}

#[test]
fn without_a_timestamp_the_clients_clock_is_corrected() {
    let times =
        times([Some("\"nonsense\""), Some("\"2020-01-01T00:00:00.250Z\""), Some("\"2020-01-01T00:00:10Z\"")]);
    assert_eq!(happened(times, None), ("2026-11-21T11:59:50.25Z".to_owned(), true, 1));
}

#[test]
fn a_clock_that_is_years_off_is_corrected_like_any_other() {
    for (original, sent) in [
        ("2558-07-03T10:00:00.100Z", "2558-07-03T10:00:02.100Z"),
        ("1970-01-01T00:00:10.100Z", "1970-01-01T00:00:12.100Z"),
    ] {
        let (original, sent) = (format!("\"{original}\""), format!("\"{sent}\""));
        let times = times([None, Some(&original), Some(&sent)]);
        assert_eq!(happened(times, None), ("2026-11-21T11:59:58Z".to_owned(), true, 0));
    }
}

#[test]
fn a_correction_that_can_not_be_leaves_the_original_time() {
    let original = "\"2024-05-01T10:00:00Z\"";
    // Go's zero time; a time before the event; and what is no time.
    for sent in ["\"0001-01-01T00:00:00Z\"", "\"2024-05-01T08:00:00Z\"", "\"{{ RSA_DEF_SENT_AT_TS }}\""] {
        let times = times([None, Some(original), Some(sent)]);
        assert_eq!(happened(times, None), ("2024-05-01T10:00:00Z".to_owned(), false, 1), "{sent}");
    }
    let lost = times([None, Some("\"0001-01-01T00:00:00Z\""), Some(original)]);
    assert_eq!(happened(lost, None), (RECEIPT.to_owned(), false, 2));
}

#[test]
fn the_batchs_sending_time_stands_in_where_the_event_has_none() {
    let original = "\"2020-01-01T02:00:00+02:00\"";
    let alone = times([None, Some(original), None]);
    let batch = Some("\"2020-01-01T00:00:01Z\"");
    assert_eq!(happened(alone, batch).0, "2026-11-21T11:59:59Z");
    assert_eq!(happened(alone, None).0, "2020-01-01T02:00:00+02:00");
    let placeholder = times([None, Some(original), Some("\"{{ RSA_DEF_SENT_AT_TS }}\"")]);
    assert_eq!(happened(placeholder, batch), ("2026-11-21T11:59:59Z".to_owned(), false, 1));
}

#[test]
fn only_a_clock_of_milliseconds_tells_two_events_apart() {
    for text in [
        "2026-11-21T01:56:20.458Z",
        "2026-11-21 01:56:20,458",
        "1587118937123",
        "1587118937.123456",
        "Fri Jul 03 2015 18:04:07.001 GMT+0100",
    ] {
        assert!(raw(&format!("\"{text}\"")).1, "{text}");
    }
    for text in [
        "2026-11-21",
        "2026-11-21T01:56:20Z",
        "2026-11-21T01:56:20.000Z",
        "2026-11-21T01:56:20.5Z",
        "2026-11-21T01:56:20.25+01:00",
        "1587118937000",
        "1587118937.5",
        "Sat, 21 Nov 2026 10:11:12 GMT",
    ] {
        assert!(!raw(&format!("\"{text}\"")).1, "{text}");
    }
}

#[test]
fn what_stands_in_quarantine_is_believed_again_or_replaced_by_its_receipt() {
    let receipt = Received::at(RECEIVED);
    assert_eq!(believed("2020-01-01T02:00:00+02:00", &receipt), "2020-01-01T02:00:00+02:00");
    assert_eq!(believed("2023-12-11T11:31:60.000Z", &receipt), "2023-12-11T11:32:00Z");
    assert_eq!(believed("4050-01-01T00:00:00Z", &receipt), RECEIPT);
}

proptest! {
    #[test]
    fn what_is_written_is_rfc_3339_and_the_same_instant(
        text in concat!(
            "[0-2][0-9]{3}-(0[1-9]|1[0-3])-[0-3][0-9]([Tt ][0-2][0-9](:?[0-6][0-9](:?[0-6][0-9]",
            "([.,][0-9]{1,12})?)?)?([Zz]|[+-][0-2][0-9](:?[0-6][0-9])?)?(\\[UTC\\])?)?"
        )
    ) {
        let raw = format!("\"{text}\"");
        let receipt = Received::at(RECEIVED);
        let Happened { text: written, unreadable, .. } =
            times([Some(&raw), None, None]).happened(None, &receipt);
        if unreadable == 0 {
            let moment = read(Value::new(&raw)).unwrap().moment;
            prop_assert_eq!(written.parse::<Timestamp>().ok(), moment.instant());
            let again = rfc3339::read(&written).map(|read| (read.is_exact, read.instant()));
            prop_assert_eq!(again, Some((true, moment.instant())));
        }
    }

    #[test]
    fn whatever_comes_a_time_is_written_that_every_reader_takes(
        raw in "\"[0-9a-zA-Z:/., +-]{0,40}\"|\"[0-9]{8,20}\"|[0-9]{1,19}(\\.[0-9]{1,3})?",
        sent in "\"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:[0-9]{2}Z\"",
    ) {
        let receipt = Received::at(RECEIVED);
        for times in [
            times([Some(&raw), None, None]),
            times([None, Some(&raw), Some(&sent)]),
            times([None, Some(&sent), Some(&raw)]),
        ] {
            let text: Cow<'_, str> = times.happened(None, &receipt).text;
            let moment = rfc3339::read(&text).unwrap();
            prop_assert!(moment.is_exact && receipt.allows(moment.instant().unwrap()), "{}", text);
        }
    }
}
