//! A job against the columns that its datasets have: a plan, or every problem at once. Pure.

mod condition;
mod operand;

use std::collections::BTreeMap;

use super::plan::{Filter, Merge, Origin, Plan, Rule, Side, Source, Stage, StageColumn};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::nearest;
use crate::connect::cell::CellType;
use crate::connect::document;
use crate::connect::document::{Dataset, Job};

/// What a source says of its datasets: their columns by name. Of a dataset that is not among them nothing is known: its
/// fields are what the job says, and text.
pub type Known = BTreeMap<String, Vec<(String, CellType)>>;

/// Most names that a problem lists.
const MOST_LISTED: usize = 20;
/// What the name of a field that refers to another row may have behind it.
const SUFFIXES: [&str; 3] = [".id", ".name", ".email"];

/// How the rows of `job` are prepared.
///
/// # Errors
/// What is wrong with it, each problem with its key and what to do.
pub fn check(job: &Job, known: &Known) -> Result<Plan, Problems> {
    let path = join("jobs", &job.id);
    let mut check = Check { job, known, path, stages: Vec::new(), problems: Problems::default() };
    for (name, dataset) in &job.datasets {
        check.dataset(name, dataset);
    }
    for (name, merge) in &job.merges {
        check.merge(name, merge);
    }
    for (place, transform) in job.transforms.iter().enumerate() {
        if check.stage(&transform.dataset).is_none() {
            let key = format!("{}.transforms[{place}].dataset", check.path);
            check.unknown_stage(&key, &transform.dataset);
        }
    }
    let destination = check.destination();
    match destination {
        Some((output, external_id)) if check.problems.is_empty() => {
            let leaf = check.stages.get(output).and_then(|stage| stage.leaf(&check.stages, external_id));
            Ok(Plan { stages: check.stages, output, external_id, leaf: leaf.unwrap_or(0) })
        }
        _ => Err(check.problems),
    }
}

struct Check<'j> {
    job: &'j Job,
    known: &'j Known,
    path: String,
    stages: Vec<Stage>,
    problems: Problems,
}

/// Where a name of a field stands: only a condition may name one that is not read otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Condition,
    Value,
}

