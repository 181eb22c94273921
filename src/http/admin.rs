//! The operators' listener: metrics and health, on an address of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{App as WebApp, HttpResponse, HttpServer, web};

use super::pages;
use crate::app::App;

/// Serves `/metrics`, `/livez` and `/readyz` on `listener`.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(app: Arc<App>, listener: TcpListener) -> std::io::Result<(Server, SocketAddr)> {
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        let (for_metrics, for_ready) = (Arc::clone(&app), Arc::clone(&app));
        WebApp::new()
            .route("/metrics", web::get().to(move || metrics(Arc::clone(&for_metrics))))
            .route("/livez", web::get().to(async || pages::alive()))
            .route(
                "/readyz",
                web::get().to(move || {
                    let ready = for_ready.is_ready();
                    async move { pages::ready(ready) }
                }),
            )
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    Ok((server, address))
}

async fn metrics(app: Arc<App>) -> HttpResponse {
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, text)).body(app.render_metrics())
}
