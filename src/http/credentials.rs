//! What a request presents of its own accord: an access key, a shared secret, a signature.

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use data_encoding::BASE64;

use crate::admission::secrets::Presented;
use crate::admission::signature::{Refused, Signed};

/// Gainsight's header, in which a Weir key may come too.
const ACCESS_KEY: &str = "accesskey";
/// The query parameter of senders that can't set headers.
const WRITE_KEY: &str = "writeKey";

/// Those in which Gainsight's clients show a shared secret.
static SHARED_SECRET: HeaderName = HeaderName::from_static("sharedsecret");
static TENANT_ID: HeaderName = HeaderName::from_static("tenantid");

/// Those of a signature (Standard Webhooks).
static ID: HeaderName = HeaderName::from_static("webhook-id");
static TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The key in `headers` or `query`: the user of Basic authentication, else a Bearer token, else `Accesskey`,
/// else `?writeKey=`. What is malformed or empty is passed over.
pub fn presented_key<'r>(headers: &'r HeaderMap, query: &'r str) -> Option<Cow<'r, [u8]>> {
    let authorization = || headers.get_all(header::AUTHORIZATION).map(|value| value.as_bytes());
    let basic = || authorization().find_map(basic_user).map(Cow::Owned);
    let bearer = || authorization().find_map(bearer).map(Cow::Borrowed);
    let access_key = || headers.get(ACCESS_KEY).map(|value| Cow::Borrowed(value.as_bytes()));
    let present = |key: &Cow<'_, [u8]>| !key.is_empty();
    basic()
        .filter(present)
        .or_else(|| bearer().filter(present))
        .or_else(|| access_key().filter(present))
        .or_else(|| key_in(query))
}

/// The key of a request to a webhook, a beacon or a pixel, where the query comes first, as rudder-server has it.
pub fn query_first_key<'r>(headers: &'r HeaderMap, query: &'r str) -> Option<Cow<'r, [u8]>> {
    key_in(query).or_else(|| presented_key(headers, ""))
}

/// The shared secret in `headers`. A tenant without one shows nothing.
pub fn presented_secret(headers: &HeaderMap) -> Option<Presented<'_>> {
    let secret = headers.get(&SHARED_SECRET)?.as_bytes();
    Some(Presented { secret, tenant: tenant_id(headers) })
}

/// The tenant that Gainsight's clients name in `headers`.
pub fn tenant_id(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(&TENANT_ID).map(|id| id.as_bytes())
}

/// The signature in `headers`.
///
/// # Errors
/// It is there in part.
pub fn signed(headers: &HeaderMap) -> Result<Option<Signed<'_>>, Refused> {
    Signed::read([&ID, &TIMESTAMP, &SIGNATURE].map(|name| headers.get(name).map(|value| value.as_bytes())))
}

/// The id that `headers` give the message which they sign.
pub fn signed_id(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(&ID).map(|id| id.as_bytes())
}

fn key_in(query: &str) -> Option<Cow<'_, [u8]>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let key = pairs.find(|(name, _)| name == WRITE_KEY).map(|(_, key)| key)?;
    (!key.is_empty()).then(|| Cow::Owned(key.as_bytes().to_vec()))
}

/// The token of `Bearer` credentials.
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    scheme(value, b"bearer")
}

/// What follows the authentication scheme `name`, in any letter case.
fn scheme<'v>(value: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    let (scheme, rest) = value.split_at_checked(name.len())?;
    let token = rest.strip_prefix(b" ")?.trim_ascii();
    scheme.eq_ignore_ascii_case(name).then_some(token)
}

/// The user of `Basic` credentials, as Go reads them: padded base64, split at the first colon.
fn basic_user(value: &[u8]) -> Option<Vec<u8>> {
    let text = scheme(value, b"basic")?;
    // Nearly all fit here, so that only the user is allocated.
    let (mut small, mut large) = ([0; 128], Vec::new());
    let size = BASE64.decode_len(text.len()).ok()?;
    let pair = match small.get_mut(..size) {
        Some(small) => small,
        None => {
            large.resize(size, 0);
            large.as_mut_slice()
        }
    };
    let length = BASE64.decode_mut(text, pair).ok()?;
    let colon = memchr::memchr(b':', pair.get(..length)?)?;
    pair.get(..colon).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        headers.iter().map(pair).collect()
    }

    fn text(key: Option<Cow<'_, [u8]>>) -> Option<String> {
        key.map(|key| String::from_utf8(key.into_owned()).unwrap())
    }

    fn key(headers: &[(&str, &str)], query: &str) -> Option<String> {
        text(presented_key(&map(headers), query))
    }

    /// `k1:` and `k1:secret:more`
    const BASIC: [&str; 2] = ["Basic azE6", "bAsIc azE6c2VjcmV0Om1vcmU="];

    #[test]
    fn the_key_is_the_user_of_basic_authentication_whatever_the_password() {
        for value in BASIC {
            assert_eq!(key(&[("Authorization", value)], "").as_deref(), Some("k1"));
        }
    }

    #[test]
    fn malformed_or_empty_credentials_are_no_key() {
        for value in
            ["Basic", "Basic ", "Basic azE6=", "Basic azE", "Basic azE=", "Basic Og==", "Digest x", ""]
        {
            assert_eq!(key(&[("Authorization", value)], ""), None, "{value}");
        }
        assert_eq!(key(&[("Accesskey", "")], "writeKey=&other=1"), None);
    }

    #[test]
    fn basic_comes_before_bearer_before_accesskey_before_the_query() {
        let all = [("Authorization", "Bearer k2"), ("authorization", BASIC[0]), ("ACCESSKEY", "k3")];
        assert_eq!(key(&all, "writeKey=k4").as_deref(), Some("k1"));
        assert_eq!(key(&[all[0], all[2]], "writeKey=k4").as_deref(), Some("k2"));
        assert_eq!(key(&[all[2]], "writeKey=k4").as_deref(), Some("k3"));
        assert_eq!(key(&[], "a=b&writeKey=k%204").as_deref(), Some("k 4"));
        assert_eq!(key(&[("Authorization", "Basic ?")], "writeKey=k4").as_deref(), Some("k4"));
    }

    #[test]
    fn a_secret_is_in_headers_of_any_letter_case() {
        let headers = map(&[("SHAREDSECRET", "s"), ("tenantId", "t")]);
        let Presented { secret, tenant } = presented_secret(&headers).unwrap();
        assert_eq!((secret, tenant), (&b"s"[..], Some(&b"t"[..])));
        assert!(presented_secret(&map(&[("tenantId", "t")])).is_none(), "a tenant alone shows nothing");
    }

    #[test]
    fn at_webhooks_beacons_and_pixels_the_query_comes_first() {
        let headers = map(&[("Authorization", BASIC[0]), ("Accesskey", "k3")]);
        let key = |query| text(query_first_key(&headers, query));
        assert_eq!(key("writeKey=k4").as_deref(), Some("k4"));
        for without in ["", "writeKey=", "writekey=k4"] {
            assert_eq!(key(without).as_deref(), Some("k1"), "{without}");
        }
    }
}
