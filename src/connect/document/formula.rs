//! Fields that are worked out of others: by cases, or by a closed set of functions.

use super::filter::{Filter, Literal};

/// A function of a formula. Each is null where an argument is, but [`Function::Concat`] and [`Function::Coalesce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Texts one after the other; those that are null are left out.
    Concat,
    /// In capital letters.
    Upper,
    /// In small letters.
    Lower,
    /// Without blanks around it.
    Trim,
    /// The first so many characters.
    Left,
    /// The last so many.
    Right,
    /// From a character, counted from 1, so many.
    Substring,
    /// How many characters.
    Length,
    /// With every occurrence of a text replaced by another one.
    Replace,
    /// The first that is not null.
    Coalesce,
    /// The sum.
    Add,
    /// The difference.
    Subtract,
    /// The product.
    Multiply,
    /// The quotient; null where it is by 0.
    Divide,
    /// To so many decimals (0), halves away from zero.
    Round,
    /// Whole days from one day or moment to another.
    DaysBetween,
    /// The day that a text names, or on which a moment is in UTC.
    ToDate,
    /// The number that a text is; null where it is none.
    ToNumber,
}

impl Function {
    /// As documents name them, with the least and the most arguments.
    pub const WORDS: [(&'static str, Function, usize, usize); 18] = [
        ("concat", Function::Concat, 1, 20),
        ("upper", Function::Upper, 1, 1),
        ("lower", Function::Lower, 1, 1),
        ("trim", Function::Trim, 1, 1),
        ("left", Function::Left, 2, 2),
        ("right", Function::Right, 2, 2),
        ("substring", Function::Substring, 3, 3),
        ("length", Function::Length, 1, 1),
        ("replace", Function::Replace, 3, 3),
        ("coalesce", Function::Coalesce, 1, 20),
        ("add", Function::Add, 2, 20),
        ("subtract", Function::Subtract, 2, 2),
        ("multiply", Function::Multiply, 2, 20),
        ("divide", Function::Divide, 2, 2),
        ("round", Function::Round, 1, 2),
        ("days_between", Function::DaysBetween, 2, 2),
        ("to_date", Function::ToDate, 1, 1),
        ("to_number", Function::ToNumber, 1, 1),
    ];
}

/// A function of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// Which.
    pub function: Function,
    /// Of what.
    pub args: Vec<Operand>,
}

/// A value, where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// It stands in the document.
    Value(Literal),
    /// It is that of a field.
    Field(String),
    /// It is that of a formula.
    Formula(Box<Formula>),
}

/// A case of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// When it is this one.
    pub filter: Filter,
    /// The value then.
    pub then: Operand,
}

/// How a field is worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By the first case that holds.
    Cases {
        /// The cases.
        cases: Vec<Case>,
        /// The value where none holds; none: null.
        otherwise: Option<Operand>,
    },
    /// By a formula.
    Formula(Formula),
}

/// A new field of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Name of a dataset, or of a merge.
    pub dataset: String,
    /// Name of the new field. Later transforms may use it.
    pub field: String,
    /// How it is worked out.
    pub rule: Rule,
}
