//! The token of those who may ask the API: kept as a digest, and compared in constant time.

use std::fmt;

use hmac::digest::CtOutput;
use sha2::{Digest, Sha256};

/// Fewer characters than this can be guessed.
pub const FEWEST: usize = 16;

/// A token.
pub struct Token(CtOutput<Sha256>);

impl Token {
    /// The token that is written as `text`.
    pub fn new(text: &str) -> Self {
        Token(digest(text.as_bytes()))
    }

    /// Whether `shown` is it.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0 == digest(shown)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

fn digest(text: &[u8]) -> CtOutput<Sha256> {
    CtOutput::new(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_all_of_its_text_and_never_shown() {
        let token = Token::new("a-token-of-more-than-16");
        assert!(token.is(b"a-token-of-more-than-16"));
        for other in
            [&b""[..], b"a-token-of-more-than-1", b"a-token-of-more-than-166", b"A-token-of-more-than-16"]
        {
            assert!(!token.is(other));
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
