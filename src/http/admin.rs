//! The operators' listener: metrics, health, the description of the interface, and the [`api`](super::api), on an
//! address of its own.

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

use super::api::Api;
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

/// Takes the query with which a browser comes back. Returns a sentence for whoever sits there, whether or not all is
/// well. It may block.
pub type TakeConsent = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// What answers on the operators' listener.
#[derive(Clone)]
pub struct Pages {
    /// What they look at.
    pub process: Arc<dyn Watched>,
    /// Takes consent that a browser brings back; none: nobody waits for any.
    pub consent: Option<TakeConsent>,
    /// Answers what is asked of connections and jobs.
    pub api: Api,
}

/// Serves these pages for operators on `listener`.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(pages: Pages, listener: TcpListener) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let server = Server::build()
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen("admin", listener, move || {
            let pages = pages.clone();
            fn_service(|io: TcpStream| ready(Ok((io, None)))).and_then(on_demand(move || http(pages.clone())))
        })?
        .run();
    Ok((server, address))
}

fn http(
    pages: Pages,
) -> impl ServiceFactory<Accepted, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let routes = WebApp::new()
        .default_service(web::to(move |request: HttpRequest, body: web::Payload| {
            answer(pages.clone(), request, body)
        }))
        .into_factory();
    HttpService::build().keep_alive(KEEP_ALIVE).h1(map_config(routes, |_| AppConfig::default()))
}

/// A connection; nobody asks where it came from.
type Accepted = (TcpStream, Option<SocketAddr>);

/// To HEAD as to GET, but where a GET changes something: actix-http leaves out the body.
async fn answer(pages: Pages, request: HttpRequest, body: web::Payload) -> HttpResponse {
    if Api::has(request.path()) {
        return pages.api.answer(&request, body).await;
    }
    let route = ADMIN_ROUTES.iter().find(|(path, _)| *path == request.path());
    match (route, request.method()) {
        (None, _) => response(&Answer::NoRoute),
        (Some((_, AdminPage::Consent)), &Method::GET) => take(pages.consent, request.query_string()).await,
        (Some((_, AdminPage::Consent)), _) => response(&Answer::WrongMethod { allow: "GET", advice: "" }),
        (Some((_, page)), &Method::GET | &Method::HEAD) => show(&*pages.process, *page),
        (Some(_), _) => response(&Answer::WrongMethod { allow: "GET, HEAD", advice: "" }),
    }
}

/// Hands over the query of a browser that comes back. It waits for another system, so not on this thread.
async fn take(consent: Option<TakeConsent>, query: &str) -> HttpResponse {
    let query = query.to_owned();
    let taken = match consent {
        None => {
            Err("this process has no connections; open the address that a Weir with a store gave".to_owned())
        }
        Some(consent) => {
            let taken = tokio::task::spawn_blocking(move || consent(&query)).await;
            taken.unwrap_or_else(|_| Err("that went wrong; start again, and report this".to_owned()))
        }
    };
    let (mut response, text) = match taken {
        Ok(text) => (HttpResponse::Ok(), text),
        Err(text) => (HttpResponse::BadRequest(), text),
    };
    // The address has a code in it.
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header((header::REFERRER_POLICY, "no-referrer"));
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
    response.body(format!("{text}\n"))
}

fn show(process: &dyn Watched, page: AdminPage) -> HttpResponse {
    match page {
        AdminPage::Metrics => metrics(process),
        // It is not shown, but taken.
        AdminPage::Consent => response(&Answer::NoRoute),
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
