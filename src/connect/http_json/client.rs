//! Calls to an API that gives JSON: with its token, within bounds, and what its answers mean.

use std::thread;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::settings::Api;
use crate::connect::address::origin;
use crate::connect::source::SourceError;
use crate::connect::vault::Vault;
use crate::system::agent;

/// The credential that goes with each call.
pub const TOKEN: &str = "token";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer.
const MOST: u64 = 32 << 20;
/// So often the same is tried where the API can't answer.
const TRIES: u32 = 3;
/// How long to wait where the API wants that and does not say how long.
const WAIT_S: i64 = 60;
/// The longest that it is believed.
const LONGEST_WAIT_S: i64 = 86_400;

/// Makes calls.
pub struct Client {
    agent: Agent,
    origin: String,
    header: String,
    scheme: String,
    vault: Box<dyn Vault>,
    /// The time there, and when that was.
    clock: Option<(Timestamp, Instant)>,
    calls: u64,
    pause: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its JSON.
    pub body: Value,
    /// Its header `Link`.
    pub link: Option<String>,
}

impl Client {
    /// Makes calls to `api`, with the token in `vault`.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub fn new(api: &Api, vault: Box<dyn Vault>) -> Result<Self, SourceError> {
        let agent = agent::new([api.base_url.as_str()], PATIENCE).map_err(SourceError::Here)?;
        Ok(Client {
            agent,
            origin: origin(&api.base_url).unwrap_or_default().to_owned(),
            header: api.auth_header.clone(),
            scheme: api.auth_scheme.clone(),
            vault,
            clock: None,
            calls: 0,
            pause: Duration::from_secs(1),
        })
    }

    /// With shorter waits between tries: for tests.
    pub fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Calls since this was asked last.
    pub fn calls(&mut self) -> u64 {
        std::mem::take(&mut self.calls)
    }

    /// The time there, if an answer said it.
    pub fn clock(&self) -> Option<Timestamp> {
        let (said, at) = self.clock?;
        let since = i64::try_from(at.elapsed().as_secs()).ok()?;
        said.checked_add(SignedDuration::from_secs(since)).ok()
    }

    /// What is at `url`.
    pub fn get(&mut self, url: &str) -> Result<Answer, SourceError> {
        if origin(url) != Some(self.origin.as_str()) {
            return Err(SourceError::Settings(format!(
                "{url} is not at {}, where the token belongs",
                self.origin
            )));
        }
        let Some(token) = self.vault.get(TOKEN)? else {
            return Err(SourceError::Authorize(format!(
                "there is no token for {} yet; give it to `weir connection authorize`",
                self.origin
            )));
        };
        let credential = if self.scheme.is_empty() { token } else { format!("{} {token}", self.scheme) };
        let mut tries = 0;
        loop {
            tries += 1;
            self.calls += 1;
            let call =
                self.agent.get(url).header("accept", "application/json").header(&self.header, &credential);
            let why = match call.call() {
                Ok(response) if response.status().as_u16() < 500 && response.status() != 408 => {
                    self.note(&response);
                    return self.read(response);
                }
                Ok(response) => format!("it answers with {}", response.status().as_u16()),
                Err(error) => agent::plain(&error),
            };
            if tries >= TRIES {
                return Err(SourceError::Away(format!("{} can't answer now: {why}", self.origin)));
            }
            thread::sleep(self.pause * (1 << tries));
        }
    }

    fn note(&mut self, response: &Response<Body>) {
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(moment) {
            self.clock = Some((date, Instant::now()));
        }
    }

    fn read(&self, mut response: Response<Body>) -> Result<Answer, SourceError> {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let origin = &self.origin;
        match status {
            200..=299 => {}
            401 | 403 => {
                return Err(SourceError::Authorize(format!(
                    "{origin} does not take the token (HTTP {status}); give a new one to `weir connection authorize`"
                )));
            }
            429 => {
                let until = header("retry-after").and_then(retry_after);
                let now = Timestamp::now();
                let wait = until
                    .map_or(WAIT_S, |until| until.duration_since(now).as_secs())
                    .clamp(1, LONGEST_WAIT_S);
                let until = now.checked_add(SignedDuration::from_secs(wait)).unwrap_or(now);
                return Err(SourceError::Budget {
                    until,
                    why: format!("{origin} takes no more calls until then"),
                });
            }
            300..=399 => {
                return Err(SourceError::Settings(format!(
                    "{origin} sends elsewhere (HTTP {status}), where the token must not go; put the final address into \
                     base_url"
                )));
            }
            404 => {
                return Err(SourceError::Settings(format!(
                    "{origin} has nothing there (HTTP 404); mend the path"
                )));
            }
            _ => {
                return Err(SourceError::Settings(format!(
                    "{origin} refuses the call (HTTP {status}); mend the path or the parameters"
                )));
            }
        }
        let link = header("link").map(str::to_owned);
        if status == 204 {
            return Ok(Answer { body: Value::Null, link });
        }
        let body =
            response.body_mut().with_config().limit(MOST).read_to_vec().map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => SourceError::Settings(format!(
                    "an answer of {origin} is larger than 32 MiB; ask for smaller pages"
                )),
                error => {
                    SourceError::Away(format!("an answer of {origin} breaks off: {}", agent::plain(&error)))
                }
            })?;
        let body = serde_json::from_slice(&body).map_err(|error| {
            SourceError::Settings(format!(
                "the answer of {origin} is no JSON ({error}); mend base_url or the path"
            ))
        })?;
        Ok(Answer { body, link })
    }
}

/// The moment of a header.
fn moment(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|at| at.timestamp())
}

/// Until when a header `Retry-After` wants one to wait: so many seconds, or a moment.
fn retry_after(text: &str) -> Option<Timestamp> {
    match text.trim().parse::<i64>() {
        Ok(seconds) => {
            Timestamp::now().checked_add(SignedDuration::from_secs(seconds.clamp(0, LONGEST_WAIT_S))).ok()
        }
        Err(_) => moment(text),
    }
}
