//! One RudderStack call as it came: the body's text, a borrowed scan of its envelope, who it speaks of, when it
//! happened, what kind it is. Nothing is copied that can be pointed at.

pub mod compact;
pub mod decode;
pub mod envelope;
pub mod head;
pub mod identity;
pub mod json;
pub mod key;
pub mod kind;
pub mod outcome;
pub mod rejection;
pub mod scan;
pub mod time;
