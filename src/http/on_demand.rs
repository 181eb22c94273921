//! An HTTP service that is there only while connections need it: actix-http gives each service a clock that wakes its
//! thread twice a second for as long as the service lives, so a Weir that nobody talks to would never sleep.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_service};

/// How long a service without connections is kept.
const KEPT: Duration = Duration::from_secs(10);

/// A service that hands each connection to one that `make` builds when there is none.
pub fn on_demand<C, F>(
    make: impl Fn() -> F + 'static,
) -> impl ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    C: 'static,
    F: ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()> + 'static,
    F::Service: 'static,
{
    let slot = Rc::new(Slot { make, service: RefCell::new(None), used: Cell::new(false) });
    let serve = move |connection: C| {
        let slot = Rc::clone(&slot);
        async move {
            let service = get(&slot).await?;
            std::future::poll_fn(|context| service.poll_ready(context)).await?;
            service.call(connection).await
        }
    };
    fn_service(serve).into_factory()
}

/// The service, while there is one.
struct Slot<M, S> {
    make: M,
    service: RefCell<Option<Rc<S>>>,
    /// Whether it was asked for since somebody last looked.
    used: Cell<bool>,
}

/// The service, which is made if there is none.
async fn get<C, F>(
    slot: &Rc<Slot<impl Fn() -> F + 'static, F::Service>>,
) -> Result<Rc<F::Service>, DispatchError>
where
    F: ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()> + 'static,
    F::Service: 'static,
{
    slot.used.set(true);
    let known = slot.service.borrow().clone();
    if let Some(service) = known {
        return Ok(service);
    }
    let made = (slot.make)().new_service(()).await.map_err(|()| DispatchError::InternalError)?;
    let made = Rc::new(made);
    if slot.service.replace(Some(Rc::clone(&made))).is_none() {
        actix_rt::spawn(release(Rc::clone(slot)));
    }
    Ok(made)
}

/// Drops the service once it has been without connections for a while.
async fn release<M, S>(slot: Rc<Slot<M, S>>) {
    loop {
        tokio::time::sleep(KEPT).await;
        let has_connections =
            slot.service.borrow().as_ref().is_some_and(|service| Rc::strong_count(service) > 1);
        if !has_connections && !slot.used.replace(false) {
            slot.service.take();
            return;
        }
    }
}
