//! `schedule` of a job or a chain.

use toml::Value;

use crate::config::section::Section;
use crate::connect::document::{Missed, Schedule, When};
use crate::connect::schedule::Timetable;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[derive(Clone, Copy)]
enum Preset {
    EveryDay,
    EveryWeekday,
    Weekly,
    Monthly,
}

const PRESETS: [(&str, Preset); 4] = [
    ("every_day", Preset::EveryDay),
    ("every_weekday", Preset::EveryWeekday),
    ("weekly", Preset::Weekly),
    ("monthly", Preset::Monthly),
];

pub(super) fn read(mut section: Section<'_>) -> Option<Schedule> {
    let schedule = Schedule {
        zone: section.optional_text("zone").unwrap_or_else(|| "UTC".to_owned()),
        missed: section
            .word("missed", &[("once", Missed::Once), ("skip", Missed::Skip)])
            .unwrap_or(Missed::Once),
        // Where there is none, its zone is looked at all the same.
        when: when(&mut section).unwrap_or(When::EveryDay(0, 0)),
    };
    for (key, advice) in Timetable::of(&schedule).err().into_iter().flatten() {
        section.problem(key, advice);
    }
    section.finish();
    Some(schedule)
}

fn when(section: &mut Section<'_>) -> Option<When> {
    let cron = section.optional_text("cron");
    let is_preset = section.given("preset", |_, _, _| ()).is_some();
    let preset = section.word("preset", &PRESETS);
    let at = section.given("at", |value, path, problems| {
        let at = value.as_str().and_then(clock);
        if at.is_none() {
            problems.add(path, "must be a time of the day such as \"06:30\"");
        }
        at.unwrap_or_default()
    });
    let day = section.given("day", |value, _, _| value.clone());
    if cron.is_some() {
        let beside = [("preset", is_preset), ("at", at.is_some()), ("day", day.is_some())];
        for (key, _) in beside.into_iter().filter(|(_, is_given)| *is_given) {
            section.problem(key, "stands beside cron; take one of the two");
        }
        return cron.map(When::Cron);
    }
    if !is_preset {
        section.problem("cron", "is missing; give a line such as \"0 6 * * mon-fri\", or a preset");
        return None;
    }
    let preset = preset?;
    if at.is_none() {
        section.problem("at", "is missing; it must be a time of the day such as \"06:30\"");
    }
    let (hour, minute) = at.unwrap_or_default();
    match preset {
        Preset::EveryDay | Preset::EveryWeekday if day.is_some() => {
            section.problem("day", "belongs to the presets weekly and monthly; remove it");
            None
        }
        Preset::EveryDay => Some(When::EveryDay(hour, minute)),
        Preset::EveryWeekday => Some(When::EveryWeekday(hour, minute)),
        Preset::Weekly => {
            let found = day.as_ref().and_then(weekday);
            needed(section, found, "one of mon, tue, wed, thu, fri, sat, sun")
                .map(|day| When::Weekly(day, hour, minute))
        }
        Preset::Monthly => {
            let found = day.as_ref().and_then(month_day);
            needed(section, found, "1 to 28, or \"last\": no other is in every month")
                .map(|day| When::Monthly(day, hour, minute))
        }
    }
}

fn needed(section: &mut Section<'_>, day: Option<u8>, want: &str) -> Option<u8> {
    if day.is_none() {
        section.problem("day", format_args!("must be {want}"));
    }
    day
}

fn weekday(value: &Value) -> Option<u8> {
    let text = value.as_str()?.to_ascii_lowercase();
    let day = DAYS.iter().position(|day| *day == text)?;
    u8::try_from(day).ok()
}

fn month_day(value: &Value) -> Option<u8> {
    match value {
        Value::String(text) if text == "last" => Some(31),
        _ => value.as_integer().and_then(|day| u8::try_from(day).ok()).filter(|day| (1..=28).contains(day)),
    }
}

/// `06:30`.
fn clock(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| -> Option<u8> {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok() } else { None }
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}
