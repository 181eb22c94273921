//! `[chains.<id>]`.

use super::schedule::Schedule;

/// What becomes of the jobs after one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They do not run.
    Stop,
    /// They run.
    Continue,
}

/// Jobs that run one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Its id, within its tenant.
    pub id: String,
    /// Id of its tenant.
    pub tenant: String,
    /// Ids of its jobs.
    pub jobs: Vec<String>,
    /// What becomes of the others where one fails.
    pub on_failure: OnFailure,
    /// When it runs; none: when it is told to.
    pub schedule: Option<Schedule>,
}
