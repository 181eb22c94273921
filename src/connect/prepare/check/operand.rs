//! The rules of transforms: their operands, and the types that come of them.

use super::condition::value_of;
use super::{Check, Use};
use crate::connect::cell;
use crate::connect::cell::CellType;
use crate::connect::document;
use crate::connect::document::{Formula, Function, Literal};
use crate::connect::prepare::plan::{Operand, Rule};

/// Deepest nesting of formulas.
const DEEPEST: usize = 20;

/// An operand, and what it is.
#[derive(Clone, Debug)]
struct Typed {
    operand: Operand,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A value of the document, which is what it has to be if it can.
    Literal(Literal),
    Cell(CellType),
}

impl Check<'_> {
    pub(super) fn rule(&mut self, at: usize, rule: &document::Rule, key: &str) -> Option<(Rule, CellType)> {
        match rule {
            document::Rule::Formula(formula) => {
                let typed = self.formula(at, formula, (&format!("{key}.formula"), 0))?;
                let kind = kind_of(&typed);
                Some((Rule::Formula(typed.operand), kind))
            }
            document::Rule::Cases { cases, otherwise } => {
                let mut filters = Vec::new();
                let mut values = Vec::new();
                for (place, case) in cases.iter().enumerate() {
                    let key = format!("{key}.cases[{place}]");
                    filters.push(self.filter(at, &case.filter, &key));
                    values.push(self.operand(at, &case.then, (&format!("{key}.then"), 0)));
                }
                if let Some(otherwise) = otherwise {
                    values.push(self.operand(at, otherwise, (&format!("{key}.else"), 0)));
                }
                let filters: Vec<_> = filters.into_iter().collect::<Option<_>>()?;
                let (values, kind) = common(values.into_iter().collect::<Option<_>>()?);
                let mut values = values.into_iter();
                let cases = filters.into_iter().zip(&mut values).collect();
                Some((Rule::Cases(cases, values.next().unwrap_or(Operand::Null)), kind))
            }
        }
    }

    fn operand(
        &mut self,
        at: usize,
        operand: &document::Operand,
        (key, depth): (&str, usize),
    ) -> Option<Typed> {
        match operand {
            document::Operand::Value(literal) => {
                Some(Typed { operand: Operand::Value(plain(literal)), kind: Kind::Literal(literal.clone()) })
            }
            document::Operand::Field(name) => {
                let column = self.field(at, name, (key, Use::Value))?;
                Some(Typed { operand: Operand::Column(column), kind: Kind::Cell(self.kind(at, column)) })
            }
            document::Operand::Formula(formula) => self.formula(at, formula, (key, depth + 1)),
        }
    }

    fn formula(&mut self, at: usize, formula: &Formula, (key, depth): (&str, usize)) -> Option<Typed> {
        if depth > DEEPEST {
            let advice =
                format!("has over {DEEPEST} formulas in each other; work a part out as a field of its own");
            self.problems.add(key, advice);
            return None;
        }
        let mut args = Vec::new();
        for (place, arg) in formula.args.iter().enumerate() {
            let key = format!("{key}.args[{place}]");
            let typed = self.operand(at, arg, (&key, depth));
            let fitted = typed.map(|typed| fitted(typed, wanted(formula.function, place)));
            if let Some(Err(advice)) = &fitted {
                self.problems.add(&key, advice);
            }
            args.push(fitted.and_then(Result::ok));
        }
        let args: Vec<Typed> = args.into_iter().collect::<Option<_>>()?;
        let (args, kind) = match formula.function {
            Function::Coalesce => common(args),
            function => {
                let kind = result(function, args.first());
                (args.into_iter().map(|arg| arg.operand).collect(), kind)
            }
        };
        Some(Typed { operand: Operand::Call(formula.function, args), kind: Kind::Cell(kind) })
    }
}

fn plain(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => text.clone(),
        Literal::Number(number) => cell::as_number(number).unwrap_or_else(|| number.clone()),
        Literal::Boolean(is_true) => is_true.to_string(),
    }
}

fn kind_of(typed: &Typed) -> CellType {
    match &typed.kind {
        Kind::Cell(kind) => *kind,
        Kind::Literal(Literal::Text(_)) => CellType::Text,
        Kind::Literal(Literal::Number(_)) => CellType::Number,
        Kind::Literal(Literal::Boolean(_)) => CellType::Boolean,
    }
}

/// What an argument has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Anything,
    Number,
    Moment,
}

fn wanted(function: Function, place: usize) -> Wanted {
    match function {
        Function::Add | Function::Subtract | Function::Multiply | Function::Divide | Function::Round => {
            Wanted::Number
        }
        Function::Left | Function::Right | Function::Substring if place > 0 => Wanted::Number,
        Function::DaysBetween => Wanted::Moment,
        _ => Wanted::Anything,
    }
}

/// The argument as what it has to be, or what to do about it.
fn fitted(typed: Typed, wanted: Wanted) -> Result<Typed, String> {
    let (kinds, want, function): (&[CellType], _, _) = match wanted {
        Wanted::Anything => return Ok(typed),
        Wanted::Number => (&[CellType::Number], "a number", "to_number"),
        Wanted::Moment => (&[CellType::Time, CellType::Date], "a day or a time", "to_date"),
    };
    match &typed.kind {
        Kind::Cell(kind) if kinds.contains(kind) => Ok(typed),
        Kind::Cell(_) => {
            Err(format!("has to be {want}, and is another kind of value; put {function} around it"))
        }
        Kind::Literal(literal) => {
            let value = kinds.first().and_then(|kind| value_of(*kind, literal).ok());
            let value = value.ok_or_else(|| format!("has to be {want}"))?;
            Ok(Typed { operand: Operand::Value(value), ..typed })
        }
    }
}

/// What a function gives.
fn result(function: Function, first: Option<&Typed>) -> CellType {
    match function {
        Function::Add
        | Function::Subtract
        | Function::Multiply
        | Function::Divide
        | Function::Round
        | Function::Length
        | Function::DaysBetween
        | Function::ToNumber => CellType::Number,
        Function::ToDate => CellType::Date,
        Function::Upper | Function::Lower | Function::Trim => match first.map(kind_of) {
            Some(CellType::Email) => CellType::Email,
            _ => CellType::Text,
        },
        _ => CellType::Text,
    }
}

/// Operands of which one is taken, and what that is: the one kind that all have or can have, else text.
fn common(all: Vec<Typed>) -> (Vec<Operand>, CellType) {
    let mut kinds: Vec<CellType> = all
        .iter()
        .filter_map(|typed| match &typed.kind {
            Kind::Cell(kind) => Some(*kind),
            Kind::Literal(_) => None,
        })
        .collect();
    if kinds.is_empty() {
        kinds = all.iter().map(kind_of).collect();
    }
    kinds.dedup();
    let kind = if let [kind] = kinds.as_slice() { *kind } else { CellType::Text };
    let fitted = |typed: &Typed| match &typed.kind {
        Kind::Cell(_) => Some(typed.operand.clone()),
        Kind::Literal(literal) => match kind {
            CellType::Text | CellType::Email | CellType::List => Some(Operand::Value(plain(literal))),
            kind => value_of(kind, literal).ok().map(Operand::Value),
        },
    };
    match all.iter().map(fitted).collect::<Option<Vec<_>>>() {
        Some(operands) => (operands, kind),
        None => (all.into_iter().map(|typed| typed.operand).collect(), CellType::Text),
    }
}
