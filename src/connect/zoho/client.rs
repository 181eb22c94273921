//! Calls to an org's API: one at a time, each counted before it is made, with a token that is good.

use std::fs::File;
use std::io::{self, Seek};
use std::thread;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use ureq::http::Response;
use ureq::{Agent, Body};

use super::answer::{self, Answer};
use super::settings::Settings;
use crate::connect::address;
use crate::connect::meter::Meter;
use crate::connect::source::SourceError;
use crate::connect::tokens::{Access, Issuer, Tokens};
use crate::connect::vault::Vault;
use crate::system::agent;

/// Longest that an answer may take, and a download.
const PATIENCE: Duration = Duration::from_secs(60);
const DOWNLOAD: Duration = Duration::from_secs(1_800);
/// Most bytes of an answer: of 2,000 rows at most.
const LARGEST: u64 = 128 << 20;
/// How often a call that got no good answer is made again.
const TRIES: u32 = 3;
/// When to go on after the org has no credits left, and after too many calls of whichever kind.
const NO_CREDITS: SignedDuration = SignedDuration::from_hours(1);
const TOO_MANY: SignedDuration = SignedDuration::from_mins(2);

/// One call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Path and query.
    pub path: String,
    /// JSON to post; none: it gets.
    pub body: Option<String>,
    /// Only what changed then or later.
    pub since: Option<Timestamp>,
    /// What it costs.
    pub credits: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// JSON; nothing, where it was written to a file.
    Data(Vec<u8>),
    /// There is nothing, or nothing new.
    Nothing,
    /// It is not taken: the code.
    Refused(String),
    /// These tokens may not do this: the code.
    Forbidden(String),
}

impl Reply {
    /// The JSON, if there is any, where nothing else can be done about a refusal: `what` was asked for.
    ///
    /// # Errors
    /// When it was refused.
    pub fn data(self, what: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Reply::Data(body) => Ok(Some(body)),
            Reply::Nothing => Ok(None),
            Reply::Refused(code) => Err(SourceError::Settings(format!(
                "Zoho refuses to give {what}: {code}; check its name there"
            ))),
            Reply::Forbidden(code) => Err(SourceError::Authorize(format!(
                "Zoho does not let this connection read {what} ({code}); authorize it again, as a user who may, with \
                 all scopes"
            ))),
        }
    }
}

/// A way to an org.
pub struct Client {
    agent: Agent,
    tokens: Tokens,
    meter: Box<dyn Meter>,
    settings: Settings,
    pause: Duration,
    spent: (u64, u64),
    /// What its clock showed, and when that was.
    clock: Option<(Instant, Timestamp)>,
}

/// What an answer says beside its body.
struct Told {
    status: u16,
    credits_left: Option<u64>,
    retry_after: Option<u64>,
    date: Option<Timestamp>,
}

