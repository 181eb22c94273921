//! `weir connection`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::apply::ApplyArgs;
use super::one::OneFlags;
use super::print::{print_json, table};
use super::{DeskFlags, apply, authorize};
use crate::cli::{Failure, print};
use crate::connect::desk::documents::Kind;
use crate::connect::desk::shown::time;
use crate::connect::writing;
use crate::operate::clerk::connections::{Listed, field_json, object_json};

/// The arguments of `weir connection`.
#[derive(Args, Clone, Debug)]
pub struct ConnectionArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Take connections, jobs and chains from a file, all of it or nothing
    Apply(ApplyArgs),
    /// List the connections
    List(DeskFlags),
    /// Print a connection as a document, without its credentials
    Show(OneFlags),
    /// Delete a connection and its credentials
    Delete(DeleteArgs),
    /// Ask as little of it as shows that it works
    Test(OneFlags),
    /// Let a connection in: by a browser, by a code, or by a token from stdin
    Authorize(authorize::AuthorizeArgs),
    /// List what a connection offers, or the fields of one object
    Objects(ObjectsArgs),
}

#[derive(Args, Clone, Debug)]
struct DeleteArgs {
    #[command(flatten)]
    one: OneFlags,
    /// Delete its jobs, too
    #[arg(long)]
    with_jobs: bool,
}

#[derive(Args, Clone, Debug)]
struct ObjectsArgs {
    #[command(flatten)]
    one: OneFlags,
    /// The object whose fields to list
    #[arg(value_name = "OBJECT")]
    object: Option<String>,
}

pub(in crate::cli) fn run(args: &ConnectionArgs) -> Result<(), Failure> {
    match &args.action {
        Action::Apply(args) => apply::run(args),
        Action::List(flags) => list(flags),
        Action::Show(one) => show(one),
        Action::Delete(args) => delete(args),
        Action::Test(one) => test(one),
        Action::Authorize(args) => authorize::run(args),
        Action::Objects(args) => objects(args),
    }
}

fn list(flags: &DeskFlags) -> Result<(), Failure> {
    let listed = flags.clerk()?.connections()?;
    if flags.json {
        return print_json(&json!(listed.iter().map(Listed::json).collect::<Vec<_>>()));
    }
    if listed.is_empty() {
        return print("there is no connection; make one with `weir connection apply`\n");
    }
    let mut rows =
        vec![["TENANT", "ID", "CONNECTOR", "NAME", "CREDENTIALS", "CHANGED"].map(str::to_owned).to_vec()];
    rows.extend(listed.into_iter().map(|Listed { connection: one, credentials, changed_ms }| {
        let has = if credentials.is_empty() { "none".to_owned() } else { credentials.join(", ") };
        vec![one.tenant, one.id, one.connector.word().to_owned(), one.name, has, time(changed_ms)]
    }));
    print(&table(&rows))
}

fn show(one: &OneFlags) -> Result<(), Failure> {
    let connection = one.desk.clerk()?.connection(&one.id)?;
    let connections = std::slice::from_ref(&connection);
    if one.desk.json {
        return print(&format!("{}\n", writing::json(connections, &[], &[])));
    }
    print(&writing::toml(connections, &[], &[]))
}

fn delete(args: &DeleteArgs) -> Result<(), Failure> {
    let OneFlags { id, desk } = &args.one;
    let outcomes = desk.clerk()?.delete_connection(id, args.with_jobs)?;
    desk.print_done(&outcomes, || {
        let jobs = outcomes.iter().filter(|one| one.kind == Kind::Job).map(|one| one.id.as_str());
        let jobs = jobs.collect::<Vec<_>>().join(", ");
        let with = if jobs.is_empty() { String::new() } else { format!(" with its jobs {jobs}") };
        print(&format!("connection {id}: deleted{with}\n"))
    })
}

fn test(one: &OneFlags) -> Result<(), Failure> {
    let reached = one.desk.clerk()?.test(&one.id)?;
    if one.desk.json {
        return print_json(&json!({ "ok": true, "reached": reached }));
    }
    print(&format!("{reached}\n"))
}

fn objects(args: &ObjectsArgs) -> Result<(), Failure> {
    let OneFlags { id, desk } = &args.one;
    let mut clerk = desk.clerk()?;
    let Some(object) = &args.object else {
        let objects = clerk.objects(id)?;
        if desk.json {
            return print_json(&json!(objects.iter().map(object_json).collect::<Vec<_>>()));
        }
        let rows = objects.into_iter().map(|one| vec![one.name, one.label]);
        return print(&table(&rows.collect::<Vec<_>>()));
    };
    let fields = clerk.fields(id, object)?;
    if desk.json {
        return print_json(&json!(fields.iter().map(field_json).collect::<Vec<_>>()));
    }
    let rows = fields.into_iter().map(|field| {
        let kind = json!(field.kind).as_str().unwrap_or_default().to_owned();
        let unseen = if field.is_unseen { "not seen by incremental runs" } else { "" };
        vec![field.name, kind, field.label, unseen.to_owned()]
    });
    print(&table(&rows.collect::<Vec<_>>()))
}
