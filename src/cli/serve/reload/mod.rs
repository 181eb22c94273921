//! Takes on what changes of configuration, secrets and certificates while Weir runs: one thread looks at their files
//! now and then, and reads them at once where SIGHUP asks for it. What can't be used leaves everything as it was.

mod files;

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use self::files::Files;
use super::loaders::Handles;
use crate::cli::flags::RoleFlags;
use crate::cli::{ConfigFlags, Failure};
use crate::config::Config;
use crate::connect::engine::target::Targets;
use crate::http::tls::pair::Loaded;
use crate::http::tls::reload::Reloader;
use crate::intake::app::App;
use crate::observe::metrics::Metrics;
use crate::operate::in_use::{InUse, SharedInUse, hash};
use crate::setup::connect::targets;
use crate::setup::reload::{carry_over, check, needs_restart};
use crate::setup::{ToServe, first_start};
use crate::system::worker::{StopToken, Worker};
use crate::tenants::Tenants;

/// Between two looks at the files: a Weir that nobody talks to should hardly be woken.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
/// Until the next look after one that has seen a change.
const UNTIL_SETTLED: Duration = Duration::from_secs(1);

/// How Weir was started.
pub struct Started {
    /// Where its configuration comes from.
    pub flags: ConfigFlags,
    /// Its roles.
    pub roles: RoleFlags,
    /// The text of the configuration file; none without one.
    pub text: Option<String>,
    /// What it was started with, a first start's own source included.
    pub config: Config,
    /// Whether that is there.
    pub is_first: bool,
}

/// The parts that a changed configuration is for.
pub struct Parts {
    /// The gateway; none in a process that only loads.
    pub app: Option<Arc<App>>,
    /// The loaders.
    pub loaders: Handles,
    /// What jobs may write.
    pub targets: Arc<ArcSwap<Targets>>,
    /// The certificate in use, if there is TLS.
    pub tls: Option<Reloader>,
    /// Where reloads are counted.
    pub metrics: Arc<Metrics>,
}

/// Looks at the files until it is dropped.
pub struct Watch {
    asks: Sender<()>,
    /// What is in use now.
    pub in_use: SharedInUse,
    _worker: Worker,
}

impl Watch {
    /// Shows what is in use, and begins to look for changes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(started: Started, parts: Parts) -> Result<Self, Failure> {
        let has_file = started.flags.config.is_some();
        let (mut reload, (asks, asked)) = (Reload::new(started, parts), mpsc::channel());
        let in_use = Arc::clone(&reload.in_use);
        let run = move |token: &StopToken| {
            // Without a file nothing can change but by a restart.
            let usual = if has_file { BETWEEN_LOOKS } else { Duration::MAX };
            let mut wait = usual;
            loop {
                let asked = asked.recv_timeout(wait);
                if token.is_stopped() {
                    return;
                }
                wait = usual;
                match asked {
                    Ok(()) => reload.ask(),
                    Err(RecvTimeoutError::Timeout) if reload.look() => wait = UNTIL_SETTLED,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let worker = Worker::start("reload", &Arc::default(), run).map_err(|error| {
            Failure::Named(format!("cannot watch the configuration for changes: {error}"))
        })?;
        Ok(Watch { asks, in_use, _worker: worker })
    }

    /// What asks for a reload.
    pub fn asks(&self) -> Sender<()> {
        self.asks.clone()
    }
}

/// A changed configuration that can be used.
struct Changed {
    config: Config,
    tls: Option<Loaded>,
    needs_restart: Vec<&'static str>,
}

struct Reload {
    started: Started,
    parts: Parts,
    /// Whose secrets are looked at.
    config: Config,
    /// Of the files: those in use, those that the last look saw, and those that the queue refused.
    used: [u8; 32],
    last: [u8; 32],
    unprepared: Option<[u8; 32]>,
    /// Why the files can't be used: told once.
    refused: Option<String>,
    in_use: SharedInUse,
}

/// Why a changed configuration is not in use.
enum Refusal {
    /// It has problems, which may pass: a secret's file may come.
    Unfit(String),
    /// The queue can't take its records.
    Unprepared(String),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal::Unfit(error.into().to_string().replace('\n', "; "))
    }
}

impl Reload {
    fn new(started: Started, parts: Parts) -> Self {
        let digest = Files::with_text(Ok(started.text.clone()), &started.config).digest;
        let hash = hash(started.text.as_deref());
        let now = Timestamp::now().as_second();
        parts.metrics.configuration.in_use(&hash, now);
        let config = started.config.clone();
        Reload {
            config,
            used: digest,
            last: digest,
            unprepared: None,
            refused: None,
            in_use: Arc::new(ArcSwap::from_pointee(InUse { hash, since: now, ..InUse::default() })),
            started,
            parts,
        }
    }

