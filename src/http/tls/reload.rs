//! The pair in use, and how it is replaced. A look compares the contents of the files, so it notices every way of
//! replacing them. If the new pair can't be used, the old one stays.

use std::mem;
use std::sync::{Arc, RwLock};

use jiff::Timestamp;
use prometheus::IntCounter;

use super::Current;
use super::pair::{Files, Loaded, Pair};
use crate::config::{Problems, TlsConfig};
use crate::observe::metrics::Metrics;

/// Looks at the files when it is told to.
pub struct Reloader {
    config: TlsConfig,
    pub(super) current: Arc<Current>,
    /// Of the files' contents: those in use, and those that the last look saw.
    in_use: [u8; 32],
    last: [u8; 32],
    /// When the pair in use expires, in Unix time, and whether that was logged.
    not_after: i64,
    is_known_expired: bool,
    /// The contents that can't be used, and why: told once.
    refused: Option<([u8; 32], Problems)>,
    metrics: Arc<Metrics>,
    loaded: IntCounter,
    failed: IntCounter,
}

impl Reloader {
    /// Puts the pair that was loaded as `config` says to use.
    pub fn new(config: &TlsConfig, Loaded { digest, pair }: &Loaded, metrics: Arc<Metrics>) -> Self {
        let counter = |outcome| metrics.tls.reloads.with_label_values(&[outcome]);
        let reloader = Reloader {
            config: config.clone(),
            current: Arc::new(Current(RwLock::new(Arc::clone(&pair.settings)))),
            in_use: *digest,
            last: *digest,
            not_after: pair.not_after,
            is_known_expired: false,
            refused: None,
            loaded: counter("loaded"),
            failed: counter("failed"),
            metrics,
        };
        reloader.show(pair);
        tracing::info!(valid_until = %pair.expires(), "TLS: the certificate is in use");
        reloader
    }

    /// What the next connections are served with.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }

    /// Looks at the files now. Whether they have just changed.
    pub fn look(&mut self) -> bool {
        self.compare(&Files::read(&self.config), Timestamp::now())
    }

    /// Goes on with the files that `config` names, and with the pair that was loaded from them.
    pub fn adopt(&mut self, config: &TlsConfig, Loaded { digest, pair }: &Loaded) {
        self.config = config.clone();
        self.last = *digest;
        self.refused = None;
        if *digest != self.in_use {
            self.put_to_use(*digest, pair);
        }
    }

    /// A change counts once two looks saw the same: two files, or a long one, are not written in one moment. What
    /// was refused is tried again each time, for its day may come.
    pub(super) fn compare(&mut self, files: &Files, now: Timestamp) -> bool {
        if self.has_just_expired(now) {
            tracing::error!(
                "TLS: the certificate in use has expired, so clients refuse to connect: put a renewed one in its \
                 place; Weir takes it without a restart, and would not start with this one"
            );
        }
        let digest = files.digest();
        let changing = mem::replace(&mut self.last, digest) != digest;
        if changing {
            return true;
        }
        if digest == self.in_use {
            self.refused = None;
            return false;
        }
        match files.pair(now) {
            Ok(pair) => {
                self.refused = None;
                self.put_to_use(digest, &pair);
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
        false
    }

    /// Whether the pair in use was valid at the last look and isn't any more.
    pub(super) fn has_just_expired(&mut self, now: Timestamp) -> bool {
        let is_expired = now.as_second() > self.not_after;
        is_expired && !mem::replace(&mut self.is_known_expired, is_expired)
    }

    fn put_to_use(&mut self, digest: [u8; 32], pair: &Pair) {
        self.in_use = digest;
        (self.not_after, self.is_known_expired) = (pair.not_after, false);
        self.current.set(Arc::clone(&pair.settings));
        self.show(pair);
        tracing::info!(valid_until = %pair.expires(), "TLS: a new certificate is in use");
        self.loaded.inc();
    }

    fn show(&self, pair: &Pair) {
        // Seconds since 1970 are exact in a float for 285 million years.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        self.metrics.tls.not_after.with_label_values::<&str>(&[]).set(pair.not_after as f64);
    }
}
