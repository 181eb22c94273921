//! Tables of the store's database that other rooms keep: statements that both databases read alike.
//!
//! Parameters are written `$1`, `$2`, …, and each comes first where it is next: SQLite numbers names in the order in
//! which it meets them.

use super::{Store, StoreError};

/// A value of a statement, or of what it gives. Its type is known where it is null, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Int(Option<i64>),
    /// Text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(Some(text.clone()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Value::Text(text.map(str::to_owned))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(Some(bytes.to_vec()))
    }
}

/// A row that a statement gave. What is asked of a column that is not there, or of another type, is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells(pub Vec<Value>);

impl Cells {
    /// The number in a column.
    pub fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => *number,
            _ => None,
        }
    }

    /// The text in a column.
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => text.as_deref(),
            _ => None,
        }
    }

    /// The text in a column that is never null.
    pub fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    /// The bytes in a column.
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        match self.0.get(column) {
            Some(Value::Bytes(bytes)) => bytes.as_deref(),
            _ => None,
        }
    }
}

/// A store whose database holds other tables, too. Between [`Store::begin`] and [`Store::commit`], statements happen as
/// a whole.
pub trait Tables: Store {
    /// Runs a statement. Returns how many rows it has written.
    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// The rows that a statement gives.
    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Cells>, StoreError>;

    /// Milliseconds since the Unix epoch by the clock of the database, which all processes share.
    fn now_ms(&mut self) -> Result<i64, StoreError>;
}
