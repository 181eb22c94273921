//! OAuth 2.0 as authorization servers of CRMs speak it: addresses to open, requests for tokens, and what their answers
//! mean. Pure. Facts: Zoho's accounts documentation, and the clients listed in docs/connect.md.

use serde::Deserialize;

/// What a token request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// There are tokens.
    Tokens(Tokens),
    /// Too many requests of late: later, and nobody's fault.
    Later,
    /// The grant, or the refresh token, is not one (any more). Zoho says the same of a grant that is expired, used
    /// or wrong: only a second such answer minutes later means that somebody has to authorize again.
    Invalid(String),
    /// The client is not one, or may not do this: somebody has to see to its settings.
    Refused(String),
    /// The server can't answer now.
    Away(String),
}

/// Tokens, and where to use them.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For calls.
    pub access: String,
    /// For other tokens; none: the one that was used stays.
    pub refresh: Option<String>,
    /// Where the API of this org is.
    pub api_domain: Option<String>,
    /// How long the access token lives, in seconds.
    pub lives_s: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No token in a log.
        out.debug_struct("Tokens")
            .field("api_domain", &self.api_domain)
            .field("lives_s", &self.lives_s)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Body {
    access_token: Option<String>,
    refresh_token: Option<String>,
    api_domain: Option<String>,
    expires_in: Option<u64>,
    /// Where this is there, `expires_in` is in milliseconds.
    expires_in_sec: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What servers usually give.
const HOUR_S: u64 = 3_600;

/// Reads the answer to a token request. Zoho's status says little: what counts is whether there is a token.
pub fn read(status: u16, body: &[u8]) -> TokenAnswer {
    if status == 429 {
        return TokenAnswer::Later;
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return TokenAnswer::Away(format!("it answered HTTP {status} without JSON"));
    };
    if let Some(access) = body.access_token {
        let lives_s = body.expires_in_sec.or(body.expires_in).unwrap_or(HOUR_S);
        let tokens = Tokens { access, refresh: body.refresh_token, api_domain: body.api_domain, lives_s };
        return TokenAnswer::Tokens(tokens);
    }
    let error = body.error.unwrap_or_default();
    let told = body.error_description.unwrap_or_default();
    match error.as_str() {
        "Access Denied" if told.contains("too many requests") => TokenAnswer::Later,
        "invalid_code" | "invalid_grant" => TokenAnswer::Invalid(error),
        "" if status >= 500 => TokenAnswer::Away(format!("it answered HTTP {status}")),
        "" => TokenAnswer::Away(format!("it answered HTTP {status} without a token or an error")),
        _ => TokenAnswer::Refused(error),
    }
}

/// When to ask for another access token: some time before the old one ends, or half of its life, if that is short.
pub fn renew_at(got_s: i64, lives_s: u64) -> i64 {
    const BEFORE_S: u64 = 300;
    let ahead = BEFORE_S.min(lives_s / 2);
    got_s.saturating_add(i64::try_from(lives_s.saturating_sub(ahead)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_with_their_place_and_their_life() {
        let body = br#"{"access_token":"a","api_domain":"https://www.zohoapis.eu","expires_in":3600}"#;
        let TokenAnswer::Tokens(tokens) = read(200, body) else { panic!() };
        assert_eq!((tokens.refresh.as_deref(), tokens.lives_s), (None, 3_600));
        assert_eq!(tokens.api_domain.as_deref(), Some("https://www.zohoapis.eu"));
        let body = br#"{"access_token":"a","expires_in":3600000,"expires_in_sec":3600}"#;
        assert!(matches!(read(200, body), TokenAnswer::Tokens(Tokens { lives_s: 3_600, .. })));
        assert!(!format!("{tokens:?}").contains("\"a\""));
    }

    #[test]
    fn a_throttled_refresh_is_no_dead_token() {
        let body = br#"{"error":"Access Denied","status":"failure","error_description":
            "You have made too many requests continuously. Please try again after some time."}"#;
        assert_eq!(read(400, body), TokenAnswer::Later);
        assert_eq!(
            read(200, br#"{"error":"invalid_code"}"#),
            TokenAnswer::Invalid("invalid_code".to_owned())
        );
        assert_eq!(
            read(200, br#"{"error":"invalid_client"}"#),
            TokenAnswer::Refused("invalid_client".to_owned())
        );
        assert!(matches!(read(502, b"<html>"), TokenAnswer::Away(_)));
    }

    #[test]
    fn an_access_token_is_renewed_before_it_ends() {
        assert_eq!(renew_at(1_000, 3_600), 4_300);
        assert_eq!(renew_at(1_000, 60), 1_030);
    }
}
