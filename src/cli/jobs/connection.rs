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
use crate::connect::source::Source;
use crate::connect::writing;
use crate::setup::connect;

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

/// Its source.
fn source(one: &OneFlags) -> Result<Box<dyn Source>, Failure> {
    let (open, connection) = one.connection()?;
    Ok(connect::open_source(&open.config)(&connection, &open.vaults, None)?)
}

fn list(flags: &DeskFlags) -> Result<(), Failure> {
    let mut open = flags.open()?;
    let (stored, catalog) = (open.desk.documents(Kind::Connection, open.tenant.as_deref())?, open.catalog()?);
    let mut rows =
        vec![["TENANT", "ID", "CONNECTOR", "NAME", "CREDENTIALS", "CHANGED"].map(str::to_owned).to_vec()];
    let mut list = Vec::new();
    for stored in stored {
        let Some(one) = catalog.connection(&stored.tenant, &stored.id) else { continue };
        let credentials = open.desk.credential_names(&stored.tenant, &stored.id)?;
        list.push(json!({
            "tenant": one.tenant,
            "id": one.id,
            "connector": one.connector.word(),
            "name": one.name,
            "credentials": credentials,
            "changed_at": time(stored.changed_ms),
        }));
        let of = |text: &str| text.to_owned();
        let has = if credentials.is_empty() { "none".to_owned() } else { credentials.join(", ") };
        let (connector, changed) = (of(one.connector.word()), time(stored.changed_ms));
        rows.push(vec![of(&one.tenant), of(&one.id), connector, of(&one.name), has, changed]);
    }
    match (flags.json, list.is_empty()) {
        (true, _) => print_json(&json!(list)),
        (false, true) => print("there is no connection; make one with `weir connection apply`\n"),
        (false, false) => print(&table(&rows)),
    }
}

fn show(one: &OneFlags) -> Result<(), Failure> {
    let (_, connection) = one.connection()?;
    let connections = std::slice::from_ref(&connection);
    if one.desk.json {
        return print(&format!("{}\n", writing::json(connections, &[], &[])));
    }
    print(&writing::toml(connections, &[], &[]))
}

fn delete(args: &DeleteArgs) -> Result<(), Failure> {
    let (mut open, connection) = args.one.connection()?;
    let catalog = open.catalog()?;
    let of_it = |job: &&crate::connect::document::Job| {
        job.tenant == connection.tenant && job.connection == connection.id
    };
    let jobs: Vec<&str> = catalog.documents.jobs.iter().filter(of_it).map(|job| job.id.as_str()).collect();
    if !jobs.is_empty() && !args.with_jobs {
        return Err(Failure::Named(format!(
            "jobs use this connection: {}; delete them first, or add --with-jobs",
            jobs.join(", ")
        )));
    }
    let tenant = connection.tenant.as_str();
    let mut documents: Vec<_> = jobs.iter().map(|job| (Kind::Job, tenant, *job)).collect();
    documents.push((Kind::Connection, tenant, &connection.id));
    open.desk.remove(&documents)?;
    let with = if jobs.is_empty() { String::new() } else { format!(" with its jobs {}", jobs.join(", ")) };
    print(&format!("connection {}: deleted{with}\n", connection.id))
}

fn test(one: &OneFlags) -> Result<(), Failure> {
    let mut source = source(one)?;
    let reached = source.test()?;
    if one.desk.json {
        return print_json(&json!({ "ok": true, "reached": reached }));
    }
    print(&format!("{reached}\n"))
}

fn objects(args: &ObjectsArgs) -> Result<(), Failure> {
    let mut source = source(&args.one)?;
    let Some(object) = &args.object else {
        let objects = source.objects()?;
        if args.one.desk.json {
            let list: Vec<_> =
                objects.iter().map(|one| json!({ "name": one.name, "label": one.label })).collect();
            return print_json(&json!(list));
        }
        let rows = objects.into_iter().map(|one| vec![one.name, one.label]);
        return print(&table(&rows.collect::<Vec<_>>()));
    };
    let fields = source.fields(object)?;
    if args.one.desk.json {
        let list: Vec<_> = fields
            .iter()
            .map(|field| {
                json!({
                    "name": field.name,
                    "label": field.label,
                    "type": field.kind,
                    "choices": field.choices,
                    "seen_by_incremental": !field.is_unseen,
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    let rows = fields.into_iter().map(|field| {
        let kind = json!(field.kind).as_str().unwrap_or_default().to_owned();
        let unseen = if field.is_unseen { "not seen by incremental runs" } else { "" };
        vec![field.name, kind, field.label, unseen.to_owned()]
    });
    print(&table(&rows.collect::<Vec<_>>()))
}
