//! The clients' listeners, plain and TLS: HTTP/1.1 over connections with deadlines, one dispatcher for every route.

use std::io;
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

use super::bulk::{self, Bulk};
use super::connection::{Connection, ConnectionState, LINGER, Within, next_turn};
use super::events::{Inbound, KeyPlace, Refusal};
use super::on_demand::on_demand;
use super::places::{Place, Places};
use super::proxied;
use super::response::response;
use super::routes::{Endpoint, Route, find, find_by};
use super::tls::Acceptor;
use super::{cors, events, gainsight, pages, pixel, source_config};
use crate::connect::uploads::Uploads;
use crate::intake::app::App;
use crate::observe::answered::Ended;
use crate::observe::proxied::Outcome;
use crate::observe::spans::RequestSpan;
use crate::pipeline::Call;
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
    pub plain: Option<Listening>,
    /// For HTTP over TLS.
    pub tls: Option<(Listening, Acceptor)>,
}

/// A listener.
pub struct Listening {
    /// The socket.
    pub socket: TcpListener,
    /// Whether every connection begins with the PROXY protocol.
    pub proxied: bool,
}

/// Serves the clients on `listeners`. Files for jobs go to `uploads`. The server stops when its handle says so, and not
/// by signals.
///
/// # Errors
/// When a listener can't be used.
pub fn serve(
    app: Arc<App>,
    uploads: Option<Arc<Uploads>>,
    listeners: Listeners,
    drain: Duration,
) -> io::Result<Server> {
    // Each worker takes its share of the connections: never more of them than there are shares.
    let workers = workers().min(app.limits.connections);
    let share = app.limits.connections / workers;
    let mut builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(share)
        .shutdown_timeout(drain.as_secs().max(1))
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let served = Served { app: Arc::clone(&app), uploads };
    if let Some(Listening { socket, proxied }) = listeners.plain {
        let (app, served, draining) = (Arc::clone(&app), served.clone(), draining.clone());
        builder = builder.listen("weir", socket, move || {
            let (within, places) = (Arc::clone(&app), Places::of_this_worker(share));
            fn_service(move |mut io: TcpStream| {
                let (within, place) = (Arc::clone(&within), places.take());
                async move {
                    let peer = accepted(&mut io, proxied, &within).await?;
                    Ok((connection(&within, io, place), peer))
                }
            })
            .and_then(http(served.clone(), draining.clone()))
        })?;
    }
    if let Some((Listening { socket, proxied }, acceptor)) = listeners.tls {
        builder = builder.listen("weir over TLS", socket, move || {
            let (within, acceptor) = (Arc::clone(&app), acceptor.clone());
            let places = Places::of_this_worker(share);
            fn_service(move |mut io: TcpStream| {
                let (within, acceptor) = (Arc::clone(&within), acceptor.clone());
                // Taken now: a handshake under way takes a place, too.
                let place = places.take();
                async move {
                    let peer = accepted(&mut io, proxied, &within).await?;
                    Ok((connection(&within, acceptor.accept(io).await?, place), peer))
                }
            })
            .and_then(http(served.clone(), draining.clone()))
        })?;
    }
    Ok(builder.run())
}

/// Prepares a connection that just came, and tells from where; if it is `proxied`, for whom its proxy connects.
async fn accepted(io: &mut TcpStream, proxied: bool, app: &App) -> io::Result<Option<SocketAddr>> {
    // Answers are small: waiting to fill a packet only adds latency. Not vital, so not checked.
    io.set_nodelay(true).ok();
    let peer = io.peer_addr().ok();
    if !proxied {
        return Ok(peer);
    }
    let snapshot = app.snapshot();
    let trusted = &snapshot.limits.strangers.trusted_proxies;
    let told = proxied::client(io, peer, trusted, app.limits.header).await;
    let (Ok((outcome, _)) | Err(outcome)) = told;
    app.metrics.http.proxied(outcome);
    app.proxied.log(outcome);
    let refused = |outcome: Outcome| {
        tracing::debug!(?peer, outcome = outcome.label(), "connection not taken");
        io::ErrorKind::ConnectionRefused.into()
    };
    told.map(|(_, client)| client).map_err(refused)
}

fn connection<S>(app: &App, io: S, place: Rc<Place>) -> Connection<S> {
    Connection::new(io, place, Within::new(&app.limits, &app.snapshot().limits), Arc::clone(&app.budget))
}

/// What requests are answered with.
#[derive(Clone)]
struct Served {
    app: Arc<App>,
    uploads: Option<Arc<Uploads>>,
}

