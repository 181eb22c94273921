//! `bare`: what HTTP alone costs. Reads each body and answers 200 `ok`; keeps nothing.

use std::future::ready;
use std::io;

use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};

use crate::server::{BODY_BYTES, KEEP_ALIVE, Place, workers};

pub fn run(place: &Place) -> io::Result<()> {
    actix_web::rt::System::new().block_on(serve(place))
}

async fn serve(place: &Place) -> io::Result<()> {
    let listener = place.listen()?;
    HttpServer::new(|| {
        App::new()
            .app_data(PayloadConfig::new(BODY_BYTES))
            .default_service(web::to(|_body: Bytes| ready(HttpResponse::Ok().body("ok"))))
    })
    .workers(workers())
    .keep_alive(KEEP_ALIVE)
    .listen(listener)?
    .run()
    .await
}
