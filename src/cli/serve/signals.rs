//! The signals that a running Weir listens for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that ask it to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on, also for SIGHUP, which only gets an answer in the log.
    pub fn listen() -> io::Result<Self> {
        // By default it would kill, and who sends it means no harm.
        actix_rt::spawn(answer_hangups(signal(SignalKind::hangup())?));
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns once one of them has come.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {},
            _ = self.interrupt.recv() => {},
        }
    }
}

async fn answer_hangups(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::warn!(
            "SIGHUP changes nothing: Weir reads configuration and secrets when it starts, so restart it to \
             change them; it reads certificates again by itself"
        );
    }
}
