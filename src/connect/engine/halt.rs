//! Why a run does not go on, for now or for good.

use jiff::Timestamp;

use crate::connect::desk::DeskError;
use crate::connect::source::SourceError;
use crate::connect::staging::StagingError;

/// Why a run does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Somebody has to change something: a sentence that says what.
    Failed(String),
    /// Somebody has to authorize the connection again.
    Authorize(String),
    /// The source's limits are used up until then.
    Paused {
        /// When it goes on.
        until: Timestamp,
        /// Which limit.
        why: String,
    },
    /// Something is away: the same may work soon.
    Later(String),
    /// It is not its turn yet.
    Waits,
    /// Somebody asked for its end.
    Cancelled,
    /// This process stops, or another one goes on with it.
    Stopped,
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Settings(why) => Halt::Failed(why),
            SourceError::Authorize(why) => Halt::Authorize(why),
            SourceError::Budget { until, why } => Halt::Paused { until, why },
            SourceError::Away(why) | SourceError::Here(why) => Halt::Later(why),
            SourceError::Stopped => Halt::Stopped,
        }
    }
}

impl From<DeskError> for Halt {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Store(error) => Halt::Later(error.to_string()),
            DeskError::Overtaken => Halt::Stopped,
            DeskError::Refused(why) => Halt::Failed(why),
        }
    }
}

impl From<StagingError> for Halt {
    fn from(error: StagingError) -> Self {
        Halt::Later(error.to_string())
    }
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        StagingError::from(error).into()
    }
}
