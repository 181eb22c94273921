//! Files for jobs: `POST /v1/bulk/{job}`, and the route of Gainsight's Bulk API that scripts send them to. A file is
//! written as it comes, made durable, and told to its sender once its run is asked for; what has become of that,
//! another request tells.

mod arriving;
mod said;

use std::cell::Cell;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};

use self::arriving::{Arrived, Stopped};
pub use self::said::{Form, Said};
use super::body::BodyError;
use super::credentials::presented_key;
use super::events::{Context, Inbound, Refusal, announces_body, close, find_source, may_send, refusal, tell};
use crate::connect::uploads::{Sending, UploadError, Uploads};
use crate::intake::app::App;
use crate::observe::unavailable::Cause;
use crate::pipeline::answer::Answer;
use crate::tenants::Source;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// POST: to take a file for the job that the path names. GET: what has become of the run that it names.
    Own,
    /// To take a file as Gainsight does, for the job that a part of the form names.
    Import,
    /// What has become of it, as Gainsight tells.
    Status,
}

/// Why there is nothing to say of a file or a run.
type Refused = Refusal<Said>;

impl From<Answer> for Said {
    fn from(answer: Answer) -> Self {
        Said::Answer(answer)
    }
}

/// Answers one request; says whether nothing of its body is left. None as `uploads`: there is no store for jobs.
pub async fn answer(
    app: &App,
    uploads: Option<&Arc<Uploads>>,
    inbound: Inbound<'_>,
    bulk: Bulk,
) -> (HttpResponse, bool) {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let context = Context::new(app, &snapshot, &inbound, &sender);
    let path = inbound.path;
    let said = answer_in(context, uploads, inbound, bulk).await;
    let (said, body_ended) = match said {
        Ok(said) => (said, true),
        Err(Refusal { answer, body_ended }) => (answer, body_ended),
    };
    if let Said::Answer(answer) = &said {
        tell(app, path, sender.get(), answer);
    }
    let form = if bulk == Bulk::Own { Form::Own } else { Form::Gainsight };
    (said.response(path, form), body_ended)
}

async fn answer_in(
    context: Context<'_>,
    uploads: Option<&Arc<Uploads>>,
    inbound: Inbound<'_>,
    bulk: Bulk,
) -> Result<Said, Refused> {
    let (request, headers) = (inbound.request, context.headers);
    let before = |said: Said| Refusal { answer: said, body_ended: !announces_body(headers) };
    let source = admit(context, request).map_err(|answer| before(answer.into()))?;
    let uploads = uploads.ok_or_else(|| before(Said::NoJobs))?;
    let named = request.path().rsplit('/').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
    let (tenant, source) = (source.tenant.id.clone(), source.id.clone());
    if bulk == Bulk::Status || *request.method() != Method::POST {
        let uploads = Arc::clone(uploads);
        let found = blocking(move || uploads.run(&tenant, &named)).await;
        let run = found.map_err(|error| before(of_error(context.app, error)))?;
        return Ok(run.map_or(Said::NoRun, Said::Is));
    }
    let mut sending = Sending { tenant, source, job: named };
    if bulk == Bulk::Own {
        // Before the body: who is wrong about the job should not have to send it all.
        let (uploads, sending) = (Arc::clone(uploads), sending.clone());
        let taken = blocking(move || uploads.takes(&sending)).await;
        taken.map_err(|error| before(of_error(context.app, error)))?;
    }
    let given = file_name(request);
    let Arrived { file, name, job } = receive(context, uploads, inbound).await?;
    if bulk == Bulk::Import {
        let Some(job) = job else {
            return Ok(Said::BadForm("the form has no part jobId; add it".to_owned()));
        };
        sending.job = job;
    }
    let Some(file) = file.filter(|file| file.bytes > 0) else { return Ok(Said::NoRows) };
    let (uploads, bytes) = (Arc::clone(uploads), file.bytes);
    let taken = blocking(move || uploads.take(&file, &sending, name.or(given).as_deref())).await;
    let run = taken.map_err(|error| Refusal { answer: of_error(context.app, error), body_ended: true })?;
    tracing::info!(run = run.id, file = run.asked.upload, bytes, "a file was taken");
    Ok(Said::Queued(run, bytes))
}

/// The body of an admitted sender.
async fn receive(
    context: Context<'_>,
    uploads: &Arc<Uploads>,
    inbound: Inbound<'_>,
) -> Result<Arrived, Refused> {
    let connection = inbound.connection;
    let stopped = match arriving::arrive(context, uploads, inbound).await {
        Ok(arrived) => return Ok(arrived),
        Err(stopped) => stopped,
    };
    let answer = match stopped {
        Stopped::Body(BodyError::TooSlow) => {
            context.app.metrics.http.closed(context.path);
            return Err(close(connection).await);
        }
        Stopped::Body(error) => refusal(context.app, error).into(),
        Stopped::Form(why) => Said::BadForm(why),
        Stopped::Kept(error) => of_error(context.app, error),
    };
    Err(Refusal { answer, body_ended: false })
}

/// The source that presents an access key, if it may send.
fn admit<'r>(context: Context<'r>, request: &HttpRequest) -> Result<&'r Source, Answer> {
    let key = presented_key(context.headers, request.query_string()).ok_or(Answer::NoKey)?;
    let source = find_source(context, &key)?;
    may_send(source, context.headers).map(|()| source)
}

/// What the sender calls its file, where it sends nothing else.
fn file_name(request: &HttpRequest) -> Option<String> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.find(|(name, _)| name == "file").map(|(_, name)| name.into_owned())
}

fn of_error(app: &App, error: UploadError) -> Said {
    match error {
        UploadError::NoJob(why) => Said::NoJob(why),
        UploadError::Forbidden(why) => Said::Forbidden(why),
        UploadError::Here(why) => {
            tracing::warn!(why, "a file for a job could not be taken");
            app.unavailable(Cause::Upload).into()
        }
    }
}

/// Does what waits for the disk or a database on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, UploadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(UploadError::Here("that went wrong; report this".to_owned())))
}