impl Client {
    /// A client of the org that `settings` name, with the credentials in `vault`; `meter` counts its calls.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub fn new(
        settings: Settings,
        vault: Box<dyn Vault>,
        meter: Box<dyn Meter>,
    ) -> Result<Self, SourceError> {
        let urls = [settings.accounts_url.as_str(), &settings.api_url];
        let agent = agent::new(urls, PATIENCE).map_err(SourceError::Away)?;
        let issuer = Issuer {
            accounts_url: settings.accounts_url.clone(),
            is_fixed: settings.has_accounts_url,
            client_id: settings.client_id.clone(),
        };
        let tokens = Tokens::new(issuer, agent.clone(), vault);
        let pause = Duration::from_secs(1);
        Ok(Client { agent, tokens, meter, settings, pause, spent: (0, 0), clock: None })
    }

    /// The first wait before a call is made again; each later one is twice as long.
    pub fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Waits: `times` pauses, less a random part of half of that, so that several don't come at once.
    pub fn wait(&self, times: u32) {
        let mut random = [0];
        // Without random bytes it waits for all of it.
        let part = getrandom::fill(&mut random).map_or(0, |()| u32::from(random[0]));
        let whole = self.pause.saturating_mul(times);
        thread::sleep(whole.saturating_sub(whole.saturating_mul(part) / 512));
    }

    /// Its tokens.
    pub fn tokens(&mut self) -> &mut Tokens {
        &mut self.tokens
    }

    /// Calls made and credits spent since this was asked last.
    pub fn spent(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.spent)
    }

    /// What its clock shows, if an answer said so yet.
    pub fn clock(&self) -> Option<Timestamp> {
        let (then, showed) = self.clock?;
        let passed = SignedDuration::try_from(then.elapsed()).ok()?;
        showed.checked_add(passed).ok()
    }

    /// Makes a call.
    ///
    /// # Errors
    /// When there is no answer, no token, or no budget.
    pub fn call(&mut self, call: &Call) -> Result<Reply, SourceError> {
        self.make(call, &mut None)
    }

    /// Makes a call whose answer is a file.
    ///
    /// # Errors
    /// As [`Client::call`], and when the file can't be written.
    pub fn download(&mut self, call: &Call, file: File) -> Result<(Reply, File), SourceError> {
        let mut file = Some(file);
        let reply = self.make(call, &mut file)?;
        let mut file = file.ok_or_else(|| SourceError::Here("a file was lost".to_owned()))?;
        file.rewind().map_err(|error| here(&error))?;
        Ok((reply, file))
    }

    fn make(&mut self, call: &Call, file: &mut Option<File>) -> Result<Reply, SourceError> {
        let mut access = self.tokens.access()?;
        let (mut is_renewed, mut tries) = (false, 0);
        loop {
            self.meter.spend(call.credits)?;
            self.spent = (self.spent.0 + 1, self.spent.1 + call.credits);
            let url = self.url(&access)?;
            let (told, answer) = match self.exchange(&url, &access, call, file) {
                Ok((told, body)) => {
                    let answer = answer::read(told.status, body);
                    (Some(told), answer)
                }
                Err(Broken::Here(error)) => return Err(here(&error)),
                Err(Broken::Call(error)) => (None, Answer::Away(agent::plain(&error))),
            };
            let told = self.note(told)?;
            match answer {
                Answer::Data(body) => return Ok(Reply::Data(body)),
                Answer::Nothing => return Ok(Reply::Nothing),
                Answer::Refused(code) => return Ok(Reply::Refused(code)),
                Answer::Reauthorize(code) => return Ok(Reply::Forbidden(code)),
                Answer::Renew if !is_renewed => {
                    is_renewed = true;
                    access = self.tokens.renew(&access.token)?;
                }
                Answer::Renew => return Err(self.stranger(&url)),
                Answer::Throttled => {
                    let is_empty = told.as_ref().is_some_and(|told| told.credits_left == Some(0));
                    if is_empty || tries >= TRIES {
                        return Err(throttled(is_empty));
                    }
                    tries += 1;
                    let least = told.and_then(|told| told.retry_after).unwrap_or_default();
                    thread::sleep(Duration::from_secs(least.min(60)));
                    self.wait(1 << tries);
                }
                Answer::Away(why) if tries >= TRIES => return Err(away(&url, &why)),
                Answer::Away(_) => {
                    tries += 1;
                    self.wait(1 << tries);
                }
            }
        }
    }

    /// Takes down what an answer says of credits and time.
    fn note(&mut self, told: Option<Told>) -> Result<Option<Told>, SourceError> {
        if let Some(told) = &told {
            if let Some(left) = told.credits_left {
                self.meter.left(left)?;
            }
            if let Some(date) = told.date {
                self.clock = Some((Instant::now(), date));
            }
        }
        Ok(told)
    }

    fn url(&self, access: &Access) -> Result<String, SourceError> {
        match &access.api_domain {
            Some(domain) if !self.settings.has_api_url => {
                if let Some(domain) = address::read(domain) {
                    return Ok(domain);
                }
                let why =
                    format!("{} names an API that can't be one; set api_url", self.settings.accounts_url);
                Err(SourceError::Settings(why))
            }
            _ => Ok(self.settings.api_url.clone()),
        }
    }

    fn exchange(
        &self,
        url: &str,
        access: &Access,
        call: &Call,
        file: &mut Option<File>,
    ) -> Result<(Told, Vec<u8>), Broken> {
        let url = format!("{url}{}", call.path);
        let authorization = format!("Zoho-oauthtoken {}", access.token);
        let patience = if file.is_some() { DOWNLOAD } else { PATIENCE };
        let mut response = match &call.body {
            Some(body) => {
                let request = self.agent.post(url).header("authorization", authorization);
                request.content_type("application/json").send(body)?
            }
            None => {
                let mut request = self.agent.get(url).header("authorization", authorization);
                if let Some(since) = call.since {
                    request = request.header("if-modified-since", zoned(since));
                }
                request.config().timeout_global(Some(patience)).build().call()?
            }
        };
        let told = told(&response);
        match file {
            Some(file) if told.status == 200 => {
                file.rewind().and_then(|()| file.set_len(0)).map_err(Broken::Here)?;
                copy(response.body_mut(), file)?;
                Ok((told, b"{}".to_vec()))
            }
            _ => {
                let body = response.body_mut().with_config().limit(LARGEST).read_to_vec()?;
                Ok((told, body))
            }
        }
    }

    fn stranger(&self, url: &str) -> SourceError {
        SourceError::Settings(format!(
            "{url} does not take the token that {} has just given; check data_center, org, accounts_url and api_url, \
             which have to be of one org",
            self.settings.accounts_url
        ))
    }
}

/// Why there is no answer.
enum Broken {
    Call(ureq::Error),
    Here(io::Error),
}

impl From<ureq::Error> for Broken {
    fn from(error: ureq::Error) -> Self {
        Broken::Call(error)
    }
}

/// Copies a body to a file, and tells which of the two failed.
fn copy(body: &mut Body, file: &mut File) -> Result<(), Broken> {
    use std::io::{Read, Write};
    let mut reader = body.as_reader();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut buffer).map_err(|error| Broken::Call(error.into()))?;
        match buffer.get(..count) {
            Some([]) | None => return Ok(()),
            Some(bytes) => file.write_all(bytes).map_err(Broken::Here)?,
        }
    }
}

fn told(response: &Response<Body>) -> Told {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    Told {
        status: response.status().as_u16(),
        credits_left: header("x-api-credits-remaining").and_then(|left| left.parse().ok()),
        retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
        date: header("date").and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp()),
    }
}

/// A moment as Zoho takes it, in whole seconds.
pub fn zoned(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn here(error: &io::Error) -> SourceError {
    SourceError::Here(format!(
        "a file that Zoho gives can't be kept here: {error}; make room in Weir's folder"
    ))
}

fn throttled(is_empty: bool) -> SourceError {
    let (later, why) = if is_empty {
        (NO_CREDITS, "the org has used all of Zoho's API credits of its last 24 hours, whoever called")
    } else {
        (TOO_MANY, "Zoho says that there are too many calls to this org, whoever makes them")
    };
    let now = Timestamp::now();
    SourceError::Budget { until: now.checked_add(later).unwrap_or(now), why: why.to_owned() }
}

fn away(url: &str, why: &str) -> SourceError {
    SourceError::Away(format!("Zoho's API at {url} can't be read ({why}); it is tried again later"))
}
