//! Times as every standard reader takes them.

use jiff::Timestamp;

/// The time that `text` says, which must be RFC 3339 to the letter; none where it lies out of all reach.
#[track_caller]
pub fn instant(text: &str) -> Option<Timestamp> {
    assert!(is_rfc3339(text), "{text:?} is not RFC 3339");
    text.parse().ok()
}

/// Seconds that the offset in `text`, which is RFC 3339, lies off UTC.
pub fn offset_seconds(text: &str) -> i64 {
    let Some(zone) = text.len().checked_sub(6).and_then(|at| text.get(at..)).filter(|_| !text.ends_with('Z'))
    else {
        return 0;
    };
    let number = |part: Option<&str>| part.and_then(|digits| digits.parse::<i64>().ok()).unwrap_or_default();
    let seconds = number(zone.get(1..3)) * 3_600 + number(zone.get(4..6)) * 60;
    if zone.starts_with('-') { -seconds } else { seconds }
}

/// `date-time` of RFC 3339 in its strictest form: capital letters, no blank.
pub fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let form = |bytes: &[u8], form: &[u8]| {
        bytes.len() == form.len()
            && bytes.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == form,
            })
    };
    let Some((date_time, rest)) = bytes.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            fraction.split_at(digits).1
        }
    };
    let zone = zone == b"Z" || form(zone, b"+00:00") || form(zone, b"-00:00");
    zone && form(date_time, b"0000-00-00T00:00:00")
}
