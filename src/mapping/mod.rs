//! From a call to records: pure and table-driven. `fields` holds the tables, `convert` what a value may
//! become, `object` how traits fill an object's fields; `person`, `company` and `track` write the records, and `gainsight`
//! those of senders that name fields themselves.
//!
//! The rules are those of RudderStack's Gainsight destination, less its traps (see the README, "What
//! becomes of an event").

pub mod company;
pub mod convert;
pub mod fields;
pub mod gainsight;
pub mod integrations;
pub mod object;
pub mod person;
pub mod track;
