//! Which rows are asked for: as COQL and as criteria of a bulk read. Pure.
//!
//! Of a dataset's filter only those conditions go along that Zoho decides as Weir does: on days, moments, numbers and
//! choices. Texts are compared with the outer blanks and the letter case that Weir knows, after reading.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::zoned;
use super::metadata::{Field, Form};
use super::plan::{Part, TIME, find};
use crate::connect::cell::{self, CellType};
use crate::connect::document::{Comparison, Condition, Filter, Literal};
use crate::connect::expression::Expression;

/// What rows have to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criteria {
    /// A field compares so with values.
    Test(String, Is, Vec<Operand>),
    /// All of them hold.
    All(Vec<Criteria>),
    /// One of them does.
    Any(Vec<Criteria>),
}

/// How a field compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// `=`
    Equal,
    /// `in`
    In,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `between`
    Between,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// In quotes.
    Text(String),
    /// Without.
    Bare(String),
}

/// Most values of `in`, and most criteria of a filter: with those of the window they stay within 25.
const MOST_VALUES: usize = 50;
const MOST: usize = 18;

impl Criteria {
    /// All of these.
    pub fn all(criteria: impl IntoIterator<Item = Criteria>) -> Criteria {
        Criteria::All(criteria.into_iter().collect())
    }

    /// Changed then or later.
    pub fn since(moment: Timestamp) -> Criteria {
        Criteria::Test(TIME.to_owned(), Is::GreaterOrEqual, vec![Operand::Text(zoned(moment))])
    }

    /// Changed later.
    pub fn after(moment: Timestamp) -> Criteria {
        Criteria::Test(TIME.to_owned(), Is::Greater, vec![Operand::Text(zoned(moment))])
    }

    /// Changed before.
    pub fn until(moment: Timestamp) -> Criteria {
        Criteria::Test(TIME.to_owned(), Is::Less, vec![Operand::Text(zoned(moment))])
    }

    /// With a greater id.
    pub fn beyond(id: &str) -> Criteria {
        Criteria::Test("id".to_owned(), Is::Greater, vec![Operand::Bare(digits(id))])
    }

    /// The part of `filter` that Zoho decides as Weir does, if there is one.
    pub fn of_filter(filter: &Filter, fields: &[Field]) -> Option<Criteria> {
        let criteria = of_expression(&filter.expression, filter, fields)?;
        (criteria.count() <= MOST).then_some(criteria)
    }

    fn count(&self) -> usize {
        match self {
            Criteria::Test(..) => 1,
            Criteria::All(parts) | Criteria::Any(parts) => parts.iter().map(Criteria::count).sum(),
        }
    }

    /// As COQL, which wants brackets around each two.
    pub fn coql(&self) -> String {
        let pairs = |parts: &[Criteria], word: &str| {
            let joined = parts.iter().map(Criteria::coql);
            joined.reduce(|left, right| format!("({left} {word} {right})")).unwrap_or_default()
        };
        match self {
            Criteria::All(parts) => pairs(parts, "and"),
            Criteria::Any(parts) => pairs(parts, "or"),
            Criteria::Test(field, is, values) => {
                let values: Vec<_> = values.iter().map(Operand::coql).collect();
                match is {
                    Is::In => format!("{field} in ({})", values.join(",")),
                    Is::Between => format!("{field} between {}", values.join(" and ")),
                    is => format!("{field} {} {}", is.sign(), values.join("")),
                }
            }
        }
    }

    /// As criteria of a bulk read.
    pub fn bulk(&self) -> Value {
        match self {
            Criteria::All(parts) | Criteria::Any(parts) if parts.len() == 1 => {
                parts.first().map(Criteria::bulk).unwrap_or_default()
            }
            Criteria::All(parts) => json!({"group_operator": "and",
                "group": parts.iter().map(Criteria::bulk).collect::<Vec<_>>()}),
            Criteria::Any(parts) => json!({"group_operator": "or",
                "group": parts.iter().map(Criteria::bulk).collect::<Vec<_>>()}),
            Criteria::Test(field, is, values) => {
                let values: Vec<_> = values.iter().map(|value| json!(value.text())).collect();
                let value = match (is, values.as_slice()) {
                    (Is::In | Is::Between, _) => Value::Array(values),
                    (_, [value, ..]) => value.clone(),
                    (_, []) => Value::Null,
                };
                json!({"field": {"api_name": field}, "comparator": is.word(), "value": value})
            }
        }
    }
}

