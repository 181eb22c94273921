//! What calls to an org counted in the last day: the meter of a source, over the desk.

use jiff::Timestamp;

use super::{Desk, DeskError, OpenDesk, values};
use crate::connect::meter::Meter;
use crate::connect::source::SourceError;
use crate::store::inspect::Inspect;

/// The window that is counted, in minutes: a day.
const DAY: i64 = 24 * 60;

/// What an org allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// What calls of all processes are counted under.
    pub org: String,
    /// Credits that any day has.
    pub credits_per_day: u64,
    /// The share of them that is left to others.
    pub reserve: f64,
}

impl Allowance {
    /// What Weir may use of a day.
    fn ours(&self) -> i64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "limits are far smaller"
        )]
        let ours = (self.credits_per_day as f64 * (1.0 - self.reserve)).floor() as i64;
        ours
    }
}

/// The meter of one org.
pub struct DeskMeter {
    open: OpenDesk,
    desk: Option<Desk>,
    allowance: Allowance,
}

impl std::fmt::Debug for DeskMeter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DeskMeter").field("allowance", &self.allowance).finish_non_exhaustive()
    }
}

impl DeskMeter {
    /// The meter of an org.
    pub fn new(open: &OpenDesk, allowance: Allowance) -> Self {
        DeskMeter { open: OpenDesk::clone(open), desk: None, allowance }
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Desk, &Allowance) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let desk = match &mut self.desk {
            Some(desk) => desk,
            none => none.insert(Desk::open(&self.open)?),
        };
        let done = work(desk, &self.allowance);
        if matches!(done, Err(SourceError::Here(_))) {
            self.desk = None;
        }
        done
    }
}

impl Meter for DeskMeter {
    fn spend(&mut self, credits: u64) -> Result<(), SourceError> {
        self.with(|desk, allowance| desk.spend(allowance, i64::try_from(credits).unwrap_or(i64::MAX)))
    }

    fn left(&mut self, credits: u64) -> Result<(), SourceError> {
        self.with(|desk, allowance| {
            let used = allowance.credits_per_day.saturating_sub(credits);
            Ok(desk.correct(&allowance.org, i64::try_from(used).unwrap_or(i64::MAX))?)
        })
    }
}

/// Under which others' calls are counted, as far as the org tells of them.
fn others(org: &str) -> String {
    format!("{org} others")
}

/// Keeps others from counting calls to an org until the transaction ends.
fn count_alone(store: &mut dyn Inspect, org: &str) -> Result<(), DeskError> {
    store.execute(
        "INSERT INTO weir_spent AS s (org, minute, credits) VALUES ($1, 0, 0) \
         ON CONFLICT (org, minute) DO UPDATE SET credits = 0",
        values![org],
    )?;
    Ok(())
}

/// What was counted of an org since a minute, oldest first.
fn counted(store: &mut dyn Inspect, org: &str, since: i64) -> Result<Vec<(i64, i64)>, DeskError> {
    let found = store.query(
        "SELECT minute, credits FROM weir_spent WHERE (org = $1 OR org = $2) AND minute > $3 ORDER BY minute",
        values![org, &others(org), since],
    )?;
    Ok(found.iter().map(|row| (row.int(0).unwrap_or_default(), row.int(1).unwrap_or_default())).collect())
}

/// The first minute at which `credits` fit, by what was counted; none: now.
fn fits_at(counted: &[(i64, i64)], credits: i64, ours: i64) -> Option<i64> {
    let mut used: i64 = counted.iter().map(|(_, credits)| credits).sum();
    let mut at = None;
    for (minute, theirs) in counted {
        if used.saturating_add(credits) <= ours {
            break;
        }
        used = used.saturating_sub(*theirs);
        at = Some(minute.saturating_add(DAY));
    }
    at
}

impl Desk {
    fn spend(&mut self, allowance: &Allowance, credits: i64) -> Result<(), SourceError> {
        let ours = allowance.ours();
        if credits > ours {
            let (org, limit) = (&allowance.org, allowance.credits_per_day);
            return Err(SourceError::Settings(format!(
                "one call needs {credits} credits, and {ours} of {limit} a day are Weir's for {org}; raise \
                 settings.credits_per_day, or lower settings.reserve"
            )));
        }
        let spent = self.transact(|store| {
            count_alone(store, &allowance.org)?;
            let minute = store.now_ms()?.div_euclid(60_000);
            let counted = counted(store, &allowance.org, minute - DAY)?;
            if let Some(until) = fits_at(&counted, credits, ours) {
                return Ok(Some(until));
            }
            store.execute(
                "INSERT INTO weir_spent AS s (org, minute, credits) VALUES ($1, $2, $3) \
                 ON CONFLICT (org, minute) DO UPDATE SET credits = s.credits + excluded.credits",
                values![&allowance.org, minute, credits],
            )?;
            store.execute(
                "DELETE FROM weir_spent WHERE minute < $1 AND minute > 0",
                values![minute - 2 * DAY],
            )?;
            Ok(None)
        })?;
        match spent {
            None => Ok(()),
            Some(until) => Err(SourceError::Budget {
                until: Timestamp::from_second(until.saturating_add(1).saturating_mul(60))
                    .unwrap_or(Timestamp::MAX),
                why: format!(
                    "Weir's share of the credits of {} is used up ({ours} of {} in any 24 hours)",
                    allowance.org, allowance.credits_per_day
                ),
            }),
        }
    }

    /// Notes that so many credits were used in the last day by the org's own count.
    fn correct(&mut self, org: &str, used: i64) -> Result<(), DeskError> {
        self.transact(|store| {
            count_alone(store, org)?;
            let minute = store.now_ms()?.div_euclid(60_000);
            let theirs = values![&others(org)];
            store.execute("DELETE FROM weir_spent WHERE org = $1", theirs)?;
            let ours: i64 = counted(store, org, minute - DAY)?.iter().map(|(_, credits)| credits).sum();
            if used > ours {
                store.execute(
                    "INSERT INTO weir_spent (org, minute, credits) VALUES ($1, $2, $3)",
                    values![&others(org), minute, used - ours],
                )?;
            }
            Ok(())
        })
    }

    /// How many credits of an org Weir has left in this day.
    ///
    /// # Errors
    /// The store's.
    pub fn credits_left(&mut self, allowance: &Allowance) -> Result<i64, DeskError> {
        let minute = self.store.now_ms()?.div_euclid(60_000);
        let used: i64 =
            counted(&mut *self.store, &allowance.org, minute - DAY)?.iter().map(|(_, one)| one).sum();
        Ok(allowance.ours().saturating_sub(used).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_waits_until_enough_of_the_day_has_passed() {
        assert_eq!(fits_at(&[], 5, 10), None);
        assert_eq!(fits_at(&[(7, 5)], 5, 10), None);
        assert_eq!(fits_at(&[(7, 5), (9, 3)], 5, 10), Some(7 + DAY));
        assert_eq!(fits_at(&[(7, 1), (9, 9)], 5, 10), Some(9 + DAY));
    }
}
