//! A condition against the type of its field.

use super::{Check, Use};
use crate::connect::cell;
use crate::connect::cell::CellType;
use crate::connect::document;
use crate::connect::document::{Comparison, Literal};
use crate::connect::prepare::plan::Condition;

impl Check<'_> {
    pub(super) fn condition(
        &mut self,
        at: usize,
        condition: &document::Condition,
        key: &str,
    ) -> Option<Condition> {
        let column = self.field(at, &condition.field, (&format!("{key}.field"), Use::Condition))?;
        let kind = compared_as(self.kind(at, column), condition);
        if let Some(advice) = unfit(kind, condition.is) {
            self.problems.add(format_args!("{key}.is"), advice);
            return None;
        }
        let mut values = Vec::new();
        for value in &condition.values {
            match value_of(kind, value) {
                Ok(value) => values.push(value),
                Err(want) => {
                    let field = &condition.field;
                    self.problems
                        .add(format_args!("{key}.value"), format_args!("{field} is compared with {want}"));
                }
            }
        }
        (values.len() == condition.values.len()).then_some(Condition {
            column,
            kind,
            is: condition.is,
            values,
        })
    }
}

/// What values of this kind count as in a condition. A text that is ordered against numbers counts as the number that
/// it is, if it is one: a column of a file may be text for the sake of a single value.
fn compared_as(kind: CellType, condition: &document::Condition) -> CellType {
    let is_ordered = matches!(
        condition.is,
        Comparison::Less
            | Comparison::LessOrEqual
            | Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::Between
    );
    let are_numbers = condition.values.iter().all(|value| matches!(value, Literal::Number(_)));
    if kind == CellType::Text && is_ordered && are_numbers { CellType::Number } else { kind }
}

/// Why values of this kind are not compared like this, if they are not.
fn unfit(kind: CellType, is: Comparison) -> Option<&'static str> {
    let is_text = matches!(kind, CellType::Text | CellType::Email);
    match is {
        Comparison::IsNull | Comparison::IsNotNull | Comparison::In | Comparison::NotIn => None,
        Comparison::Contains if kind == CellType::List => None,
        _ if kind == CellType::List => Some(
            "a list of values has contains, in and not_in (one of its values is), is_null and is_not_null",
        ),
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => (!is_text).then_some(
            "only texts have contains, starts_with and ends_with; use equals, in, less or greater",
        ),
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual
        | Comparison::Between => {
            (kind == CellType::Boolean).then_some("true and false have no order; use equals")
        }
        Comparison::Equals | Comparison::NotEquals => None,
    }
}

/// A value of a document as cells of this kind have it, or what it has to be.
pub(super) fn value_of(kind: CellType, value: &Literal) -> Result<String, &'static str> {
    let text = match value {
        Literal::Text(text) | Literal::Number(text) => text.clone(),
        Literal::Boolean(is_true) => is_true.to_string(),
    };
    let (value, want) = match kind {
        CellType::Text | CellType::List => {
            (cell::text(&text), "a text that is not blank; is_null finds empty ones")
        }
        CellType::Email => {
            let email = cell::text(&text).map(|email| email.to_ascii_lowercase());
            (email, "a text that is not blank; is_null finds empty ones")
        }
        CellType::Number => (cell::as_number(&text), "a number"),
        CellType::Boolean => (cell::as_boolean(&text).map(|is_true| is_true.to_string()), "true or false"),
        CellType::Date => (cell::as_date(&text).map(|day| day.to_string()), "a day: \"2026-11-30\""),
        CellType::Time => {
            let time = cell::as_time(&text).map(|time| time.to_string());
            (time, "a time or a day: \"2026-11-30T08:00:00Z\"")
        }
    };
    value.ok_or(want)
}
