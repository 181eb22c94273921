//! What the columns of a table hold, guessed from its first rows. Pure.
//!
//! A guess has to fit each of the first [`LOOKED_AT`] rows that has a value there. It changes how values are written
//! (`12.50` becomes `12.5`), so it is made only where nothing is lost by that: a number with leading zeros is an id,
//! and where some values end with a zero behind the point but have not all as many decimals, they are versions.
//! `types` of a connection's settings overrules it.

use crate::connect::cell::{CellType, as_boolean, as_date, as_number, as_time};

/// So many rows are looked at.
pub const LOOKED_AT: usize = 1_000;

/// The guess for one column, which goes on with each value.
#[derive(Clone, Debug, Default)]
pub struct Guess {
    seen: u64,
    numbers: u64,
    booleans: u64,
    dates: u64,
    times: u64,
    emails: u64,
    /// The decimals of all numbers so far, while they are as many.
    decimals: Option<usize>,
    are_decimals_alike: bool,
    has_last_zero: bool,
}

impl Guess {
    /// Looks at a value.
    pub fn add(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        if self.seen == 0 {
            self.are_decimals_alike = true;
        }
        self.seen += 1;
        self.booleans += u64::from(as_boolean(value).is_some());
        self.emails += u64::from(is_email(value));
        let is_date = value.len() == 10 && as_date(value).is_some_and(|day| day.to_string() == value);
        self.dates += u64::from(is_date);
        self.times += u64::from(value.len() >= 16 && as_time(value).is_some());
        if is_plain_number(value) {
            self.numbers += 1;
            let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            self.are_decimals_alike &= *self.decimals.get_or_insert(decimals) == decimals;
            self.has_last_zero |= decimals > 0 && value.ends_with('0');
        }
    }

    /// What the column holds.
    pub fn kind(&self) -> CellType {
        let are_all = |count: u64| self.seen > 0 && count == self.seen;
        if are_all(self.numbers) && (self.are_decimals_alike || !self.has_last_zero) {
            CellType::Number
        } else if are_all(self.booleans) {
            CellType::Boolean
        } else if are_all(self.dates) {
            CellType::Date
        } else if are_all(self.times) {
            CellType::Time
        } else if are_all(self.emails) {
            CellType::Email
        } else {
            CellType::Text
        }
    }
}

/// Digits, perhaps with a sign and a point: no exponent, and no zeros before it.
fn is_plain_number(value: &str) -> bool {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let whole = unsigned.split_once('.').map_or(unsigned, |(whole, _)| whole);
    let is_id = whole.len() > 1 && whole.starts_with('0');
    let is_plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain && !whole.is_empty() && !is_id && !unsigned.ends_with('.') && as_number(value).is_some()
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let is_fine = |part: &str| !part.is_empty() && !part.contains(|letter: char| letter.is_whitespace());
    is_fine(local) && is_fine(domain) && domain.contains('.') && !domain.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_guessed_where_every_value_agrees_and_nothing_is_lost() {
        for (values, kind) in [
            (&["1", "-2", "", "300"][..], CellType::Number),
            (&["12.50", "3.00", "7.25"], CellType::Number),
            (&["12.5", "3", "7.25"], CellType::Number),
            (&["1.9", "1.10", "2.0"], CellType::Text),
            (&["007", "8"], CellType::Text),
            (&["0", "0.5"], CellType::Number),
            (&["1e5"], CellType::Text),
            (&["+1"], CellType::Text),
            (&["1,5"], CellType::Text),
            (&["true", "FALSE"], CellType::Boolean),
            (&["2026-11-30", "2026-12-01"], CellType::Date),
            (&["30.11.2026"], CellType::Text),
            (&["2026-11-30 08:00:00", "2026-11-30T08:00:00+01:00"], CellType::Time),
            (&["a@b.example", "c.d@e.example"], CellType::Email),
            (&["a@b.example", "nobody"], CellType::Text),
            (&["1", "x"], CellType::Text),
            (&["", ""], CellType::Text),
        ] {
            let mut guess = Guess::default();
            values.iter().for_each(|value| guess.add(value));
            assert_eq!(guess.kind(), kind, "{values:?}");
        }
    }
}
