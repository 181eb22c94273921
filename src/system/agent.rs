//! Calls to other systems by HTTP, as every part of Weir makes them: within their time, followed nowhere else.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::certificates;

/// Longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What calls are made with, to `urls` or to others that are encrypted as they are. No answer may take longer than
/// `patience`. Every status is an answer, that of a redirect too: a credential must not go anywhere else.
///
/// # Errors
/// When the system has no certificates to trust, and one of `urls` is `https`: a sentence.
pub fn new<'u>(urls: impl IntoIterator<Item = &'u str>, patience: Duration) -> Result<Agent, String> {
    let is_encrypted = urls.into_iter().any(|url| url.starts_with("https:"));
    let roots = if is_encrypted { certificates::of_system()? } else { Vec::new() };
    let roots = roots.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

/// `error` without the name of its kind, which says nothing to an operator.
pub fn plain(error: &ureq::Error) -> String {
    let error = error.to_string();
    error.strip_prefix("io: ").unwrap_or(&error).to_owned()
}
