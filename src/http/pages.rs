//! The small pages: health, version, robots. Their JSON has rudder-server's keys, since probes read them.

use actix_web::HttpResponse;
use actix_web::http::header;

use super::response::{JSON, PLAIN, response};
use crate::pipeline::answer::Answer;

/// `/` and `/health`.
pub fn health(ready: bool) -> HttpResponse {
    if !ready {
        return response(&Answer::Unavailable);
    }
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(concat!(
        r#"{"appType":"GATEWAY","server":"UP","db":"UP","acceptingEvents":"TRUE","routingEvents":"TRUE","#,
        r#""mode":"NORMAL","backendConfigMode":"FILE","lastSync":"","lastRegulationSync":""}"#
    ))
}

/// `/version`
pub fn version() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(concat!(
        r#"{"Version":"weir "#,
        env!("CARGO_PKG_VERSION"),
        r#"","Commit":"","BuildDate":"","BuiltBy":"","Features":["gzip-req-payload"]}"#
    ))
}

/// `/robots.txt`
pub fn robots() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, PLAIN)).body("User-agent: * \nDisallow: / \n")
}

/// `/livez`: the process answers.
pub fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, PLAIN)).body("ok")
}

/// `/readyz`: the process can do what it is there for.
pub fn ready(ready: bool) -> HttpResponse {
    if ready { alive() } else { response(&Answer::Unavailable) }
}
