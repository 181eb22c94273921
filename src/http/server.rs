//! The clients' listeners, plain and TLS: HTTP/1.1 over connections with deadlines, one dispatcher for every route.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, KeepAlive};
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::Method;
use actix_web::web::{self, Payload};
use actix_web::{App as WebApp, HttpRequest, HttpResponse};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, ConnectionState, LINGER, Within, next_turn};
use super::places::{Place, Places};
use super::response::{error_text, response};
use super::routes::{Endpoint, find};
use super::tls::Acceptor;
use super::{cors, events, gainsight, pages};
use crate::intake::app::App;
use crate::pipeline::answer::Answer;

/// How late actix-http's clock may be: it looks at the time twice a second. A head must not lose that.
const CLOCK: Duration = Duration::from_millis(500);

/// How many workers serve the clients: one a core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where clients connect: one of the two, or both.
pub struct Listeners {
    /// For plain HTTP.
    pub plain: Option<TcpListener>,
    /// For HTTP over TLS.
    pub tls: Option<(TcpListener, Acceptor)>,
}

/// Serves the clients on `listeners`. The server stops when its handle says so, and not by signals.
///
/// # Errors
/// When a listener can't be used.
pub fn serve(app: Arc<App>, listeners: Listeners, drain: Duration) -> std::io::Result<Server> {
    // Each worker takes its share of the connections: never more of them than there are shares.
    let workers = workers().min(app.limits.connections);
    let share = app.limits.connections / workers;
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(share)
        .shutdown_timeout(drain.as_secs().max(1))
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    if let Some(listener) = listeners.plain {
        let (app, draining) = (Arc::clone(&app), draining.clone());
        builder = builder.listen("weir", listener, move || {
            let (within, places) = (Arc::clone(&app), Places::of_this_worker(share));
            fn_service(move |io: TcpStream| {
                let (place, peer) = (places.take(), accepted(&io));
                ready(Ok((connection(&within, io, place), peer)))
            })
            .and_then(http(Arc::clone(&app), draining.clone()))
        })?;
    }
    if let Some((listener, acceptor)) = listeners.tls {
        builder = builder.listen("weir over TLS", listener, move || {
            let (within, acceptor) = (Arc::clone(&app), acceptor.clone());
            let places = Places::of_this_worker(share);
            fn_service(move |io: TcpStream| {
                let (within, acceptor) = (Arc::clone(&within), acceptor.clone());
                // Taken now: a handshake under way takes a place, too.
                let (place, peer) = (places.take(), accepted(&io));
                async move { Ok((connection(&within, acceptor.accept(io).await?, place), peer)) }
            })
            .and_then(http(Arc::clone(&app), draining.clone()))
        })?;
    }
    Ok(builder.run())
}

/// Prepares a connection that just came, and tells from where.
fn accepted(io: &TcpStream) -> Option<SocketAddr> {
    // Answers are small: waiting to fill a packet only adds latency. Not vital, so not checked.
    io.set_nodelay(true).ok();
    io.peer_addr().ok()
}

fn connection<S>(app: &App, io: S, place: Rc<Place>) -> Connection<S> {
    Connection::new(io, place, Within::new(&app.limits), Arc::clone(&app.budget))
}

/// HTTP/1.1 over connections with deadlines, every request to the dispatcher.
fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    app: Arc<App>,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<Accepted<S>, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let header = app.limits.header;
    let routes = WebApp::new()
        .default_service(web::to(move |request: HttpRequest, payload: Payload| {
            dispatch(Arc::clone(&app), request, payload)
        }))
        .into_factory();
    HttpService::build()
        // For as long as the connection itself allows.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(header + CLOCK)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        })
        .on_connect_ext(|connection: &Connection<S>, data| {
            data.insert(connection.state());
        })
        .h1(map_config(routes, |_| AppConfig::default()))
}

/// A connection, and where it came from.
type Accepted<S> = (Connection<S>, Option<SocketAddr>);

/// About as many bytes as the head of `request` had.
fn head_size(request: &HttpRequest) -> usize {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.path().len() + request.query_string().len() + headers.sum::<usize>()
}

/// Every request comes through here: preflight, route, method, then the endpoint.
async fn dispatch(app: Arc<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let began = Instant::now();
    let connection = request.conn_data::<Rc<ConnectionState>>().cloned();
    if let Some(connection) = &connection {
        connection.request_began(|| head_size(&request));
    }
    let route = find(request.path());
    let label = route.map_or("other", |route| route.path);
    let method = request.method();
    let mut body_ended = !events::announces_body(request.headers());
    let mut response = if *method == Method::OPTIONS && cors::is_preflight(request.headers()) {
        cors::preflight(request.headers())
    } else {
        let mut response = match route {
            None => response(&Answer::NoRoute),
            Some(route) if !route.endpoint.knows(method.as_str()) => {
                let (allow, advice) = (route.endpoint.allow(), route.endpoint.advice());
                let wrong = Answer::WrongMethod { allow, advice };
                if matches!(route.endpoint, Endpoint::Gainsight(_)) {
                    gainsight::refuse(label, wrong)
                } else {
                    response(&wrong)
                }
            }
            Some(route) => match route.endpoint {
                Endpoint::Health => pages::health(app.is_ready()),
                Endpoint::Version => pages::version(),
                Endpoint::Robots => pages::robots(),
                Endpoint::Events(call) => {
                    let state = connection.as_deref();
                    let answered = events::answer(&app, &request, payload, label, call, state).await;
                    body_ended = answered.body_ended;
                    if let Some(why) = error_text(&answered.answer) {
                        tracing::debug!(route = label, why = why.as_ref(), "refused");
                    }
                    response(&answered.answer)
                }
                Endpoint::Gainsight(operation) => {
                    let state = connection.as_deref();
                    let answer = gainsight::answer(&app, &request, payload, label, operation, state);
                    // In a box: every request's future has room for the largest way, and these are few.
                    let (response, ended) = Box::pin(answer).await;
                    body_ended = ended;
                    response
                }
            },
        };
        cors::allow(request.headers(), &mut response);
        response
    };
    app.metrics.answer(label, response.status().as_str(), began.elapsed().as_secs_f64());
    tracing::debug!(route = label, status = response.status().as_u16(), "answered");
    if let Some(connection) = &connection {
        // What else the client offered to speak is not spoken here: nothing may wait for it.
        let offered = request.head().connection_type() == ConnectionType::Upgrade;
        if !connection.request_answered(body_ended) || offered {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if !body_ended {
            // The rest is read for a moment, so that the client sees its answer; then this is over.
            next_turn().await;
        }
    }
    response
}
