//! Access keys: only their SHA-256 is stored and looked up.

use sha2::{Digest, Sha256};

/// What stands for a key: SHA-256 of its bytes.
pub fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}
