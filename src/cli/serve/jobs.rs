//! Jobs that run beside the gateway, on its queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::loaders::Loaders;
use crate::cli::Failure;
use crate::config::Config;
use crate::connect::consenting;
use crate::connect::desk::{Desk, DeskError};
use crate::connect::engine::target::Targets;
use crate::connect::engine::{Jobs, Place, agenda, work_on_one};
use crate::http::admin::TakeConsent;
use crate::http::api::Api;
use crate::observe::metrics::Metrics;
use crate::operate::api;
use crate::operate::clerk::Office;
use crate::queue::Queue;
use crate::setup::{Role, Roles, admin_api, connect};
use crate::system::worker::StopToken;
use crate::tenants::Tenants;

/// How often a run is looked at that waits for something.
const LOOK: Duration = Duration::from_millis(250);

/// The workers, none where the process does not run jobs. A reload replaces what they may write, in `targets`.
pub fn start(
    config: &Config,
    roles: &Roles,
    (queue, metrics): (&Arc<dyn Queue>, &Arc<Metrics>),
    targets: &Arc<ArcSwap<Targets>>,
) -> Result<Jobs, Failure> {
    if !roles.run(Role::Jobs) {
        return Ok(Jobs::none());
    }
    let Some(place) = place(config, queue, metrics)? else { return Ok(Jobs::none()) };
    let place = Place { targets: Arc::clone(targets), ..place };
    Jobs::start(&place).map_err(|error| Failure::Named(format!("cannot start jobs: {error}")))
}

/// What runs are worked on with; none: there is no store, in which they would be kept.
pub fn place(
    config: &Config,
    queue: &Arc<dyn Queue>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Place>, Failure> {
    let Some(vaults) = connect::vaults(config).map_err(Failure::Named)? else { return Ok(None) };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Some(Place {
        vaults,
        runs: config.data.runs(),
        uploads: config.data.uploads(),
        holder: format!("{host}/{}", std::process::id()),
        queue: Arc::clone(queue),
        metrics: Arc::clone(metrics),
        targets: Arc::new(ArcSwap::from_pointee(connect::targets(config))),
        open_source: connect::open_source(config),
    }))
}

/// What takes consent that a browser brings back; none: there is no store, or no key to its credentials.
pub fn consent(config: &Config) -> Option<TakeConsent> {
    let vaults = connect::vaults(config).ok()??;
    Some(Arc::new(move |query| consenting::end(&vaults, query)))
}

/// What operators may ask of connections and jobs, on a listener at `address`.
pub fn api(config: &Config, office: Office, address: SocketAddr) -> Result<Api, Failure> {
    let token = admin_api::token(config, &|name| std::env::var_os(name));
    let token = token.map_err(|why| Failure::Named(format!("admin_api.token: {why}")))?;
    Ok(Api::new(api::take(office), token, address))
}

/// Works on runs in this process, which has nothing else to do, with a loader of its own, until `is_done`.
pub fn run_here(
    config: &Config,
    is_done: impl Fn(&mut Desk) -> Result<bool, DeskError>,
) -> Result<(), Failure> {
    let (metrics, tenants) = (super::metrics()?, Tenants::from_config(config));
    let queue = super::open_queue(config, &tenants, &metrics)?;
    let loaders = Loaders::start(config, &metrics)?;
    let place = place(config, &queue, &metrics)?;
    let done = place.map_or(Ok(()), |place| until(&place, is_done));
    let deadline = Instant::now() + config.limits.server.shutdown;
    loaders.stop();
    queue.close(deadline);
    loaders.await_end(deadline);
    done
}

fn until(place: &Place, is_done: impl Fn(&mut Desk) -> Result<bool, DeskError>) -> Result<(), Failure> {
    let (token, mut desk) = (StopToken::default(), Desk::open(&place.vaults.open)?);
    while !is_done(&mut desk)? {
        agenda::go_on_with_chains(&mut desk)?;
        if !work_on_one(place, &token, &mut desk)? {
            token.sleep(LOOK);
        }
    }
    Ok(())
}
