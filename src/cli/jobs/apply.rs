//! `apply`: takes a document with connections, jobs and chains, all of it or nothing.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::print::print_json;
use super::{DeskFlags, Open, text_of};
use crate::cli::{Failure, print};
use crate::config::Problems;
use crate::connect::desk::documents::Kind;
use crate::connect::document::{Connection, Connector, Job};
use crate::connect::engine::target::Targets;
use crate::connect::mapping::row::Mapping;
use crate::connect::prepare::check::{Known as Columns, check};
use crate::connect::reading::{Documents, Form, Known, read};
use crate::connect::{ecosystems, sources, writing};
use crate::setup::connect;

/// A document to take.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// File of connections, jobs and chains, in TOML or JSON; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    desk: DeskFlags,
}

/// Takes the document, and prints what it changed.
pub fn run(args: &ApplyArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let text = text_of(&args.file)?;
    let documents = checked(&mut open, &text)?;
    let (mut names, mut given) = (Vec::new(), Vec::new());
    for one in &documents.connections {
        names.push((Kind::Connection, one.tenant.clone(), one.id.clone()));
        given.push(writing::json(std::slice::from_ref(one), &[], &[]));
    }
    for one in &documents.jobs {
        names.push((Kind::Job, one.tenant.clone(), one.id.clone()));
        given.push(writing::json(&[], std::slice::from_ref(one), &[]));
    }
    for one in &documents.chains {
        names.push((Kind::Chain, one.tenant.clone(), one.id.clone()));
        given.push(writing::json(&[], &[], std::slice::from_ref(one)));
    }
    let all: Vec<_> = names
        .iter()
        .zip(&given)
        .map(|((kind, tenant, id), json)| (*kind, tenant.as_str(), id.as_str(), json.as_str()))
        .collect();
    if all.is_empty() {
        let advice =
            "this file has no table [connections.<id>], [jobs.<id>] or [chains.<id>]; see docs/connect.md";
        return Err(Failure::Named(advice.to_owned()));
    }
    let applied = open.desk.apply(&all)?;
    let outcomes = names.iter().zip(applied);
    if args.desk.json {
        let list: Vec<_> = outcomes
            .map(|((kind, tenant, id), outcome)| {
                json!({ "kind": kind.word(), "tenant": tenant, "id": id, "outcome": outcome.word() })
            })
            .collect();
        return print_json(&json!(list));
    }
    outcomes.into_iter().try_for_each(|((kind, _, id), outcome)| {
        print(&format!("{} {id}: {}\n", kind.word(), outcome.word()))
    })
}

/// The document, where nothing is wrong with it.
fn checked(open: &mut Open, text: &str) -> Result<Documents, Failure> {
    let catalog = open.catalog()?;
    let known = Known {
        tenant: open.tenant.clone(),
        tenants: Some(open.config.tenants.keys().cloned().collect()),
        ..catalog.known()
    };
    let mut documents = read(text, Form::of(text), &known)?;
    let mut problems = Problems::default();
    let all: Vec<_> = documents.connections.iter().chain(&catalog.documents.connections).cloned().collect();
    for connection in &documents.connections {
        sources::check(connection, &mut problems);
        if let Some(why) = ecosystems::second(connection, all.iter()) {
            problems.add(format!("connections.{}", connection.id), why);
        }
    }
    for job in &documents.jobs {
        let of = |one: &&Connection| one.tenant == job.tenant && one.id == job.connection;
        if let Some(why) = all.iter().find(of).and_then(|connection| ecosystems::refusal(job, connection)) {
            problems.add(format!("jobs.{}", job.id), why);
        }
    }
    // The job that comes with a connection is made with it.
    let comes = |connection: &Connection| {
        let is_one = |job: &Job| job.id == ecosystems::GOAL_SYNC && job.tenant == connection.tenant;
        let is_there = documents.jobs.iter().chain(&catalog.documents.jobs).any(is_one);
        let is_wanted = connection.connector == Connector::Ecosystems && !is_there;
        is_wanted.then(|| ecosystems::goal_sync(connection)).flatten()
    };
    let come: Vec<_> = documents.connections.iter().filter_map(comes).collect();
    documents.jobs.extend(come);
    let targets = connect::targets(&open.config);
    for job in &documents.jobs {
        check_job(job, &targets, &mut problems);
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems.into()) }
}

/// What can be said of a job without asking its source.
fn check_job(job: &Job, targets: &Targets, problems: &mut Problems) {
    let target = targets.get(&job.tenant).map(|tenant| tenant.target(&job.tenant, &job.destination.object));
    let found = match (check(job, &Columns::new()), target) {
        (Ok(plan), Some(Ok(target))) => Mapping::new(job, &plan, target).err(),
        (Ok(_), Some(Err(why))) => {
            problems.add(format!("jobs.{}.destination.object", job.id), why);
            None
        }
        (Ok(_), None) => None,
        (Err(found), _) => Some(found),
    };
    found.iter().flat_map(Problems::lines).for_each(|line| problems.add_line(line.clone()));
}
