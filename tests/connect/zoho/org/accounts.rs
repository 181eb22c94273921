//! Its accounts server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::json;

use super::Told;

/// Who may have tokens, and which there are.
pub struct Accounts {
    pub client: (String, String),
    /// Codes, and the redirect that each was made for; none: by a self client.
    pub codes: BTreeMap<String, Option<String>>,
    pub refresh: BTreeSet<String>,
    pub access: VecDeque<String>,
    pub expires_in: u64,
    /// It refuses as if there were too many requests.
    pub throttles: bool,
    /// Most requests that it takes; more are refused so.
    pub most: Option<u32>,
    /// Each refresh gives another refresh token, and ends the old one.
    pub rotates: bool,
    /// Codes give no refresh token.
    pub gives_no_refresh: bool,
    /// Another place of the API than this server's.
    pub api_domain: Option<String>,
    /// Requests for tokens.
    pub requests: u32,
    given: u32,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            client: ("1000.CLIENT".to_owned(), "secret".to_owned()),
            codes: BTreeMap::new(),
            refresh: BTreeSet::from(["1000.refresh".to_owned()]),
            access: VecDeque::new(),
            expires_in: 3_600,
            throttles: false,
            most: None,
            rotates: false,
            gives_no_refresh: false,
            api_domain: None,
            requests: 0,
            given: 0,
        }
    }
}

impl Accounts {
    /// Whether a call with this access token is taken.
    pub fn is_good(&self, token: &str) -> bool {
        self.access.iter().any(|known| known == token)
    }

    pub(super) fn answer(&mut self, body: &[u8], url: &str) -> Told {
        self.requests += 1;
        if self.throttles || self.most.is_some_and(|most| self.requests > most) {
            return Told::json(
                400,
                &json!({"error": "Access Denied", "status": "failure", "error_description":
                    "You have made too many requests continuously. Please try again after some time."}),
            );
        }
        let form: BTreeMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str| Told::json(200, &json!({"error": error}));
        if of("client_id") != self.client.0 {
            return refuse("invalid_client");
        }
        if of("client_secret") != self.client.1 {
            return refuse("invalid_client_secret");
        }
        let mut refresh = None;
        match of("grant_type") {
            "refresh_token" => {
                let old = of("refresh_token").to_owned();
                if !self.refresh.contains(&old) {
                    return refuse("invalid_code");
                }
                if self.rotates {
                    self.refresh.remove(&old);
                    refresh = Some(format!("{old}r"));
                }
            }
            "authorization_code" => match self.codes.remove(of("code")) {
                Some(redirect) if redirect.as_deref().unwrap_or_default() == of("redirect_uri") => {
                    refresh = (!self.gives_no_refresh).then(|| format!("1000.of-{}", of("code")));
                }
                _ => return refuse("invalid_code"),
            },
            _ => return refuse("invalid_request"),
        }
        self.given += 1;
        let access = format!("1000.access-{}", self.given);
        self.access.push_back(access.clone());
        if self.access.len() > 10 {
            self.access.pop_front();
        }
        let domain = self.api_domain.as_deref().unwrap_or(url);
        let mut said = json!({"access_token": access, "api_domain": domain, "token_type": "Bearer",
                              "expires_in": self.expires_in});
        if let Some(refresh) = refresh {
            self.refresh.insert(refresh.clone());
            said["refresh_token"] = json!(refresh);
        }
        Told::json(200, &said)
    }
}
