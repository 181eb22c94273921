//! Exact decimal numbers of any length: what formulas and comparisons calculate with. Pure.
//!
//! Own code, since a type of fixed width would lose digits of long numbers, and big integers with a scale beside them
//! would be most of this again. Digits one by one are plenty for numbers as people write them.

use std::cmp::Ordering;
use std::fmt;

/// Decimals to which a division is worked out.
pub const QUOTIENT_DECIMALS: usize = 20;
/// Most digits that a result may have: a longer one is none, so that no formula takes memory without bounds.
pub const MOST_DIGITS: usize = 400;

/// A number as text, without what says nothing: what two numbers are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'t> {
    is_negative: bool,
    /// Without zeros before it.
    whole: &'t str,
    /// Without zeros behind it.
    fraction: &'t str,
}

impl<'t> Parts<'t> {
    /// Digits, perhaps with a sign before them and a point between them.
    fn read(text: &'t str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_digits = !(whole.is_empty() && fraction.is_empty());
        if !has_digits || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        Some(Parts {
            is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    fn order(self, other: Parts<'_>) -> Ordering {
        let by_size = |one: Parts<'_>, two: Parts<'_>| {
            let by_length = one.whole.len().cmp(&two.whole.len());
            by_length.then_with(|| one.whole.cmp(two.whole)).then_with(|| one.fraction.cmp(two.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, false) => by_size(self, other),
            (true, true) => by_size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Which of two numbers is greater. None: one of them is none, written with digits and perhaps a sign and a point.
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    Some(Parts::read(one)?.order(Parts::read(other)?))
}

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    /// The lowest first.
    digits: Vec<u8>,
    /// How many of them stand behind the point.
    scale: usize,
}

impl Decimal {
    /// Reads digits, perhaps with a sign before them and a point between them.
    pub fn read(text: &str) -> Option<Self> {
        let parts = Parts::read(text)?;
        let digits = [parts.whole, parts.fraction].concat();
        if digits.len() > MOST_DIGITS {
            return None;
        }
        let digits = digits.bytes().rev().map(|byte| byte - b'0').collect();
        Some(Decimal { is_negative: parts.is_negative, digits, scale: parts.fraction.len() }.plain())
    }

    /// Without digits that say nothing.
    fn plain(mut self) -> Self {
        trim(&mut self.digits);
        let zeros = self.digits.iter().take(self.scale).take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros.min(self.digits.len()));
        self.scale -= zeros;
        if self.digits.is_empty() {
            return Decimal { is_negative: false, digits: Vec::new(), scale: 0 };
        }
        self
    }

    /// None if it has too many digits.
    fn bounded(self) -> Option<Self> {
        (self.digits.len().max(self.scale) <= MOST_DIGITS).then_some(self)
    }

    /// Its digits with at least `scale` behind the point.
    fn at(&self, scale: usize) -> Vec<u8> {
        let mut digits = vec![0; scale.saturating_sub(self.scale)];
        digits.extend_from_slice(&self.digits);
        digits
    }

    fn negative(&self) -> Self {
        Decimal { is_negative: !self.is_negative, ..self.clone() }.plain()
    }

    /// The sum.
    pub fn add(&self, other: &Decimal) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let (one, two) = (self.at(scale), other.at(scale));
        let (is_negative, digits) = if self.is_negative == other.is_negative {
            (self.is_negative, sum(&one, &two))
        } else if order(&one, &two) == Ordering::Less {
            (other.is_negative, difference(&two, &one))
        } else {
            (self.is_negative, difference(&one, &two))
        };
        Decimal { is_negative, digits, scale }.plain().bounded()
    }

    /// The difference.
    pub fn subtract(&self, other: &Decimal) -> Option<Self> {
        self.add(&other.negative())
    }

    /// The product.
    pub fn multiply(&self, other: &Decimal) -> Option<Self> {
        let digits = product(&self.digits, &other.digits);
        let is_negative = self.is_negative != other.is_negative;
        Decimal { is_negative, digits, scale: self.scale + other.scale }.plain().bounded()
    }

    /// The quotient to [`QUOTIENT_DECIMALS`], halves away from zero. None by 0.
    pub fn divide(&self, other: &Decimal) -> Option<Self> {
        if other.digits.is_empty() {
            return None;
        }
        // One decimal more decides how it is rounded, whatever comes behind it.
        let scale = QUOTIENT_DECIMALS + 1;
        let shifted = self.at((scale + other.scale).max(self.scale));
        let cut = (self.scale).saturating_sub(scale + other.scale);
        let digits = quotient(shifted.get(cut..).unwrap_or_default(), &other.digits);
        let is_negative = self.is_negative != other.is_negative;
        Decimal { is_negative, digits, scale }.plain().round(QUOTIENT_DECIMALS)
    }

    /// With at most so many decimals, halves away from zero.
    pub fn round(&self, decimals: usize) -> Option<Self> {
        let cut = self.scale.saturating_sub(decimals);
        if cut == 0 {
            return self.clone().bounded();
        }
        let is_up = self.digits.get(cut - 1).is_some_and(|digit| *digit >= 5);
        let mut digits = self.digits.get(cut..).unwrap_or_default().to_vec();
        if is_up {
            digits = sum(&digits, &[1]);
        }
        Decimal { is_negative: self.is_negative, digits, scale: self.scale - cut }.plain().bounded()
    }

    /// It as a count; none where it is none, or too large for one.
    pub fn count(&self) -> Option<usize> {
        if self.scale > 0 {
            return None;
        }
        self.to_string().parse().ok()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.digits.len() + 3);
        if self.is_negative {
            text.push('-');
        }
        for place in (0..self.digits.len().max(self.scale + 1)).rev() {
            if place + 1 == self.scale {
                text.push('.');
            }
            text.push(char::from(b'0' + self.digits.get(place).copied().unwrap_or_default()));
        }
        out.write_str(&text)
    }
}

// Digits of whole numbers without a sign, the lowest first.

fn trim(digits: &mut Vec<u8>) {
    let length = digits.iter().rposition(|digit| *digit != 0).map_or(0, |place| place + 1);
    digits.truncate(length);
}

fn order(one: &[u8], two: &[u8]) -> Ordering {
    let places = (0..one.len().max(two.len())).rev();
    let at = |digits: &[u8], place| digits.get(place).copied().unwrap_or_default();
    let by_place = places.map(|place| at(one, place).cmp(&at(two, place)));
    by_place.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn sum(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(one.len().max(two.len()) + 1);
    let mut carry = 0;
    for place in 0..one.len().max(two.len()) {
        let both = carry + one.get(place).copied().unwrap_or(0) + two.get(place).copied().unwrap_or(0);
        digits.push(both % 10);
        carry = both / 10;
    }
    digits.push(carry);
    digits
}

/// `one` without `two`, which is not greater.
fn difference(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(one.len());
    let mut borrowed = 0;
    for (place, digit) in one.iter().enumerate() {
        let less = two.get(place).copied().unwrap_or(0) + borrowed;
        borrowed = u8::from(*digit < less);
        digits.push(digit + 10 * borrowed - less);
    }
    digits
}

fn product(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut digits = vec![0_u8; one.len() + two.len()];
    for (place, digit) in one.iter().enumerate() {
        let mut carry = 0;
        for (at, sum) in digits.iter_mut().skip(place).enumerate() {
            let more = digit * two.get(at).copied().unwrap_or(0) + carry + *sum;
            *sum = more % 10;
            carry = more / 10;
        }
    }
    digits
}

/// How often `by`, which is not 0, is in `digits`.
fn quotient(digits: &[u8], by: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(digits.len());
    let mut rest: Vec<u8> = Vec::new();
    for digit in digits.iter().rev() {
        rest.insert(0, *digit);
        trim(&mut rest);
        let mut times = 0;
        while order(&rest, by) != Ordering::Less {
            rest = difference(&rest, by);
            trim(&mut rest);
            times += 1;
        }
        found.push(times);
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    fn text(result: Option<Decimal>) -> String {
        result.map_or("none".to_owned(), |result| result.to_string())
    }

    #[test]
    fn numbers_are_read_and_written_without_what_says_nothing() {
        for (read, written) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007.50", "7.5"),
            (".5", "0.5"),
            ("-.05", "-0.05"),
            ("+3.", "3"),
            ("100", "100"),
            ("12345678901234567890123.10", "12345678901234567890123.1"),
        ] {
            assert_eq!(of(read).to_string(), written, "{read}");
        }
        for wrong in ["", "-", ".", "1e3", "1,5", "--1", "1.2.3", " 1", "\u{661}"] {
            assert_eq!(Decimal::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn arithmetic_is_exact_and_rounds_halves_away_from_zero() {
        assert_eq!(text(of("0.1").add(&of("0.2"))), "0.3");
        assert_eq!(text(of("99999999999999999999999").add(&of("1"))), "100000000000000000000000");
        assert_eq!(text(of("1").subtract(&of("1.50"))), "-0.5");
        assert_eq!(text(of("-1.5").multiply(&of("0.02"))), "-0.03");
        assert_eq!(text(of("1").divide(&of("3"))), "0.33333333333333333333");
        assert_eq!(text(of("-2").divide(&of("3"))), "-0.66666666666666666667");
        assert_eq!(text(of("1").divide(&of("0.004"))), "250");
        assert_eq!(text(of("1").divide(&of("0"))), "none");
        for (number, decimals, rounded) in
            [("2.5", 0, "3"), ("-2.5", 0, "-3"), ("2.449", 1, "2.4"), ("0.05", 1, "0.1"), ("7", 3, "7")]
        {
            assert_eq!(text(of(number).round(decimals)), rounded, "{number}");
        }
    }

    #[test]
    fn a_result_with_too_many_digits_is_none() {
        let long = of(&"9".repeat(MOST_DIGITS));
        assert_eq!(long.add(&of("1")), None);
        assert_eq!(long.multiply(&long), None);
        assert_eq!(Decimal::read(&"9".repeat(MOST_DIGITS + 1)), None);
    }

    /// A number as an integer and how many of its digits are decimals.
    fn number() -> impl Strategy<Value = (BigInt, usize)> {
        (any::<bool>(), proptest::collection::vec(0_u8..10, 1..60), 0_usize..30).prop_map(
            |(is_negative, digits, scale)| {
                let digits: String = digits.iter().map(ToString::to_string).collect();
                let integer: BigInt = digits.parse().unwrap();
                (if is_negative { -integer } else { integer }, scale)
            },
        )
    }

    fn ten(to_the: usize) -> BigInt {
        BigInt::from(10).pow(u32::try_from(to_the).unwrap())
    }

    fn decimal((integer, scale): &(BigInt, usize)) -> Decimal {
        let (sign, digits) = match integer.to_string().strip_prefix('-') {
            Some(digits) => ("-", digits.to_owned()),
            None => ("", integer.to_string()),
        };
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        of(&format!("{sign}{whole}.{fraction}0"))
    }

    /// `dividend` by `divisor`, halves away from zero.
    fn rounded(dividend: &BigInt, divisor: &BigInt) -> BigInt {
        let (zero, two) = (BigInt::from(0), BigInt::from(2));
        let is_negative = (*dividend < zero) != (*divisor < zero);
        let size = |number: &BigInt| if *number < zero { -number } else { number.clone() };
        let quotient = (size(dividend) * &two + size(divisor)) / (size(divisor) * &two);
        if is_negative { -quotient } else { quotient }
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_big_integers(one in number(), two in number(), decimals in 0_usize..40) {
            let (a, b) = (decimal(&one), decimal(&two));
            let scale = one.1.max(two.1);
            let (x, y) = (&one.0 * ten(scale - one.1), &two.0 * ten(scale - two.1));
            prop_assert_eq!(a.add(&b).unwrap(), decimal(&(&x + &y, scale)));
            prop_assert_eq!(a.subtract(&b).unwrap(), decimal(&(&x - &y, scale)));
            prop_assert_eq!(a.multiply(&b).unwrap(), decimal(&(&one.0 * &two.0, one.1 + two.1)));
            prop_assert_eq!(compare(&a.to_string(), &b.to_string()), Some(x.cmp(&y)));
            if y == BigInt::from(0) {
                prop_assert_eq!(a.divide(&b), None);
            } else {
                let quotient = rounded(&(&x * ten(QUOTIENT_DECIMALS)), &y);
                prop_assert_eq!(a.divide(&b).unwrap(), decimal(&(quotient, QUOTIENT_DECIMALS)));
            }
            let cut = one.1.saturating_sub(decimals);
            let all = rounded(&one.0, &ten(cut));
            prop_assert_eq!(a.round(decimals).unwrap(), decimal(&(all, one.1 - cut)));
        }
    }
}
