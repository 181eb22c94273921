//! Values of cases and formulas: a literal, `{ field = "…" }`, or `{ fn = "…", args = […] }`.

use toml::{Table, Value};

use super::shape::Shape;
use crate::config::problems::Problems;
use crate::config::section::{Section, nearest};
use crate::connect::document::{Formula, Function, Literal, Operand};

/// Deepest nesting of formulas.
const DEEPEST: usize = 10;
/// What an operand may be.
const OPERAND: &str =
    "must be a text, a number, true, false, { field = \"…\" } or { fn = \"…\", args = […] }";

/// The literal that `value` is.
pub(super) fn literal(value: &Value) -> Option<Literal> {
    match value {
        Value::String(text) => Some(Literal::Text(text.clone())),
        Value::Integer(number) => Some(Literal::Number(number.to_string())),
        // Without an exponent; there is no -0.
        Value::Float(number) => Some(Literal::Number((number + 0.0).to_string())),
        Value::Boolean(flag) => Some(Literal::Boolean(*flag)),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Reads operands over the fields of one dataset.
pub(super) struct Operands<'a> {
    /// Its fields.
    pub shape: &'a Shape,
    /// Where problems go.
    pub problems: &'a mut Problems,
}

impl Operands<'_> {
    /// The operand that `value` is.
    pub fn operand(&mut self, value: &Value, path: String) -> Option<Operand> {
        self.nested(value, path, 0)
    }

    /// The formula in `value`.
    pub fn formula(&mut self, value: &Value, path: String) -> Option<Formula> {
        match self.nested(value, path.clone(), 0)? {
            Operand::Formula(formula) => Some(*formula),
            Operand::Value(_) | Operand::Field(_) => {
                self.problems.add(path, "must be { fn = \"…\", args = […] }");
                None
            }
        }
    }

    fn nested(&mut self, value: &Value, path: String, depth: usize) -> Option<Operand> {
        let Some(table) = value.as_table() else {
            let literal = literal(value);
            if literal.is_none() {
                self.problems.add(path, OPERAND);
            }
            return literal.map(Operand::Value);
        };
        if depth == DEEPEST {
            self.problems.add(
                path,
                format_args!("is nested deeper than {DEEPEST} formulas; use a transform for a part"),
            );
            return None;
        }
        match (table.contains_key("field"), table.contains_key("fn")) {
            (true, false) => self.field(table, path),
            (false, true) => self.call(table, path, depth),
            _ => {
                self.problems.add(path, OPERAND);
                None
            }
        }
    }

    fn field(&mut self, table: &Table, path: String) -> Option<Operand> {
        let mut section = Section::of(path, table, self.problems);
        let field = section.text("field");
        if let Some(fault) = self.shape.fault(&field).filter(|_| !field.is_empty()) {
            section.problem("field", fault);
        }
        section.finish();
        Some(Operand::Field(field))
    }

    fn call(&mut self, table: &Table, path: String, depth: usize) -> Option<Operand> {
        let mut section = Section::of(path.clone(), table, self.problems);
        let name = section.text("fn");
        let args = section.given("args", |value, _, _| value.as_array().cloned()).flatten();
        let known = Function::WORDS.iter().find(|(word, ..)| *word == name);
        match (known, &args) {
            (None, _) if name.is_empty() => {}
            (None, _) => {
                let words = Function::WORDS.map(|(word, ..)| word);
                match nearest(&name, words.into_iter()) {
                    Some(near) => section.problem("fn", format_args!("is no function; did you mean {near}?")),
                    None => section.problem("fn", format_args!("must be one of {}", words.join(", "))),
                }
            }
            (Some(_), None) => section.problem("args", "is missing; it must be a list of values"),
            (Some((word, _, least, most)), Some(args)) if !(*least..=*most).contains(&args.len()) => {
                let want = if least == most { least.to_string() } else { format!("{least} to {most}") };
                section.problem("args", format_args!("has {} values; {word} takes {want}", args.len()));
            }
            (Some(_), Some(_)) => {}
        }
        section.finish();
        let args = args.unwrap_or_default();
        let mut read = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            read.extend(self.nested(arg, format!("{path}.args[{index}]"), depth + 1));
        }
        let function = known?.1;
        Some(Operand::Formula(Box::new(Formula { function, args: read })))
    }
}
