//! A prepared row to a row of the target: direct mapping, and what makes a row be rejected. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::target::{Key, NoKey, Target};
use super::value::{Unfit, compared, json, of_literal};
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::connect::cell::CellType;
use crate::connect::document::{Job, Lookup, OnEmpty};
use crate::connect::prepare::PreparedRow;
use crate::connect::prepare::plan::Plan;
use crate::store::types::FieldType;

/// Why a row is rejected, as `_code` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A field that its key is made of has no value.
    KeyMissing,
    /// Another row of the run has its key, and was changed later.
    DuplicateKey,
    /// A field that its object needs has no value.
    RequiredMissing,
    /// A value is not what its field holds.
    TypeInvalid,
    /// A value, or its key, is too long.
    ValueTooLong,
    /// A lookup found no row.
    LookupNone,
    /// A lookup found several.
    LookupMany,
}

impl Code {
    /// As error files name it.
    pub fn label(self) -> &'static str {
        match self {
            Code::KeyMissing => "key_missing",
            Code::DuplicateKey => "duplicate_key",
            Code::RequiredMissing => "required_missing",
            Code::TypeInvalid => "type_invalid",
            Code::ValueTooLong => "value_too_long",
            Code::LookupNone => "lookup_none",
            Code::LookupMany => "lookup_many",
        }
    }

    /// The `_step` at which it is found.
    pub fn step(self) -> &'static str {
        match self {
            Code::LookupNone | Code::LookupMany => "lookup",
            _ => "map",
        }
    }
}

/// Why a row is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// In one word.
    pub code: Code,
    /// The field of the target.
    pub field: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A row of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedRow {
    /// What tells it from others.
    pub key: Key,
    /// Fields and their JSON, in the order of the mapping: `null` empties one, and one that is not among them keeps its
    /// value.
    pub fields: Vec<(String, String)>,
}

