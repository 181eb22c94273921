//! Access tokens of a connection: one that is still good, or another one, asked for once by all who need it and durable
//! before anybody uses it.
//!
//! In its [`Vault`] a connection has `client_secret` and `refresh_token`; `access_token` with `access_renew_s` and
//! `access_expires_s`, when it is to be replaced and when it ends; `api_domain`, where its API is; `accounts_url`, the
//! server that gave the tokens, if that is not the one of its settings. While refreshing fails it also has
//! `invalid_since_s` and `invalid_tried_s`, when the refresh token was first and last refused, and `throttled_until_s`.
//! Times are seconds of the Unix epoch.

use std::time::Duration;

use jiff::Timestamp;
use ureq::Agent;

use super::oauth::{self, TokenAnswer};
use super::source::SourceError;
use super::vault::Vault;
use crate::system::agent;

/// Longest that a token request may take: the lock of a vault holds for a minute.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of its answer.
const LARGEST: u64 = 64 << 10;
/// How long after a refusal the same refresh token is tried once more.
const SECOND_TRY_S: i64 = 120;
/// How long nothing is asked for after a server said that it was too often.
const THROTTLED_S: i64 = 120;
/// How much longer an access token has to live to be used.
const ENOUGH_S: i64 = 10;

/// Who gives tokens, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The authorization server, without a slash at its end.
    pub accounts_url: String,
    /// Whether another server that gave tokens before does not count: the settings name this one.
    pub is_fixed: bool,
    /// Id of Weir there.
    pub client_id: String,
}

/// What calls are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// The access token.
    pub token: String,
    /// Where the API is, if the server said so.
    pub api_domain: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Access").field("api_domain", &self.api_domain).finish_non_exhaustive()
    }
}

/// A code that somebody's consent gave.
#[derive(Clone, Copy)]
pub struct Grant<'a> {
    /// The code.
    pub code: &'a str,
    /// Where the browser was sent with it; none: it was made by a self client.
    pub redirect_uri: Option<&'a str>,
    /// The server that gave it, where that is another one than the issuer's.
    pub accounts_url: Option<&'a str>,
}

/// The tokens of one connection.
pub struct Tokens {
    issuer: Issuer,
    agent: Agent,
    vault: Box<dyn Vault>,
}

impl Tokens {
    /// Those in `vault`.
    pub fn new(issuer: Issuer, agent: Agent, vault: Box<dyn Vault>) -> Self {
        Tokens { issuer, agent, vault }
    }

    /// An access token that should be good.
    ///
    /// # Errors
    /// When there is none, and none to be had.
    pub fn access(&mut self) -> Result<Access, SourceError> {
        match self.stored("access_renew_s", None)? {
            Some(access) => Ok(access),
            None => self.locked(|tokens| tokens.refreshed(None)),
        }
    }

