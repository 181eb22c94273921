//! Zoho CRM as a source.
//!
//! [`source`] is what jobs use. It reads what there is ([`metadata`]) and decides by the price ([`credits`]) which way
//! rows come: by pages, by COQL or in bulk. Each step leaves a place from which another process goes on, and a plan of
//! columns makes the same cells of all three. [`client`] makes the calls, [`consent`] lets Weir into an org.

pub mod answer;
mod bulk;
pub mod centres;
pub mod client;
pub mod consent;
mod coql;
pub mod credits;
mod criteria;
pub mod metadata;
mod names;
mod pages;
mod place;
mod plan;
mod reader;
pub mod settings;
pub mod source;
mod table;
mod users;
