//! What the configuration says about one request: read once when the request begins, and the same until it ends.

use std::sync::Arc;

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
}

impl Snapshot {
    /// For a queue that takes records of at most `record_bytes`; counts in `metrics`.
    pub fn new(tenants: Tenants, limits: RequestLimits, record_bytes: usize, metrics: &Metrics) -> Self {
        let observed = tenants.sender_ids().iter().map(|id| metrics.source(id)).collect();
        let rules = rules(&limits, record_bytes);
        Snapshot { tenants, limits, rules, observed }
    }

    /// What operators see of `source`, which is of these tenants.
    pub fn observed(&self, source: &Source) -> Option<&ObservedSource> {
        self.observed.get(source.index).map(Arc::as_ref)
    }
}

/// What a body may hold under `limits`, before a queue that takes records of at most `record_bytes`.
pub fn rules(limits: &RequestLimits, record_bytes: usize) -> Rules {
    let RequestLimits { event_bytes, events, depth, .. } = *limits;
    Rules { event_bytes, events, depth, record_bytes }
}
