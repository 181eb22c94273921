//! `[[jobs.<id>.transforms]]`.

use toml::Value;

use super::operand::Operands;
use super::shape::{Shape, Shapes};
use super::{filter, tables, unknown};
use crate::config::problems::Problems;
use crate::config::section::Section;
use crate::connect::document::{Case, Rule, Transform};

/// Reads them all, in order: each adds its field to the shape of its dataset.
pub(super) fn read(
    value: &Value,
    path: &str,
    shapes: &mut Shapes,
    problems: &mut Problems,
) -> Vec<Transform> {
    tables(value, path, problems, |section| transform(section, shapes))
}

fn transform(mut section: Section<'_>, shapes: &mut Shapes) -> Option<Transform> {
    let (dataset, field) = (section.text("dataset"), section.text("field"));
    let is_known = shapes.contains_key(&dataset);
    if !is_known && !dataset.is_empty() {
        section.problem("dataset", unknown("dataset", &dataset, shapes.keys().map(String::as_str)));
    }
    // Without its dataset, its fields can't be looked at.
    let shape = shapes.get(&dataset).cloned().unwrap_or_default();
    if shape.has(&field) {
        section
            .problem("field", format_args!("{dataset} has the field {field} already; choose another name"));
    }
    let cases = section.given("cases", |value, path, problems| cases(value, &path, &shape, problems));
    let shape = &shape;
    let otherwise =
        section.given("else", |value, path, problems| Operands { shape, problems }.operand(value, path));
    let formula =
        section.given("formula", |value, path, problems| Operands { shape, problems }.formula(value, path));
    let rule = match (cases, formula) {
        (Some(cases), None) => Some(Rule::Cases { cases, otherwise: otherwise.flatten() }),
        (None, Some(formula)) => {
            if otherwise.is_some() {
                section.problem("else", "belongs to cases; remove it");
            }
            formula.map(Rule::Formula)
        }
        (Some(_), Some(_)) => {
            section.problem("formula", "stands beside cases; take one of the two");
            None
        }
        (None, None) => {
            section.problem("cases", "is missing; give cases, or a formula");
            None
        }
    };
    if is_known {
        shapes.entry(dataset.clone()).or_default().made.push(field.clone());
    }
    section.finish();
    Some(Transform { dataset, field, rule: rule? })
}

fn cases(value: &Value, path: &str, shape: &Shape, problems: &mut Problems) -> Vec<Case> {
    let cases = tables(value, path, problems, |mut section| {
        let filter = filter::read(&mut section, Some(shape));
        if filter.is_none() {
            section.problem("conditions", "is missing; say when it is this case");
        }
        let then =
            section.given("then", |value, path, problems| Operands { shape, problems }.operand(value, path));
        if then.is_none() {
            section.problem("then", "is missing; say what the value is in this case");
        }
        section.finish();
        Some(Case { filter: filter?, then: then?? })
    });
    if value.as_array().is_some_and(Vec::is_empty) {
        problems.add(path, "must have a case");
    }
    cases
}
