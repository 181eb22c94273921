//! A pause that doubles while something goes on in vain. Pure.

use std::time::Duration;

/// A pause between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    now: Duration,
}

impl Backoff {
    pub(super) const fn new(least: Duration, most: Duration) -> Self {
        Backoff { least, most, now: least }
    }

    /// The pause now.
    pub(super) fn pause(&self) -> Duration {
        self.now
    }

    /// It was in vain once more.
    pub(super) fn grow(&mut self) {
        self.now = (self.now * 2).min(self.most);
    }

    /// It was not in vain.
    pub(super) fn reset(&mut self) {
        self.now = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound_and_begins_anew_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(2), ms(7));
        let mut pauses = Vec::new();
        for _ in 0..4 {
            pauses.push(backoff.pause());
            backoff.grow();
        }
        assert_eq!(pauses, [ms(2), ms(4), ms(7), ms(7)]);
        backoff.reset();
        assert_eq!(backoff.pause(), ms(2));
    }
}
