//! What became of an event.

/// What became of an event. It is decided once and counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its records are durable.
    Queued,
    /// It is in quarantine.
    Quarantined,
    /// The configuration or the client says that it is not wanted.
    Ignored,
    /// Its request was answered with an error: nothing of it was kept.
    Refused,
}

impl Outcome {
    /// Every outcome, in the order of its discriminant.
    pub const ALL: [Outcome; 4] = [Outcome::Queued, Outcome::Quarantined, Outcome::Ignored, Outcome::Refused];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Queued => "queued",
            Outcome::Quarantined => "quarantined",
            Outcome::Ignored => "ignored",
            Outcome::Refused => "refused",
        }
    }
}
