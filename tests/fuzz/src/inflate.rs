//! A compressed body that comes in pieces: what it becomes, whatever the pieces, and within which memory.
//!
//! The first byte of an input chooses the encoding, the limit and the memory, the second the size of the pieces; the
//! rest is the body.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::{Bytes, Payload};
use actix_web::{FromRequest, dev, rt};
use futures_util::stream;
use weir::config::{Overrides, RequestLimits};
use weir::http::body::{Allowance, Body, BodyError, Incoming, read, reserve};
use weir::intake::budget::Budget;
use weir::setup;

use super::input::Input;

/// More memory than any body of these takes: the window of Zstandard and its tables are nine megabytes.
const PLENTY: usize = 16 << 20;
/// Too little for that window, and for what many a short body becomes.
const LITTLE: usize = 100_000;

/// The limits of requests as they are by default.
static LIMITS: LazyLock<RequestLimits> = LazyLock::new(|| {
    let text = "[tenants.acme]\n[sources.web]\ntenant = \"acme\"\n";
    let config = setup::load(Some((Path::new("fuzz.toml"), text)), &Overrides::default());
    config.unwrap_or_else(|problems| panic!("{problems}")).limits.request
});

thread_local! {
    static RUNTIME: rt::Runtime = rt::Runtime::new().unwrap();
}

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let (choice, piece) = (input.byte(), usize::from(input.byte()).max(1));
    let encoding = ["gzip", "deflate", "zstd", "identity"][usize::from(choice & 3)];
    let most = if choice & 4 == 0 { 1 << 16 } else { 100 };
    let body = input.rest();

    let whole = inflated(encoding, body, body.len().max(1), most, PLENTY);
    let in_pieces = inflated(encoding, body, piece, most, PLENTY);
    assert_eq!(whole.as_ref().ok(), in_pieces.as_ref().ok(), "in pieces of {piece}: {in_pieces:?}");
    if let Ok(inflated) = &whole {
        assert!(inflated.len() <= most && body.len() <= most);
        assert!(encoding != "identity" || inflated == body);
    }
    match inflated(encoding, body, piece, most, LITTLE) {
        // Where memory suffices, it is the same.
        Ok(inflated) => assert_eq!(Some(&inflated), whole.as_ref().ok()),
        Err(error) => assert!(whole.is_err() || error == BodyError::NoRoom, "{error:?}"),
    }
}

/// What `body` is, which comes in pieces of so many bytes; it may have `most` bytes, and take `room` bytes of memory.
fn inflated(
    encoding: &'static str,
    body: &[u8],
    piece: usize,
    most: usize,
    room: usize,
) -> Result<Vec<u8>, BodyError> {
    let budget = Budget::new(room);
    let inflated = RUNTIME.with(|runtime| runtime.block_on(received(encoding, body, piece, most, &budget)));
    let inflated = inflated.map(|body| {
        assert!((body.bytes.len()..=room).contains(&budget.used()), "{} bytes are held", budget.used());
        body.bytes.to_vec()
    });
    assert_eq!(budget.used(), 0, "all memory is given back");
    inflated
}

async fn received(
    encoding: &'static str,
    body: &[u8],
    piece: usize,
    most: usize,
    budget: &Arc<Budget>,
) -> Result<Body, BodyError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    let reserved = reserve(&headers, Allowance { most, at_once: false }, budget)?;
    let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut payload: dev::Payload = dev::Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
    let request = TestRequest::default().to_http_request();
    let payload = Payload::from_request(&request, &mut payload).await.unwrap();
    read(Incoming::new(payload, None), reserved, &LIMITS, None).await
}
