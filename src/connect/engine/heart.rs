//! Holds the lease of a run while its work takes longer than that lasts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::connect::desk::leases::Lease;
use crate::connect::desk::{Desk, DeskError, OpenDesk};
use crate::system::worker::{StopToken, Worker};

/// How long the lease of a run holds without being renewed.
pub const HOLDS_MS: i64 = 60_000;
/// How often it is renewed.
const EVERY: Duration = Duration::from_secs(15);

/// Renews a lease until it is dropped.
#[derive(Debug)]
pub struct Heart {
    is_lost: Arc<AtomicBool>,
    _worker: Worker,
}

impl Heart {
    /// Begins to renew `lease`, over a connection of its own.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(open: &OpenDesk, lease: &Lease) -> io::Result<Self> {
        let (open, lease, is_lost) = (OpenDesk::clone(open), lease.clone(), Arc::new(AtomicBool::new(false)));
        let lost = Arc::clone(&is_lost);
        let beat = move |token: &StopToken| {
            let mut desk = None;
            while token.sleep(EVERY) {
                match renew(&open, &mut desk, &lease) {
                    Ok(()) => {}
                    Err(DeskError::Overtaken) => return lost.store(true, Ordering::Relaxed),
                    // It may be back before the lease ends; if not, whatever is written next finds that out.
                    Err(_) => desk = None,
                }
            }
        };
        Ok(Heart { is_lost, _worker: Worker::start("lease", &Arc::default(), beat)? })
    }

    /// Whether another process has taken the run over.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }
}

fn renew(open: &OpenDesk, desk: &mut Option<Desk>, lease: &Lease) -> Result<(), DeskError> {
    let desk = match desk {
        Some(desk) => desk,
        none => none.insert(Desk::open(open)?),
    };
    desk.renew(lease)
}
