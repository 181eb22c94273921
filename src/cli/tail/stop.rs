//! SIGTERM and SIGINT while a command is running: the command may finish its batch first. A second signal ends
//! everything at once, as the first one does for any other `weir tail`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::cli::Failure;

/// Whether a signal has come.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Waits for signals from now on.
    pub(in crate::cli) fn new() -> io::Result<Self> {
        let (stop, came) = (Stop::default(), Arc::new(AtomicBool::new(false)));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds nothing that has come.
            flag::register_conditional_default(signal, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came))?;
            flag::register_usize(signal, Arc::clone(&stop.0), usize::try_from(signal).unwrap_or_default())?;
        }
        Ok(stop)
    }

    /// The signal that has come.
    pub(in crate::cli) fn signal(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::Relaxed)).ok().filter(|signal| *signal != 0)
    }
}

/// Ends this process as `signal` would have ended it at once. Returns only where that can't be done.
pub(super) fn as_by(signal: i32) -> Failure {
    if std::process::id() == 1 {
        // The first process of a container, which the system lets no signal end.
        std::process::exit(128 + signal);
    }
    match low_level::emulate_default_handler(signal) {
        Ok(()) => Failure::Named(format!("stopped by signal {signal}")),
        Err(error) => Failure::Named(format!("stopped by signal {signal}: {error}")),
    }
}
