//! The pair in use, and the thread that watches for a new one. It compares the contents of the files, so it notices
//! every way of replacing them. If the new pair can't be used, the old one stays.

use std::mem;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::IntCounter;

use super::Current;
use super::pair::{Files, Loaded, Pair};
use crate::config::{Problems, TlsConfig};
use crate::observe::metrics::Metrics;
use crate::system::worker::Worker;

/// Between two looks at the files.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Looks at the files until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _worker: Worker,
}

/// Puts the pair that was loaded as `config` says to use, and goes on looking for changes.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    config: &TlsConfig,
    loaded: &Loaded,
    metrics: Arc<Metrics>,
) -> Result<(Arc<Current>, Watch), Problems> {
    let mut reloader = Reloader::new(config, loaded, metrics);
    let current = Arc::clone(&reloader.current);
    let worker = Worker::start("tls-files", &Arc::default(), move |token| {
        while token.sleep(BETWEEN_LOOKS) {
            reloader.look(&Files::read(&reloader.config), Timestamp::now());
        }
    });
    let worker = worker.map_err(|error| {
        let mut problems = Problems::default();
        problems.add("tls", format_args!("cannot watch the files for changes: {error}"));
        problems
    })?;
    Ok((current, Watch { _worker: worker }))
}

pub(super) struct Reloader {
    config: TlsConfig,
    pub(super) current: Arc<Current>,
    /// Of the files' contents: those in use, and those that the last look saw.
    in_use: [u8; 32],
    last: [u8; 32],
    /// The contents that can't be used, and why: told once.
    refused: Option<([u8; 32], Problems)>,
    metrics: Arc<Metrics>,
    loaded: IntCounter,
    failed: IntCounter,
}

impl Reloader {
    pub fn new(config: &TlsConfig, Loaded { digest, pair }: &Loaded, metrics: Arc<Metrics>) -> Self {
        let counter = |outcome| metrics.tls.reloads.with_label_values(&[outcome]);
        let reloader = Reloader {
            config: config.clone(),
            current: Arc::new(Current(RwLock::new(Arc::clone(&pair.settings)))),
            in_use: *digest,
            last: *digest,
            refused: None,
            loaded: counter("loaded"),
            failed: counter("failed"),
            metrics,
        };
        reloader.show(pair);
        tracing::info!(valid_until = %pair.expires(), "TLS: the certificate is in use");
        reloader
    }

    /// A change counts once two looks saw the same: two files, or a long one, are not written in one moment. What
    /// was refused is tried again each time, for its day may come.
    pub fn look(&mut self, files: &Files, now: Timestamp) {
        let digest = files.digest();
        let changing = mem::replace(&mut self.last, digest) != digest;
        if changing {
            return;
        }
        if digest == self.in_use {
            self.refused = None;
            return;
        }
        match files.pair(now) {
            Ok(pair) => {
                self.in_use = digest;
                self.refused = None;
                self.current.set(Arc::clone(&pair.settings));
                self.show(&pair);
                tracing::info!(valid_until = %pair.expires(), "TLS: a new certificate is in use");
                self.loaded.inc();
            }
            Err(problems) => {
                let refused = (digest, problems);
                if self.refused.as_ref() != Some(&refused) {
                    let why = refused.1.lines().join("; ");
                    tracing::error!("TLS: Weir can't use the changed files and keeps the old pair: {why}");
                    self.failed.inc();
                    self.refused = Some(refused);
                }
            }
        }
    }

    fn show(&self, pair: &Pair) {
        // Seconds since 1970 are exact in a float for 285 million years.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        self.metrics.tls.not_after.with_label_values::<&str>(&[]).set(pair.not_after as f64);
    }
}
