//! What the configuration says about one request: read once when the request begins, and the same until it ends.

use std::sync::Arc;

use crate::admission::rate::{Rate, Rates};
use crate::config::RequestLimits;
use crate::observe::metrics::Metrics;
use crate::observe::sources::ObservedSource;
use crate::pipeline::Rules;
use crate::tenants::{Source, Tenants};

/// The tenants and the limits of requests.
pub struct Snapshot {
    /// Who may send.
    pub tenants: Tenants,
    /// What a request may cost.
    pub limits: RequestLimits,
    /// What a body may hold.
    pub rules: Rules,
    /// By [`Source::index`]. They outlive the snapshot: the next one finds them by the sources' ids.
    observed: Vec<Arc<ObservedSource>>,
    /// The same of the sources with access keys; none for those without a rate.
    rates: Vec<Option<Arc<Rate>>>,
}

impl Snapshot {
    /// For a queue that takes records of at most `record_bytes`; counts in `metrics`, and limits sources by `rates`.
    pub fn new(
        tenants: Tenants,
        limits: RequestLimits,
        record_bytes: usize,
        metrics: &Metrics,
        rates: &Rates,
    ) -> Self {
        let observed = tenants.sender_ids().iter().map(|id| metrics.source(id)).collect();
        let rules = rules(&limits, record_bytes);
        let rate = |source: &Arc<Source>| rates.of(&source.id, source.rate, limits.events);
        let rates = tenants.sources.iter().map(rate).collect();
        Snapshot { tenants, limits, rules, observed, rates }
    }

    /// What operators see of `source`, which is of these tenants.
    pub fn observed(&self, source: &Source) -> Option<&ObservedSource> {
        self.observed.get(source.index).map(Arc::as_ref)
    }

    /// How many events `source`, which is of these tenants, may send; none: as many as it likes.
    pub fn rate(&self, source: &Source) -> Option<&Rate> {
        self.rates.get(source.index).and_then(Option::as_deref)
    }
}

/// What a body may hold under `limits`, before a queue that takes records of at most `record_bytes`.
pub fn rules(limits: &RequestLimits, record_bytes: usize) -> Rules {
    let RequestLimits { event_bytes, events, depth, .. } = *limits;
    Rules { event_bytes, events, depth, record_bytes }
}
