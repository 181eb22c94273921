//! Access keys (SDKs call them write keys): made here, and stored and looked up only as SHA-256 hashes.

use std::fmt;

use data_encoding::HEXLOWER;
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

/// What new access keys are written in: a double click selects all of one, and no command line takes one for an option.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 43 of 62 characters: 256.03 bits.
const CHARACTERS: usize = 43;

/// Random bytes of the operating system, enough for a secret.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A new access key, in the clear: for its owner, not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(String);

impl AccessKey {
    /// Letters and digits alone, each as likely as any other: over 256 bits.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = String::with_capacity(CHARACTERS);
        while key.len() < CHARACTERS {
            let drawn = random()?;
            key.extend(drawn.into_iter().filter_map(character).take(CHARACTERS - key.len()));
        }
        Ok(AccessKey(key))
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

/// The character that a random byte stands for. The last few bytes stand for none, or some characters would be more
/// likely than others.
fn character(byte: u8) -> Option<char> {
    let even = u8::MAX - u8::MAX % 62;
    let index = usize::from(byte % 62);
    ALPHABET.get(index).filter(|_| byte < even).map(|character| char::from(*character))
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
    fn generated_keys_differ_and_are_letters_and_digits_alone() {
        let (one, other) = (AccessKey::generate().unwrap(), AccessKey::generate().unwrap());
        assert_ne!(one, other);
        for _ in 0..100 {
            let key = AccessKey::generate().unwrap();
            assert_eq!(key.as_str().len(), 43);
            assert!(key.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", key.as_str());
        }
    }

    #[test]
    fn each_character_of_a_key_is_as_likely_as_any_other() {
        let mut drawn = std::collections::BTreeMap::new();
        (0..=u8::MAX).filter_map(character).for_each(|one| *drawn.entry(one).or_insert(0) += 1);
        assert_eq!(drawn.len(), 62);
        assert!(drawn.values().all(|times| *times == 4), "{drawn:?}");
    }

    #[test]
    fn an_old_key_with_a_hyphen_in_front_is_still_known_by_its_hash() {
        // printf %s -q_A | sha256sum
        let hash = AccessKey::from("-q_A".to_owned()).hash();
        assert_eq!(hash, "sha256:30c48da04df4f68c6a77145d3fde1f6b005c243737c215552958c24d27ad8358");
        assert_eq!(parse_hash(&hash), Some(digest(b"-q_A")));
    }

    #[test]
    fn a_key_does_not_show_when_it_is_printed_for_debugging() {
        assert_eq!(format!("{:?}", AccessKey::from("plain".to_owned())), "AccessKey(…)");
    }
}
