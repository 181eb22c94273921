//! The two HTTP clients with which RudderStack calls a destination, as they write their requests: Go's in the router, and
//! axios in the transformer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::harness::tls::NAME;
use crate::harness::wire::{Answer, Wire};

/// How long the router waits for an answer.
const ROUTER: Duration = Duration::from_secs(10);
/// How long the transformer does.
const TRANSFORMER: Duration = Duration::from_secs(60);

/// Whom to call.
#[derive(Clone)]
pub struct Peer {
    /// Where it listens.
    pub url: String,
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// rudder-server's router.
    Go,
    /// The transformer.
    Axios,
}

/// A request that is to be made.
#[derive(Clone, Debug)]
pub struct Call<'c> {
    /// Who makes it.
    pub agent: Agent,
    /// `POST`, `PUT` or `PATCH`.
    pub method: &'c str,
    /// Path and query.
    pub target: &'c str,
    /// What the destination adds, names as its code types them.
    pub headers: &'c [(&'c str, &'c str)],
    /// Empty: no body at all.
    pub body: &'c str,
}

/// A worker's client: one connection that is kept while all goes well.
pub struct Client {
    peer: Peer,
    open: Option<(Agent, Wire)>,
}

impl Client {
    /// Not connected yet.
    pub fn new(peer: Peer) -> Self {
        Client { peer, open: None }
    }

    /// Makes a request.
    ///
    /// # Errors
    /// When it can't connect, the connection is lost, or no answer comes in time.
    pub fn call(&mut self, call: &Call<'_>) -> io::Result<Answer> {
        let mut wire = match self.open.take() {
            Some((of, wire)) if of == call.agent => wire,
            _ => self.connect(call.agent)?,
        };
        wire.exchange(&call.bytes()).inspect(|_| self.open = Some((call.agent, wire)))
    }

    fn connect(&self, agent: Agent) -> io::Result<Wire> {
        let patience = match agent {
            Agent::Go => ROUTER,
            Agent::Axios => TRANSFORMER,
        };
        Ok(Wire::connect(&self.peer.url).within(patience).over_tls(&self.peer.tls)?.0)
    }
}

impl Call<'_> {
    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let Call { agent, method, target, body, .. } = self;
        let length = format!("Content-Length: {}\r\n", body.len());
        let line = |(name, value): (&str, &str)| format!("{name}: {value}\r\n");
        let head = match agent {
            Agent::Go => {
                let mut headers: Vec<(String, &str)> =
                    self.headers.iter().map(|(name, value)| (canonical(name), *value)).collect();
                headers.sort();
                let headers: String = headers.iter().map(|(name, value)| line((name, value))).collect();
                format!(
                    "{method} {target} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: RudderLabs\r\n{length}{headers}\
                     Accept-Encoding: gzip\r\n\r\n"
                )
            }
            Agent::Axios => {
                let headers: String = self.headers.iter().copied().map(line).collect();
                format!(
                    "{method} {target} HTTP/1.1\r\nAccept: application/json, text/plain, */*\r\n{headers}\
                     User-Agent: axios/1.8.4\r\n{length}Accept-Encoding: gzip, compress, deflate, br\r\n\
                     Host: {NAME}\r\nConnection: keep-alive\r\n\r\n"
                )
            }
        };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// A header's name as Go writes it.
fn canonical(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}