    /// A change counts once two looks saw the same: files are not written in one moment. Returns whether one has just
    /// been seen.
    fn look(&mut self) -> bool {
        let certificate_changes = self.look_at_certificate();
        let files = Files::read(&self.started.flags, &self.config);
        let file_changes = mem::replace(&mut self.last, files.digest) != files.digest;
        if file_changes || self.unprepared == Some(files.digest) {
            return file_changes || certificate_changes;
        }
        if files.digest == self.used {
            self.settle();
        } else {
            self.reload(files);
        }
        certificate_changes
    }

    /// As an operator asks: at once, and whether or not anything has changed.
    fn ask(&mut self) {
        if self.started.flags.config.is_none() {
            tracing::warn!(
                "SIGHUP: there is no configuration file to read again; start Weir with --config or WEIR_CONFIG"
            );
            return;
        }
        self.look_at_certificate();
        self.refused = None;
        self.reload(Files::read(&self.started.flags, &self.config));
    }

    fn look_at_certificate(&mut self) -> bool {
        self.parts.tls.as_mut().is_some_and(Reloader::look)
    }

    /// What could not be used is gone again.
    fn settle(&mut self) {
        if self.refused.take().is_some() {
            tracing::info!("the configuration in use is the one in its file again");
            self.in_use.rcu(|in_use| InUse { refused: None, ..InUse::clone(in_use) });
        }
    }

    fn reload(&mut self, files: Files) {
        let hash = hash(files.text.as_ref().ok().and_then(Option::as_deref));
        let metrics = Arc::clone(&self.parts.metrics);
        let count = |outcome| metrics.configuration.reloads.with_label_values(&[outcome]).inc();
        match self.try_to_reload(files.text.clone()) {
            Ok(needs_restart) => {
                count("loaded");
                // Of the secrets that it names now.
                self.used = Files::with_text(files.text, &self.config).digest;
                (self.last, self.unprepared, self.refused) = (self.used, None, None);
                self.show(hash, needs_restart);
            }
            Err(refusal) => {
                self.unprepared = matches!(refusal, Refusal::Unprepared(_)).then_some(files.digest);
                let (Refusal::Unfit(why) | Refusal::Unprepared(why)) = refusal;
                if self.refused.as_ref() != Some(&why) {
                    count("refused");
                    tracing::error!(
                        hash,
                        "the changed configuration can't be used, so Weir keeps the one that it has: {why}"
                    );
                    let refused = Some((hash, why.clone()));
                    self.in_use.rcu(|in_use| InUse { refused: refused.clone(), ..InUse::clone(in_use) });
                    self.refused = Some(why);
                }
            }
        }
    }

    fn show(&self, hash: String, needs_restart: Vec<&str>) {
        let now = Timestamp::now().as_second();
        let Config { tenants, sources, publishers, .. } = &self.config;
        tracing::info!(
            hash,
            tenants = tenants.len(),
            sources = sources.len(),
            publishers = publishers.len(),
            "the changed configuration is in use"
        );
        if !needs_restart.is_empty() {
            tracing::warn!("restart Weir for what has changed of {}", needs_restart.join(", "));
        }
        self.parts.metrics.configuration.in_use(&hash, now);
        let needs_restart = needs_restart.into_iter().map(str::to_owned).collect();
        self.in_use.store(Arc::new(InUse { hash, since: now, needs_restart, refused: None }));
    }

    /// Loads everything before anything changes, and has the queue prepare for new topics before a record can go there.
    fn try_to_reload(&mut self, text: Result<Option<String>, String>) -> Result<Vec<&'static str>, Refusal> {
        let Changed { config, tls, needs_restart } = self.load(text)?;
        let tenants = Tenants::from_config(&config);
        if let Some(app) = &self.parts.app {
            app.queue
                .prepare(&tenants.topics)
                .map_err(|error| Refusal::Unprepared(error.to_string().replace('\n', "; ")))?;
            app.replace(tenants, config.limits.request.clone());
        }
        if let (Some(reloader), Some(settings), Some(loaded)) = (&mut self.parts.tls, &config.tls, &tls) {
            reloader.adopt(settings, loaded);
        }
        self.parts.loaders.follow(&config);
        self.parts.targets.store(Arc::new(targets(&config)));
        self.config = config;
        Ok(needs_restart)
    }

    fn load(&self, text: Result<Option<String>, String>) -> Result<Changed, Refusal> {
        let text = text.map_err(Refusal::Unfit)?;
        let to_serve = self.started.flags.load_to_serve(text.as_deref(), &self.started.roles)?;
        let warnings = to_serve.warnings();
        let ToServe { config: changed, tls, .. } = to_serve;
        let running = &self.started.config;
        if !self.started.is_first {
            check(&changed)?;
        }
        let needs_restart = needs_restart(running, &first_start::expected(&changed)?);
        let mut config = carry_over(running, changed);
        first_start::prepare(&mut config)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(Changed { config, tls, needs_restart })
    }
}
