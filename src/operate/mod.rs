//! What operators do to a Weir that runs, or to what it left: read the quarantine, map rejected events again, and give
//! orders over a socket. Commands call it.

pub mod control;
pub mod in_use;
pub mod quarantine;
pub mod replay;
