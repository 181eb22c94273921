//! A process that only loads: no clients, no producer and no spool, only the loaders and what operators see of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::listeners::url;
use super::loaders::Loaders;
use super::reload::{Parts, Started, Watch};
use super::run_file::{RunFile, Urls};
use super::signals::Signals;
use super::sockets::Sockets;
use super::{jobs, metrics, open_control, unserved};
use crate::cli::Failure;
use crate::config::Config;
use crate::http::admin::{self, Pages, Watched};
use crate::http::api::Api;
use crate::observe::metrics::Metrics;
use crate::operate::control::Running;
use crate::queue::journal;
use crate::setup::connect;

/// How often it is looked whether a loader has ended.
const LOOK: Duration = Duration::from_secs(1);

/// What operators see of it.
struct Loading {
    metrics: Arc<Metrics>,
    /// Names of the loaders.
    loaders: Vec<String>,
    is_stopping: AtomicBool,
}

impl Watched for Loading {
    fn is_ready(&self) -> bool {
        let is_loading = |name: &String| self.metrics.load.ready.with_label_values(&[name]).get() == 1;
        self.loaders.iter().all(is_loading) && !self.is_stopping.load(Ordering::Relaxed)
    }

    fn render_metrics(&self) -> Vec<u8> {
        self.metrics.ready.set(f64::from(u8::from(self.is_ready())));
        self.metrics.render()
    }
}

/// Loads until SIGTERM or SIGINT, or until a loader has ended by itself.
pub fn run(started: Started) -> Result<(), Failure> {
    let (config, metrics) = (started.config.clone(), metrics()?);
    let mut sockets = Sockets::of_process();
    let (admin_listener, admin_address) = sockets.bind(config.admin, "admin", " with --admin")?;
    sockets.all_taken()?;
    // One Weir a data folder: a gateway beside this one would have the same run.json.
    let reserved =
        journal::reserve(&config.data.spool()).map_err(|error| Failure::Named(error.to_string()))?;
    RunFile::clear(&config.data);
    // A configuration without anything to load has been refused.
    let loaders = Loaders::start(&config, &metrics)?;
    let office = connect::office(&config);
    let parts = Parts {
        app: None,
        loaders: loaders.handles(&config),
        targets: Arc::clone(&office.targets),
        tls: None,
        metrics: Arc::clone(&metrics),
    };
    let api = jobs::api(&config, office, admin_address)?;
    let watch = Watch::start(started, parts)?;
    let loading = Loading { metrics, loaders: loaders.names(), is_stopping: AtomicBool::new(false) };
    let served =
        actix_rt::System::new().block_on(serve(loading, (config, watch), (admin_listener, api), loaders));
    drop(reserved);
    served
}

async fn serve(
    loading: Loading,
    (config, watch): (Config, Watch),
    (admin_listener, api): (TcpListener, Api),
    loaders: Loaders,
) -> Result<(), Failure> {
    let mut signals = Signals::listen(watch.asks()).map_err(unserved)?;
    let (loading, shutdown) = (Arc::new(loading), config.limits.server.shutdown);
    let process: Arc<dyn Watched> = Arc::<Loading>::clone(&loading);
    let pages = Pages { process, consent: None, api };
    let (admin, admin_address) = admin::serve(pages, admin_listener).map_err(unserved)?;
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
        () = end_of(&loaders) => false,
    };
    tracing::info!("shutting down: the batch at work is the last");
    let deadline = Instant::now() + shutdown;
    loading.is_stopping.store(true, Ordering::Relaxed);
    loaders.stop();
    let ended = tokio::task::spawn_blocking(move || loaders.await_end(deadline));
    ended.await.unwrap_or_default();
    admin_handle.stop(false).await;
    drop((control, run_file, watch));
    tracing::info!("stopped: what is not loaded is on the queue");
    if is_asked {
        return Ok(());
    }
    let advice = "start Weir again, and report this with the lines above";
    Err(Failure::Named(format!("a loader ended by itself; {advice}")))
}

async fn end_of(loaders: &Loaders) {
    while !loaders.has_ended() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ConfigFlags;
    use crate::cli::flags::RoleFlags;
    use crate::config::Overrides;
    use crate::loader::{Loader, Plan, Wanted};
    use crate::setup::load;

    #[test]
    fn a_process_one_of_whose_loaders_is_gone_ends_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let data = Some(folder.path().to_owned());
        let config = load(None, &Overrides { data, ..Overrides::default() }).unwrap();
        let plan = Plan {
            alone: None,
            wanted: Wanted::default(),
            queue: Box::new(|| panic!("a fault of Weir's")),
            store: Box::new(|| panic!("a fault of Weir's")),
        };
        let metrics = metrics().unwrap();
        let loader = Loader::start(plan, Arc::clone(&metrics)).unwrap();
        let loaders = Loaders::of("store", loader);
        let started = Started {
            flags: ConfigFlags::default(),
            roles: RoleFlags::default(),
            text: None,
            config: config.clone(),
            is_first: false,
        };
        let handles = loaders.handles(&config);
        let parts = Parts {
            app: None,
            loaders: handles,
            targets: Arc::default(),
            tls: None,
            metrics: Arc::clone(&metrics),
        };
        let watch = Watch::start(started, parts).unwrap();
        let loading = Loading { metrics, loaders: loaders.names(), is_stopping: AtomicBool::new(false) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = jobs::api(&config, connect::office(&config), listener.local_addr().unwrap()).unwrap();
        let served =
            actix_rt::System::new().block_on(serve(loading, (config, watch), (listener, api), loaders));
        assert!(served.unwrap_err().to_string().starts_with("a loader ended by itself; start Weir again"));
    }
}
