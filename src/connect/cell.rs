//! Values as datasets keep them: one text for one value, whichever way it came. Pure.
//!
//! A value that is not there, null and an empty cell of a table are all none. Texts keep their inside, without blanks
//! around it; `""` is empty, and none. Numbers are decimal, without an exponent and without zeros that say nothing.
//! Booleans are `true` and `false`; days `2026-11-30`; times RFC 3339 in UTC, in whole seconds or finer as they came
//! (`2026-11-30T08:00:00Z`). Of several values there is a JSON array.

use serde::{Deserialize, Serialize};

/// A value, or none.
pub type Cell = Option<String>;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Text.
    Text,
    /// An email address: compared without letter case.
    Email,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    Time,
    /// Several values: a JSON array.
    List,
}