impl Is {
    fn sign(self) -> &'static str {
        match self {
            Is::Equal => "=",
            Is::Less => "<",
            Is::LessOrEqual => "<=",
            Is::Greater => ">",
            Is::GreaterOrEqual => ">=",
            Is::In => "in",
            Is::Between => "between",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Is::Equal => "equal",
            Is::Less => "less_than",
            Is::LessOrEqual => "less_equal",
            Is::Greater => "greater_than",
            Is::GreaterOrEqual => "greater_equal",
            Is::In => "in",
            Is::Between => "between",
        }
    }
}

impl Operand {
    fn text(&self) -> &str {
        match self {
            Operand::Text(text) | Operand::Bare(text) => text,
        }
    }

    fn coql(&self) -> String {
        match self {
            Operand::Text(text) => format!("'{text}'"),
            Operand::Bare(text) => text.clone(),
        }
    }
}

/// What of an id may stand in a query.
fn digits(id: &str) -> String {
    id.chars().filter(char::is_ascii_digit).collect()
}

/// Of conditions that all have to hold, those that can go along; of such of which one has to, all or none.
fn of_expression(expression: &Expression, filter: &Filter, fields: &[Field]) -> Option<Criteria> {
    match expression {
        Expression::Letter(letter) => of_condition(filter.conditions.get(letter)?, fields),
        Expression::All(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(|part| of_expression(part, filter, fields)).collect();
            (!parts.is_empty()).then_some(Criteria::All(parts))
        }
        Expression::Any(parts) => {
            let parts: Option<Vec<_>> =
                parts.iter().map(|part| of_expression(part, filter, fields)).collect();
            parts.filter(|parts| !parts.is_empty()).map(Criteria::Any)
        }
    }
}

fn of_condition(condition: &Condition, fields: &[Field]) -> Option<Criteria> {
    let (field, part) = find(fields, &condition.field)?;
    let is = match condition.is {
        Comparison::Equals => Is::Equal,
        Comparison::In => Is::In,
        Comparison::Less => Is::Less,
        Comparison::LessOrEqual => Is::LessOrEqual,
        Comparison::Greater => Is::Greater,
        Comparison::GreaterOrEqual => Is::GreaterOrEqual,
        Comparison::Between => Is::Between,
        // On an empty value those hold here and not there, or the other way round; and texts compare otherwise.
        Comparison::NotEquals
        | Comparison::NotIn
        | Comparison::Contains
        | Comparison::StartsWith
        | Comparison::EndsWith
        | Comparison::IsNull
        | Comparison::IsNotNull => return None,
    };
    let is_fine = part == Part::Value && field.form == Form::Plain && !condition.values.is_empty();
    let is_equality = matches!(is, Is::Equal | Is::In);
    if !is_fine || field.is_unseen || condition.values.len() > MOST_VALUES {
        return None;
    }
    let values =
        condition.values.iter().map(|value| operand(field, is_equality, value)).collect::<Option<_>>()?;
    Some(Criteria::Test(field.name.clone(), is, values))
}