/// HTTP/1.1 over connections with deadlines, every request to the dispatcher.
fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    served: Served,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<Accepted<S>, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    on_demand(move || protocol(served.clone(), draining.clone()))
}

fn protocol<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    served: Served,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<Accepted<S>, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let header = served.app.limits.header;
    let routes = WebApp::new()
        .default_service(web::to(move |request: HttpRequest, payload: Payload| {
            dispatch(served.clone(), request, payload)
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
async fn dispatch(Served { app, uploads }: Served, request: HttpRequest, payload: Payload) -> HttpResponse {
    let began = Instant::now();
    let connection = request.conn_data::<Rc<ConnectionState>>().cloned();
    if let Some(connection) = &connection {
        connection.request_began(|| head_size(&request));
    }
    let route = find(request.path()).or_else(|| find_by(&app.snapshot().limits.paths, request.path()));
    let label = route.map_or("other", |route| route.path);
    let no_body = !events::announces_body(request.headers());
    let span = &app.spans.of(|| events::traceparent(request.headers()));
    let is_preflight = *request.method() == Method::OPTIONS && cors::is_preflight(request.headers());
    let (mut response, body_ended) = match route {
        _ if is_preflight => (cors::preflight(request.headers()), no_body),
        None => (response(&Answer::NoRoute), no_body),
        Some(route) if !route.endpoint.knows(request.method().as_str()) => (wrong_method(route), no_body),
        Some(route) => match route.endpoint {
            Endpoint::Events(_) | Endpoint::Beacon => {
                let (call, place) = match route.endpoint {
                    Endpoint::Events(call) => (call, KeyPlace::Anywhere),
                    _ => (Call::Batch, KeyPlace::Query),
                };
                let connection = connection.as_deref();
                let inbound = Inbound { request: &request, payload, path: route.path, connection, span };
                let (answer, body_ended) = match events::answer(&app, inbound, call, place).await {
                    Ok(answer) => (answer, true),
                    Err(Refusal { answer, body_ended }) => (answer, body_ended),
                };
                (response(&answer), body_ended)
            }
            Endpoint::Gainsight(operation) => {
                let connection = connection.as_deref();
                let inbound = Inbound { request: &request, payload, path: route.path, connection, span };
                // In a box: every request's future has room for the largest way, and these are few.
                Box::pin(gainsight::answer(&app, inbound, operation)).await
            }
            Endpoint::Bulk(bulk) => {
                let connection = connection.as_deref();
                let inbound = Inbound { request: &request, payload, path: route.path, connection, span };
                Box::pin(bulk::answer(&app, uploads.as_ref(), inbound, bulk)).await
            }
            Endpoint::Pixel(call) => {
                let inbound =
                    Inbound { request: &request, payload, path: route.path, connection: None, span };
                (Box::pin(pixel::answer(&app, inbound, call)).await, no_body)
            }
            _ => (page(&app, route, &request, span), no_body),
        },
    };
    if !is_preflight {
        cors::allow(request.headers(), &mut response);
    }
    app.metrics.http.answer(label, response.status().as_str(), began.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    tracing::debug!(route = label, status, "answered");
    span.end(&app.spans, &Ended { method: request.method().as_str(), route: label, status, began });
    if let Some(connection) = &connection {
        finish(connection, &request, body_ended, &mut response).await;
    }
    response
}

/// What is answered at once.
fn page(app: &App, route: &Route, request: &HttpRequest, span: &RequestSpan) -> HttpResponse {
    match route.endpoint {
        Endpoint::Health => pages::health(app.is_ready()),
        Endpoint::Version => pages::version(),
        Endpoint::Robots => pages::robots(),
        Endpoint::SourceConfig => source_config::answer(app, route.path, request, span),
        _ => response(&Answer::Ok),
    }
}

fn wrong_method(route: &Route) -> HttpResponse {
    let wrong = Answer::WrongMethod { allow: route.endpoint.allow(), advice: route.endpoint.advice() };
    match route.endpoint {
        Endpoint::Gainsight(_) | Endpoint::Bulk(Bulk::Import | Bulk::Status) => {
            gainsight::refuse(route.path, wrong)
        }
        _ => response(&wrong),
    }
}

/// Decides whether `connection` goes on after this response.
async fn finish(
    connection: &ConnectionState,
    request: &HttpRequest,
    body_ended: bool,
    response: &mut HttpResponse,
) {
    // The client may offer another protocol, which is not spoken here: nothing may wait for it.
    let offered = request.head().connection_type() == ConnectionType::Upgrade;
    if !connection.request_answered(body_ended) || offered {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    if !body_ended {
        // The rest is read for a moment, so that the client sees its answer; then this is over.
        next_turn().await;
    }
}
