//! The outcomes of a request's events, collected while they are mapped, and counted once when they are certain.

use crate::event::decode::Repair;
use crate::event::kind::CallType;
use crate::event::outcome::Outcome;
use crate::event::rejection::Reason;
use crate::observe::metrics::Metrics;
use crate::observe::sources::ObservedSource;

/// Why an event was ignored: the closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Its type is accepted, not mapped.
    CallType,
    /// No publisher of its source maps its name.
    EventNotMapped,
    /// The client doesn't want it at Gainsight.
    IntegrationsOff,
    /// Its tenant doesn't want to hear of its user.
    Suppressed,
}

impl Ignored {
    /// Every reason, in the order of its discriminant.
    pub const ALL: [Ignored; 4] =
        [Ignored::CallType, Ignored::EventNotMapped, Ignored::IntegrationsOff, Ignored::Suppressed];

    /// Its name in metrics and in what a replay tells.
    pub fn label(self) -> &'static str {
        match self {
            Ignored::CallType => "call_type",
            Ignored::EventNotMapped => "event_not_mapped",
            Ignored::IntegrationsOff => "integrations_off",
            Ignored::Suppressed => "suppressed",
        }
    }
}

/// A tenant's field map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// `person_fields`
    Person,
    /// `company_fields`
    Company,
}

impl Map {
    const ALL: [Map; 2] = [Map::Person, Map::Company];

    fn label(self) -> &'static str {
        match self {
            Map::Person => "person",
            Map::Company => "company",
        }
    }
}

/// Names of unmapped track calls that one request may bring to the log.
const UNMAPPED_NAMES: usize = 8;
/// Characters of such a name that are kept while the request waits.
const NAME_CHARACTERS: usize = 200;

/// The counts of one request.
#[derive(Debug, Default)]
pub struct Tally {
    events: [[u32; 4]; CallType::ALL.len()],
    quarantined: Vec<Reason>,
    ignored: [u32; Ignored::ALL.len()],
    traits_dropped: [u64; Map::ALL.len()],
    times_unreadable: u32,
    ids_reused: u32,
    rate_limited: u64,
    repaired: [u32; Repair::ALL.len()],
    unmapped: Vec<String>,
}

impl Tally {
    /// One event of type `call` ended as `outcome`.
    pub fn count(&mut self, call: CallType, outcome: Outcome) {
        if let Some(count) = self.events.get_mut(call as usize).and_then(|row| row.get_mut(outcome as usize))
        {
            *count += 1;
        }
    }

    /// One event of type `call` is refused because its source is over its rate.
    pub fn rate_limited(&mut self, call: CallType) {
        self.rate_limited += 1;
        self.count(call, Outcome::Refused);
    }

    /// How many events were refused because their source is over its rate.
    pub fn over_rate(&self) -> u64 {
        self.rate_limited
    }

    /// One event went to quarantine.
    pub fn quarantined(&mut self, reason: Reason) {
        self.quarantined.push(reason);
    }

    /// Why each of the events in quarantine is there.
    pub fn rejections(&self) -> &[Reason] {
        &self.quarantined
    }

    /// One event was ignored.
    pub fn ignored(&mut self, reason: Ignored) {
        if let Some(count) = self.ignored.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Why the first of the ignored events was.
    pub fn why_ignored(&self) -> Option<Ignored> {
        let counts = Ignored::ALL.into_iter().zip(self.ignored);
        counts.filter(|(_, events)| *events > 0).map(|(reason, _)| reason).next()
    }

    /// `map` left out `traits` traits.
    pub fn traits_dropped(&mut self, map: Map, traits: u64) {
        if let Some(count) = self.traits_dropped.get_mut(map as usize) {
            *count += traits;
        }
    }

    /// So many times of an event could not be read, or not be believed.
    pub fn times_unreadable(&mut self, times: u32) {
        self.times_unreadable += times;
    }

    /// An event has the id of another one of its request.
    pub fn id_reused(&mut self) {
        self.ids_reused += 1;
    }

    /// Whether an event has the id of another one.
    pub fn has_reused_ids(&self) -> bool {
        self.ids_reused > 0
    }

    /// What was done to the body so that it could be read.
    pub fn repaired(&mut self, repairs: &[Repair]) {
        for repair in repairs {
            if let Some(count) = self.repaired.get_mut(*repair as usize) {
                *count += 1;
            }
        }
    }

    /// A track call's name that no publisher maps.
    pub fn unmapped(&mut self, name: &str) {
        if self.unmapped.len() < UNMAPPED_NAMES {
            let name: String = name.chars().take(NAME_CHARACTERS).collect();
            if !self.unmapped.contains(&name) {
                self.unmapped.push(name);
            }
        }
    }

    /// The names given to `unmapped`, each once, at most eight, long ones cut.
    pub fn unmapped_names(&self) -> &[String] {
        &self.unmapped
    }

    /// Counts the events of a source of `tenant` as they ended: their records are durable.
    pub fn settle(&self, metrics: &Metrics, observed: &ObservedSource, tenant: &str) {
        for (call, outcome, events) in self.each() {
            observed.event(call, outcome, events);
        }
        for reason in &self.quarantined {
            metrics.quarantined(*reason);
        }
        for (reason, events) in Ignored::ALL.into_iter().zip(self.ignored).filter(|(_, events)| *events > 0) {
            metrics.ignored.with_label_values(&[reason.label()]).inc_by(events.into());
        }
        for (map, traits) in Map::ALL.into_iter().zip(self.traits_dropped).filter(|(_, traits)| *traits > 0) {
            metrics.traits_dropped.with_label_values(&[tenant, map.label()]).inc_by(traits);
        }
        observed.oddities(self.times_unreadable, self.ids_reused);
        for (repair, bodies) in Repair::ALL.into_iter().zip(self.repaired).filter(|(_, bodies)| *bodies > 0) {
            observed.repaired(repair, bodies);
        }
    }

    /// Counts every event as refused: the client was told to come again.
    pub fn refuse(&self, observed: &ObservedSource) {
        for (call, _, events) in self.each() {
            observed.event(call, Outcome::Refused, events);
        }
    }

    /// The counts that are not zero.
    pub fn each(&self) -> impl Iterator<Item = (CallType, Outcome, u64)> {
        CallType::ALL.into_iter().zip(self.events).flat_map(|(call, row)| {
            let outcomes = Outcome::ALL.into_iter().zip(row);
            outcomes
                .filter(|(_, events)| *events > 0)
                .map(move |(outcome, events)| (call, outcome, events.into()))
        })
    }
}
