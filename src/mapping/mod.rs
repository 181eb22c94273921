//! From a call to records, pure and driven by tables. `fields` holds the tables, `convert` writes values, `object`
//! decides which trait fills which field; `person`, `company`, `track` and `alias` write the records, and `gainsight`
//! writes those of senders that name the fields themselves.
//!
//! The rules are those of RudderStack's Gainsight destination without its traps (see docs/events.md, "What becomes of
//! each call").

pub mod alias;
pub mod company;
pub mod convert;
pub mod fields;
pub mod gainsight;
pub mod object;
pub mod person;
pub mod suppressed;
pub mod track;
