//! What every request shares: built once, outside the server's factory, which runs once for each worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::budget::Budget;
use super::snapshot::Snapshot;
use crate::admission::failed_keys::FailedKeys;
use crate::admission::rate::Rates;
use crate::config::{Limits, RequestLimits, ServerLimits};
use crate::observe::metrics::Metrics;
use crate::observe::proxied::Proxied;
use crate::observe::sampled::Sampled;
use crate::observe::spans::Spans;
use crate::observe::unavailable::{Cause, Unavailable};
use crate::observe::unmapped::UnmappedNames;
use crate::observe::unverifiable::Unverifiable;
use crate::pipeline::answer::Answer;
use crate::queue::Queue;
use crate::tenants::Tenants;

/// The share of the memory for bodies, as one part in this many, that senders without a key before their body get.
const UNKNOWN_SHARE: usize = 8;

/// The running gateway.
pub struct App {
    /// Where records become durable.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What connections and requests together may cost.
    pub limits: ServerLimits,
    /// The memory for bodies.
    pub budget: Arc<Budget>,
    /// The part of it for those who have shown no key before their body.
    pub unknown_budget: Arc<Budget>,
    /// Unmapped event names, each logged once.
    pub unmapped: UnmappedNames,
    /// Senders whose signatures no secret can verify.
    pub unverifiable: Unverifiable,
    /// How many events each source may send. Every snapshot finds its limiters here.
    pub rates: Rates,
    /// Who presented keys that no source has.
    pub failed_keys: FailedKeys,
    /// Connections that did not come through a proxy as they should.
    pub proxied: Proxied,
    /// Why requests are refused and events rejected.
    pub sampled: Sampled,
    /// Where spans of requests go.
    pub spans: Spans,
    snapshot: ArcSwap<Snapshot>,
    unavailable: Unavailable,
    draining: AtomicBool,
}

impl App {
    /// Puts the parts together.
    pub fn new(tenants: Tenants, queue: Arc<dyn Queue>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        let Limits { request, server: limits } = limits;
        let rates = Rates::default();
        let snapshot = Snapshot::new(tenants, request, queue.largest_record(), &metrics, &rates);
        let budget = Budget::new(limits.inflight_bytes);
        let unknown_budget = Budget::part_of(&budget, limits.inflight_bytes / UNKNOWN_SHARE);
        App {
            queue,
            metrics,
            limits,
            budget,
            unknown_budget,
            unmapped: UnmappedNames::new(),
            unverifiable: Unverifiable::default(),
            rates,
            failed_keys: FailedKeys::default(),
            proxied: Proxied::default(),
            sampled: Sampled::default(),
            spans: Spans::none(),
            snapshot: ArcSwap::from_pointee(snapshot),
            unavailable: Unavailable::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// The same, with its requests' spans going to `spans`.
    #[must_use]
    pub fn with_spans(self, spans: Spans) -> Self {
        App { spans, ..self }
    }

    /// The tenants and limits as they are now. A request reads them once and keeps them to its end.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Has requests that begin from now on find other tenants and limits. The queue must have been prepared for their
    /// topics.
    pub fn replace(&self, tenants: Tenants, limits: RequestLimits) {
        let next = Snapshot::new(tenants, limits, self.queue.largest_record(), &self.metrics, &self.rates);
        self.snapshot.store(Arc::new(next));
    }

    /// Whether events can be taken now.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.queue.is_ready()
    }

    /// Whether the shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Takes no more events: the shutdown has begun.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The answer to a request that can't be taken now; counted and, now and then, logged.
    pub fn unavailable(&self, cause: Cause) -> Answer {
        self.count_unavailable(cause);
        Answer::Unavailable
    }

    /// Counts a request that is told to come again and, now and then, logs why.
    pub fn count_unavailable(&self, cause: Cause) {
        self.metrics.http.unavailable(cause);
        self.unavailable.log(cause);
    }

    /// The metrics as they stand now.
    pub fn render_metrics(&self) -> Vec<u8> {
        self.metrics.ready.set(f64::from(u8::from(self.is_ready())));
        self.metrics.http.body_inflight_bytes.set(i64::try_from(self.budget.used()).unwrap_or(i64::MAX));
        let addresses = i64::try_from(self.failed_keys.addresses()).unwrap_or(i64::MAX);
        self.metrics.http.failed_keys_addresses.set(addresses);
        self.metrics.render()
    }
}
