//! Zoho CRM as a source, over HTTP, against an org that stands in for a real one, which can't be had here. Its answers
//! are those of Zoho's documentation and of recordings; what is assumed beyond that stands in [`org`].

pub mod bench;
mod budget;
mod consent;
mod interrupted;
pub mod memory;
mod mistakes;
pub mod org;
mod reading;
pub mod served;
mod ways;