fn operand(field: &Field, is_equality: bool, value: &Literal) -> Option<Operand> {
    match (field.kind, value) {
        (CellType::Number, Literal::Number(number)) => cell::as_number(number).map(Operand::Bare),
        (CellType::Date, Literal::Text(text)) => {
            let day = cell::as_date(text).filter(|day| day.to_string() == text.trim())?;
            Some(Operand::Text(day.to_string()))
        }
        // Zoho compares whole seconds.
        (CellType::Time, Literal::Text(text)) => {
            let moment = cell::as_time(text).filter(|_| text.contains(['T', ' ']))?;
            (moment.subsec_nanosecond() == 0).then(|| Operand::Text(zoned(moment)))
        }
        (CellType::Text, Literal::Text(text)) if is_equality && field.name == "id" => {
            let is_id = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_id.then(|| Operand::Bare(text.clone()))
        }
        (CellType::Text, Literal::Text(text)) if is_equality => {
            // Zoho's pages and its clients write quotes within quotes in two ways.
            let is_plain = text.trim() == text && !text.contains(['\'', '"', '\\']);
            (is_plain && field.choices.contains(text)).then(|| Operand::Text(text.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fields() -> Vec<Field> {
        vec![
            Field::plain("id", CellType::Text),
            Field::plain("Subject", CellType::Text),
            Field::plain("Amount", CellType::Number),
            Field::plain("Closing_Date", CellType::Date),
            Field::plain(TIME, CellType::Time),
            Field {
                choices: ["Lost", "Won", "Won 'er"].map(str::to_owned).to_vec(),
                ..Field::plain("Stage", CellType::Text)
            },
            Field { is_unseen: true, ..Field::plain("Score", CellType::Number) },
        ]
    }

    fn filter(expression: &str, conditions: &[(char, &str, Comparison, &[Literal])]) -> Filter {
        let conditions: BTreeMap<_, _> = conditions
            .iter()
            .map(|(letter, field, is, values)| {
                (*letter, Condition { field: (*field).to_owned(), is: *is, values: values.to_vec() })
            })
            .collect();
        let letters = conditions.keys().copied().collect();
        Filter { expression: Expression::read(expression, &letters).unwrap(), conditions }
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    #[test]
    fn each_two_criteria_stand_in_brackets() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, to) = (moment("2026-01-01T00:00:00.9Z"), moment("2026-01-02T00:00:00Z"));
        let next = Criteria::Any(vec![Criteria::after(from), Criteria::beyond("365;2")]);
        let criteria = Criteria::all([Criteria::since(from), next, Criteria::until(to)]);
        assert_eq!(
            criteria.coql(),
            "((Modified_Time >= '2026-01-01T00:00:00+00:00' and (Modified_Time > '2026-01-01T00:00:00+00:00' or id > \
             3652)) and Modified_Time < '2026-01-02T00:00:00+00:00')"
        );
        let bulk = Criteria::all([Criteria::until(to)]).bulk();
        assert_eq!(
            bulk.to_string(),
            r#"{"comparator":"less_than","field":{"api_name":"Modified_Time"},"value":"2026-01-02T00:00:00+00:00"}"#
        );
    }

    #[test]
    fn only_what_zoho_decides_as_weir_does_goes_along() {
        let amount = ('A', "Amount", Comparison::Greater, &[Literal::Number("5.50".to_owned())][..]);
        let subject = ('B', "Subject", Comparison::Equals, &[text("x")][..]);
        let stage = ('C', "Stage", Comparison::In, &[text("Lost"), text("Won")][..]);
        let pushed = |expression: &str, conditions: &[(char, &str, Comparison, &[Literal])]| {
            Criteria::of_filter(&filter(expression, conditions), &fields()).map(|criteria| criteria.coql())
        };
        assert_eq!(pushed("A AND B", &[amount, subject]).as_deref(), Some("Amount > 5.5"));
        assert_eq!(pushed("A OR B", &[amount, subject]), None, "the other half would be lost");
        assert_eq!(
            pushed("A AND C", &[amount, stage]).as_deref(),
            Some("(Amount > 5.5 and Stage in ('Lost','Won'))")
        );
        for (field, is, value) in [
            ("Stage", Comparison::Equals, text("gone")),
            ("Stage", Comparison::Equals, text("Won 'er")),
            ("Stage", Comparison::NotEquals, text("Won")),
            ("Stage", Comparison::Less, text("Won")),
            ("Score", Comparison::Equals, Literal::Number("1".to_owned())),
            ("Amount", Comparison::Equals, text("1")),
            ("Modified_Time", Comparison::Less, text("2026-01-01")),
            ("Nothing", Comparison::Equals, text("1")),
        ] {
            assert_eq!(pushed("A", &[('A', field, is, &[value][..])]), None, "{field} {is:?}");
        }
        let day = ('A', "Closing_Date", Comparison::Between, &[text("2026-01-01"), text("2026-02-01")][..]);
        assert_eq!(
            pushed("A", &[day]).as_deref(),
            Some("Closing_Date between '2026-01-01' and '2026-02-01'")
        );
    }
}
