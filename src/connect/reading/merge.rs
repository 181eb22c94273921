//! `[jobs.<id>.merges.<name>]`, and the order in which merges are made.

use std::collections::BTreeMap;

use toml::Value;

use super::shape::Shapes;
use super::{pairs, required_word, unknown};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::Section;
use crate::connect::document::{Join, Merge};

const JOINS: [(&str, Join); 4] =
    [("inner", Join::Inner), ("left", Join::Left), ("right", Join::Right), ("outer", Join::Outer)];

/// Reads one. What it refers to is looked at by [`check`].
pub(super) fn read(mut section: Section<'_>) -> Merge {
    let merge = Merge {
        left: section.text("left"),
        right: section.text("right"),
        join: required_word(&mut section, "join", &JOINS).unwrap_or(Join::Inner),
        on: section.given("on", |value, path, problems| pairs(value, &path, problems)).unwrap_or_else(|| {
            section.problem("on", "is missing; it must be a list of pairs of fields that have to be equal");
            Vec::new()
        }),
        fields: section
            .given("fields", |value, path, problems| fields(value, &path, problems))
            .unwrap_or_else(|| {
                section.problem("fields", FIELDS);
                BTreeMap::new()
            }),
    };
    section.finish();
    merge
}

const FIELDS: &str =
    "must be a table of its fields, each with where it comes from: { Name = \"dataset.Field\" }";

fn fields(value: &Value, path: &str, problems: &mut Problems) -> BTreeMap<String, (String, String)> {
    let Some(table) = value.as_table().filter(|table| !table.is_empty()) else {
        problems.add(path, FIELDS);
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (name, from) in table {
        let parts = from.as_str().and_then(|from| from.split_once('.'));
        match parts.filter(|(dataset, field)| !dataset.is_empty() && !field.is_empty()) {
            Some((dataset, field)) => {
                found.insert(name.clone(), (dataset.to_owned(), field.to_owned()));
            }
            None => problems.add(join(path, name), "must be a dataset and its field: \"dataset.Field\""),
        }
    }
    found
}

/// Looks at what the merge `name` at `path` refers to, once all shapes are known.
pub(super) fn check(path: &str, merge: &Merge, shapes: &Shapes, problems: &mut Problems) {
    let names = shapes.keys().map(String::as_str);
    let mut are_known = true;
    for (key, side) in [("left", &merge.left), ("right", &merge.right)] {
        let is_known = shapes.contains_key(side);
        if !is_known && !side.is_empty() {
            problems.add(join(path, key), unknown("dataset", side, names.clone()));
        }
        are_known &= is_known;
    }
    if merge.left == merge.right && !merge.left.is_empty() {
        let advice = "is left as well; read the object as a second dataset to merge it with itself";
        problems.add(join(path, "right"), advice);
    }
    let fault = |side: &str, field: &str| shapes.get(side).and_then(|shape| shape.fault(field));
    for (index, (left, right)) in merge.on.iter().enumerate() {
        for fault in [fault(&merge.left, left), fault(&merge.right, right)].into_iter().flatten() {
            problems.add(format_args!("{}[{index}]", join(path, "on")), fault);
        }
    }
    let fields = join(path, "fields");
    for (name, (side, field)) in merge.fields.iter().filter(|_| are_known) {
        if *side != merge.left && *side != merge.right {
            let sides = [merge.left.as_str(), merge.right.as_str()].into_iter();
            problems.add(join(&fields, name), unknown("side", side, sides));
        } else if let Some(fault) = fault(side, field) {
            problems.add(join(&fields, name), fault);
        }
    }
}

/// The merges, each after those that it merges; those in a circle are problems.
pub(super) fn ordered(
    path: &str,
    mut left: BTreeMap<String, Merge>,
    problems: &mut Problems,
) -> Vec<(String, Merge)> {
    let mut ordered = Vec::new();
    let ready = |left: &BTreeMap<String, Merge>| {
        let waits = |merge: &Merge| left.contains_key(&merge.left) || left.contains_key(&merge.right);
        left.iter().find(|(_, merge)| !waits(merge)).map(|(name, _)| name.clone())
    };
    while let Some(name) = ready(&left) {
        ordered.extend(left.remove_entry(&name));
    }
    // Merges that only wait for a circle are not named: they are well once it is broken.
    let follow = |name: &String| {
        let merge = left.get(name)?;
        [&merge.left, &merge.right].into_iter().find(|side| left.contains_key(*side)).cloned()
    };
    let Some(start) = left.keys().next().cloned() else { return ordered };
    let into = (0..left.len()).try_fold(start, |name, _| follow(&name)).unwrap_or_default();
    let mut circle = vec![into.clone()];
    let mut next = follow(&into);
    while let Some(name) = next.filter(|name| *name != into && circle.len() < left.len()) {
        next = follow(&name);
        circle.push(name);
    }
    problems.add(
        join(path, &into),
        format_args!("merges go in a circle: {}, {into}; let one of them merge datasets", circle.join(", ")),
    );
    ordered
}
