//! `[jobs.<id>]`.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{Shape, Shapes};
use super::{Known, destination, filter, merge, tenant, transform, unknown, when};
use crate::config::quoting::{join, key};
use crate::config::section::{NON_BLANK, Section, non_blank};
use crate::connect::document::{Connector, Dataset, Job, Merge, OnEmpty};

/// The most fields of a dataset.
const FIELDS: usize = 500;

pub(super) fn read(mut section: Section<'_>, known: &Known) -> Job {
    let id = section.path().rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned();
    let tenant = tenant(&mut section, known);
    let connection = section.text("connection");
    let on_empty = on_empty(&mut section, known, &tenant, &connection);
    let name = section.optional_text("name").unwrap_or_else(|| id.clone());
    let enabled = section.optional("enabled", "true or false", toml::Value::as_bool).unwrap_or(true);
    let datasets = section.each("datasets", dataset);
    if datasets.is_empty() && section.given("datasets", |value, _, _| value.is_table()) != Some(false) {
        section.problem("datasets", "is missing; read at least one object as a dataset");
    }
    let merges = section.each("merges", merge::read);
    names(&mut section, &datasets, &merges);
    let mut shapes = shapes(&datasets, &merges);
    let transforms = section
        .given("transforms", |value, path, problems| transform::read(value, &path, &mut shapes, problems))
        .unwrap_or_default();
    let merges = section
        .given("merges", |_, path, problems| {
            merges.iter().for_each(|(name, each)| merge::check(&join(&path, name), each, &shapes, problems));
            merge::ordered(&path, merges.clone(), problems)
        })
        .unwrap_or_default();
    let destination = destination::read(section.section("destination"), &shapes, &on_empty);
    // Where one name is wrong, another would only seem to be unused.
    let is_known = |name: &String| shapes.contains_key(name);
    let are_sound = merges.len() + datasets.len() == shapes.len()
        && merges.iter().all(|(_, merge)| is_known(&merge.left) && is_known(&merge.right));
    if are_sound && is_known(&destination.dataset) {
        unused(&mut section, &datasets, &merges, &destination.dataset);
    }
    let schedule = section.given_section("schedule").and_then(when::read);
    let refresh = section.given_section("refresh").and_then(when::read);
    section.finish();
    Job {
        id,
        tenant,
        connection,
        name,
        enabled,
        datasets,
        merges,
        transforms,
        destination,
        schedule,
        refresh,
    }
}

/// What an empty value does where nothing is said of that. A file often has but some of its columns filled.
fn on_empty(section: &mut Section<'_>, known: &Known, tenant: &str, connection: &str) -> OnEmpty {
    let connector = known.connections.get(&(tenant.to_owned(), connection.to_owned()));
    if connector.is_none() && !connection.is_empty() && !tenant.is_empty() {
        let own = known.connections.keys().filter(|(of, _)| of == tenant).map(|(_, id)| id.as_str());
        section.problem("connection", unknown("connection", connection, own));
    }
    match connector {
        Some(Connector::S3 | Connector::Folder | Connector::Upload) => OnEmpty::Keep,
        Some(Connector::Zoho | Connector::Ecosystems | Connector::Http) | None => OnEmpty::Clear,
    }
}

fn dataset(mut section: Section<'_>) -> Dataset {
    let dataset = Dataset {
        object: section.text("object"),
        fields: section.list("fields", NON_BLANK, non_blank),
        filter: filter::read(&mut section, None),
    };
    let mut seen = BTreeSet::new();
    for field in &dataset.fields {
        if !seen.insert(field) {
            section.problem("fields", format_args!("names {field} twice; remove one"));
        }
    }
    let is_empty = section.given("fields", |value, _, _| value.as_array().is_some_and(Vec::is_empty));
    if is_empty == Some(true) || dataset.fields.len() > FIELDS {
        section.problem("fields", format_args!("must name 1 to {FIELDS} fields"));
    }
    section.finish();
    dataset
}

/// Looks at the names of datasets and merges, which stand before a dot elsewhere.
fn names(section: &mut Section<'_>, datasets: &BTreeMap<String, Dataset>, merges: &BTreeMap<String, Merge>) {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    let is_name = |name: &str| {
        (1..=60).contains(&name.len()) && name.trim().len() == name.len() && name.chars().all(is_letter)
    };
    for (kind, names) in
        [("datasets", datasets.keys().collect::<Vec<_>>()), ("merges", merges.keys().collect::<Vec<_>>())]
    {
        for name in names.into_iter().filter(|name| !is_name(name)) {
            let advice = "a name is 1 to 60 letters, digits, blanks, _ and -; choose another one";
            section.problem(kind, format_args!("{}: {advice}", key(name)));
        }
    }
    for name in merges.keys().filter(|name| datasets.contains_key(*name)) {
        section.problem("merges", format_args!("{name} is a dataset, too; choose another name"));
    }
}

fn shapes(datasets: &BTreeMap<String, Dataset>, merges: &BTreeMap<String, Merge>) -> Shapes {
    let read = datasets
        .iter()
        .map(|(name, dataset)| (name.clone(), Shape { read: dataset.fields.clone(), made: Vec::new() }));
    let made = merges.iter().map(|(name, merge)| {
        (name.clone(), Shape { read: Vec::new(), made: merge.fields.keys().cloned().collect() })
    });
    read.chain(made).collect()
}

/// Finds what the destination's dataset is not made of.
fn unused(
    section: &mut Section<'_>,
    datasets: &BTreeMap<String, Dataset>,
    merges: &[(String, Merge)],
    destination: &str,
) {
    let mut used = BTreeSet::from([destination]);
    for (name, merge) in merges.iter().rev() {
        if used.contains(name.as_str()) {
            used.extend([merge.left.as_str(), merge.right.as_str()]);
        } else {
            section.problem("merges", format_args!("{name} is not used; name it elsewhere, or remove it"));
        }
    }
    for name in datasets.keys().filter(|name| !used.contains(name.as_str())) {
        section.problem("datasets", format_args!("{name} is not used; merge it, or remove it"));
    }
}
