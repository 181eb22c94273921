//! Zoho CRM as a source.

pub mod answer;
pub mod centres;
pub mod consent;
pub mod credits;
pub mod settings;
