//! `weir gainsight check`.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{OrgFlags, dry_run, outbox};
use crate::cli::{Failure, print};
use crate::config::gainsight::Records;
use crate::config::{Config, GainsightConfig};
use crate::gainsight::answer::Answer;
use crate::gainsight::client::Client;
use crate::gainsight::fields::described;
use crate::gainsight::outbox::Limits;
use crate::gainsight::send::describe;
use crate::gainsight::window::Windows;
use crate::setup::gainsight::{is_own, loader_name, settings};

/// The arguments of `weir gainsight check`.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    org: OrgFlags,
    /// Make no call: print those that would be made next for what waits. Secrets are left out
    #[arg(long)]
    dry_run: bool,
}

impl CheckArgs {
    /// Whether it makes no call.
    pub(super) fn is_dry(&self) -> bool {
        self.dry_run
    }
}

/// `{"loader","problems":[…]}`
#[derive(Serialize)]
struct Checked {
    loader: String,
    problems: Vec<String>,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let (config, names) = args.org.load()?;
    if args.dry_run {
        return names.iter().try_for_each(|name| dry_run::run(&config, name, args.org.json));
    }
    let (mut text, mut count) = (String::new(), 0);
    for name in &names {
        let problems = match problems(&config, name) {
            Ok(problems) => problems,
            Err(why) => vec![why],
        };
        count += problems.len();
        let loader = loader_name(name);
        if args.org.json {
            let checked = Checked { loader, problems };
            text.push_str(
                &serde_json::to_string(&checked).map_err(|error| Failure::Named(error.to_string()))?,
            );
            text.push('\n');
        } else if problems.is_empty() {
            text.push_str(&format!("{loader}: takes calls, and has all fields that are mapped\n"));
        } else {
            problems.iter().for_each(|problem| text.push_str(&format!("{loader}: {problem}\n")));
        }
    }
    print(&text)?;
    match count {
        0 => Ok(()),
        1 => Err(Failure::Named("one thing does not go to Gainsight as it is configured".to_owned())),
        count => Err(Failure::Named(format!("{count} things do not go to Gainsight as they are configured"))),
    }
}

/// What keeps records from going to the org `name`: each a sentence. `Err` where that can't be found out.
fn problems(config: &Config, name: &str) -> Result<Vec<String>, String> {
    let org = config.gainsight.get(name).ok_or("it is not configured")?;
    let settings = settings(config, name, &|name| std::env::var_os(name))?;
    let objects = mapped(config, org);
    let names: Vec<&str> = objects.iter().map(|(object, _)| object.as_str()).collect();
    // The call is one of the org's, and counts as one.
    if let Some(mut outbox) = outbox(config, name).map_err(|error| error.to_string())? {
        let now = Timestamp::now().as_second();
        let (spent, closed_until) = outbox.calls(Limits::Api).map_err(|error| error.to_string())?;
        let opens = Windows::new(settings.allowance, spent, closed_until).opens(now);
        if opens > now {
            return Err(format!("all calls are used up; try again in {} s", opens - now));
        }
        outbox.spend(Limits::Api, now).map_err(|error| error.to_string())?;
    }
    let client = Client::new(&settings.url, &settings.access_key)?;
    let records = match client.call(&describe(&names)).1 {
        Answer::Done(records) => records,
        Answer::Throttled => {
            return Err("it had too many calls, of Weir and of others; try again in a minute".to_owned());
        }
        Answer::Away(why) | Answer::Closed(why) => return Err(why),
        Answer::Nothing | Answer::Refused(_) => Vec::new(),
    };
    let mut problems = Vec::new();
    for (object, fields) in objects {
        let Some(has) = described(&object, &records) else {
            problems.push(format!(
                "it does not say which fields its {object} object has; make the object in Gainsight (Administration, \
                 Data Management), or see whether the access key may read it"
            ));
            continue;
        };
        problems.extend(fields.iter().filter(|field| !has.have(field)).map(|field| {
            format!(
                "its {object} object has no field {field}, so its values are left out; make it in Gainsight \
                 (Administration, Data Management), or map the trait to another one"
            )
        }));
    }
    Ok(problems)
}

/// The objects whose records go to `org`, and the fields that the configuration names.
fn mapped(config: &Config, org: &GainsightConfig) -> Vec<(String, BTreeSet<String>)> {
    let Some(tenant) = config.tenants.get(&org.tenant) else { return Vec::new() };
    let declared = |object: &str| {
        let object = tenant.objects.get(object);
        object.into_iter().flat_map(|object| object.keys.iter().chain(object.fields.keys())).cloned()
    };
    let mut objects = Vec::new();
    if org.records.contains(&Records::Company) {
        let named = ["Name".to_owned()].into_iter().chain(tenant.company_fields.values().cloned());
        objects.push(("company".to_owned(), named.chain(declared("company")).collect()));
    }
    if org.records.contains(&Records::Person) {
        let named = ["Email".to_owned()].into_iter().chain(tenant.person_fields.values().cloned());
        objects.push(("person".to_owned(), named.chain(declared("person")).collect()));
    }
    if org.records.contains(&Records::Object) {
        let own = tenant.objects.keys().filter(|object| is_own(object));
        objects.extend(own.map(|object| (object.clone(), declared(object).collect())));
    }
    objects
}
