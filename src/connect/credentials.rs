//! Credentials of connections at rest: each sealed for its place, so that none can be moved to another one.
//!
//! XChaCha20-Poly1305, whose nonces may be random. The associated data is tenant, connection and field; the key comes
//! from a file or a variable, or is made on the first use and kept beside the data.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce, which stands before what is sealed.
const NONCE: usize = 24;

/// What credentials are sealed with.
#[derive(Clone)]
pub struct Key(XChaCha20Poly1305);

/// Where a credential belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Id of the tenant.
    pub tenant: &'a str,
    /// Id of the connection.
    pub connection: &'a str,
    /// `refresh_token`, `client_secret`, …
    pub field: &'a str,
}

/// Why a credential can't be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It was sealed with another key, for another place, or is damaged.
    #[error(
        "the credential {field} of connection {connection} can't be read with this key; restore the key that it was \
         saved with, or authorize the connection again"
    )]
    Sealed {
        /// Id of the connection.
        connection: String,
        /// Which credential.
        field: String,
    },
    /// The key is none.
    #[error("a key of credentials is 32 bytes, in base64; `weir secret` makes one")]
    NoKey,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandom(#[from] getrandom::Error),
}

impl Place<'_> {
    /// Its parts, none of which can be taken for part of another.
    fn associated(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.tenant, self.connection, self.field] {
            bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key")
    }
}

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: &[u8; KEY]) -> Self {
        Key(XChaCha20Poly1305::new(bytes.into()))
    }

    /// Seals `text` for `place`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, place: Place<'_>, text: &str) -> Result<Vec<u8>, CredentialError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: text.as_bytes(), aad: &place.associated() };
        // It fails for texts of 256 GiB.
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        Ok([&nonce[..], &sealed].concat())
    }

    /// What was sealed for `place`.
    ///
    /// # Errors
    /// When it was not, or with another key.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, CredentialError> {
        let refuse = || CredentialError::Sealed {
            connection: place.connection.to_owned(),
            field: place.field.to_owned(),
        };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(refuse)?;
        let payload = Payload { msg: sealed, aad: &place.associated() };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| refuse())?;
        String::from_utf8(text).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { tenant: "acme", connection: "zoho", field: "refresh_token" };

    #[test]
    fn a_credential_is_read_only_in_its_place_and_with_its_key() {
        let key = Key::new(&[7; KEY]);
        let sealed = key.seal(PLACE, "1000.abc").unwrap();
        assert_eq!(key.open(PLACE, &sealed).unwrap(), "1000.abc");
        assert_ne!(key.seal(PLACE, "1000.abc").unwrap(), sealed, "two never look alike");
        for other in [
            Place { tenant: "other", ..PLACE },
            Place { connection: "sandbox", ..PLACE },
            Place { field: "client_secret", ..PLACE },
            // The same letters, cut elsewhere.
            Place { tenant: "acmez", connection: "oho", ..PLACE },
        ] {
            assert!(key.open(other, &sealed).is_err(), "{other:?}");
        }
        assert!(Key::new(&[8; KEY]).open(PLACE, &sealed).is_err());
        for damaged in [&sealed[1..], &sealed[..NONCE], &[][..]] {
            assert!(key.open(PLACE, damaged).is_err());
        }
    }
}
