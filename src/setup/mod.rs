//! What a configuration means for the parts of Weir: whether it holds together, what it costs, and what the running
//! gateway looks up.
//!
//! [`load`](load()) reads and checks it, with every problem at once; [`capacity`], [`paths`] and [`topics`] are checks
//! of their own. [`advice`] and [`disk`] say what may surprise an operator about a valid one. [`roles`] are the parts
//! of it that a process runs. [`store`] and [`gainsight`] say what it means for loaders, [`connect`] and [`admin_api`]
//! for connections and jobs, [`reload`] what a running Weir takes over of a changed one. [`resolve`] turns it into
//! [`crate::tenants`], and [`first_start`] adds a source to try Weir with if none is configured.

pub mod admin_api;
pub mod advice;
pub mod capacity;
pub mod check;
pub mod connect;
pub mod disk;
pub mod first_start;
pub mod gainsight;
pub mod load;
pub mod paths;
pub mod reload;
pub mod resolve;
pub mod roles;
pub mod store;
mod suppressed;
pub mod topics;

pub use advice::{memory_bound, warnings};
pub use capacity::largest_request;
pub use check::{RowFault, check, row_fault};
pub use load::{ToServe, load, load_to_serve};
pub use roles::{Role, Roles};
pub use topics::slug;

#[cfg(test)]
mod tests;
