//! How an event ends.

/// How an event ended. Computed once, counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its records are durable.
    Queued,
    /// It stands in quarantine.
    Quarantined,
    /// The configuration says that it is not wanted.
    Ignored,
    /// The client was told to come again, or why not.
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
