//! One RudderStack call as it came: the text of its body, a borrowed scan of its envelope, whom it is about, when it
//! happened, of what type it is. Nothing is copied that can be borrowed.

pub mod characters;
pub mod decode;
pub mod envelope;
pub mod head;
pub mod identity;
pub mod integrations;
pub mod json;
pub mod key;
pub mod kind;
pub mod outcome;
pub mod pixel;
pub mod rejection;
pub mod scan;
pub mod time;
pub mod traits;
pub mod value;
