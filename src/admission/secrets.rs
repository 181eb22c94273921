//! Shared secrets: how the sender of a publisher's events proves itself. This file checks the secret's own text in
//! headers, as Gainsight's clients send it; `signature` is the other way. Weir keeps a digest and a keyed hash, never
//! the text.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64_NOPAD};
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256};

use super::keys;

/// What stands before the base64 of a secret that can verify signatures (Standard Webhooks).
pub const PREFIX: &str = "whsec_";

/// A secret, by its place among all that are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretId(u32);

impl SecretId {
    /// The secret at `index`.
    pub fn new(index: usize) -> Self {
        SecretId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// What is kept of a shared secret.
pub struct Secret {
    id: SecretId,
    digest: CtOutput<Sha256>,
    signing: Option<Hmac<Sha256>>,
}

impl Secret {
    /// The secret that is written as `text`.
    pub fn new(id: SecretId, text: &str) -> Self {
        let signing = signing_key(text).and_then(|key| Hmac::new_from_slice(&key).ok());
        Secret { id, digest: digest(text.as_bytes()), signing }
    }

    /// Its place among all secrets.
    pub fn id(&self) -> SecretId {
        self.id
    }

    /// HMAC-SHA256 under its key, for a secret that can verify signatures.
    pub(super) fn signing(&self) -> Option<&Hmac<Sha256>> {
        self.signing.as_ref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// `secrets`, each once.
pub fn each_once<'a>(secrets: impl IntoIterator<Item = &'a Arc<Secret>>) -> Vec<Arc<Secret>> {
    let mut all: Vec<Arc<Secret>> = Vec::new();
    for secret in secrets {
        if all.iter().all(|other| other.id != secret.id) {
            all.push(Arc::clone(secret));
        }
    }
    all
}

/// Compared in constant time, and of one length whatever the secret's.
fn digest(text: &[u8]) -> CtOutput<Sha256> {
    CtOutput::new(Sha256::digest(text))
}

/// A new secret, in the clear: `whsec_` and 32 random bytes in standard base64.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate() -> Result<String, getrandom::Error> {
    Ok(format!("{PREFIX}{}", BASE64.encode(&keys::random()?)))
}

/// The key with which `text` verifies signatures: what follows `whsec_`, in standard base64, padded or not. None if it
/// is written in another way, or the key would be empty.
pub fn signing_key(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix(PREFIX)?;
    // Some senders keep their secret without its padding.
    let bare = text.trim_end_matches('=');
    let most_padding = bare.len().next_multiple_of(4) - bare.len();
    let key =
        BASE64_NOPAD.decode(bare.as_bytes()).ok().filter(|_| text.len() - bare.len() <= most_padding)?;
    (!key.is_empty()).then_some(key)
}

/// What a request has shown to publishers that require a secret.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// These secrets: it may send to the publishers that list one of them.
    Secrets(&'a [SecretId]),
    /// An operator's word: it may send to all.
    Operator,
}

impl Proof<'_> {
    /// No secret.
    pub const NONE: Proof<'static> = Proof::Secrets(&[]);

    /// Whether it holds one of `secrets`.
    pub fn holds(self, secrets: &[Arc<Secret>]) -> bool {
        match self {
            Proof::Secrets(shown) => secrets.iter().any(|secret| shown.contains(&secret.id)),
            Proof::Operator => true,
        }
    }
}

/// What was presented is no secret of these, or not for this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// What a request presents as Gainsight's clients do.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'r> {
    /// The text of a secret, from the header `sharedSecret`.
    pub secret: &'r [u8],
    /// The tenant that it is for, from `tenantId`.
    pub tenant: Option<&'r [u8]>,
}

impl Presented<'_> {
    /// The one of `secrets` whose text is presented, beside the id by which Gainsight's clients know `tenant`.
    ///
    /// # Errors
    /// When something else is presented.
    pub fn secret_of(self, tenant: &str, secrets: &[Arc<Secret>]) -> Result<SecretId, Invalid> {
        let presented = digest(self.secret);
        let mut found = None;
        // All are compared, so that the time it takes does not reveal which one it was.
        for secret in secrets {
            if secret.digest == presented {
                found = Some(secret.id);
            }
        }
        found.filter(|_| self.tenant == Some(tenant.as_bytes())).ok_or(Invalid)
    }
}

