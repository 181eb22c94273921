//! From RudderStack's traits to Gainsight's fields.
pub mod fields;
