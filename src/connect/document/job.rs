//! `[jobs.<id>]`.

use std::collections::BTreeMap;

use super::filter::{Filter, Literal};
use super::formula::Transform;
use super::schedule::Schedule;

/// A job: datasets of a connection, prepared and mapped to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id, within its tenant.
    pub id: String,
    /// Id of its tenant.
    pub tenant: String,
    /// Id of its connection.
    pub connection: String,
    /// As people call it.
    pub name: String,
    /// Whether its schedule counts.
    pub enabled: bool,
    /// What is read, by name.
    pub datasets: BTreeMap<String, Dataset>,
    /// What is merged: each after those that it merges.
    pub merges: Vec<(String, Merge)>,
    /// Fields that are worked out, in order.
    pub transforms: Vec<Transform>,
    /// Where rows go.
    pub destination: Destination,
    /// When it runs; none: when it is told to.
    pub schedule: Option<Schedule>,
    /// When it reads all rows, besides; none: when it is told to.
    pub refresh: Option<Schedule>,
}

/// Rows of one object of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The object.
    pub object: String,
    /// Its fields.
    pub fields: Vec<String>,
    /// What its rows have to be like.
    pub filter: Option<Filter>,
}

/// Which rows without a partner a merge keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// None.
    Inner,
    /// Those of the left side.
    Left,
    /// Those of the right one.
    Right,
    /// Both.
    Outer,
}

/// Two datasets or merges, brought together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Name of the one.
    pub left: String,
    /// Name of the other.
    pub right: String,
    /// What is kept.
    pub join: Join,
    /// Pairs of fields, of the left and of the right one, that have to be equal. Null equals nothing.
    pub on: Vec<(String, String)>,
    /// Its fields: names, and where they come from, `<dataset>` and field.
    pub fields: BTreeMap<String, (String, String)>,
}

/// What a job may do to rows of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make and change them.
    Upsert,
    /// Make them.
    Insert,
    /// Change them.
    Update,
}

/// What becomes of a row that its source does not have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// It stays.
    Ignore,
    /// It is marked as deleted.
    Mark,
}

/// What an empty value does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnEmpty {
    /// The target keeps its value.
    Keep,
    /// It is emptied.
    Clear,
    /// It gets this one.
    Default(Literal),
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMap {
    /// Field of the output dataset.
    pub from: String,
    /// What an empty one does.
    pub on_empty: OnEmpty,
}

/// What becomes of a lookup that finds several rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMany {
    /// It takes one, always the same.
    Any,
    /// The row is rejected.
    Reject,
}

/// What becomes of a lookup that finds no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNone {
    /// Its field is null.
    Null,
    /// The row is rejected.
    Reject,
}

/// A field that gets the id of another row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The field.
    pub field: String,
    /// The object in which the row is looked up.
    pub object: String,
    /// Pairs of a field of the output dataset and one of `object`, one to six, all of which have to be equal.
    pub pairs: Vec<(String, String)>,
    /// Several rows.
    pub on_many: OnMany,
    /// No row.
    pub on_none: OnNone,
}

/// Where a job's rows go.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Name of the dataset or merge whose rows go there.
    pub dataset: String,
    /// `company`, `person`, `company_person`, or an object of the tenant's own.
    pub object: String,
    /// What may be done.
    pub operation: Operation,
    /// The field that identifies a row in the source.
    pub external_id: String,
    /// What becomes of rows that are gone.
    pub deletes: Deletes,
    /// Direct mapping, by field of `object`.
    pub fields: BTreeMap<String, FieldMap>,
    /// Derived mapping.
    pub lookups: Vec<Lookup>,
}
