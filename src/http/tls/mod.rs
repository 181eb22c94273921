//! TLS for the clients' listener: the handshake, with a deadline and counted; the [`pair`] of certificate and key,
//! which is refused if no client would accept it ([`validity`], [`form`]); and its [`reload`] while Weir is running.

mod form;
pub mod pair;
pub mod reload;
#[cfg(test)]
pub(crate) mod tests;
mod validity;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_rt::net::TcpStream;
use prometheus::IntCounter;
use rustls::ServerConfig;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::observe::metrics::Metrics;

/// Encrypted bytes that may wait for a client to read them. Answers are small; a large one goes out in parts.
const OUTGOING_BYTES: usize = 4 << 10;

/// The most that a connection's TLS holds: a handshake message of 64 KiB on its way in (an ordinary record takes
/// 18 kB), the plain text of one record above 16 KiB, what goes out, and its state. Without traffic it is about 10 kB.
pub const CONNECTION_BYTES: u64 = (64 << 10) + (35 << 10) + (OUTGOING_BYTES as u64) + (10 << 10);

/// The settings for the next connection; those that are open keep what they began with.
#[derive(Debug)]
pub struct Current(RwLock<Arc<ServerConfig>>);

impl Current {
    fn get(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, settings: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

/// Makes a TLS connection of a TCP connection.
#[derive(Clone)]
pub struct Acceptor {
    current: Arc<Current>,
    within: Duration,
    succeeded: IntCounter,
    failed: IntCounter,
}

impl Acceptor {
    /// With the settings that are current when a connection comes, whose handshake may take `within`.
    pub fn new(current: Arc<Current>, within: Duration, metrics: &Metrics) -> Self {
        let counter = |outcome| metrics.tls.handshakes.with_label_values(&[outcome]);
        Acceptor { current, within, succeeded: counter("ok"), failed: counter("failed") }
    }

    /// The handshake. What fails it is any client's doing, so it is counted, and told to whoever debugs.
    ///
    /// # Errors
    /// When the client does not speak TLS, refuses the certificate, leaves, or is too slow.
    pub async fn accept(&self, io: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let peer = io.peer_addr().ok();
        let acceptor = TlsAcceptor::from(self.current.get());
        let handshake = acceptor.accept_with(io, |session| session.set_buffer_limit(Some(OUTGOING_BYTES)));
        let outcome =
            timeout(self.within, handshake).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match &outcome {
            Ok(_) => self.succeeded.inc(),
            Err(error) => {
                self.failed.inc();
                tracing::debug!(%error, ?peer, "TLS handshake failed");
            }
        }
        outcome
    }
}