impl MappedRow {
    /// What is the same for the same key and values, however often and wherever it is worked out: 128 bits of SHA-256.
    pub fn hash(&self) -> [u8; 16] {
        let mut digest = Sha256::new();
        let fields = self.fields.iter().flat_map(|(field, json)| [field, json]);
        for text in std::iter::once(&self.key.text).chain(fields) {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(digest.finalize().get(..16).unwrap_or(&[0; 16]));
        hash
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Empty {
    Keep,
    Clear,
    Default(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Direct {
    field: String,
    column: usize,
    from: String,
    kind: CellType,
    to: Option<FieldType>,
    on_empty: Empty,
}

/// A derived mapping, with its columns looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The mapping.
    pub lookup: Lookup,
    /// The columns that it compares, and whether letter case counts.
    pub columns: Vec<(usize, bool)>,
}

/// How the rows of a job are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// To what.
    pub target: Target,
    direct: Vec<Direct>,
    /// Derived mapping.
    pub lookups: Vec<Derived>,
}

impl Mapping {
    /// How the rows that `plan` prepares are mapped to `target`.
    ///
    /// # Errors
    /// What is wrong with the mapping, each problem with its key and what to do.
    pub fn new(job: &Job, plan: &Plan, target: Target) -> Result<Self, Problems> {
        let path = format!("{}.destination", join("jobs", &job.id));
        let mut problems = Problems::default();
        let columns = plan.columns();
        let kind = |at: usize| columns.get(at).map_or(CellType::Text, |column| column.kind);
        let mut direct = Vec::new();
        for (field, map) in &job.destination.fields {
            let key = join(&format!("{path}.fields"), field);
            let to = target.types.get(field).copied();
            let on_empty = match &map.on_empty {
                OnEmpty::Keep => Empty::Keep,
                OnEmpty::Clear => Empty::Clear,
                OnEmpty::Default(literal) => match of_literal(literal, to) {
                    Ok(json) => Empty::Default(json),
                    Err(Unfit::Type(want)) => {
                        problems.add(&key, format_args!("has a default that is not {want}"));
                        continue;
                    }
                    Err(Unfit::Long) => {
                        problems.add(&key, "has a default that is too long");
                        continue;
                    }
                },
            };
            // Whoever made the plan has found the column.
            let Some(column) = plan.column(&map.from) else { continue };
            let (field, from) = (field.clone(), map.from.clone());
            direct.push(Direct { field, column, from, kind: kind(column), to, on_empty });
        }
        let mut lookups = Vec::new();
        for (place, lookup) in job.destination.lookups.iter().enumerate() {
            if job.destination.fields.contains_key(&lookup.field) {
                let key = format!("{path}.lookups[{place}].field");
                problems
                    .add(key, format_args!("{} is mapped directly, too; remove one of both", lookup.field));
            }
            let of_pair = |(from, to): &(String, String)| {
                let column = plan.column(from)?;
                let is_email =
                    kind(column) == CellType::Email || (lookup.object == "person" && to == "Email");
                Some((column, is_email))
            };
            let columns = lookup.pairs.iter().filter_map(of_pair).collect();
            lookups.push(Derived { lookup: lookup.clone(), columns });
        }
        let mapped: BTreeSet<&str> = job.destination.fields.keys().map(String::as_str).collect();
        let looked_up = |field: &&str| job.destination.lookups.iter().any(|lookup| lookup.field == **field);
        for needed in target.needed() {
            if !needed.iter().any(|field| mapped.contains(field) || looked_up(field)) {
                let (object, needed) = (&target.name, needed.join(" or "));
                problems.add(format_args!("{path}.fields"), format_args!("{object} needs {needed}; map it"));
            }
        }
        if problems.is_empty() { Ok(Mapping { target, direct, lookups }) } else { Err(problems) }
    }

    /// The fields of a row but those that are looked up.
    ///
    /// # Errors
    /// The first value that its field does not hold.
    pub fn fields(&self, row: &PreparedRow) -> Result<Vec<(String, String)>, Reject> {
        let mut fields = Vec::with_capacity(self.direct.len() + self.lookups.len());
        for direct in &self.direct {
            let json =
                match row.cells.get(direct.column).and_then(Option::as_deref).filter(|text| !text.is_empty())
                {
                    Some(text) => {
                        json(text, direct.kind, direct.to).map_err(|unfit| unfit_reject(direct, unfit))?
                    }
                    None => match &direct.on_empty {
                        Empty::Keep => continue,
                        Empty::Clear => "null".to_owned(),
                        Empty::Default(json) => json.clone(),
                    },
                };
            fields.push((direct.field.clone(), json));
        }
        Ok(fields)
    }

    /// The row with these fields.
    ///
    /// # Errors
    /// It has no key.
    pub fn keyed(&self, fields: Vec<(String, String)>) -> Result<MappedRow, Reject> {
        match self.target.key(&fields) {
            Ok(key) => Ok(MappedRow { key, fields }),
            Err(no_key) => Err(self.no_key(no_key)),
        }
    }

    /// Whether a field that the key is made of is looked up.
    pub fn is_keyed_by_lookup(&self) -> bool {
        let needed: Vec<&str> = self.target.needed().into_iter().flatten().collect();
        self.lookups.iter().any(|derived| needed.contains(&derived.lookup.field.as_str()))
    }

    /// What the lookup compares: none if one of its values is empty, which equals nothing.
    pub fn asked(&self, derived: &Derived, row: &PreparedRow) -> Option<Vec<String>> {
        let value = |(column, is_email): &(usize, bool)| {
            let text = row.cells.get(*column)?.as_deref()?.trim();
            let text = if *is_email { text.to_ascii_lowercase() } else { text.to_owned() };
            Some(text).filter(|text| !text.is_empty())
        };
        derived.columns.iter().map(value).collect()
    }

    /// What a row has where a lookup of other rows of its object compares it.
    pub fn answers(&self, derived: &Derived, fields: &[(String, String)]) -> Option<Vec<String>> {
        let pairs = derived.lookup.pairs.iter().zip(&derived.columns);
        let value = |((_, to), (_, is_email)): (&(String, String), &(usize, bool))| {
            let (_, json) = fields.iter().find(|(field, json)| field == to && json != "null")?;
            let text = compared(json).trim().to_owned();
            let text = if *is_email { text.to_ascii_lowercase() } else { text };
            Some(text).filter(|text| !text.is_empty())
        };
        pairs.map(value).collect()
    }

    fn no_key(&self, no_key: NoKey) -> Reject {
        let source = |field: &str| {
            let direct = self.direct.iter().find(|direct| direct.field == field);
            direct.map_or_else(|| "the lookup".to_owned(), |direct| direct.from.clone())
        };
        match no_key {
            NoKey::Missing(field) => Reject {
                code: Code::KeyMissing,
                message: format!("{field} is empty, and tells one {} from another", self.target.name),
                hint: format!(
                    "fill in {} where it comes from, or map another field to {field}",
                    source(&field)
                ),
                field,
            },
            NoKey::Invalid(field, want) => Reject {
                code: Code::TypeInvalid,
                message: format!("{field} has to be {want}"),
                hint: format!("correct {} where it comes from", source(&field)),
                field,
            },
            NoKey::Long(field) => Reject {
                code: Code::ValueTooLong,
                message: format!("the key of this {} is over 1,000 bytes", self.target.name),
                hint: format!("shorten {} where it comes from", source(&field)),
                field,
            },
        }
    }
}

fn unfit_reject(direct: &Direct, unfit: Unfit) -> Reject {
    let Direct { field, from, .. } = direct;
    let (code, message, hint) = match unfit {
        Unfit::Type(want) => {
            let hint = format!("correct {from} where it comes from, or make the value with a transform");
            (Code::TypeInvalid, format!("{field} has to be {want}"), hint)
        }
        Unfit::Long => {
            let message = format!("{field} is over {} bytes", super::value::LONGEST);
            (Code::ValueTooLong, message, format!("shorten {from}, or take its beginning with left"))
        }
    };
    Reject { code, field: field.clone(), message, hint }
}
