//! The org that stands in for Zoho CRM in Weir's tests, for measurements.

#[path = "../../tests/connect/zoho/org/mod.rs"]
pub mod org;
#[path = "../../tests/connect/zoho/served.rs"]
pub mod served;
