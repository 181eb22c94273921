//! A process that only loads: no clients, no producer and no spool, only the loader and what operators see of it.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::listeners::url;
use super::reload::{Parts, Started, Watch};
use super::run_file::{RunFile, Urls};
use super::signals::Signals;
use super::sockets::Sockets;
use super::{await_end, loader, metrics, open_control, unserved};
use crate::cli::Failure;
use crate::config::Config;
use crate::http::admin::{self, Watched};
use crate::loader::Loader;
use crate::observe::metrics::Metrics;
use crate::operate::control::Running;
use crate::queue::journal;
use crate::setup::store::LOADER;

/// How often it is looked whether the loader has ended.
const LOOK: Duration = Duration::from_secs(1);

/// What operators see of it.
struct Loading {
    metrics: Arc<Metrics>,
    is_stopping: AtomicBool,
}

impl Watched for Loading {
    fn is_ready(&self) -> bool {
        let is_loading = self.metrics.load.ready.with_label_values(&[LOADER]).get() == 1;
        is_loading && !self.is_stopping.load(Ordering::Relaxed)
    }

    fn render_metrics(&self) -> Vec<u8> {
        self.metrics.ready.set(f64::from(u8::from(self.is_ready())));
        self.metrics.render()
    }
}

/// Loads until SIGTERM or SIGINT, or until the loader has ended by itself.
pub fn run(started: Started) -> Result<(), Failure> {
    let (config, metrics) = (started.config.clone(), metrics()?);
    let mut sockets = Sockets::of_process();
    let (admin_listener, _) = sockets.bind(config.admin, "admin", " with --admin")?;
    sockets.all_taken()?;
    // One Weir a data folder: a gateway beside this one would have the same run.json.
    let reserved =
        journal::reserve(&config.data.spool()).map_err(|error| Failure::Named(error.to_string()))?;
    RunFile::clear(&config.data);
    // A configuration without a store has been refused.
    let Some(loader) = loader::start(&config, &metrics)? else { return Ok(()) };
    let parts = Parts { app: None, loader: Some(loader.handle()), tls: None, metrics: Arc::clone(&metrics) };
    let watch = Watch::start(started, parts)?;
    let loading = Loading { metrics, is_stopping: AtomicBool::new(false) };
    let served = actix_rt::System::new().block_on(serve(loading, (config, watch), admin_listener, loader));
    drop(reserved);
    served
}

async fn serve(
    loading: Loading,
    (config, watch): (Config, Watch),
    admin_listener: TcpListener,
    loader: Loader,
) -> Result<(), Failure> {
    let mut signals = Signals::listen(watch.asks()).map_err(unserved)?;
    let (loading, shutdown) = (Arc::new(loading), config.limits.server.shutdown);
    let watched: Arc<dyn Watched> = Arc::<Loading>::clone(&loading);
    let (admin, admin_address) = admin::serve(watched, admin_listener).map_err(unserved)?;
    let admin_handle = admin.handle();
    actix_rt::spawn(admin);
    let urls = Urls { main: None, tls: None, admin: url("http", admin_address) };
    let (data, in_use) = (config.data.clone(), Arc::clone(&watch.in_use));
    let control = open_control(Running { config, in_use, gateway: None });
    let run_file = RunFile::write(&data, &urls)?;
    tracing::info!(
        admin_url = urls.admin,
        version = env!("CARGO_PKG_VERSION"),
        "loading, and taking no events"
    );
    let is_asked = tokio::select! {
        () = signals.stop() => true,
        () = end_of(&loader) => false,
    };
    tracing::info!("shutting down: the batch at work is the last");
    let deadline = Instant::now() + shutdown;
    loading.is_stopping.store(true, Ordering::Relaxed);
    loader.stop();
    let ended = tokio::task::spawn_blocking(move || await_end(loader, deadline));
    ended.await.unwrap_or_default();
    admin_handle.stop(false).await;
    drop((control, run_file, watch));
    tracing::info!("stopped: what is not loaded is on the queue");
    if is_asked {
        return Ok(());
    }
    let advice = "start Weir again, and report this with the lines above";
    Err(Failure::Named(format!("the loader ended by itself; {advice}")))
}

async fn end_of(loader: &Loader) {
    while !loader.has_ended() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ConfigFlags;
    use crate::cli::flags::RoleFlags;
    use crate::config::Overrides;
    use crate::loader::{Plan, Wanted};
    use crate::setup::load;

    #[test]
    fn a_process_whose_loader_is_gone_ends_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let data = Some(folder.path().to_owned());
        let config = load(None, &Overrides { data, ..Overrides::default() }).unwrap();
        let plan = Plan {
            wanted: Wanted::default(),
            queue: Box::new(|| panic!("a fault of Weir's")),
            store: Box::new(|| panic!("a fault of Weir's")),
        };
        let metrics = metrics().unwrap();
        let loader = Loader::start(plan, Arc::clone(&metrics)).unwrap();
        let started = Started {
            flags: ConfigFlags::default(),
            roles: RoleFlags::default(),
            text: None,
            config: config.clone(),
            is_first: false,
        };
        let parts =
            Parts { app: None, loader: Some(loader.handle()), tls: None, metrics: Arc::clone(&metrics) };
        let watch = Watch::start(started, parts).unwrap();
        let loading = Loading { metrics, is_stopping: AtomicBool::new(false) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let served = actix_rt::System::new().block_on(serve(loading, (config, watch), listener, loader));
        assert!(served.unwrap_err().to_string().starts_with("the loader ended by itself; start Weir again"));
    }
}
