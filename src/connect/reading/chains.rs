//! `[chains.<id>]`.

use std::collections::BTreeSet;

use super::{Known, tenant, unknown, when};
use crate::config::section::{NON_BLANK, Section, non_blank};
use crate::connect::document::{Chain, OnFailure};

pub(super) fn read(mut section: Section<'_>, known: &Known) -> Chain {
    let tenant = tenant(&mut section, known);
    let chain = Chain {
        id: String::new(),
        jobs: section.list("jobs", NON_BLANK, non_blank),
        on_failure: section
            .word("on_failure", &[("stop", OnFailure::Stop), ("continue", OnFailure::Continue)])
            .unwrap_or(OnFailure::Stop),
        schedule: section.given_section("schedule").and_then(when::read),
        tenant,
    };
    let own = known.jobs.iter().filter(|(tenant, _)| *tenant == chain.tenant).map(|(_, id)| id.as_str());
    let mut seen = BTreeSet::new();
    for job in &chain.jobs {
        if !seen.insert(job) {
            section.problem("jobs", format_args!("names {job} twice; remove one"));
        } else if !own.clone().any(|id| id == job) {
            section.problem("jobs", unknown("job", job, own.clone()));
        }
    }
    if chain.jobs.is_empty() && section.given("jobs", |value, _, _| value.is_array()) == Some(true) {
        section.problem("jobs", "must name the jobs, in order");
    }
    section.finish();
    chain
}