impl Check<'_> {
    fn dataset(&mut self, name: &str, dataset: &Dataset) {
        let key = join(&format!("{}.datasets", self.path), name);
        let stage = Stage {
            name: name.to_owned(),
            from: Origin::Dataset(None),
            columns: Vec::new(),
            leaves: vec![name.to_owned()],
        };
        let at = self.push(stage, &key);
        for (place, field) in dataset.fields.iter().enumerate() {
            self.field(at, field, (&format!("{key}.fields[{place}]"), Use::Value));
        }
        let filter = dataset.filter.as_ref().and_then(|filter| self.filter(at, filter, &key));
        if let Some(stage) = self.stages.get_mut(at) {
            stage.from = Origin::Dataset(filter);
        }
        self.transforms(at, name);
    }

    /// Adds a stage. Two of one name are a problem.
    fn push(&mut self, stage: Stage, key: &str) -> usize {
        if self.stage(&stage.name).is_some() {
            self.problems.add(key, "is a name that a dataset has already; choose another one");
        }
        self.stages.push(stage);
        self.stages.len() - 1
    }

    fn stage(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    fn unknown_stage(&mut self, key: &str, name: &str) {
        let advice = advice("dataset", name, self.stages.iter().map(|stage| stage.name.as_str()));
        self.problems.add(key, advice);
    }

    /// The column of a stage that a document calls `name`. A field of a dataset becomes one when it is first named.
    fn field(&mut self, at: usize, name: &str, (key, used): (&str, Use)) -> Option<usize> {
        let stage = self.stages.get(at)?;
        if let Some(column) = stage.column(name) {
            return Some(column);
        }
        if matches!(stage.from, Origin::Merge(_)) {
            let advice = advice("field", name, stage.columns.iter().map(|column| column.name.as_str()));
            self.problems.add(key, advice);
            return None;
        }
        let bare = |name: &str| {
            let bare = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
            bare.unwrap_or(name).to_owned()
        };
        let dataset = self.job.datasets.get(&stage.name)?;
        let is_read = dataset.fields.iter().any(|field| field == name || bare(field) == bare(name));
        let found = match self.known.get(&stage.name) {
            None => Some((name.strip_suffix(".id").unwrap_or(name).to_owned(), CellType::Text)),
            Some(known) => {
                let find = |name: &str| known.iter().find(|(field, _)| field == name).cloned();
                find(name).or_else(|| find(name.strip_suffix(".id")?))
            }
        };
        let Some((field, kind)) = found else {
            let known = self.known.get(&stage.name).map_or(&[][..], Vec::as_slice);
            let advice = advice("field", name, known.iter().map(|(field, _)| field.as_str()));
            self.problems.add(key, advice);
            return None;
        };
        if !is_read && used == Use::Value {
            let fields = join(&format!("{}.datasets", self.path), &stage.name);
            self.problems.add(key, format_args!("{name} is not read; add it to {fields}.fields"));
            return None;
        }
        self.add(at, StageColumn { name: field, kind, value: Source::Field })
    }

    fn add(&mut self, at: usize, column: StageColumn) -> Option<usize> {
        let columns = &mut self.stages.get_mut(at)?.columns;
        columns.push(column);
        Some(columns.len() - 1)
    }

    fn kind(&self, at: usize, column: usize) -> CellType {
        let stage = self.stages.get(at);
        stage.and_then(|stage| stage.columns.get(column)).map_or(CellType::Text, |column| column.kind)
    }

    fn filter(&mut self, at: usize, filter: &document::Filter, key: &str) -> Option<Filter> {
        let mut conditions = BTreeMap::new();
        for (letter, condition) in &filter.conditions {
            let key = format!("{key}.conditions.{letter}");
            conditions.insert(*letter, self.condition(at, condition, &key));
        }
        let conditions = conditions.into_iter().map(|(letter, condition)| Some((letter, condition?)));
        Some(Filter { expression: filter.expression.clone(), conditions: conditions.collect::<Option<_>>()? })
    }

    fn merge(&mut self, name: &str, merge: &document::Merge) {
        let key = join(&format!("{}.merges", self.path), name);
        let mut side = |side: &str, name: &str| {
            let found = self.stage(name);
            if found.is_none() {
                self.unknown_stage(&format!("{key}.{side}"), name);
            }
            found
        };
        let (left, right) = (side("left", &merge.left), side("right", &merge.right));
        let (Some(left), Some(right)) = (left, right) else { return };
        if left == right {
            let advice = "is the left one, too; read the object twice, as two datasets";
            self.problems.add(format_args!("{key}.right"), advice);
            return;
        }
        let mut on = Vec::new();
        for (place, (one, other)) in merge.on.iter().enumerate() {
            let key = format!("{key}.on[{place}]");
            let pair =
                self.field(left, one, (&key, Use::Value)).zip(self.field(right, other, (&key, Use::Value)));
            let Some((one, other)) = pair else { continue };
            if self.kind(left, one) == CellType::List || self.kind(right, other) == CellType::List {
                self.problems.add(&key, "is a list of values, which nothing equals; merge by another field");
            }
            on.push((one, other));
        }
        if merge.on.is_empty() {
            self.problems.add(format_args!("{key}.on"), "names no fields; name one of each side, at least");
        }
        let mut columns = Vec::new();
        for (field, (dataset, from)) in &merge.fields {
            let key = join(&format!("{key}.fields"), field);
            let (side, at) = match dataset {
                name if *name == merge.left => (Side::Left, left),
                name if *name == merge.right => (Side::Right, right),
                _ => {
                    let advice =
                        format!("{dataset} is no side of it; take it from {} or {}", merge.left, merge.right);
                    self.problems.add(&key, advice);
                    continue;
                }
            };
            let Some(column) = self.field(at, from, (&key, Use::Value)) else { continue };
            let kind = self.kind(at, column);
            columns.push(StageColumn { name: field.clone(), kind, value: Source::Side(side, column) });
        }
        let leaves = [left, right].into_iter().filter_map(|at| self.stages.get(at));
        let leaves = leaves.flat_map(|stage| stage.leaves.clone()).collect();
        let from = Origin::Merge(Merge { left, right, join: merge.join, on });
        let at = self.push(Stage { name: name.to_owned(), from, columns, leaves }, &key);
        self.transforms(at, name);
    }

    /// The fields that are worked out for the stage `name`.
    fn transforms(&mut self, at: usize, name: &str) {
        let job = self.job;
        let of_stage = job.transforms.iter().enumerate().filter(|(_, transform)| transform.dataset == name);
        for (place, transform) in of_stage {
            let key = format!("{}.transforms[{place}]", self.path);
            let Some((rule, kind)) = self.rule(at, &transform.rule, &key) else { continue };
            self.computed(at, (&transform.field, kind, rule), &key);
        }
    }

    fn computed(&mut self, at: usize, (field, kind, rule): (&str, CellType, Rule), key: &str) {
        let is_there =
            self.stages.get(at).is_some_and(|stage| stage.columns.iter().any(|column| column.name == field));
        if is_there {
            self.problems.add(
                format_args!("{key}.field"),
                format_args!("there is a field {field}; choose another name"),
            );
            return;
        }
        self.add(at, StageColumn { name: field.to_owned(), kind, value: Source::Computed(rule) });
    }

    /// The stage whose rows go to the destination, and the column that identifies them.
    fn destination(&mut self) -> Option<(usize, usize)> {
        let destination = &self.job.destination;
        let key = format!("{}.destination", self.path);
        let Some(at) = self.stage(&destination.dataset) else {
            self.unknown_stage(&format!("{key}.dataset"), &destination.dataset);
            return None;
        };
        let external_id =
            self.field(at, &destination.external_id, (&format!("{key}.external_id"), Use::Value));
        for (field, map) in &destination.fields {
            self.field(at, &map.from, (&join(&format!("{key}.fields"), field), Use::Value));
        }
        for (place, lookup) in destination.lookups.iter().enumerate() {
            for (pair, (from, _)) in lookup.pairs.iter().enumerate() {
                self.field(at, from, (&format!("{key}.lookups[{place}].match[{pair}]"), Use::Value));
            }
        }
        Some((at, external_id?))
    }
}

/// That there is nothing called `name` among `known`, and what may have been meant.
fn advice<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    let small: Vec<String> = known.iter().map(|known| known.to_ascii_lowercase()).collect();
    let nearest = nearest(name, small.iter().map(String::as_str));
    let nearest = small.iter().zip(&known).find(|(small, _)| Some(small.as_str()) == nearest);
    if let Some((_, nearest)) = nearest {
        return format!("there is no {what} {name}; did you mean {nearest}?");
    }
    let all = known.get(..MOST_LISTED).unwrap_or(&known).join(", ");
    let more = if known.len() > MOST_LISTED { ", and more" } else { "" };
    if all.is_empty() {
        return format!("there is no {what} {name}, and no other one");
    }
    format!("there is no {what} {name}; there are {all}{more}")
}
