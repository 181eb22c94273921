//! `[jobs.<id>.destination]`: where rows go, with direct and derived mapping.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::operand::literal;
use super::shape::{Shape, Shapes};
use super::{pairs, tables, unknown};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::Section;
use crate::connect::document::{
    Deletes, Destination, FieldMap, Literal, Lookup, OnEmpty, OnMany, OnNone, Operation,
};

/// The most pairs of a lookup.
const PAIRS: usize = 6;

#[derive(Clone, Copy)]
enum Empty {
    Keep,
    Clear,
    Default,
}

const EMPTY: [(&str, Empty); 3] =
    [("keep", Empty::Keep), ("clear", Empty::Clear), ("default", Empty::Default)];

const OPERATIONS: [(&str, Operation); 3] =
    [("upsert", Operation::Upsert), ("insert", Operation::Insert), ("update", Operation::Update)];

/// Reads it. What an empty value does where nothing is said of that is `on_empty`.
pub(super) fn read(mut section: Section<'_>, shapes: &Shapes, on_empty: &OnEmpty) -> Destination {
    let dataset = section.text("dataset");
    let shape = shapes.get(&dataset);
    if shape.is_none() && !dataset.is_empty() {
        section.problem("dataset", unknown("dataset", &dataset, shapes.keys().map(String::as_str)));
    }
    let object = section.text("object");
    let external_id = section.text("external_id");
    if let Some(fault) = fault(shape, &external_id) {
        section.problem("external_id", fault);
    }
    let fields =
        section.given("fields", |value, path, problems| fields(value, &path, shape, on_empty, problems));
    let lookups = section.given("lookups", |value, path, problems| {
        tables(value, &path, problems, |section| lookup(section, shape))
    });
    let destination = Destination {
        dataset,
        object,
        operation: section.word("operation", &OPERATIONS).unwrap_or(Operation::Upsert),
        external_id,
        deletes: section
            .word("deletes", &[("ignore", Deletes::Ignore), ("mark", Deletes::Mark)])
            .unwrap_or(Deletes::Mark),
        fields: fields.unwrap_or_default(),
        lookups: lookups.unwrap_or_default(),
    };
    each_once(&mut section, &destination);
    section.finish();
    destination
}

/// Whether something is mapped, and nothing twice.
fn each_once(section: &mut Section<'_>, destination: &Destination) {
    let is_given = ["fields", "lookups"].map(|key| section.given(key, |_, _, _| ()).is_some());
    if is_given == [false, false] {
        section.problem("fields", "is missing; map at least one field: { Name = \"Field\" }");
    }
    let mut seen: BTreeSet<&str> = destination.fields.keys().map(String::as_str).collect();
    for lookup in &destination.lookups {
        if !lookup.field.is_empty() && !seen.insert(&lookup.field) {
            section.problem("lookups", format_args!("{} is mapped twice; map it once", lookup.field));
        }
    }
}

fn fault(shape: Option<&Shape>, field: &str) -> Option<String> {
    shape.filter(|_| !field.is_empty()).and_then(|shape| shape.fault(field))
}

fn fields(
    value: &Value,
    path: &str,
    shape: Option<&Shape>,
    on_empty: &OnEmpty,
    problems: &mut Problems,
) -> BTreeMap<String, FieldMap> {
    let mut found = BTreeMap::new();
    let table = value.as_table().filter(|table| !table.is_empty());
    if table.is_none() {
        problems.add(path, "must be a table of fields: { Name = \"Field\" }");
    }
    for (name, value) in table.into_iter().flatten() {
        let path = join(path, name);
        let map = match value {
            Value::String(from) => {
                if let Some(fault) = shape.and_then(|shape| shape.fault(from)) {
                    problems.add(path, fault);
                }
                FieldMap { from: from.clone(), on_empty: on_empty.clone() }
            }
            Value::Table(table) => field_map(Section::of(path, table, problems), shape, on_empty),
            _ => {
                problems.add(path, "must be the name of a field, or { from = \"…\", on_empty = \"…\" }");
                continue;
            }
        };
        found.insert(name.clone(), map);
    }
    found
}

fn field_map(mut section: Section<'_>, shape: Option<&Shape>, otherwise: &OnEmpty) -> FieldMap {
    let from = section.text("from");
    if let Some(fault) = fault(shape, &from) {
        section.problem("from", fault);
    }
    let word = section.word("on_empty", &EMPTY);
    let default = section.given("default", |value, path, problems| {
        let read = literal(value);
        let is_empty = matches!(&read, Some(Literal::Text(text)) if text.trim().is_empty());
        if is_empty || read.is_none() {
            problems.add(path, "must be a text that is not blank, a number, true or false");
        }
        read.unwrap_or(Literal::Boolean(false))
    });
    let on_empty = match (word, default) {
        (Some(Empty::Default) | None, Some(default)) => OnEmpty::Default(default),
        (Some(Empty::Default), None) => {
            section.problem("default", "is missing; say which value an empty one becomes");
            OnEmpty::Keep
        }
        (Some(Empty::Keep | Empty::Clear), Some(_)) => {
            section.problem("default", "goes with on_empty = \"default\" alone; remove one of the two");
            OnEmpty::Keep
        }
        (Some(Empty::Keep), None) => OnEmpty::Keep,
        (Some(Empty::Clear), None) => OnEmpty::Clear,
        (None, None) => otherwise.clone(),
    };
    section.finish();
    FieldMap { from, on_empty }
}

fn lookup(mut section: Section<'_>, shape: Option<&Shape>) -> Option<Lookup> {
    let lookup = Lookup {
        field: section.text("field"),
        object: section.text("object"),
        pairs: section.given("match", |value, path, problems| pairs(value, &path, problems)).unwrap_or_else(
            || {
                section.problem(
                    "match",
                    "is missing; it must be a list of pairs: [[\"own field\", \"its field\"]]",
                );
                Vec::new()
            },
        ),
        on_many: section
            .word("on_many", &[("any", OnMany::Any), ("reject", OnMany::Reject)])
            .unwrap_or(OnMany::Any),
        on_none: section
            .word("on_none", &[("null", OnNone::Null), ("reject", OnNone::Reject)])
            .unwrap_or(OnNone::Null),
    };
    if lookup.pairs.len() > PAIRS {
        section
            .problem("match", format_args!("has {} pairs; a lookup has up to {PAIRS}", lookup.pairs.len()));
    }
    for (own, _) in &lookup.pairs {
        if let Some(fault) = fault(shape, own) {
            section.problem("match", fault);
        }
    }
    section.finish();
    Some(lookup)
}
