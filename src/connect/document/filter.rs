//! Conditions with letters, and an expression over them.

use std::collections::BTreeMap;

use crate::connect::expression::Expression;

/// A value that a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A number, as a [`crate::connect::cell::Cell`] has it.
    Number(String),
    /// `true` or `false`.
    Boolean(bool),
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The field has the value.
    Equals,
    /// It does not; holds where the field is empty.
    NotEquals,
    /// It has one of the values.
    In,
    /// It has none of them; holds where the field is empty.
    NotIn,
    /// The text has the value in it.
    Contains,
    /// It begins with the value.
    StartsWith,
    /// It ends with it.
    EndsWith,
    /// It is less; days and times: before.
    Less,
    /// It is less, or the same.
    LessOrEqual,
    /// It is greater; days and times: after.
    Greater,
    /// It is greater, or the same.
    GreaterOrEqual,
    /// It is one of two values, or between them.
    Between,
    /// There is no value.
    IsNull,
    /// There is one.
    IsNotNull,
}

impl Comparison {
    /// As documents name them.
    pub const WORDS: [(&'static str, Comparison); 14] = [
        ("equals", Comparison::Equals),
        ("not_equals", Comparison::NotEquals),
        ("in", Comparison::In),
        ("not_in", Comparison::NotIn),
        ("contains", Comparison::Contains),
        ("starts_with", Comparison::StartsWith),
        ("ends_with", Comparison::EndsWith),
        ("less", Comparison::Less),
        ("less_or_equal", Comparison::LessOrEqual),
        ("greater", Comparison::Greater),
        ("greater_or_equal", Comparison::GreaterOrEqual),
        ("between", Comparison::Between),
        ("is_null", Comparison::IsNull),
        ("is_not_null", Comparison::IsNotNull),
    ];
}

/// A condition on one field. On an empty value `not_equals`, `not_in` and `is_null` hold, and nothing else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub field: String,
    /// How it is compared.
    pub is: Comparison,
    /// With what: none for [`Comparison::IsNull`] and [`Comparison::IsNotNull`], two for [`Comparison::Between`], any
    /// number for [`Comparison::In`] and [`Comparison::NotIn`], one for others.
    pub values: Vec<Literal>,
}

/// Conditions, and how they go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Over the letters of the conditions.
    pub expression: Expression,
    /// By their letters, `A` to `Z`.
    pub conditions: BTreeMap<char, Condition>,
}
