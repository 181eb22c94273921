//! Why a clerk did not do what was asked: each a sentence that says what to do.

use std::io;

use crate::config::Problems;
use crate::connect::desk::DeskError;
use crate::connect::engine::Halt;
use crate::connect::source::SourceError;
use crate::connect::staging::StagingError;
use crate::store::StoreError;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was asked in a way that does not go together, or leaves open what is meant.
    #[error("{0}")]
    Usage(String),
    /// What was given is of no use.
    #[error("{0}")]
    Bad(String),
    /// The document has problems.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It does not go with what there is: somebody has to change that.
    #[error("{0}")]
    Conflict(String),
    /// The other system can't be reached, or does not let Weir in.
    #[error("{0}")]
    Elsewhere(String),
    /// Weir or its database can't do it now.
    #[error("{0}")]
    Away(String),
}

/// Why what was begun to be written does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It can't be read.
    #[error(transparent)]
    Refused(Refused),
    /// It can't be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<DeskError> for Stopped {
    fn from(error: DeskError) -> Self {
        Stopped::Refused(error.into())
    }
}

impl From<StagingError> for Stopped {
    fn from(error: StagingError) -> Self {
        Stopped::Refused(error.into())
    }
}

impl From<DeskError> for Refused {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Store(error) => error.into(),
            DeskError::Overtaken | DeskError::Refused(_) => Refused::Conflict(error.to_string()),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Away(error.to_string())
    }
}

impl From<StagingError> for Refused {
    fn from(error: StagingError) -> Self {
        Refused::Away(error.to_string())
    }
}

impl From<SourceError> for Refused {
    fn from(error: SourceError) -> Self {
        let why = error.to_string();
        match error {
            SourceError::Settings(_) => Refused::Conflict(why),
            SourceError::Authorize(_) | SourceError::Away(_) => Refused::Elsewhere(why),
            SourceError::Budget { .. } | SourceError::Here(_) | SourceError::Stopped => Refused::Away(why),
        }
    }
}

impl From<Halt> for Refused {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failed(why) => Refused::Conflict(why),
            Halt::Authorize(why) | Halt::Later(why) => Refused::Elsewhere(why),
            Halt::Paused { until, why } => Refused::Away(format!("{why}; try again after {until}")),
            Halt::Waits | Halt::Cancelled | Halt::Stopped => {
                Refused::Away("it was stopped; try again".to_owned())
            }
        }
    }
}
