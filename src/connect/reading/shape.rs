//! Which fields datasets and merges have, as far as a document says.

use std::collections::BTreeMap;

use super::unknown;

/// What may stand behind a field that refers to another row.
const SUFFIXES: [&str; 3] = [".id", ".name", ".email"];

/// The fields of a dataset or of a merge.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Fields of the source, which may have suffixes.
    pub read: Vec<String>,
    /// Fields that merges and transforms make.
    pub made: Vec<String>,
}

/// The shapes of datasets and merges by name.
pub type Shapes = BTreeMap<String, Shape>;

impl Shape {
    /// Whether `field` is one of its fields.
    pub fn has(&self, field: &str) -> bool {
        let is_read = |field: &str| self.read.iter().any(|own| own == field);
        is_read(field)
            || self.made.iter().any(|own| own == field)
            || SUFFIXES.iter().any(|end| field.strip_suffix(end).is_some_and(is_read))
    }

    /// What to say where `field` is none of them; none: it is one.
    pub fn fault(&self, field: &str) -> Option<String> {
        let known = self.read.iter().chain(&self.made).map(String::as_str);
        (!self.has(field)).then(|| unknown("field", field, known))
    }
}
