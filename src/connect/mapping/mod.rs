//! From prepared rows to rows of the target, and to records for the queue.
//!
//! [`row`] maps a row by itself, [`run`] all rows of a run: with what they look up ([`lookups`]), and one of each key.
//! [`target`] says what a row is told by, as the gateway does; [`records`] writes what goes on the queue.

pub mod lookups;
pub mod records;
pub mod row;
pub mod run;
mod settle;
pub mod target;
mod value;

#[cfg(test)]
mod tests;
