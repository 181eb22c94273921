//! One RudderStack call as it came: a borrowed scan, its identity, its time, its kind. Nothing is copied
//! that can be pointed at.

pub mod compact;
pub mod kind;
