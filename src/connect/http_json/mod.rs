//! Any API that gives JSON over HTTP, described by settings and without code of its own: where its objects are, how
//! pages follow each other, and where in an answer records and their values stand.
//!
//! [`settings`] reads such a description, [`paging`] knows how pages follow each other, [`values`] finds values in
//! records, [`client`] makes the calls; [`source`] is what jobs use.

pub mod client;
pub mod paging;
pub mod settings;
pub mod source;
pub mod values;
