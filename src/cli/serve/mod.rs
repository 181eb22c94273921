//! `weir serve`: opens the queue, listens, runs until it is asked to stop, and then cleans up. [`load_only`] does so
//! without a gateway.

pub(super) mod jobs;
mod listeners;
mod load_only;
mod loaders;
mod reload;
pub(super) mod run_file;
mod signals;
mod sockets;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::listeners::{Clients, url};
use self::loaders::Loaders;
use self::reload::{Parts, Started, Watch};
use self::run_file::{RunFile, Urls};
use self::signals::Signals;
use self::sockets::Sockets;
use super::flags::RoleFlags;
use super::{ConfigFlags, Failure, print};
use crate::config::{Config, QueueKind};
use crate::connect::engine::Jobs;
use crate::http::admin::{Pages, Watched};
use crate::http::api::Api;
use crate::http::{admin, routes, server};
use crate::intake::app::App;
use crate::observe::metrics::Metrics;
use crate::observe::spans::Spans;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::operate::control::{Control, Running};
use crate::queue::Queue;
use crate::queue::journal::JournalQueue;
use crate::queue::spool::SpooledQueue;
use crate::setup::first_start::{self, Demo};
use crate::setup::{Role, ToServe, connect};
use crate::tenants::Tenants;

/// How long connections that were just accepted have for their first request, where later ones wait for the next start.
const FIRST_HEADS: Duration = Duration::from_millis(500);

/// Open files for all but the clients: the journal, Kafka's brokers, workers, operators.
const OWN_FILES: u64 = 256;

/// The arguments of `weir serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub(super) config: ConfigFlags,
    #[command(flatten)]
    roles: RoleFlags,
    /// Form of log lines [default: human at a terminal, otherwise json]
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log level: error, warn, info, debug or trace
    #[arg(long, env = "WEIR_LOG", value_name = "LEVEL", default_value = "info")]
    log: String,
}

/// Runs the gateway, the loaders, or both until SIGTERM or SIGINT.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    telemetry::init(args.log_format, &args.log).map_err(Failure::Named)?;
    let text = args.config.text()?;
    let mut to_serve = args.config.load_to_serve(text.as_deref(), &args.roles)?;
    let has_gateway = to_serve.roles.run(Role::Gateway);
    let demo = if has_gateway { first_start::prepare(&mut to_serve.config)? } else { None };
    let (flags, roles, config) = (args.config.clone(), args.roles.clone(), to_serve.config.clone());
    let started = Started { flags, roles, text, config, is_first: demo.is_some() };
    if has_gateway { run_gateway(started, to_serve, demo) } else { load_only::run(started) }
}

/// A gateway at work, with all that belongs to it.
struct Gateway {
    app: Arc<App>,
    clients: Clients,
    admin: TcpListener,
    api: Api,
    loaders: Loaders,
    jobs: Jobs,
    watch: Watch,
    /// Whether clients that come from now on wait for the next start.
    are_held: bool,
}

fn run_gateway(started: Started, to_serve: ToServe, demo: Option<Demo>) -> Result<(), Failure> {
    for warning in to_serve.warnings() {
        tracing::warn!("{warning}");
    }
    let ToServe { mut config, tls, roles } = to_serve;
    config.limits.server.connections = open_files(config.limits.server.connections);
    let tenants = Tenants::from_config(&config);
    let metrics = metrics()?;
    let spans = Spans::from_environment(&|name| std::env::var_os(name), &metrics).map_err(Failure::Named)?;
    // The addresses first: a port in use should not cost a look at the queue.
    let mut sockets = Sockets::of_process();
    let mut clients = Clients::bind(&mut sockets, &config, tls.as_ref(), &metrics)?;
    let (admin, admin_address) = sockets.bind(config.admin, "admin", " with --admin")?;
    sockets.all_taken()?;
    let queue = open_queue(&config, &tenants, &metrics)?;
    metrics.machine.watch_disk(config.data.path().to_owned(), config.queue.free_bytes);
    RunFile::clear(&config.data);
    let loaders = if roles.run(Role::Load) { Loaders::start(&config, &metrics)? } else { Loaders::none() };
    let office = connect::office(&config);
    let targets = Arc::clone(&office.targets);
    let jobs = jobs::start(&config, &roles, (&queue, &metrics), &targets)?;
    let api = jobs::api(&config, office, admin_address)?;
    let app = App::new(tenants, queue, Arc::clone(&metrics), config.limits.clone()).with_spans(spans);
    let app = Arc::new(app);
    let parts = Parts {
        app: Some(Arc::clone(&app)),
        loaders: loaders.handles(&config),
        targets,
        tls: clients.certificate.take(),
        metrics,
    };
    let watch = Watch::start(started, parts)?;
    let announce = |url: &str, is_ready: bool| match &demo {
        Some(demo) if is_ready => print(&format!("{}\n", first_start::curl_line(demo, url))),
        Some(_) => print("Weir can't take events yet: the log says why\n"),
        None => Ok(()),
    };
    let gateway = Gateway { app, clients, admin, api, loaders, jobs, watch, are_held: sockets.are_held() };
    actix_rt::System::new().block_on(serve(gateway, config, announce))
}