    /// Another one than `refused`.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub fn renew(&mut self, refused: &str) -> Result<Access, SourceError> {
        self.locked(|tokens| tokens.refreshed(Some(refused)))
    }

    /// Gets the first tokens.
    ///
    /// # Errors
    /// When the code is none, or the client.
    pub fn authorize(&mut self, grant: Grant<'_>) -> Result<(), SourceError> {
        self.locked(|tokens| tokens.granted(grant))
    }

    /// What the vault holds, if `until` is later, and it is not `refused`.
    fn stored(&mut self, until: &str, refused: Option<&str>) -> Result<Option<Access>, SourceError> {
        if self.seconds(until)?.is_none_or(|until| until <= now_s()) {
            return Ok(None);
        }
        let token = self.vault.get("access_token")?.filter(|token| Some(token.as_str()) != refused);
        let Some(token) = token else { return Ok(None) };
        Ok(Some(Access { token, api_domain: self.vault.get("api_domain")? }))
    }

    fn seconds(&mut self, field: &str) -> Result<Option<i64>, SourceError> {
        Ok(self.vault.get(field)?.and_then(|text| text.parse().ok()))
    }

    fn locked<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.vault.lock()?;
        let done = work(self);
        self.vault.unlock();
        done
    }

    /// What somebody else got while this one waited for the lock; else another token; else the old one, while it lives.
    fn refreshed(&mut self, refused: Option<&str>) -> Result<Access, SourceError> {
        if let Some(access) = self.stored("access_renew_s", refused)? {
            return Ok(access);
        }
        match self.refresh() {
            Err(SourceError::Away(why)) => {
                let old = self.stored("access_expires_s", refused)?;
                old.ok_or(SourceError::Away(why))
            }
            done => done,
        }
    }

    fn refresh(&mut self) -> Result<Access, SourceError> {
        let accounts_url = self.accounts_url()?;
        if let Some(until) = self.seconds("throttled_until_s")?.filter(|until| *until > now_s()) {
            return Err(throttled(&accounts_url, until));
        }
        let tried = self.seconds("invalid_tried_s")?;
        if tried.is_some_and(|tried| now_s() < tried.saturating_add(SECOND_TRY_S)) {
            return Err(self.invalid(&accounts_url)?);
        }
        let refresh = self.vault.get("refresh_token")?.ok_or_else(|| {
            SourceError::Authorize(
                "nobody has authorized this connection; use `weir connection authorize`".to_owned(),
            )
        })?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
        match self.ask(&accounts_url, &form)? {
            TokenAnswer::Tokens(tokens) => self.keep(&tokens, &[]),
            TokenAnswer::Later => Err(self.throttle(&accounts_url)?),
            TokenAnswer::Invalid(_) => {
                let now = now_s().to_string();
                let since = self.vault.get("invalid_since_s")?.unwrap_or_else(|| now.clone());
                self.vault.put(&[("invalid_since_s", Some(&since)), ("invalid_tried_s", Some(&now))])?;
                Err(self.invalid(&accounts_url)?)
            }
            TokenAnswer::Refused(error) => Err(self.refused(&accounts_url, &error)),
            TokenAnswer::Away(why) => Err(away(&accounts_url, &why)),
        }
    }

    fn granted(&mut self, grant: Grant<'_>) -> Result<(), SourceError> {
        let accounts_url = grant.accounts_url.unwrap_or(&self.issuer.accounts_url).to_owned();
        let mut form = vec![("grant_type", "authorization_code"), ("code", grant.code)];
        form.extend(grant.redirect_uri.map(|uri| ("redirect_uri", uri)));
        match self.ask(&accounts_url, &form)? {
            TokenAnswer::Tokens(tokens) if tokens.refresh.is_none() => Err(SourceError::Settings(format!(
                "{accounts_url} gave no refresh token, without which this ends in an hour; take Weir's access away \
                 there, and authorize once more"
            ))),
            TokenAnswer::Tokens(tokens) => {
                let place = (accounts_url != self.issuer.accounts_url).then_some(accounts_url.as_str());
                // Those of an org that this connection had before don't count.
                let domain = tokens.api_domain.as_deref();
                self.keep(&tokens, &[("accounts_url", place), ("api_domain", domain)]).map(drop)
            }
            TokenAnswer::Later => Err(self.throttle(&accounts_url)?),
            TokenAnswer::Invalid(_) => Err(SourceError::Settings(format!(
                "{accounts_url} does not take this code: it was used, is some minutes old, or comes from another data \
                 centre; get another one"
            ))),
            TokenAnswer::Refused(error) => Err(self.refused(&accounts_url, &error)),
            TokenAnswer::Away(why) => Err(away(&accounts_url, &why)),
        }
    }

    /// Makes tokens durable, and only then gives them out.
    fn keep(
        &mut self,
        tokens: &oauth::Tokens,
        others: &[(&str, Option<&str>)],
    ) -> Result<Access, SourceError> {
        let now = now_s();
        let renew = oauth::renew_at(now, tokens.lives_s).to_string();
        let lives = i64::try_from(tokens.lives_s).unwrap_or(i64::MAX);
        let expires = now.saturating_add(lives).saturating_sub(ENOUGH_S).to_string();
        let mut fields = vec![
            ("access_token", Some(tokens.access.as_str())),
            ("access_renew_s", Some(renew.as_str())),
            ("access_expires_s", Some(expires.as_str())),
            ("invalid_since_s", None),
            ("invalid_tried_s", None),
            ("throttled_until_s", None),
        ];
        fields.extend(tokens.refresh.as_deref().map(|refresh| ("refresh_token", Some(refresh))));
        fields.extend(tokens.api_domain.as_deref().map(|domain| ("api_domain", Some(domain))));
        fields.extend(others);
        self.vault.put(&fields)?;
        Ok(Access { token: tokens.access.clone(), api_domain: self.vault.get("api_domain")? })
    }

    fn ask(&mut self, accounts_url: &str, form: &[(&str, &str)]) -> Result<TokenAnswer, SourceError> {
        let secret = self.vault.get("client_secret")?.ok_or_else(|| {
            SourceError::Authorize(
                "the client's secret is missing; use `weir connection authorize` with `--secret client_secret`"
                    .to_owned(),
            )
        })?;
        let client = [("client_id", self.issuer.client_id.as_str()), ("client_secret", &secret)];
        let form = client.iter().chain(form).copied();
        let request = self.agent.post(format!("{accounts_url}/oauth/v2/token"));
        let request = request.config().timeout_global(Some(PATIENCE)).build();
        let answered = request.send_form(form).and_then(|mut response| {
            let body = response.body_mut().with_config().limit(LARGEST).read_to_vec()?;
            Ok((response.status().as_u16(), body))
        });
        match answered {
            Ok((status, body)) => Ok(oauth::read(status, &body)),
            Err(error) => Ok(TokenAnswer::Away(agent::plain(&error))),
        }
    }

    fn accounts_url(&mut self) -> Result<String, SourceError> {
        let learnt = if self.issuer.is_fixed { None } else { self.vault.get("accounts_url")? };
        Ok(learnt.unwrap_or_else(|| self.issuer.accounts_url.clone()))
    }

    fn throttle(&mut self, accounts_url: &str) -> Result<SourceError, SourceError> {
        let until = now_s().saturating_add(THROTTLED_S);
        self.vault.put(&[("throttled_until_s", Some(&until.to_string()))])?;
        Ok(throttled(accounts_url, until))
    }

    /// What a refresh token that was refused means by now.
    fn invalid(&mut self, accounts_url: &str) -> Result<SourceError, SourceError> {
        let since = self.seconds("invalid_since_s")?.unwrap_or_default();
        let tried = self.seconds("invalid_tried_s")?.unwrap_or_default();
        let when = moment(since);
        Ok(if tried.saturating_sub(since) >= SECOND_TRY_S {
            SourceError::Authorize(format!(
                "{accounts_url} has not taken this connection's refresh token since {when}: who gave it may have \
                 withdrawn it or left; authorize the connection again"
            ))
        } else {
            SourceError::Away(format!(
                "{accounts_url} did not take this connection's refresh token at {when}; it is tried once more two \
                 minutes later, before somebody has to authorize again"
            ))
        })
    }

    fn refused(&self, accounts_url: &str, error: &str) -> SourceError {
        SourceError::Settings(format!(
            "{accounts_url} refuses the client {} ({error}); check client_id, client_secret and data_center, whose \
             servers know only their own clients",
            self.issuer.client_id
        ))
    }
}

fn throttled(accounts_url: &str, until: i64) -> SourceError {
    let when = moment(until);
    SourceError::Away(format!(
        "{accounts_url} gives no tokens for now, after too many requests; again at {when}"
    ))
}

fn away(accounts_url: &str, why: &str) -> SourceError {
    SourceError::Away(format!(
        "no token can be had from {accounts_url} ({why}); look at proxies and firewalls between"
    ))
}

fn now_s() -> i64 {
    Timestamp::now().as_second()
}

fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
