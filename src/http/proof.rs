//! The shared secrets that a request shows: those in headers are checked before its body, a signature after it. All
//! routes that accept events do this in the same way.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;

use super::credentials::{presented_secret, signed, tenant_id};
use crate::admission::secrets::{Secret, SecretId, Verdict};
use crate::admission::signature::{Refused, Signature};
use crate::observe::metrics::Metrics;
use crate::observe::unverifiable::Unverifiable;
use crate::pipeline::answer::Answer;

/// What a request has shown before its body, and the signature that is left to check.
#[derive(Default)]
pub struct Shown {
    secrets: Vec<SecretId>,
    signature: Option<Box<Signature>>,
}

/// Whether `headers` show anything, right or wrong.
pub fn is_shown(headers: &HeaderMap) -> bool {
    presented_secret(headers).is_some() || !matches!(signed(headers), Ok(None))
}

/// Checks what `headers` show of `secrets`, for the tenant that Gainsight's clients know as `tenant`, and counts it. If
/// no secret could ever verify the signature, the log names `sender`; it is none for a sender that nobody configured.
///
/// # Errors
/// What is presented is known to be wrong, before the body is read.
pub fn shown(
    (metrics, unverifiable): (&Metrics, &Unverifiable),
    sender: Option<&dyn Display>,
    headers: &HeaderMap,
    tenant: &str,
    secrets: &[Arc<Secret>],
) -> Result<Shown, Answer> {
    let mut shown = Shown::default();
    match presented_secret(headers).map(|presented| presented.secret_of(tenant, secrets)) {
        None => {}
        Some(Ok(secret)) => {
            metrics.http.secret(Verdict::HeaderVerified);
            shown.secrets.push(secret);
        }
        Some(Err(_)) => return Err(refuse(metrics, Verdict::HeaderInvalid)),
    }
    if let Some(signed) = signed(headers).map_err(|refused| refuse(metrics, refused.into()))? {
        if tenant_id(headers).is_some_and(|id| id != tenant.as_bytes()) {
            return Err(refuse(metrics, Verdict::SignatureInvalid));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let begun = signed.begin(secrets, now);
        if let (Some(sender), Err(Refused::Unverifiable)) = (sender, &begun) {
            unverifiable.log(sender);
        }
        shown.signature = Some(begun.map_err(|refused| refuse(metrics, refused.into()))?);
    }
    Ok(shown)
}

impl Shown {
    /// Whether neither a secret nor a signature was presented.
    pub fn is_nothing(&self) -> bool {
        self.secrets.is_empty() && self.signature.is_none()
    }

    /// Whether a secret was shown already: the body of one who has only signed may prove nothing.
    pub fn is_proven(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// What must see the body as it is transferred.
    pub fn signature(&mut self) -> Option<&mut Signature> {
        self.signature.as_deref_mut()
    }

    /// All secrets that were shown, once the body is read; empty, and nothing allocated, where none was presented.
    ///
    /// # Errors
    /// The signature is wrong.
    pub fn proven(mut self, metrics: &Metrics) -> Result<Vec<SecretId>, Answer> {
        if let Some(signature) = self.signature {
            let signed = signature.verify().map_err(|refused| refuse(metrics, refused.into()))?;
            metrics.http.secret(Verdict::SignatureVerified);
            self.secrets.extend(signed);
        }
        Ok(self.secrets)
    }
}

impl From<Refused> for Verdict {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stale => Verdict::SignatureStale,
            Refused::Invalid | Refused::Unverifiable => Verdict::SignatureInvalid,
        }
    }
}

fn refuse(metrics: &Metrics, verdict: Verdict) -> Answer {
    metrics.http.secret(verdict);
    if verdict == Verdict::SignatureStale { Answer::SignatureExpired } else { Answer::InvalidSecret }
}
