//! `schedule` of a job or a chain.

/// When something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// By a cron line of five fields.
    Cron(String),
    /// Every day at this hour and minute.
    EveryDay(u8, u8),
    /// On Monday to Friday at this hour and minute.
    EveryWeekday(u8, u8),
    /// On this day of the week (0: Monday) at this hour and minute.
    Weekly(u8, u8, u8),
    /// On this day of the month (31: the last one) at this hour and minute.
    Monthly(u8, u8, u8),
}

/// What becomes of times at which nothing ran, since no Weir did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// However many, one run makes up for them.
    Once,
    /// Nothing.
    Skip,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub when: When,
    /// IANA name of the time zone that `when` is meant in.
    pub zone: String,
    /// What becomes of times that passed.
    pub missed: Missed,
}
