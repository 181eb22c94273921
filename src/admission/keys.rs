//! Access keys (SDKs call them write keys): made here, and stored and looked up as SHA-256 alone.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

const HASH_PREFIX: &str = "sha256:";

/// The SHA-256 of a key's bytes: what is stored, and what a request's key is looked up by.
pub fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The digest that a configuration writes as `sha256:` and 64 lower-case hex digits.
pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix(HASH_PREFIX)?;
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// Random bytes of the operating system, enough for a key or a secret.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A new access key, in the clear: for its owner, not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(String);

impl AccessKey {
    /// 32 random bytes in characters that need no escaping in a URL, a shell or a Basic user name.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(AccessKey(BASE64URL_NOPAD.encode(&random()?)))
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its hash, as a configuration writes it.
    pub fn hash(&self) -> String {
        format!("{HASH_PREFIX}{}", HEXLOWER.encode(&digest(self.0.as_bytes())))
    }
}

impl From<String> for AccessKey {
    fn from(key: String) -> Self {
        AccessKey(key)
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AccessKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_sha_256_of_the_key() {
        let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(AccessKey::from("abc".to_owned()).hash(), hash);
        assert_eq!(parse_hash(hash), Some(digest(b"abc")));
    }

    #[test]
    fn a_hash_is_read_in_one_spelling_only() {
        let hash = AccessKey::from("abc".to_owned()).hash();
        let bare = hash.strip_prefix("sha256:").unwrap();
        let short = hash.strip_suffix("ad").unwrap();
        for wrong in [bare, &format!("sha256:{}", bare.to_uppercase()), short, &format!("{hash}00"), ""] {
            assert_eq!(parse_hash(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn generated_keys_differ_and_are_safe_as_a_basic_user_and_in_a_url() {
        let (one, other) = (AccessKey::generate().unwrap(), AccessKey::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 43);
        assert!(one.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn a_key_does_not_show_when_it_is_printed_for_debugging() {
        assert_eq!(format!("{:?}", AccessKey::from("plain".to_owned())), "AccessKey(…)");
    }
}
