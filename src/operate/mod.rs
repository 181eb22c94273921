//! What operators do to a Weir that runs, or to what it left: read the quarantine, map rejected events again, give
//! orders over a socket, and see to connections, jobs and chains. Commands call it, and [`api`] answers over HTTP.

pub mod api;
pub mod clerk;
pub mod control;
pub mod in_use;
pub mod quarantine;
pub mod replay;
