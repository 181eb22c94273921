//! Documents as text, read: connections, jobs and chains, with every problem at once, each with its key and the nearest
//! known name. Pure.
//!
//! [`form`] takes TOML and JSON, [`connections`], [`jobs`] and [`chains`] read what stands in them: [`filter`],
//! [`operand`], [`transform`], [`merge`], [`destination`] and [`when`] are parts of those. [`shape`] knows the fields
//! of datasets.

mod chains;
mod connections;
mod destination;
mod filter;
mod form;
mod jobs;
mod merge;
mod operand;
mod shape;
mod transform;
mod when;

pub use connections::is_secret;
pub use form::Form;

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::document::{Chain, Connection, Connector, Job};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::{Section, nearest};

/// What a text describes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Connections.
    pub connections: Vec<Connection>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Chains.
    pub chains: Vec<Chain>,
}

/// What is there already, to which a text may refer.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The tenant of documents that name none: `--tenant`.
    pub tenant: Option<String>,
    /// Ids of tenants; none: any will do.
    pub tenants: Option<BTreeSet<String>>,
    /// Connections, by tenant and id.
    pub connections: BTreeMap<(String, String), Connector>,
    /// Jobs, by tenant and id.
    pub jobs: BTreeSet<(String, String)>,
}

/// Reads `text`.
///
/// # Errors
/// Every problem. One that keeps the text from being read at all stands alone.
pub fn read(text: &str, form: Form, known: &Known) -> Result<Documents, Problems> {
    let mut problems = Problems::default();
    let Some(table) = form.table(text, &mut problems) else { return Err(problems) };
    let documents = documents(&table, known, &mut problems);
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

fn documents(table: &Table, known: &Known, problems: &mut Problems) -> Documents {
    let mut known = known.clone();
    let mut root = Section::of(String::new(), table, problems);
    let connections = root.each("connections", |section| connections::read(section, &known));
    for (id, connection) in &connections {
        known.connections.insert((connection.tenant.clone(), id.clone()), connection.connector);
    }
    let jobs = root.each("jobs", |section| jobs::read(section, &known));
    known.jobs.extend(jobs.iter().map(|(id, job)| (job.tenant.clone(), id.clone())));
    let chains = root.each("chains", |section| chains::read(section, &known));
    root.finish();
    for (kind, ids) in [
        ("connections", connections.keys().collect::<Vec<_>>()),
        ("jobs", jobs.keys().collect()),
        ("chains", chains.keys().collect()),
    ] {
        for id in ids.into_iter().filter(|id| !is_id(id)) {
            problems.add(join(kind, id), ID);
        }
    }
    Documents {
        connections: connections
            .into_iter()
            .map(|(id, connection)| Connection { id, ..connection })
            .collect(),
        jobs: jobs.into_iter().map(|(id, job)| Job { id, ..job }).collect(),
        chains: chains.into_iter().map(|(id, chain)| Chain { id, ..chain }).collect(),
    }
}

const ID: &str = "an id is 1 to 64 of a-z, 0-9, _ and -; choose another one";

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// `tenant`, which commands may give instead.
fn tenant(section: &mut Section<'_>, known: &Known) -> String {
    let tenant = match (section.optional_text("tenant"), &known.tenant) {
        (Some(named), Some(given)) if named != *given => {
            section
                .problem("tenant", format_args!("is not {given}, which the command names; take one of them"));
            return given.clone();
        }
        (Some(named), _) => named,
        (None, Some(given)) => return given.clone(),
        (None, None) => return section.text("tenant"),
    };
    if let Some(tenants) = known.tenants.as_ref().filter(|tenants| !tenants.contains(&tenant)) {
        section.problem("tenant", unknown("tenant", &tenant, tenants.iter().map(String::as_str)));
    }
    tenant
}

/// One of several words, which has to be there.
fn required_word<T: Copy>(section: &mut Section<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
    if section.given(key, |_, _, _| ()).is_none() {
        let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        section.problem(key, format_args!("is missing; it must be one of {known}"));
    }
    section.word(key, words)
}

/// What to say of `name`, which is none of those that are known.
fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    const FEW: usize = 8;
    if let Some(near) = nearest(name, known.clone()) {
        return format!("there is no {what} {name}; did you mean {near}?");
    }
    let some: Vec<&str> = known.clone().take(FEW).collect();
    match (some.is_empty(), known.count() > FEW) {
        (true, _) => format!("there is no {what} {name}"),
        (false, false) => format!("there is no {what} {name}; there are {}", some.join(", ")),
        (false, true) => format!("there is no {what} {name}; there are {} and others", some.join(", ")),
    }
}

/// Every table of a list of tables, read.
fn tables<T>(
    value: &Value,
    path: &str,
    problems: &mut Problems,
    mut read: impl FnMut(Section<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(items) = value.as_array() else {
        problems.add(path, "must be a list of tables");
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match item.as_table() {
            Some(table) => found.extend(read(Section::of(path, table, problems))),
            None => problems.add(path, "must be a table"),
        }
    }
    found
}

/// Pairs of texts: `[["Account_Name.id", "id"]]`.
fn pairs(value: &Value, path: &str, problems: &mut Problems) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let mut found = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let pair = match item.as_array().map(Vec::as_slice) {
            Some([left, right]) => text(left).zip(text(right)),
            _ => None,
        };
        match pair {
            Some(pair) => found.push(pair),
            None => problems
                .add(format_args!("{path}[{index}]"), "must be a pair of fields: [\"one\", \"other\"]"),
        }
    }
    if value.as_array().is_none_or(Vec::is_empty) {
        problems.add(path, "must be a list of pairs of fields: [[\"one\", \"other\"]]");
    }
    found
}

#[cfg(test)]
mod tests;
