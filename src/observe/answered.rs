//! A request that was answered.

use std::time::Instant;

/// What an answered request was, for whoever observes it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'r> {
    /// Its method.
    pub method: &'r str,
    /// Its route's path, or `other`.
    pub route: &'static str,
    /// The answer's status.
    pub status: u16,
    /// When its head had come.
    pub began: Instant,
}
