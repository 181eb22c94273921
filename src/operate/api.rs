//! What a clerk does, as answers over HTTP: the same JSON as that of the commands.

use std::io::{Cursor, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::clerk::apply::Outcome;
use super::clerk::{Clerk, Office, Refused, Stopped, chains, connections, preview, runs};
use crate::connect::desk::runs::{Asked, Run};
use crate::connect::desk::shown;
use crate::connect::reading::Documents;
use crate::connect::writing;
use crate::http::api::routes::Action;
use crate::http::api::{Call, Long, Reply, Take};

/// Rows of a preview, where nothing is said of that, and at most.
const ROWS: (u64, u64) = (20, 1_000);

/// Answers with clerks of `office`.
pub fn take(office: Office) -> Take {
    Arc::new(move |call| match answer(&office, &call) {
        Ok(reply) => reply,
        Err(refused) => refusal(&refused),
    })
}

fn refusal(refused: &Refused) -> Reply {
    let status = match refused {
        Refused::Usage(_) | Refused::Bad(_) => 400,
        Refused::Problems(problems) => {
            let error = "the document has problems, so nothing of it was taken; mend them, and send it again";
            let said = json!({ "error": error, "problems": problems.lines() });
            return Reply::Json(400, said.to_string());
        }
        Refused::Unknown(_) => 404,
        Refused::Conflict(_) => 409,
        Refused::Elsewhere(_) => 502,
        Refused::Away(_) => 503,
    };
    Reply::error(status, &refused.to_string())
}

fn answer(office: &Office, call: &Call) -> Result<Reply, Refused> {
    let mut clerk = office.clerk(call.parameter("tenant"))?;
    match call.action {
        Action::Errors | Action::Log => return long(office, &mut clerk, call),
        Action::RunJob => {
            let asked = asked(&call.body)?;
            return Ok(queued(&clerk.run_job(call.name(0), &asked)?));
        }
        Action::RunChain => {
            let run = clerk.run_chain(call.name(0))?;
            return Ok(Reply::Json(202, chains::run_json(&run, &[]).to_string()));
        }
        Action::Retry => {
            let run = if call.body.is_empty() {
                clerk.retry(call.name(0))?
            } else {
                clerk.retry_mended(call.name(0), "the body", Cursor::new(&call.body))?
            };
            return Ok(queued(&run));
        }
        _ => {}
    }
    let json = match call.action {
        Action::Connection | Action::Job | Action::Chain | Action::Export => document(&mut clerk, call)?,
        Action::Apply | Action::DeleteConnection | Action::DeleteJob | Action::DeleteChain => {
            change(&mut clerk, call)?.to_string()
        }
        _ => shown(&mut clerk, call)?.to_string(),
    };
    Ok(Reply::Json(200, json))
}

fn queued(run: &Run) -> Reply {
    Reply::Json(202, shown::run(run).to_string())
}

/// What a run is asked for.
fn asked(body: &[u8]) -> Result<Asked, Refused> {
    if body.trim_ascii().is_empty() {
        return Ok(Asked::default());
    }
    let bad = || {
        Refused::Bad(r#"the body has to be JSON such as {"full": true, "allow_deletes": false}"#.to_owned())
    };
    let value: Value = serde_json::from_slice(body).map_err(|_| bad())?;
    let mut asked = Asked::default();
    for (name, value) in value.as_object().ok_or_else(bad)? {
        let flag = match name.as_str() {
            "full" => &mut asked.full,
            "allow_deletes" => &mut asked.allow_deletes,
            _ => return Err(bad()),
        };
        *flag = value.as_bool().ok_or_else(bad)?;
    }
    Ok(asked)
}

/// Documents, as they can be applied again.
fn document(clerk: &mut Clerk, call: &Call) -> Result<String, Refused> {
    let Documents { connections, jobs, chains } = match call.action {
        Action::Connection => {
            Documents { connections: vec![clerk.connection(call.name(0))?], ..Documents::default() }
        }
        Action::Job => Documents { jobs: vec![clerk.job(call.name(0))?], ..Documents::default() },
        Action::Chain => Documents { chains: vec![clerk.chain(call.name(0))?], ..Documents::default() },
        _ => clerk.export(call.parameter("job"))?,
    };
    Ok(writing::json(&connections, &jobs, &chains))
}

fn change(clerk: &mut Clerk, call: &Call) -> Result<Value, Refused> {
    let outcomes = match call.action {
        Action::DeleteConnection => clerk.delete_connection(call.name(0), flag(call, "with_jobs")?)?,
        Action::DeleteJob => clerk.delete_job(call.name(0))?,
        Action::DeleteChain => clerk.delete_chain(call.name(0))?,
        _ => {
            let text = std::str::from_utf8(&call.body);
            clerk.apply(text.map_err(|_| Refused::Bad("the document has to be UTF-8".to_owned()))?)?
        }
    };
    Ok(outcomes.iter().map(Outcome::json).collect())
}

fn shown(clerk: &mut Clerk, call: &Call) -> Result<Value, Refused> {
    let job = call.parameter("job");
    Ok(match call.action {
        Action::Connections => clerk.connections()?.iter().map(connections::Listed::json).collect(),
        Action::TestConnection => json!({ "ok": true, "reached": clerk.test(call.name(0))? }),
        Action::Objects => clerk.objects(call.name(0))?.iter().map(connections::object_json).collect(),
        Action::Fields => {
            clerk.fields(call.name(0), call.name(1))?.iter().map(connections::field_json).collect()
        }
        Action::Jobs => clerk.jobs()?.iter().map(super::clerk::jobs::Listed::json).collect(),
        Action::Preview => preview::json(&clerk.preview(call.name(0), rows(call)?)?),
        Action::Chains => clerk.chains()?.iter().map(chains::ListedChain::json).collect(),
        Action::Cancel => shown::run(&clerk.cancel(call.name(0))?),
        Action::Run => shown::run(&clerk.run(call.name(0))?),
        Action::Activity if call.parameter("kind") == Some("change") => {
            clerk.changes(job)?.iter().map(runs::change_json).collect()
        }
        Action::Activity if call.parameter("kind").is_some_and(|kind| kind != "run") => {
            return Err(Refused::Usage("kind is run or change".to_owned()));
        }
        _ => clerk.runs(job)?.iter().map(shown::run).collect(),
    })
}

fn flag(call: &Call, name: &str) -> Result<bool, Refused> {
    match call.parameter(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refused::Usage(format!("{name} is true or false"))),
    }
}

fn rows(call: &Call) -> Result<u64, Refused> {
    let (usual, most) = ROWS;
    let Some(text) = call.parameter("rows") else { return Ok(usual) };
    let rows = text.parse().ok().filter(|rows| (1..=most).contains(rows));
    rows.ok_or_else(|| Refused::Usage(format!("rows is a number from 1 to {most}")))
}

/// What may be long is sent while it is read. What it is of is looked up first, so that its absence has a status.
fn long(office: &Office, clerk: &mut Clerk, call: &Call) -> Result<Reply, Refused> {
    let (kind, run) = (call.action, clerk.run(call.name(0))?);
    if kind == Action::Log {
        clerk.log(&run.id)?;
    }
    let (office, tenant) = (office.clone(), run.tenant.clone());
    let write: Long = Box::new(move |into| {
        // A clerk stays on its thread.
        let clerk = office.clerk(Some(&tenant)).map_err(|refused| refused.to_string())?;
        write(clerk, (kind, &run), into).map_err(|stopped| stopped.to_string())
    });
    Ok(Reply::Long(
        if kind == Action::Log { "application/x-ndjson" } else { "text/csv; charset=utf-8" },
        write,
    ))
}

fn write(mut clerk: Clerk, (kind, run): (Action, &Run), into: &mut dyn Write) -> Result<(), Stopped> {
    if kind == Action::Errors {
        return clerk.write_errors(run, into);
    }
    let log = clerk.log(&run.id).map_err(Stopped::Refused)?;
    log.each(|line| writeln!(into, "{line}"))
}
