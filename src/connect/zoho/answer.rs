//! What an answer of Zoho's API means. Pure. Its codes count, never its status alone: the same code comes with several.

use serde::Deserialize;
use serde_json::Value;

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has a body, which is JSON.
    Data(Vec<u8>),
    /// There is nothing (204), or nothing new (304).
    Nothing,
    /// The access token is not one any more: one other token, one other try.
    Renew,
    /// Nobody may do this with these tokens: somebody has to authorize the connection again.
    Reauthorize(String),
    /// Too many calls at once, or no credits are left; Zoho does not say which.
    Throttled,
    /// It can't answer now.
    Away(String),
    /// It does not take this: its code.
    Refused(String),
}

/// All answers are objects; what else is in them is not looked at here.
#[derive(Deserialize)]
struct Body {
    code: Option<Value>,
}

/// Reads an answer.
pub fn read(status: u16, body: Vec<u8>) -> Answer {
    if matches!(status, 204 | 304) {
        return Answer::Nothing;
    }
    let json = serde_json::from_slice::<Body>(&body).ok();
    let code = json.as_ref().and_then(|body| body.code.as_ref()).and_then(Value::as_str).unwrap_or_default();
    match (status, code) {
        (_, "INVALID_TOKEN" | "INVALID_OAUTHTOKEN" | "AUTHENTICATION_FAILURE") => Answer::Renew,
        (_, "OAUTH_SCOPE_MISMATCH" | "NO_PERMISSION") => Answer::Reauthorize(code.to_owned()),
        (429, _) | (_, "TOO_MANY_REQUESTS") => Answer::Throttled,
        (500.., _) | (_, "INTERNAL_ERROR") => Answer::Away(format!("it answered HTTP {status}")),
        (200..=299, _) => match json {
            Some(_) => Answer::Data(body),
            None if body.is_empty() => Answer::Nothing,
            None => Answer::Away("its answer is no JSON; look at what stands between".to_owned()),
        },
        (401, "") => Answer::Renew,
        (_, "") => Answer::Refused(format!("HTTP {status}")),
        _ => Answer::Refused(code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_whatever_the_status() {
        let read = |status, body: &str| read(status, body.as_bytes().to_vec());
        assert_eq!(read(204, ""), Answer::Nothing);
        assert_eq!(read(304, ""), Answer::Nothing);
        assert_eq!(read(401, r#"{"code":"INVALID_TOKEN"}"#), Answer::Renew);
        for status in [401, 403] {
            let body = r#"{"code":"OAUTH_SCOPE_MISMATCH","details":{},"status":"error"}"#;
            assert_eq!(read(status, body), Answer::Reauthorize("OAUTH_SCOPE_MISMATCH".to_owned()));
        }
        assert_eq!(read(400, r#"{"code":"NO_PERMISSION"}"#), Answer::Reauthorize("NO_PERMISSION".to_owned()));
        assert_eq!(read(429, ""), Answer::Throttled);
        assert!(matches!(read(200, "<html>"), Answer::Away(_)));
        let limit =
            r#"{"code":"DISCRETE_PAGINATION_LIMIT_EXCEEDED","details":{"limit":2000},"status":"error"}"#;
        assert_eq!(read(400, limit), Answer::Refused("DISCRETE_PAGINATION_LIMIT_EXCEEDED".to_owned()));
        assert!(matches!(read(200, r#"{"data":[{"code":"INVALID_TOKEN"}],"code":7}"#), Answer::Data(_)));
        assert!(matches!(read(200, "[]"), Answer::Away(_)));
    }
}
