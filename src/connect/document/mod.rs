//! Connections, jobs and chains as text: one shape for commands, the API and files, in TOML or JSON. Pure.

mod chain;
mod connection;
mod filter;
mod formula;
mod job;
mod schedule;

pub use chain::{Chain, OnFailure};
pub use connection::{Connection, Connector};
pub use filter::{Comparison, Condition, Filter, Literal};
pub use formula::{Case, Formula, Function, Operand, Rule, Transform};
pub use job::{
    Dataset, Deletes, Destination, FieldMap, Job, Join, Lookup, Merge, OnEmpty, OnMany, OnNone, Operation,
};
pub use schedule::{Missed, Schedule, When};
