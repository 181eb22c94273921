//! When something runs: the times of a schedule in its zone, and what becomes of those that passed unseen. Pure.
//!
//! A line of cron that names its hours, and every preset, runs at each of its times once a day. Where the clock skips
//! one, it runs right after what is skipped; where the clock shows one twice, it runs the first time. A line with a
//! `*` in its hours runs whenever the clock shows such a time: never where it is skipped, twice where it comes twice.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::document::{Missed, Schedule, When};
use crate::config::section::nearest;

/// The most missed times that are listed.
pub const LISTED: usize = 100;
/// Times before this many days are not looked for: whoever was away for longer needs no list.
const LOOKED_BACK_DAYS: i64 = 31;

/// The times of a schedule.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
    names_hours: bool,
    missed: Missed,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The time for which something has to run now; none: nothing has to.
    pub run: Option<Timestamp>,
    /// Times at which nothing ran, the oldest first: the first [`LISTED`].
    pub missed: Vec<Timestamp>,
    /// Whether there were others.
    pub is_more: bool,
}

/// The fields of a line: their names, and what may stand there.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last one"),
    ("month", "1 to 12, or jan to dec"),
    ("day of the week", "0 to 7, or sun to sat"),
];

/// As a line of cron.
pub fn line(when: &When) -> String {
    match when {
        When::Cron(line) => line.clone(),
        When::EveryDay(hour, minute) => format!("{minute} {hour} * * *"),
        When::EveryWeekday(hour, minute) => format!("{minute} {hour} * * 1-5"),
        // Here Monday is 0, and cron's 0 is Sunday.
        When::Weekly(day, hour, minute) => format!("{minute} {hour} * * {}", day.saturating_add(1) % 7),
        When::Monthly(31, hour, minute) => format!("{minute} {hour} L * *"),
        When::Monthly(day, hour, minute) => format!("{minute} {hour} {day} * *"),
    }
}

impl Timetable {
    /// That of `schedule`.
    ///
    /// # Errors
    /// Each problem, as the key and what to do.
    pub fn of(schedule: &Schedule) -> Result<Self, Vec<(&'static str, String)>> {
        let line = line(&schedule.when);
        let key = if matches!(schedule.when, When::Cron(_)) { "cron" } else { "preset" };
        match (cron(&line), zone(&schedule.zone)) {
            (Ok(cron), Ok(zone)) => {
                let names_hours = line.split_whitespace().nth(1).is_some_and(|hours| !hours.contains('*'));
                Ok(Timetable { cron, zone, names_hours, missed: schedule.missed })
            }
            (cron, zone) => {
                let problems = [(key, cron.err()), ("zone", zone.err())];
                Err(problems.into_iter().filter_map(|(key, advice)| Some((key, advice?))).collect())
            }
        }
    }

    /// The first time after `after`; none: it is beyond the calendar.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.to_zoned(self.zone.clone());
        if !self.names_hours {
            return self.cron.find_next_occurrence(&start, false).ok().map(|next| next.timestamp());
        }
        let mut civil = start.datetime();
        loop {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            // While the clock shows an hour for the second time, what it shows is over.
            let at = self.moment(civil)?;
            if at > after {
                return Some(at);
            }
        }
    }

    /// The next `count` times.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next(after), |at| self.next(*at)).take(count).collect()
    }

    /// What is to be done at `now`, where all was done that was due until `since`. A time that passed no longer than
    /// `late` ago is not missed.
    pub fn due(&self, since: Timestamp, now: Timestamp, late: SignedDuration) -> Due {
        let earliest = now.checked_sub(SignedDuration::from_hours(24 * LOOKED_BACK_DAYS)).unwrap_or(since);
        let mut due = Due::default();
        let mut last = None;
        let times = std::iter::successors(self.next(since.max(earliest)), |at| self.next(*at));
        for at in times.take_while(|at| *at <= now) {
            if let Some(passed) = last.replace(at) {
                due.miss(passed);
            }
        }
        let Some(last) = last else { return due };
        let is_late = now.duration_since(last) > late;
        if is_late {
            due.miss(last);
        }
        if !is_late || self.missed == Missed::Once {
            due.run = Some(last);
        }
        due
    }

    /// When the clock of the zone shows `civil` first, or what it shows right after it skipped that.
    fn moment(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|transition| transition.timestamp())
            }
            _ => ambiguous.earlier().ok(),
        }
    }
}

