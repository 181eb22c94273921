//! Sources that give two events of one request the same `messageId`: readers drop one of the two, so an operator is
//! told, once a source.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::tenants::Source;

/// Which sources were told of, by `Source::index`.
#[derive(Debug)]
pub struct ReusedIds {
    told: Vec<AtomicBool>,
}

impl ReusedIds {
    /// For so many sources.
    pub fn new(sources: usize) -> Self {
        ReusedIds { told: std::iter::repeat_with(AtomicBool::default).take(sources).collect() }
    }

    /// Logs that `source` uses ids twice, the first time that it does.
    pub fn log(&self, source: &Source) {
        if self.is_new(source.index) {
            tracing::warn!(
                source = %source.id,
                "different events of one request have the same messageId, and readers will drop all but one; have the \
                 sender give each event an id of its own, or none; weir_message_ids_reused_total counts them"
            );
        }
    }

    fn is_new(&self, source: usize) -> bool {
        self.told.get(source).is_some_and(|told| !told.swap(true, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_of_once() {
        let reused = ReusedIds::new(2);
        let told = [0, 0, 1, 1, 0, 2].map(|source| reused.is_new(source));
        assert_eq!(told, [true, false, true, false, false, false]);
    }
}
