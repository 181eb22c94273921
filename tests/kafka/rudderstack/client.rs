//! A worker of RudderStack's: it calls over TLS, keeps its connection, and has the patience of the client that it calls
//! with.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::harness::rudderstack::{Agent, Call};
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

/// A worker's client: one connection that is kept while all goes well.
pub struct Client {
    peer: Peer,
    open: Option<(Agent, Wire)>,
    /// The longest that an answer took.
    pub longest: Duration,
}

impl Client {
    /// Not connected yet.
    pub fn new(peer: Peer) -> Self {
        Client { peer, open: None, longest: Duration::ZERO }
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
        let begun = Instant::now();
        let answer = wire.exchange(&call.bytes());
        self.longest = self.longest.max(begun.elapsed());
        answer.inspect(|_| self.open = Some((call.agent, wire)))
    }

    fn connect(&self, agent: Agent) -> io::Result<Wire> {
        let patience = match agent {
            Agent::Go => ROUTER,
            Agent::Axios => TRANSFORMER,
        };
        Ok(Wire::connect(&self.peer.url).within(patience).over_tls(&self.peer.tls)?.0)
    }
}
