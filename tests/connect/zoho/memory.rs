//! A vault and a meter without a database.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use jiff::{SignedDuration, Timestamp};
use weir::connect::meter::Meter;
use weir::connect::source::SourceError;
use weir::connect::vault::Vault;

#[derive(Default)]
struct Kept {
    fields: BTreeMap<String, String>,
    is_locked: bool,
}

/// Credentials in memory, which its clones share.
#[derive(Clone, Default)]
pub struct MemoryVault {
    kept: Arc<(Mutex<Kept>, Condvar)>,
}

impl MemoryVault {
    /// What it holds.
    pub fn held(&self, field: &str) -> Option<String> {
        self.kept.0.lock().unwrap().fields.get(field).cloned()
    }

    /// Holds this from now on.
    pub fn hold(&self, field: &str, value: &str) {
        self.kept.0.lock().unwrap().fields.insert(field.to_owned(), value.to_owned());
    }
}

impl Vault for MemoryVault {
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError> {
        Ok(self.held(field))
    }

    fn put(&mut self, fields: &[(&str, Option<&str>)]) -> Result<(), SourceError> {
        let mut kept = self.kept.0.lock().unwrap();
        for (field, value) in fields {
            match value {
                Some(value) => drop(kept.fields.insert((*field).to_owned(), (*value).to_owned())),
                None => drop(kept.fields.remove(*field)),
            }
        }
        Ok(())
    }

    fn lock(&mut self) -> Result<(), SourceError> {
        let mut kept = self.kept.0.lock().unwrap();
        while kept.is_locked {
            kept = self.kept.1.wait(kept).unwrap();
        }
        kept.is_locked = true;
        Ok(())
    }

    fn unlock(&mut self) {
        self.kept.0.lock().unwrap().is_locked = false;
        self.kept.1.notify_one();
    }
}

/// Credits in memory, which its clones share.
#[derive(Clone, Default)]
pub struct MemoryMeter {
    kept: Arc<Mutex<Spent>>,
}

#[derive(Default)]
struct Spent {
    spent: u64,
    limit: Option<u64>,
    left: Option<u64>,
}

impl MemoryMeter {
    /// Lets no more than that be spent.
    pub fn limited(limit: u64) -> Self {
        let meter = MemoryMeter::default();
        meter.kept.lock().unwrap().limit = Some(limit);
        meter
    }

    /// What was spent.
    pub fn spent(&self) -> u64 {
        self.kept.lock().unwrap().spent
    }

    /// What the org said is left, last.
    pub fn told(&self) -> Option<u64> {
        self.kept.lock().unwrap().left
    }
}

impl Meter for MemoryMeter {
    fn spend(&mut self, credits: u64) -> Result<(), SourceError> {
        let mut kept = self.kept.lock().unwrap();
        if kept.limit.is_some_and(|limit| kept.spent + credits > limit) {
            let until = Timestamp::now() + SignedDuration::from_hours(1);
            return Err(SourceError::Budget { until, why: "the budget is used up".to_owned() });
        }
        kept.spent += credits;
        Ok(())
    }

    fn left(&mut self, credits: u64) -> Result<(), SourceError> {
        self.kept.lock().unwrap().left = Some(credits);
        Ok(())
    }
}
