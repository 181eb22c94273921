//! Calls to an org's API: one at a time, each with its deadline, none followed anywhere else.

use std::borrow::Cow;
use std::time::Duration;

use ureq::Agent;

use super::answer::Answer;
use crate::system::agent;

/// Longest that an answer may take. A call that was given up may have been done: what it did is asked for before it is
/// made again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of an answer: of 5,000 records at most.
pub const LARGEST: u64 = 32 << 20;

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST
    Post,
    /// PUT
    Put,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Path and query.
    pub path: Cow<'static, str>,
    /// Headers beside the access key and the type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

impl Call {
    /// A call without headers of its own.
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, body: String) -> Self {
        Call { method, path: path.into(), headers: Vec::new(), body }
    }
}

/// A way to an org.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    access_key: String,
}

impl Client {
    /// A client of the org at `url`, without a slash at its end.
    ///
    /// # Errors
    /// When the system has no certificates to trust: a sentence.
    pub fn new(url: &str, access_key: &str) -> Result<Self, String> {
        Client::patient(url, access_key, PATIENCE)
    }

    /// The same, of which no answer may take longer than `patience`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn patient(url: &str, access_key: &str, patience: Duration) -> Result<Self, String> {
        let agent = agent::new([url], patience)?;
        Ok(Client { agent, url: url.to_owned(), access_key: access_key.to_owned() })
    }

    /// Makes a call. Returns the status, none where there was no answer, and what the answer means.
    pub fn call(&self, call: &Call) -> (Option<u16>, Answer) {
        match self.exchange(call) {
            Ok((status, body)) if call.path == super::event::PATH => {
                (Some(status), Answer::of_event(status, &body))
            }
            Ok((status, body)) => (Some(status), Answer::read(status, &body)),
            Err(error) => {
                let (url, error) = (&self.url, agent::plain(&error));
                let why = format!(
                    "it can't be reached at {url} ({error}); look at gainsight.*.url, and at proxies and firewalls \
                     between"
                );
                (None, Answer::Away(why))
            }
        }
    }

    fn exchange(&self, call: &Call) -> Result<(u16, Vec<u8>), ureq::Error> {
        let url = format!("{}{}", self.url, call.path);
        let mut request = match call.method {
            Method::Post => self.agent.post(url),
            Method::Put => self.agent.put(url),
        };
        request = request.header("accesskey", &self.access_key).content_type("application/json");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send(&call.body)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec()?;
        Ok((status, body))
    }
}
