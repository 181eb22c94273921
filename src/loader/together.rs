//! What the sessions of one loader show together: it is ready where all of them are, as late as the latest, and says
//! once what keeps several of them from loading.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus::{Gauge, IntGauge};

use crate::observe::metrics::Metrics;

/// All of them.
pub(super) struct Together {
    loader: String,
    ready: IntGauge,
    lag_seconds: Gauge,
    lag_records: IntGauge,
    state: Mutex<State>,
}

struct State {
    sessions: Vec<One>,
    /// What was said last of why nothing is loaded; nothing where all of them load.
    said: String,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default)]
struct One {
    is_ready: bool,
    lag_seconds: f64,
    lag_records: i64,
    /// When it began to fail, and how late it was at that time.
    fails_since: Option<(Instant, f64)>,
}

/// One session's part in it.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    all: &'a Together,
    number: usize,
}

impl Together {
    /// For so many `sessions` of `loader`, none of which is ready.
    pub(super) fn new(metrics: &Metrics, loader: &str, sessions: usize) -> Self {
        let state = State { sessions: vec![One::default(); sessions], said: String::new() };
        let together = Together {
            loader: loader.to_owned(),
            ready: metrics.load.ready.with_label_values(&[loader]),
            lag_seconds: metrics.load.lag_seconds.with_label_values(&[loader]),
            lag_records: metrics.load.lag_records.with_label_values(&[loader]),
            state: Mutex::new(state),
        };
        together.ready.set(0);
        together
    }

    /// The session with this number, from 0 on.
    pub(super) fn member(&self, number: usize) -> Member<'_> {
        Member { all: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member<'_> {
    /// It has loaded something, or found nothing to load.
    pub(super) fn works(self) {
        let is_over = self.change(|one| {
            one.is_ready = true;
            one.fails_since.take().is_some()
        });
        if !is_over {
            return;
        }
        let mut state = self.all.state();
        if state.sessions.iter().all(|one| one.fails_since.is_none()) {
            state.said.clear();
            tracing::info!(loader = self.all.loader, "loading again");
        }
    }

    /// It can't load, and `sentence` says why. Nobody can tell then what is on the queue, so it gets later with the
    /// time: the figure of the last batch would look as if all were well.
    pub(super) fn fails(self, sentence: &str) {
        self.change(|one| {
            one.is_ready = false;
            let (since, before) = *one.fails_since.get_or_insert_with(|| (Instant::now(), one.lag_seconds));
            one.lag_seconds = before + since.elapsed().as_secs_f64();
        });
        let mut state = self.all.state();
        if state.said != sentence {
            tracing::warn!(
                loader = self.all.loader,
                "nothing is loaded: {sentence}. The records stay on the queue"
            );
            sentence.clone_into(&mut state.said);
        }
    }

    /// It loads no more.
    pub(super) fn ends(self) {
        self.change(|one| one.is_ready = false);
    }

    /// How late it is.
    pub(super) fn set_lag_seconds(self, seconds: f64) {
        self.change(|one| one.lag_seconds = seconds);
    }

    /// How many records it has yet to load.
    pub(super) fn set_lag_records(self, records: i64) {
        self.change(|one| one.lag_records = records);
    }

    fn change<T>(self, change: impl FnOnce(&mut One) -> T) -> T {
        let mut state = self.all.state();
        let mut unknown = One::default();
        let changed = change(state.sessions.get_mut(self.number).unwrap_or(&mut unknown));
        let sessions = &state.sessions;
        self.all.ready.set(i64::from(sessions.iter().all(|one| one.is_ready)));
        self.all.lag_seconds.set(sessions.iter().map(|one| one.lag_seconds).fold(0.0, f64::max));
        self.all.lag_records.set(sessions.iter().map(|one| one.lag_records).sum());
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(metrics: &Metrics) -> (i64, f64, i64) {
        let load = &metrics.load;
        (
            load.ready.with_label_values(&["store"]).get(),
            load.lag_seconds.with_label_values(&["store"]).get(),
            load.lag_records.with_label_values(&["store"]).get(),
        )
    }

    #[test]
    fn a_loader_is_ready_where_all_its_sessions_are_and_as_late_as_the_latest() {
        let metrics = Metrics::new([]).unwrap();
        let together = Together::new(&metrics, "store", 2);
        let [one, other] = [together.member(0), together.member(1)];
        one.works();
        assert_eq!(shown(&metrics), (0, 0.0, 0));
        other.works();
        one.set_lag_seconds(2.0);
        one.set_lag_records(3);
        other.set_lag_seconds(1.0);
        other.set_lag_records(4);
        assert_eq!(shown(&metrics), (1, 2.0, 7));
        one.ends();
        assert_eq!(shown(&metrics), (0, 2.0, 7));
    }

    #[test]
    fn one_that_fails_gets_later_until_it_loads_again() {
        let metrics = Metrics::new([]).unwrap();
        let together = Together::new(&metrics, "store", 2);
        let [one, other] = [together.member(0), together.member(1)];
        one.works();
        other.works();
        other.set_lag_seconds(5.0);
        other.fails("it is away");
        let (ready, late, _) = shown(&metrics);
        assert!(ready == 0 && late >= 5.0);
        other.fails("it is away");
        assert!(shown(&metrics).1 > late);
        one.works();
        assert_eq!(together.state().said, "it is away", "the other one still fails");
        other.works();
        assert_eq!((shown(&metrics).0, together.state().said.as_str()), (1, ""));
    }
}
