//! The signals that a running Weir listens for.

use std::io;
use std::sync::mpsc::Sender;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that ask it to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on, also for SIGHUP, which `reload` gets.
    pub fn listen(reload: Sender<()>) -> io::Result<Self> {
        actix_rt::spawn(pass_on(signal(SignalKind::hangup())?, reload));
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

async fn pass_on(mut hangup: Signal, reload: Sender<()>) {
    while hangup.recv().await.is_some() {
        // Nobody reloads any more when Weir is about to end.
        reload.send(()).unwrap_or_default();
    }
}
