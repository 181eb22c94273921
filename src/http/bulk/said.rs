//! What is said of files and runs: in Weir's own form, and in Gainsight's.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use serde_json::{Value, json};

use crate::connect::desk::runs::{Run, State};
use crate::connect::desk::shown;
use crate::http::gainsight;
use crate::http::response::{JSON, PLAIN, response};
use crate::pipeline::answer::Answer;

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Weir's.
    Own,
    /// Gainsight's.
    Gainsight,
}

/// What is to be said.
#[derive(Clone, Debug)]
pub enum Said {
    /// What any request may be told.
    Answer(Answer),
    /// There is no store, so there are no jobs.
    NoJobs,
    /// No job takes the file: a sentence.
    NoJob(String),
    /// The job takes none from this sender: a sentence.
    Forbidden(String),
    /// There is no such run.
    NoRun,
    /// The form is none: a sentence.
    BadForm(String),
    /// There is nothing in the file.
    NoRows,
    /// A file of so many bytes is durable, and its run asked for.
    Queued(Run, u64),
    /// How far a run is.
    Is(Run),
}

/// A file without a row, in Gainsight's words.
const NO_ROWS: &str = "GS_7571";
/// Who asks may not.
const FORBIDDEN: &str = "GS_APIG_2401";
/// There is no such API.
const INVALID_PATH: &str = "GSOBJ_1023";
/// What is sent is not what it should be. The choice is ours.
const INVALID: &str = "GSOBJ_1008";

impl Said {
    /// The response, without the CORS headers that every response gets.
    pub fn response(&self, path: &'static str, form: Form) -> HttpResponse {
        match (self, form) {
            (Said::Answer(answer), Form::Own) => response(answer),
            (Said::Answer(answer), Form::Gainsight) => gainsight::refuse(path, answer.clone()),
            (Said::Queued(run, bytes), Form::Own) => {
                let run = json!({
                    "run": run.id, "job": run.job, "file": run.asked.upload, "bytes": bytes,
                    "state": run.state.word(),
                });
                HttpResponse::Accepted().insert_header((header::CONTENT_TYPE, JSON)).body(run.to_string())
            }
            (Said::Is(run), Form::Own) => {
                let run = shown::run(run).to_string();
                HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(run)
            }
            (Said::Queued(run, _), Form::Gainsight) => {
                gainsight::say(path, StatusCode::OK, Ok(json!({ "statusId": run.id })))
            }
            (Said::Is(run), Form::Gainsight) => gainsight::say(path, StatusCode::OK, Ok(status(run))),
            (refused, form) => {
                let (status, code, why) = refused.refusal();
                match form {
                    Form::Own => {
                        let mut response = HttpResponse::build(status);
                        response.insert_header((header::CONTENT_TYPE, PLAIN));
                        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
                        response.body(format!("{why}\n"))
                    }
                    Form::Gainsight => gainsight::say(path, status, Err((code, why))),
                }
            }
        }
    }

    /// Status, Gainsight's code, and a sentence.
    fn refusal(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Said::NoJob(why) => (StatusCode::NOT_FOUND, INVALID_PATH, why),
            Said::Forbidden(why) => (StatusCode::FORBIDDEN, FORBIDDEN, why),
            Said::BadForm(why) => (StatusCode::BAD_REQUEST, INVALID, why),
            Said::NoRun => {
                (StatusCode::NOT_FOUND, INVALID_PATH, "there is no such run; ask for the one that was told")
            }
            Said::NoRows => (
                StatusCode::BAD_REQUEST,
                NO_ROWS,
                "no file came; send one with rows below a line of column names",
            ),
            _ => (
                StatusCode::NOT_FOUND,
                INVALID_PATH,
                "this Weir has no jobs; add the table [store] to its file",
            ),
        }
    }
}

/// How far a run is, as Gainsight tells. Its words for states are known; those of the members are not.
fn status(run: &Run) -> Value {
    let word = match run.state {
        State::Queued => "INIT",
        state if state.is_end() => "COMPLETED",
        _ => "IN_PROGRESS",
    };
    let counts = &run.counts;
    json!({
        "statusId": run.id,
        "jobId": run.job,
        "status": word,
        "totalCount": counts.extracted,
        "successCount": counts.loaded + counts.same + counts.deleted,
        "failedCount": counts.rejected + counts.failed,
        "error": run.error,
    })
}