/// What a check of a presented secret came to: the closed set of `weir_secrets_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The headers hold a secret.
    HeaderVerified,
    /// They hold half of what they should, or a wrong secret, or another tenant's id.
    HeaderInvalid,
    /// A signature is right.
    SignatureVerified,
    /// The time of the signature is outside the window.
    SignatureStale,
    /// No signature is right, or a header of it is missing, or another tenant's id is beside it.
    SignatureInvalid,
}

impl Verdict {
    /// Every verdict, in the order of its discriminant.
    pub const ALL: [Verdict; 5] = [
        Verdict::HeaderVerified,
        Verdict::HeaderInvalid,
        Verdict::SignatureVerified,
        Verdict::SignatureStale,
        Verdict::SignatureInvalid,
    ];

    /// Its labels `method` and `verdict`.
    pub fn labels(self) -> [&'static str; 2] {
        match self {
            Verdict::HeaderVerified => ["header", "verified"],
            Verdict::HeaderInvalid => ["header", "invalid"],
            Verdict::SignatureVerified => ["signature", "verified"],
            Verdict::SignatureStale => ["signature", "stale"],
            Verdict::SignatureInvalid => ["signature", "invalid"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZA==";
    const NEW: &str = "a plain text, such as Gainsight's";

    fn secrets() -> Vec<Arc<Secret>> {
        let texts = [OLD, NEW].iter().enumerate();
        texts.map(|(index, text)| Arc::new(Secret::new(SecretId::new(index), text))).collect()
    }

    fn check(secret: &str, tenant: Option<&str>) -> Result<SecretId, Invalid> {
        let presented = Presented { secret: secret.as_bytes(), tenant: tenant.map(str::as_bytes) };
        presented.secret_of("t-1", &secrets())
    }

    #[test]
    fn each_live_secret_is_known_by_its_whole_text() {
        assert_eq!(check(OLD, Some("t-1")), Ok(SecretId(0)));
        assert_eq!(check(NEW, Some("t-1")), Ok(SecretId(1)));
    }

    #[test]
    fn a_wrong_secret_another_tenant_or_half_of_both_is_invalid() {
        let cut = OLD.strip_prefix(PREFIX).unwrap();
        let longer = format!("{OLD}=");
        for wrong in [cut, &longer, "", &OLD.to_lowercase()] {
            assert_eq!(check(wrong, Some("t-1")), Err(Invalid), "{wrong}");
        }
        for tenant in ["t-2", "T-1", "", "t-1x"] {
            assert_eq!(check(OLD, Some(tenant)), Err(Invalid), "{tenant}");
        }
        assert_eq!(check(OLD, None), Err(Invalid));
    }

    #[test]
    fn a_new_secret_is_whsec_and_32_bytes_and_never_the_same() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(signing_key(&one).unwrap().len(), 32);
    }

    #[test]
    fn only_base64_behind_the_prefix_is_a_key_for_signatures() {
        assert_eq!(signing_key("whsec_YWJj").as_deref(), Some(&b"abc"[..]));
        for text in ["whsec_YWI=", "whsec_YWI"] {
            assert_eq!(signing_key(text).as_deref(), Some(&b"ab"[..]));
        }
        for text in ["whsec_", "whsec_YWJ", "whsec_YW-_", "YWJj", "WHSEC_YWJj", ""] {
            assert_eq!(signing_key(text), None, "{text}");
        }
    }

    #[test]
    fn a_proof_holds_for_those_who_list_what_was_shown() {
        let secrets = secrets();
        let [old, new] = secrets.as_slice() else { panic!("not two") };
        let (only_old, both) = ([Arc::clone(old)], [Arc::clone(old), Arc::clone(new)]);
        let shown = [new.id()];
        assert!(Proof::Secrets(&shown).holds(&both) && !Proof::Secrets(&shown).holds(&only_old));
        assert!(!Proof::NONE.holds(&both) && !Proof::Secrets(&shown).holds(&[]));
        assert!(Proof::Operator.holds(&both) && Proof::Operator.holds(&[]));
    }

    #[test]
    fn a_secret_does_not_show_when_it_is_printed_for_debugging() {
        assert_eq!(format!("{:?}", Secret::new(SecretId(0), OLD)), "Secret(…)");
    }
}
