//! Signed requests that no secret could ever verify. They are logged now and then, by sender, because the sender
//! learns only that its signature is wrong.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::throttle::BETWEEN_LINES;

/// When each sender was last told of. They are those of the configuration, so they are few.
#[derive(Debug)]
pub struct Unverifiable {
    start: Instant,
    next_line: Mutex<HashMap<String, u64>>,
}

impl Default for Unverifiable {
    fn default() -> Self {
        Unverifiable { start: Instant::now(), next_line: Mutex::default() }
    }
}

impl Unverifiable {
    /// Logs that a request of `sender`, a table of the configuration, was signed, unless that was logged a moment ago.
    pub fn log(&self, sender: &dyn Display) {
        let sender = sender.to_string();
        if self.is_due(&sender, self.start.elapsed().as_secs()) {
            tracing::warn!(
                sender,
                "a signed request got 401: none of the secrets that this sender's publishers list can verify \
                 a signature; list the secret that it signs with, which begins with whsec_, under \
                 publishers.*.secrets (`weir check` names secrets that can't)"
            );
        }
    }

    fn is_due(&self, sender: &str, now: u64) -> bool {
        let mut next_line = self.next_line.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next_line.entry(sender.to_owned()).or_default();
        let due = now >= *next;
        if due {
            *next = now + BETWEEN_LINES;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_is_told_of_at_once_and_then_every_ten_seconds() {
        let unverifiable = Unverifiable::default();
        let due = |now| unverifiable.is_due("sources.web", now);
        assert_eq!([due(0), due(0), due(9), due(10), due(25)], [true, false, false, true, true]);
        assert!(unverifiable.is_due("tenants.acme", 25), "each by itself");
    }
}