impl Due {
    fn miss(&mut self, at: Timestamp) {
        if self.missed.len() < LISTED {
            self.missed.push(at);
        } else {
            self.is_more = true;
        }
    }
}

fn parse(line: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(line).ok()
}

/// Reads a line of five fields, which has to have a time.
fn cron(line: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "has {} fields; a line of cron has five: minute, hour, day of the month, month, day of the week",
            fields.len()
        ));
    }
    for (index, (field, (name, range))) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        if let Some(place) = alone.get_mut(index) {
            *place = field;
        }
        if parse(&alone.join(" ")).is_none() {
            return Err(format!(
                "has the {name} \"{field}\"; it must be {range}, or several as in 1,3 or 1-5, or * for each"
            ));
        }
    }
    let cron = parse(line).ok_or("is no line of cron")?;
    let start = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
    match cron.find_next_occurrence(&start, true) {
        Ok(_) => Ok(cron),
        Err(_) => Err("names a day that never comes; name one that does".to_owned()),
    }
}

/// The zone of this name.
fn zone(name: &str) -> Result<TimeZone, String> {
    let zones = jiff::tz::db();
    if let Ok(zone) = zones.get(name) {
        return Ok(zone);
    }
    let known: Vec<String> = zones.available().map(|zone| zone.to_string()).collect();
    let city = |zone: &&String| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
    let near = || nearest(name, known.iter().map(String::as_str));
    let meant = known.iter().find(city).map(String::as_str).or_else(near);
    Err(match meant {
        Some(meant) => format!("is no time zone that is known; did you mean {meant}?"),
        None => "is no time zone that is known; name one such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule { when: When::Cron(cron.to_owned()), zone: zone.to_owned(), missed: Missed::Once }
    }

    fn table(cron: &str, zone: &str) -> Timetable {
        Timetable::of(&schedule(cron, zone)).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next times as the clock of the zone shows them, with its offset.
    fn shown(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone_of = TimeZone::get(zone).unwrap();
        let times = table(cron, zone).upcoming(at(after), count);
        times
            .into_iter()
            .map(|at| at.to_zoned(zone_of.clone()).strftime("%m-%d %H:%M%z").to_string())
            .collect()
    }

    #[test]
    fn a_time_that_the_clock_skips_runs_right_after_what_is_skipped() {
        // The clock goes from 02:00 to 03:00.
        let berlin = shown("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(berlin, ["03-28 02:30+0100", "03-29 03:00+0200", "03-30 02:30+0200"]);
        let york = shown("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2);
        assert_eq!(york, ["03-08 03:00-0400", "03-09 02:30-0400"]);
        // From 02:00 to 02:30.
        let howe = shown("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
        assert_eq!(howe, ["10-04 02:30+1100", "10-05 02:15+1100"]);
        // A whole day.
        let apia = shown("0 6 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", 3);
        assert_eq!(apia, ["12-29 06:00-1000", "12-31 00:00+1400", "12-31 06:00+1400"]);
    }

    #[test]
    fn several_named_hours_are_each_kept_when_the_clock_changes() {
        let spring = shown("30 2,14 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(spring, ["03-29 03:00+0200", "03-29 14:30+0200"]);
        let autumn = shown("*/30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", 3);
        assert_eq!(autumn, ["10-25 02:00+0200", "10-25 02:30+0200", "10-26 02:00+0100"]);
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_runs_the_first_time() {
        let berlin = shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(berlin, ["10-25 02:30+0200", "10-26 02:30+0100"]);
        // Asked while the clock shows it again.
        let again = shown("45 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1);
        assert_eq!(again, ["10-26 02:45+0100"]);
        let howe = shown("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2);
        assert_eq!(howe, ["04-05 01:45+1100", "04-06 01:45+1030"]);
        let apia = shown("30 3 * * *", "Pacific/Apia", "2012-03-31T00:00:00Z", 2);
        assert_eq!(apia, ["04-01 03:30+1400", "04-02 03:30+1300"]);
    }

    #[test]
    fn a_line_for_every_hour_runs_as_often_as_the_clock_shows_one() {
        let spring = shown("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3);
        assert_eq!(spring, ["03-29 01:30+0100", "03-29 03:30+0200", "03-29 04:30+0200"]);
        let autumn = shown("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 4);
        assert_eq!(autumn, ["10-25 01:30+0200", "10-25 02:30+0200", "10-25 02:30+0100", "10-25 03:30+0100"]);
    }

    #[test]
    fn the_last_day_of_each_month_is_its_own() {
        let monthly = Schedule { when: When::Monthly(31, 6, 0), ..schedule("", "UTC") };
        let times = Timetable::of(&monthly).unwrap().upcoming(at("2027-01-30T00:00:00Z"), 3);
        assert_eq!(
            times,
            ["2027-01-31", "2027-02-28", "2027-03-31"].map(|day| at(&format!("{day}T06:00:00Z")))
        );
    }

    fn advice(cron: &str, zone: &str) -> Vec<(&'static str, String)> {
        Timetable::of(&schedule(cron, zone)).unwrap_err()
    }

    #[test]
    fn each_problem_says_what_to_do() {
        let [(cron, line), (zone, name)] = &advice("0 25 * * *", "Europe/Berlni")[..] else { panic!() };
        assert_eq!((*cron, *zone), ("cron", "zone"));
        assert_eq!(
            line,
            "has the hour \"25\"; it must be 0 to 23, or several as in 1,3 or 1-5, or * for each"
        );
        assert_eq!(name, "is no time zone that is known; did you mean Europe/Berlin?");
        assert!(advice("0 6 * *", "UTC")[0].1.starts_with("has 4 fields; "));
        assert!(advice("@daily", "UTC")[0].1.starts_with("has 1 fields; "));
        assert!(advice("0 0 6 * * *", "UTC")[0].1.starts_with("has 6 fields; "));
        assert!(advice("0 6 * * someday", "UTC")[0].1.starts_with("has the day of the week \"someday\"; "));
        assert_eq!(advice("0 6 30 2 *", "UTC")[0].1, "names a day that never comes; name one that does");
        assert!(advice("0 6 * * *", "Berlin")[0].1.ends_with("did you mean Europe/Berlin?"));
        assert!(advice("0 6 * * *", "Nowhere at all")[0].1.contains("name one such as"));
    }

    const LATE: SignedDuration = SignedDuration::from_mins(1);

    #[test]
    fn missed_times_are_made_up_for_by_one_run_or_by_none() {
        let hourly = table("0 * * * *", "UTC");
        let (since, now) = (at("2026-11-30T06:00:00Z"), at("2026-11-30T09:30:00Z"));
        let missed = ["07", "08", "09"].map(|hour| at(&format!("2026-11-30T{hour}:00:00Z"))).to_vec();
        let once = Due { run: Some(at("2026-11-30T09:00:00Z")), missed, is_more: false };
        assert_eq!(hourly.due(since, now, LATE), once);
        let skip = Timetable { missed: Missed::Skip, ..hourly.clone() };
        assert_eq!(skip.due(since, now, LATE), Due { run: None, ..once });
        assert_eq!(hourly.due(now, now, LATE), Due::default());
    }

    #[test]
    fn a_time_that_has_just_come_is_due_and_not_missed() {
        let skip = Timetable { missed: Missed::Skip, ..table("0 * * * *", "UTC") };
        let due = skip.due(at("2026-11-30T07:30:00Z"), at("2026-11-30T09:00:20Z"), LATE);
        assert_eq!(due.run, Some(at("2026-11-30T09:00:00Z")));
        assert_eq!(due.missed, [at("2026-11-30T08:00:00Z")]);
    }

    #[test]
    fn the_list_of_missed_times_ends() {
        let due = table("* * * * *", "UTC").due(at("1990-01-01T00:00:00Z"), at("2026-11-30T09:30:30Z"), LATE);
        assert_eq!((due.missed.len(), due.is_more), (LISTED, true));
        assert_eq!(due.run, Some(at("2026-11-30T09:30:00Z")));
    }

    const ZONES: [&str; 5] =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"];

    fn lines() -> impl Strategy<Value = String> {
        let minute =
            prop_oneof![Just("*".to_owned()), Just("*/7".to_owned()), (0..60u8).prop_map(|m| m.to_string())];
        let hour = prop_oneof![
            Just("*".to_owned()),
            Just("*/2".to_owned()),
            Just("0-4".to_owned()),
            (0..24u8).prop_map(|hour| hour.to_string()),
            (0..4u8, 4..24u8).prop_map(|(one, other)| format!("{one},{other}"))
        ];
        let day = prop_oneof![Just("*"), Just("1,15"), Just("L")];
        let week = prop_oneof![Just("*"), Just("1-5"), Just("sun")];
        (minute, hour, day, week)
            .prop_map(|(minute, hour, day, week)| format!("{minute} {hour} {day} * {week}"))
    }

    fn moments() -> impl Strategy<Value = Timestamp> {
        // Also beside changes of the clocks.
        let change = prop::sample::select(vec![
            "2026-03-29T01:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-03-08T07:00:00Z",
            "2026-11-01T06:00:00Z",
            "2026-04-04T15:00:00Z",
            "2026-10-03T15:30:00Z",
            "2011-12-30T10:00:00Z",
            "2012-03-31T14:00:00Z",
        ]);
        let near = (change, -100_000_000i64..100_000_000)
            .prop_map(|(change, ms)| at(change) + SignedDuration::from_millis(ms));
        let any =
            (1_200_000_000_000i64..1_900_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
        prop_oneof![near, any]
    }

    proptest! {
        #[test]
        fn times_only_go_up(line in lines(), zone in prop::sample::select(&ZONES[..]), after in moments()) {
            let mut last = after;
            for next in table(&line, zone).upcoming(after, 40) {
                prop_assert!(next > last, "{next} is not after {last}");
                prop_assert_eq!(next.subsec_nanosecond(), 0);
                last = next;
            }
        }

        #[test]
        fn no_time_is_left_out_wherever_one_asks(
            line in lines(), zone in prop::sample::select(&ZONES[..]), after in moments(), part in 0.0..1.0f64,
        ) {
            let table = table(&line, zone);
            let [first, second] = table.upcoming(after, 2)[..] else { panic!() };
            let between = first + second.duration_since(first).mul_f64(part);
            prop_assume!(between < second);
            prop_assert_eq!(table.next(between), Some(second));
            prop_assert_eq!(table.next(first - SignedDuration::from_nanos(1)), Some(first));
        }

        #[test]
        fn a_preset_runs_when_its_line_does(
            hour in 0..24u8, minute in 0..60u8, week in 0..7u8, day in 1..=28u8,
            zone in prop::sample::select(&ZONES[..]), after in moments(),
        ) {
            let name = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][usize::from(week)];
            for (when, line) in [
                (When::EveryDay(hour, minute), format!("{minute} {hour} * * *")),
                (When::EveryWeekday(hour, minute), format!("{minute} {hour} * * mon-fri")),
                (When::Weekly(week, hour, minute), format!("{minute} {hour} * * {name}")),
                (When::Monthly(day, hour, minute), format!("{minute} {hour} {day} * *")),
                (When::Monthly(31, hour, minute), format!("{minute} {hour} L * *")),
            ] {
                let preset = Timetable::of(&Schedule { when, ..schedule("", zone) }).unwrap();
                prop_assert_eq!(preset.upcoming(after, 5), table(&line, zone).upcoming(after, 5));
            }
        }
    }
}