fn metrics() -> Result<Arc<Metrics>, Failure> {
    let metrics = Metrics::new(routes::labels());
    Ok(Arc::new(metrics.map_err(|error| Failure::Named(format!("metrics: {error}")))?))
}

fn ended_by_itself(ended: Result<io::Result<()>, impl std::fmt::Display>) -> String {
    let why = match ended {
        Ok(Ok(())) => "without a reason".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    format!("the HTTP server ended by itself ({why}); start Weir again, and report this with the lines above")
}

/// Has the system allow as many open files as `connections` need, and tells how many connections it allows:
/// clients must never take the files that the queue needs.
fn open_files(connections: usize) -> usize {
    let limits = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OWN_FILES);
    let allowed = limits.maximum.map_or(wanted, |most| wanted.min(most));
    if limits.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limits.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(
                %error,
                allowed,
                "cannot raise the limit of open files; raise it from outside (ulimit -n, LimitNOFILE)"
            );
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    if current >= wanted {
        return connections;
    }
    let left = usize::try_from(current.saturating_sub(OWN_FILES).max(current / 2)).unwrap_or(connections);
    tracing::warn!(
        "limits.connections: the system allows {current} open files, enough for only {left} connections; \
         raise that limit (ulimit -n, LimitNOFILE) to {wanted}"
    );
    left
}

/// The last line of the log: what was lost, and where that is which Kafka does not have yet.
fn tell_the_end(left: usize, held: u64) {
    let waiting = match held {
        0 => String::new(),
        held => format!("; the spool holds {held} for Kafka, and the next start forwards them"),
    };
    if left == 0 {
        tracing::info!(
            records_left = 0,
            records_held = held,
            "stopped: every acknowledged record is durable{waiting}"
        );
    } else {
        tracing::warn!(
            records_left = left,
            records_held = held,
            "stopped: these records did not become durable in time and were not acknowledged, so their \
             clients send them again; to allow more time, raise limits.shutdown_ms{waiting}"
        );
    }
}

/// The journal, or Kafka where brokers are configured.
fn open_queue(config: &Config, tenants: &Tenants, metrics: &Arc<Metrics>) -> Result<Arc<dyn Queue>, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::Named(error.to_string());
    let (topics, counting) = (&*tenants.topics, Arc::clone(metrics));
    metrics.queue.limit_bytes.set(i64::try_from(config.queue.journal_bytes).unwrap_or(i64::MAX));
    Ok(match config.queue.kind() {
        QueueKind::Kafka { .. } => {
            let opened = SpooledQueue::open(&config.data.spool(), &config.queue, topics, counting);
            Arc::new(opened.map_err(|error| named(&error))?)
        }
        QueueKind::Journal => {
            let opened = JournalQueue::open(&config.data.journal(), &config.queue, topics, counting);
            Arc::new(opened.map_err(|error| named(&error))?)
        }
    })
}

