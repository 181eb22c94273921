//! The operators' listener: metrics and health, on an address of its own.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{App as WebApp, HttpRequest, HttpResponse, HttpServer, web};

use super::pages;
use super::response::response;
use crate::intake::app::App;
use crate::pipeline::answer::Answer;

/// Serves `/metrics`, `/livez` and `/readyz` on `listener`.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(app: Arc<App>, listener: TcpListener) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        let app = Arc::clone(&app);
        WebApp::new().default_service(web::to(move |request: HttpRequest| ready(answer(&app, &request))))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    Ok((server, address))
}

/// To HEAD as to GET: actix-http leaves out the body.
fn answer(app: &App, request: &HttpRequest) -> HttpResponse {
    let page: fn(&App) -> HttpResponse = match request.path() {
        "/metrics" => metrics,
        "/livez" => |_| pages::alive(),
        "/readyz" => |app| pages::ready(app.is_ready()),
        _ => return response(&Answer::NoRoute),
    };
    match *request.method() {
        Method::GET | Method::HEAD => page(app),
        _ => response(&Answer::WrongMethod { allow: "GET, HEAD", advice: "" }),
    }
}

fn metrics(app: &App) -> HttpResponse {
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, text)).body(app.render_metrics())
}
