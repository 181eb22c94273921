//! CORS as RudderStack's SDKs expect it: any origin is echoed, on errors and unknown paths too, because a browser
//! that may not read an error takes it for a network failure and sends again. Credentials are allowed because the
//! SDKs ask for them; Weir reads no cookie.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// Whether this OPTIONS request is a preflight.
pub fn is_preflight(request: &HeaderMap) -> bool {
    request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: 204, saying nothing where Weir allows nothing.
pub fn preflight(request: &HeaderMap) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::NO_CONTENT);
    let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    response.insert_header((header::VARY, HeaderValue::from_static(vary)));
    let method = request.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let known = method.filter(|method| matches!(method.as_bytes(), b"GET" | b"HEAD" | b"POST"));
    if let Some((origin, method)) = request.get(header::ORIGIN).zip(known) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, method.clone()));
        if let Some(headers) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()));
        }
        response.insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("900")));
    }
    response.finish()
}

/// Adds what every other response carries.
pub fn allow(request: &HeaderMap, response: &mut HttpResponse) {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = request.get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