/// Serves until told to stop; then, within `limits.shutdown_ms`: readiness off, no new connections, every
/// request answered, the queue flushed.
async fn serve(
    Gateway { app, clients, admin, api, loaders, jobs, watch, are_held }: Gateway,
    config: Config,
    announce: impl FnOnce(&str, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen(watch.asks()).map_err(unserved)?;
    let shutdown = config.limits.server.shutdown;
    // What is left of the time is the queue's.
    let drain = shutdown.mul_f64(0.75);
    let Clients { listeners, url: main, tls_url: tls, .. } = clients;
    let uploads = connect::uploads(&config).map(Arc::new);
    let gateway = server::serve(Arc::clone(&app), uploads, listeners, drain).map_err(unserved)?;
    let process: Arc<dyn Watched> = Arc::<App>::clone(&app);
    let pages = Pages { process, consent: jobs::consent(&config), api };
    let (admin, admin_address) = admin::serve(pages, admin).map_err(unserved)?;
    let (gateway_handle, admin_handle) = (gateway.handle(), admin.handle());
    let gateway = actix_rt::spawn(gateway);
    actix_rt::spawn(admin);
    let urls = Urls { main: Some(main.clone()), tls, admin: url("http", admin_address) };
    let (data, in_use) = (config.data.clone(), Arc::clone(&watch.in_use));
    let control = open_control(Running { config, in_use, gateway: Some(Arc::clone(&app)) });
    let run_file = RunFile::write(&data, &urls)?;
    log_start(&urls, app.is_ready());
    if let Err(error) = announce(&main, app.is_ready()) {
        // Clients are served by now; the same key is in a file.
        tracing::warn!(%error, "the command for a first event can't be printed; its key is in first-start.json");
    }
    let mut broken = None;
    tokio::select! {
        () = signals.stop() => {},
        ended = gateway => broken = Some(ended_by_itself(ended)),
    }
    tracing::info!("shutting down: no new events, answering those under way");
    let deadline = Instant::now() + shutdown;
    if are_held {
        gateway_handle.pause().await;
        tokio::time::sleep(FIRST_HEADS).await;
    }
    app.drain();
    gateway_handle.stop(true).await;
    let last = Arc::clone(&app);
    let closing = tokio::task::spawn_blocking(move || {
        let left = close(&*last.queue, (loaders, jobs), deadline);
        last.spans.stop();
        left
    });
    let left = closing.await.unwrap_or_default();
    admin_handle.stop(false).await;
    drop((control, run_file, watch));
    tell_the_end(left, app.queue.held());
    broken.map_or(Ok(()), |reason| Err(Failure::Named(reason)))
}

fn unserved(error: io::Error) -> Failure {
    Failure::Named(format!("cannot start serving: {error}"))
}

fn open_control(running: Running) -> Option<Control> {
    let control = Control::open(running);
    if let Err(error) = &control {
        tracing::warn!(
            %error,
            "there is no control.sock in the data folder, so commands can't reach this Weir; to replay \
             quarantine, stop it first"
        );
    }
    control.ok()
}

/// Flushes the queue, and ends loaders and jobs meanwhile. Returns how many records did not become durable by
/// `deadline`.
fn close(queue: &dyn Queue, (loaders, jobs): (Loaders, Jobs), deadline: Instant) -> usize {
    jobs.stop();
    loaders.stop();
    let left = queue.close(deadline);
    loaders.await_end(deadline);
    jobs.await_end(deadline);
    left
}

/// The line of the log that says where Weir listens, and whether it takes events.
fn log_start(Urls { main: url, tls: tls_url, admin: admin_url }: &Urls, is_ready: bool) {
    let version = env!("CARGO_PKG_VERSION");
    if is_ready {
        tracing::info!(url, tls_url, admin_url, version, "taking events");
    } else {
        tracing::warn!(
            url,
            tls_url,
            admin_url,
            version,
            "listening, but not ready: every request gets 503 until what is reported above is fixed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_by_itself_is_a_sentence_and_no_debug_form() {
        let told = |ended: Result<io::Result<()>, &str>| ended_by_itself(ended);
        let failed = told(Ok(Err(io::Error::from_raw_os_error(24))));
        assert_eq!(
            failed,
            "the HTTP server ended by itself (Too many open files (os error 24)); start Weir again, and report \
             this with the lines above"
        );
        assert!(
            told(Ok(Ok(()))).contains("(without a reason)") && told(Err("a panic")).contains("(a panic)")
        );
    }
}
