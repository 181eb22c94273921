//! What integration tests share: the real binary as a process ([`weir`]), a client that sends exact bytes ([`wire`]),
//! whether its answers are described ([`documented`]), the journal read back ([`journal`]), the store asked
//! ([`stored`]), a real Apache Kafka ([`kafka`], [`secured`]) and PostgreSQL ([`postgres`]), the real SDKs ([`sdks`]),
//! the sample tenant ([`tenant`]), what the scenario that goes through the SDKs must leave ([`scenario`]), certificates
//! and who trusts them ([`tls`]), a disk to be filled ([`tmpfs`]), and the end of all of that with the test program
//! ([`reaper`]).
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "every test program is a crate of its own and uses a part"
)]

pub mod documented;
pub mod journal;
pub mod kafka;
pub mod postgres;
pub mod reaper;
pub mod rudderstack;
pub mod scenario;
pub mod sdks;
pub mod secured;
pub mod stored;
pub mod tenant;
pub mod tls;
pub mod tmpfs;
pub mod weir;
pub mod wire;

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Generous: a slow machine fails no test by being slow.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `found` gives something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    wait_for(what, || condition().then_some(()));
}
