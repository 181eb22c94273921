//! The clients' listener: HTTP/1.1 over connections with deadlines, one dispatcher for every route.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::{ConnectionType, HttpService};
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::Method;
use actix_web::web::{self, Payload};
use actix_web::{App as WebApp, HttpRequest, HttpResponse};

use super::answer::Answer;
use super::connection::{Connection, ConnectionState, KEEP_ALIVE, LINGER, next_turn};
use super::routes::{Endpoint, find};
use super::{cors, events, gainsight, pages};
use crate::app::App;

/// How late actix-http's clock may be: it looks at the time twice a second. A head must not lose that.
const CLOCK: Duration = Duration::from_millis(500);

/// How many workers serve the clients: one a core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Serves the clients on `listener`. The server stops when its handle says so, and not by signals.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(app: Arc<App>, listener: TcpListener, drain: Duration) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    // Each worker takes its share of the connections: never more of them than there are shares.
    let workers = workers().min(app.limits.connections);
    let header = app.limits.header;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(app.limits.connections / workers)
        .shutdown_timeout(drain.as_secs().max(1))
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let server = builder
        .listen("weir", listener, move || {
            let (app, draining) = (Arc::clone(&app), draining.clone());
            let budget = Arc::clone(&app.budget);
            let routes = WebApp::new()
                .default_service(web::to(move |request: HttpRequest, payload: Payload| {
                    dispatch(Arc::clone(&app), request, payload)
                }))
                .into_factory();
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(header + CLOCK)
                .client_disconnect_timeout(LINGER)
                .graceful_shutdown_signal(move || {
                    let draining = draining.clone();
                    async move { draining.notified().await }
                })
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(connection.state());
                })
                .h1(map_config(routes, |_| AppConfig::default()));
            fn_service(move |io: TcpStream| {
                let peer = io.peer_addr().ok();
                // Answers are small: waiting to fill a packet only adds latency. Not vital, so not checked.
                io.set_nodelay(true).ok();
                ready(Ok((Connection::new(io, header, Arc::clone(&budget)), peer)))
            })
            .and_then(http)
        })?
        .run();
    Ok((server, address))
}

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
            None => Answer::NoRoute.response(),
            Some(route) if !route.endpoint.knows(method.as_str()) => {
                let wrong = Answer::WrongMethod(route.endpoint.allow());
                if matches!(route.endpoint, Endpoint::Gainsight(_)) {
                    gainsight::refuse(label, wrong)
                } else {
                    wrong.response()
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
                    answered.answer.response()
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
    app.metrics.answer(label, response.status(), began.elapsed().as_secs_f64());
    tracing::debug!(route = label, status = response.status().as_u16(), "answered");
    if let Some(connection) = &connection {
        connection.request_answered(body_ended);
        if !body_ended {
            // The rest is read for a moment, so that the client sees its answer; then this is over.
            response.head_mut().set_connection_type(ConnectionType::Close);
            next_turn().await;
        }
    }
    response
}
