//! Points in time as operators write them: RFC 3339, or how long ago.

use jiff::Timestamp;

/// Milliseconds in a second, a minute, an hour, a day.
const UNITS: [(char, i64); 4] = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];

/// Reads `2026-11-21T09:00:00Z` (any offset), or `90s`, `30m`, `2h`, `7d` before `now_ms`: milliseconds since the
/// Unix epoch.
///
/// # Errors
/// One sentence that says what would do.
pub(super) fn read(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let ago = UNITS.iter().find_map(|(unit, ms)| {
        let number = text.strip_suffix(*unit)?.parse::<u32>().ok()?;
        i64::from(number).checked_mul(*ms)
    });
    ago.map(|ago| now_ms - ago).ok_or_else(|| {
        format!(
            "{text:?} is not a time; use RFC 3339 (2026-11-21T09:00:00Z), or how long ago (90s, 30m, 2h, 7d)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    /// 2026-11-21T12:00:00Z
    const NOW: i64 = 1_795_262_400_000;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(read("2026-11-21T12:00:00Z", 0), Ok(NOW));
        assert_eq!(read("2026-11-21T14:00:00.250+02:00", 0), Ok(NOW + 250));
        for (ago, ms) in [("90s", 90_000), ("30m", 1_800_000), ("2h", 7_200_000), ("7d", 604_800_000)] {
            assert_eq!(read(ago, NOW), Ok(NOW - ms), "{ago}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_what_would_do() {
        for wrong in ["", "h", "2", "2w", "-2h", "2.5h", "yesterday", "2026-11-21", "99999999999d", "2\u{e9}"]
        {
            let told = read(wrong, NOW).unwrap_err();
            assert!(told.contains("RFC 3339") && told.contains("2h"), "{wrong}: {told}");
        }
    }
}
