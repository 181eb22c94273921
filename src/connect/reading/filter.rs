//! Conditions with letters, and `where`, which says how they go together.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::operand::literal;
use super::required_word;
use super::shape::Shape;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::Section;
use crate::connect::document::{Comparison, Condition, Filter, Literal};
use crate::connect::expression::Expression;

/// The most values of `in`.
const MOST: usize = 1_000;

/// Reads `where` and `conditions` of `section`; none: it has neither. Fields have to be those of `shape`, if one is
/// given.
pub(super) fn read(section: &mut Section<'_>, shape: Option<&Shape>) -> Option<Filter> {
    let wanted = section.optional_text("where");
    let read = section.given("conditions", |value, path, problems| conditions(value, &path, shape, problems));
    let is_given = read.is_some();
    let (letters, conditions) = read.unwrap_or_default();
    let expression = match (&wanted, letters) {
        (None, _) if !is_given => return None,
        // Beside a condition with another name, the expression can't be looked at.
        (_, None) if is_given => Expression::All(Vec::new()),
        (None, letters) => Expression::all(&letters.unwrap_or_default()),
        (Some(text), letters) => Expression::read(text, &letters.unwrap_or_default())
            .map_err(|advice| section.problem("where", advice))
            .unwrap_or(Expression::All(Vec::new())),
    };
    Some(Filter { expression, conditions })
}

/// The letters, where all are some, and the conditions that can be read.
fn conditions(
    value: &Value,
    path: &str,
    shape: Option<&Shape>,
    problems: &mut Problems,
) -> (Option<BTreeSet<char>>, BTreeMap<char, Condition>) {
    let (mut letters, mut found, mut are_letters) = (BTreeSet::new(), BTreeMap::new(), true);
    let table = value.as_table().filter(|table| !table.is_empty());
    if table.is_none() {
        problems
            .add(path, "must be a table of conditions: { A = { field = \"…\", is = \"…\", value = \"…\" } }");
    }
    for (name, value) in table.into_iter().flatten() {
        let path = join(path, name);
        let mut each = name.chars();
        let (Some(letter @ 'A'..='Z'), None) = (each.next(), each.next()) else {
            problems.add(path, "must be called by one letter, A to Z");
            are_letters = false;
            continue;
        };
        letters.insert(letter);
        match value.as_table() {
            Some(table) => {
                found.extend(condition(Section::of(path, table, problems), shape).map(|read| (letter, read)));
            }
            None => problems.add(path, "must be a table: { field = \"…\", is = \"…\", value = \"…\" }"),
        }
    }
    (are_letters.then_some(letters), found)
}

fn condition(mut section: Section<'_>, shape: Option<&Shape>) -> Option<Condition> {
    let field = section.text("field");
    if let Some(fault) = shape.filter(|_| !field.is_empty()).and_then(|shape| shape.fault(&field)) {
        section.problem("field", fault);
    }
    let is = required_word(&mut section, "is", &Comparison::WORDS);
    let read = |value: &Value, path: String, problems: &mut Problems| {
        is.map_or_else(Vec::new, |is| values(is, value, &path, problems))
    };
    let values = section.given("value", read);
    let needs_none = matches!(is, Some(Comparison::IsNull | Comparison::IsNotNull));
    if is.is_some() && !needs_none && values.is_none() {
        section.problem("value", "is missing; say what the field is compared with");
    }
    section.finish();
    Some(Condition { field, is: is?, values: values.unwrap_or_default() })
}

fn values(is: Comparison, value: &Value, path: &str, problems: &mut Problems) -> Vec<Literal> {
    let list = value.as_array().map(Vec::as_slice);
    let wrong = match is {
        Comparison::IsNull | Comparison::IsNotNull => Some("says nothing here; remove it"),
        Comparison::In | Comparison::NotIn => list
            .is_none_or(|list| list.is_empty() || list.len() > MOST)
            .then_some("must be a list of 1 to 1000 values"),
        Comparison::Between => list
            .is_none_or(|list| list.len() != 2)
            .then_some("must be a list of two values, the lesser first"),
        _ => list.is_some().then_some("must be one value; with several, use in or not_in"),
    };
    if let Some(wrong) = wrong {
        problems.add(path, wrong);
        return Vec::new();
    }
    let single = [value.clone()];
    let each = list.unwrap_or(&single).iter().enumerate();
    each.filter_map(|(index, value)| {
        let path = if list.is_some() { format!("{path}[{index}]") } else { path.to_owned() };
        let read = literal(value);
        match &read {
            None => problems.add(path, "must be a text, a number, true or false"),
            Some(Literal::Text(text)) if text.trim().is_empty() => {
                problems.add(path, "is empty; use is_null or is_not_null");
            }
            Some(_) => {}
        }
        read
    })
    .collect()
}
