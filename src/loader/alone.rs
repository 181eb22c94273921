//! Whether a loader is the only one of its name. What some load into is a process's own: two would each have half.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const ALONE: u8 = 1;
const WITH_OTHERS: u8 = 2;

/// What a loader has found out about others of its name, for whoever works on what it loads.
#[derive(Clone, Debug, Default)]
pub struct Alone(Arc<AtomicU8>);

impl Alone {
    /// Notes whether the loader is alone.
    pub(super) fn set(&self, is_alone: bool) {
        self.0.store(if is_alone { ALONE } else { WITH_OTHERS }, Ordering::Relaxed);
    }

    /// Whether it was alone when it last looked; none before that.
    pub fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            state => Some(state == ALONE),
        }
    }
}
