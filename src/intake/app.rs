//! What every request shares: built once, outside the server's factory, which runs once per worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Limits;
use crate::intake::budget::Budget;
use crate::observe::metrics::Metrics;
use crate::observe::reused::ReusedIds;
use crate::observe::unavailable::{Cause, Unavailable};
use crate::observe::unmapped::UnmappedNames;
use crate::observe::unverifiable::Unverifiable;
use crate::pipeline::Rules;
use crate::pipeline::answer::Answer;
use crate::queue::Queue;
use crate::tenants::Tenants;

/// What a body may hold under `limits`, before a queue that takes records of at most `record_bytes`.
pub fn rules(limits: &Limits, record_bytes: usize) -> Rules {
    let Limits { event_bytes, events, depth, .. } = *limits;
    Rules { event_bytes, events, depth, record_bytes }
}

/// One in so many bytes of the memory for bodies is there for those of who has shown no key before.
const UNKNOWN_SHARE: usize = 8;

/// The running gateway.
pub struct App {
    /// Who may send.
    pub tenants: Tenants,
    /// Where records become durable.
    pub queue: Arc<dyn Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What a request may cost.
    pub limits: Limits,
    /// What a body may hold.
    pub rules: Rules,
    /// The memory for bodies.
    pub budget: Arc<Budget>,
    /// The part of it that those may take who have shown no key before their body.
    pub unknown_budget: Arc<Budget>,
    /// Unmapped event names, each logged once.
    pub unmapped: UnmappedNames,
    /// Sources that use one messageId twice, each logged once.
    pub reused_ids: ReusedIds,
    /// Senders whose signatures no secret can verify.
    pub unverifiable: Unverifiable,
    unavailable: Unavailable,
    draining: AtomicBool,
}

impl App {
    /// Puts the parts together.
    pub fn new(tenants: Tenants, queue: Arc<dyn Queue>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        let rules = rules(&limits, queue.largest_record());
        let budget = Budget::new(limits.inflight_bytes);
        let unknown_budget = Budget::part_of(&budget, limits.inflight_bytes / UNKNOWN_SHARE);
        let (unmapped, draining) = (UnmappedNames::new(), AtomicBool::new(false));
        let reused_ids = ReusedIds::new(tenants.sender_ids().len());
        App {
            tenants,
            queue,
            metrics,
            limits,
            rules,
            budget,
            unknown_budget,
            unmapped,
            reused_ids,
            unverifiable: Unverifiable::default(),
            unavailable: Unavailable::default(),
            draining,
        }
    }

    /// Whether events can be taken now.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.queue.is_ready()
    }

    /// Whether the way out has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Takes no more events: the way out has begun.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The answer to a request that can't be taken now; counted and, now and then, logged.
    pub fn unavailable(&self, cause: Cause) -> Answer {
        self.metrics.unavailable(cause);
        self.unavailable.log(cause);
        Answer::Unavailable
    }

    /// The metrics as they stand now.
    pub fn render_metrics(&self) -> Vec<u8> {
        self.metrics.ready.set(f64::from(u8::from(self.is_ready())));
        self.metrics.body_inflight_bytes.set(i64::try_from(self.budget.used()).unwrap_or(i64::MAX));
        self.metrics.render()
    }
}
