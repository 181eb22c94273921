//! The operators' listener: metrics, health and the description of the interface, on an address of its own.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{App as WebApp, HttpRequest, HttpResponse, web};

use super::on_demand::on_demand;
use super::response::{JSON, response};
use super::routes::{ADMIN_ROUTES, AdminPage};
use super::{openapi, pages};
use crate::intake::app::App;
use crate::pipeline::answer::Answer;

/// How long a connection may stay unused.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A process as its operators see it.
pub trait Watched: Send + Sync {
    /// Whether it can do now what it is there for.
    fn is_ready(&self) -> bool;

    /// Its metrics as they stand now.
    fn render_metrics(&self) -> Vec<u8>;
}

impl Watched for App {
    fn is_ready(&self) -> bool {
        self.is_ready()
    }

    fn render_metrics(&self) -> Vec<u8> {
        self.render_metrics()
    }
}

/// Serves the pages of `process` for operators on `listener`.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(process: Arc<dyn Watched>, listener: TcpListener) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let server = Server::build()
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("admin", listener, move || {
            let process = Arc::clone(&process);
            fn_service(|io: TcpStream| ready(Ok((io, None))))
                .and_then(on_demand(move || http(Arc::clone(&process))))
        })?
        .run();
    Ok((server, address))
}

fn http(
    process: Arc<dyn Watched>,
) -> impl ServiceFactory<Accepted, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let routes = WebApp::new()
        .default_service(web::to(move |request: HttpRequest| ready(answer(&*process, &request))))
        .into_factory();
    HttpService::build().keep_alive(KEEP_ALIVE).h1(map_config(routes, |_| AppConfig::default()))
}

/// A connection; nobody asks where it came from.
type Accepted = (TcpStream, Option<SocketAddr>);

/// To HEAD as to GET: actix-http leaves out the body.
fn answer(process: &dyn Watched, request: &HttpRequest) -> HttpResponse {
    let route = ADMIN_ROUTES.iter().find(|(path, _)| *path == request.path());
    match (route, request.method()) {
        (None, _) => response(&Answer::NoRoute),
        (Some((_, page)), &Method::GET | &Method::HEAD) => show(process, *page),
        (Some(_), _) => response(&Answer::WrongMethod { allow: "GET, HEAD", advice: "" }),
    }
}

fn show(process: &dyn Watched, page: AdminPage) -> HttpResponse {
    match page {
        AdminPage::Metrics => metrics(process),
        AdminPage::Alive => pages::alive(),
        AdminPage::Ready => pages::ready(process.is_ready()),
        AdminPage::OpenApi => {
            let document = openapi::document().to_string();
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(document)
        }
        AdminPage::Docs => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let policy = HeaderValue::from_static(openapi::page::POLICY);
            let mut response = HttpResponse::Ok();
            response.insert_header((header::CONTENT_TYPE, html));
            response.insert_header((header::CONTENT_SECURITY_POLICY, policy));
            response.body(openapi::page::html(&openapi::document()))
        }
    }
}

fn metrics(process: &dyn Watched) -> HttpResponse {
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, text)).body(process.render_metrics())
}
