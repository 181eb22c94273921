//! What the functions of formulas give, cell by cell. Pure.
//!
//! Arithmetic is decimal and exact; a quotient has 20 decimals, and a result of over 400 digits is null. Lengths and
//! places count characters. Blanks around a text go when it becomes the value of a field, not within a formula.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::connect::cell;
use crate::connect::decimal::Decimal;
use crate::connect::document::Function;

/// A value while a formula is worked out.
pub type Value<'a> = Option<Cow<'a, str>>;

/// What `function` gives of `args`, of which there are as many as it takes.
pub fn apply<'a>(function: Function, args: &[Option<&'a str>]) -> Value<'a> {
    match function {
        Function::Concat => {
            let joined: String = args.iter().flatten().copied().collect();
            return Some(Cow::Owned(joined)).filter(|joined: &Cow<'_, str>| !joined.is_empty());
        }
        Function::Coalesce => {
            return args.iter().flatten().find(|text| !text.is_empty()).copied().map(Cow::Borrowed);
        }
        _ => {}
    }
    let args: Vec<&str> = args.iter().copied().collect::<Option<_>>()?;
    match function {
        Function::Add | Function::Subtract | Function::Multiply | Function::Divide | Function::Round => {
            calculated(function, &args).map(|result| Cow::Owned(result.to_string()))
        }
        Function::DaysBetween => days_between(&args).map(|days| Cow::Owned(days.to_string())),
        Function::ToDate => day_of(args.first()?).map(|day| Cow::Owned(day.to_string())),
        Function::ToNumber => cell::as_number(args.first()?).map(Cow::Owned),
        _ => text(function, &args),
    }
}

fn text<'a>(function: Function, args: &[&'a str]) -> Value<'a> {
    let text = *args.first()?;
    let count = |at: usize| args.get(at).and_then(|count| Decimal::read(count));
    Some(match function {
        Function::Upper => Cow::Owned(text.to_uppercase()),
        Function::Lower => Cow::Owned(text.to_lowercase()),
        Function::Trim => Cow::Borrowed(text.trim()),
        Function::Left => Cow::Borrowed(part(text, 0, length(&count(1)?)?)),
        Function::Right => {
            let from = text.chars().count().saturating_sub(length(&count(1)?)?);
            Cow::Borrowed(part(text, from, usize::MAX))
        }
        Function::Substring => {
            let from = length(&count(1)?)?.saturating_sub(1);
            Cow::Borrowed(part(text, from, length(&count(2)?)?))
        }
        Function::Length => Cow::Owned(text.chars().count().to_string()),
        Function::Replace => match args {
            [_, "", _] => Cow::Borrowed(text),
            [_, what, by] => Cow::Owned(text.replace(what, by)),
            _ => return None,
        },
        _ => return None,
    })
}

/// `count` as a number of characters: none where it has decimals, 0 where it is negative.
fn length(count: &Decimal) -> Option<usize> {
    if count.to_string().starts_with('-') { Some(0) } else { count.count() }
}

/// So many characters of `text` behind the first `from`.
fn part(text: &str, from: usize, count: usize) -> &str {
    let at = |text: &str, place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    let behind = text.get(at(text, from)..).unwrap_or_default();
    behind.get(..at(behind, count)).unwrap_or_default()
}

fn calculated(function: Function, args: &[&str]) -> Option<Decimal> {
    let numbers: Vec<Decimal> = args.iter().map(|text| Decimal::read(text)).collect::<Option<_>>()?;
    let (first, others) = numbers.split_first()?;
    if function == Function::Round {
        let decimals = others.first().map_or(Some(0), Decimal::count)?;
        return first.round(decimals);
    }
    others.iter().try_fold(first.clone(), |result, number| match function {
        Function::Add => result.add(number),
        Function::Subtract => result.subtract(number),
        Function::Multiply => result.multiply(number),
        Function::Divide => result.divide(number),
        _ => None,
    })
}

/// Whole days from the one day or moment to the other; a day begins at midnight in UTC.
fn days_between(args: &[&str]) -> Option<i64> {
    let [from, to] = args else { return None };
    Some(cell::as_time(to)?.duration_since(cell::as_time(from)?).as_hours() / 24)
}

/// The day that `text` names, or on which the moment that it names is in UTC.
fn day_of(text: &str) -> Option<Date> {
    Some(cell::as_time(text)?.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(function: Function, args: &[&str]) -> String {
        let args: Vec<Option<&str>> = args.iter().map(|arg| (*arg != "null").then_some(*arg)).collect();
        apply(function, &args).map_or("null".to_owned(), Cow::into_owned)
    }

    #[test]
    fn each_function_gives_what_its_name_says() {
        for (function, args, result) in [
            (Function::Concat, &["Ada", "null", " ", "Lovelace"][..], "Ada Lovelace"),
            (Function::Concat, &["null", "null"], "null"),
            (Function::Coalesce, &["null", "", "b", "c"], "b"),
            (Function::Upper, &["straße"], "STRASSE"),
            (Function::Lower, &["ÄB"], "äb"),
            (Function::Trim, &[" a b "], "a b"),
            (Function::Left, &["Größe", "3"], "Grö"),
            (Function::Left, &["ab", "9"], "ab"),
            (Function::Left, &["ab", "-1"], ""),
            (Function::Right, &["Größe", "3"], "öße"),
            (Function::Right, &["ab", "9"], "ab"),
            (Function::Substring, &["Größe", "2", "3"], "röß"),
            (Function::Substring, &["ab", "0", "1"], "a"),
            (Function::Substring, &["ab", "5", "1"], ""),
            (Function::Length, &["Größe"], "5"),
            (Function::Replace, &["a-b-c", "-", ""], "abc"),
            (Function::Replace, &["abc", "", "-"], "abc"),
            (Function::Add, &["0.1", "0.2", "12345678901234567890123"], "12345678901234567890123.3"),
            (Function::Subtract, &["1", "2.5"], "-1.5"),
            (Function::Multiply, &["1.5", "4"], "6"),
            (Function::Divide, &["1", "8"], "0.125"),
            (Function::Divide, &["1", "0"], "null"),
            (Function::Round, &["2.5"], "3"),
            (Function::Round, &["-2.345", "2"], "-2.35"),
            (Function::DaysBetween, &["2026-02-27", "2026-03-01"], "2"),
            (Function::DaysBetween, &["2026-03-01", "2026-02-27T12:00:00Z"], "-1"),
            (Function::ToDate, &["2026-03-01T23:30:00-02:00"], "2026-03-02"),
            (Function::ToDate, &[" 2026-03-01 "], "2026-03-01"),
            (Function::ToDate, &["03/01/2026"], "null"),
            (Function::ToNumber, &[" 007.10 "], "7.1"),
            (Function::ToNumber, &["seven"], "null"),
        ] {
            assert_eq!(of(function, args), result, "{function:?} {args:?}");
        }
    }

    #[test]
    fn null_with_anything_is_null_but_for_concat_and_coalesce() {
        for (_, function, least, _) in Function::WORDS {
            if matches!(function, Function::Concat | Function::Coalesce) {
                continue;
            }
            for null in 0..least {
                let args: Vec<Option<&str>> = (0..least).map(|at| (at != null).then_some("1")).collect();
                assert_eq!(apply(function, &args), None, "{function:?}");
            }
        }
    }
}
