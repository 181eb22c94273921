//! Signatures by the Standard Webhooks convention (symmetric, version `v1`): HMAC-SHA256 over
//! `<id>.<timestamp>.<body>`, with the body as it is transferred. <https://www.standardwebhooks.com>

use std::sync::Arc;

use data_encoding::BASE64;
use hmac::digest::CtOutput;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::secrets::{Secret, SecretId};

/// How far the time of a signature may lie from now, in seconds, either way.
const WINDOW: u64 = 300;

/// Why a signature proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its time is outside the window.
    Stale,
    /// A header of it is missing or can't be read, or no secret made it.
    Invalid,
    /// No secret that it is checked against can verify any.
    Unverifiable,
}

/// The three headers of a signed request.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'r> {
    id: &'r [u8],
    timestamp: &'r [u8],
    signatures: &'r [u8],
}

impl<'r> Signed<'r> {
    /// From the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`; none where none of them is there.
    ///
    /// # Errors
    /// Some are there without the others, or empty.
    pub fn read(headers: [Option<&'r [u8]>; 3]) -> Result<Option<Self>, Refused> {
        match headers {
            [None, None, None] => Ok(None),
            [Some(id), Some(timestamp), Some(signatures)] if !id.is_empty() => {
                Ok(Some(Signed { id, timestamp, signatures }))
            }
            _ => Err(Refused::Invalid),
        }
    }

    /// Begins to check it against `secrets` at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What is known before the body: its time is outside the window, or it could never be right.
    pub fn begin(self, secrets: &[Arc<Secret>], now: u64) -> Result<Box<Signature>, Refused> {
        if seconds(self.timestamp).ok_or(Refused::Invalid)?.abs_diff(now) > WINDOW {
            return Err(Refused::Stale);
        }
        let presented: Vec<_> = self.signatures.split(|byte| *byte == b' ').filter_map(tag).collect();
        let keyed = secrets.iter().filter_map(|secret| Some((secret.id(), secret.signing()?.clone())));
        let mut signature = Signature { keyed: keyed.collect(), presented };
        if signature.keyed.is_empty() {
            return Err(Refused::Unverifiable);
        }
        if signature.presented.is_empty() {
            return Err(Refused::Invalid);
        }
        for part in [self.id, b".", self.timestamp, b"."] {
            signature.update(part);
        }
        Ok(Box::new(signature))
    }
}

/// Whole seconds since the Unix epoch, in digits.
fn seconds(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// The tag in `v1,<base64>`; other versions are passed over.
fn tag(part: &[u8]) -> Option<CtOutput<Hmac<Sha256>>> {
    let tag: [u8; 32] = BASE64.decode(part.strip_prefix(b"v1,")?).ok()?.try_into().ok()?;
    Some(CtOutput::new(tag.into()))
}

/// A signature under check while its body comes in.
pub struct Signature {
    keyed: Vec<(SecretId, Hmac<Sha256>)>,
    presented: Vec<CtOutput<Hmac<Sha256>>>,
}

impl Signature {
    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        for (_, hash) in &mut self.keyed {
            hash.update(bytes);
        }
    }

    /// The secrets that made one of the signatures; compared in constant time.
    ///
    /// # Errors
    /// None did.
    pub fn verify(self) -> Result<Vec<SecretId>, Refused> {
        let mut right = Vec::new();
        for (id, hash) in self.keyed {
            let tag = hash.finalize();
            if self.presented.iter().filter(|presented| **presented == tag).count() > 0 {
                right.push(id);
            }
        }
        if right.is_empty() { Err(Refused::Invalid) } else { Ok(right) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    /// The sample of the convention's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: &str = "1614265330";
    const NOW: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const TAG: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    /// Another secret's.
    const WRONG: &str = "v1,z9Z0KQpYy9bFQH1kY4dT4m3Yx0mVjH1dVtGZkq6yqUo=";

    fn secrets(texts: &[&str]) -> Vec<Arc<Secret>> {
        let numbered = texts.iter().enumerate();
        numbered.map(|(index, text)| Arc::new(Secret::new(SecretId::new(index), text))).collect()
    }

    fn check(tags: &str, of: &[&str], body: &[u8], now: u64) -> Result<Vec<SecretId>, Refused> {
        let headers = [MESSAGE, TIME, tags].map(|value| Some(value.as_bytes()));
        let mut signature = Signed::read(headers)?.unwrap().begin(&secrets(of), now)?;
        // In chunks, as a body comes.
        for chunk in body.chunks(3) {
            signature.update(chunk);
        }
        signature.verify()
    }

    #[test]
    fn the_published_sample_is_verified() {
        assert_eq!(check(TAG, &[SECRET], BODY, NOW), Ok(vec![SecretId::new(0)]));
    }

    #[test]
    fn a_signature_holds_for_five_minutes_either_way() {
        for now in [NOW - 300, NOW + 300] {
            assert!(check(TAG, &[SECRET], BODY, now).is_ok(), "{now}");
        }
        for now in [NOW - 301, NOW + 301, 0, u64::MAX] {
            assert_eq!(check(TAG, &[SECRET], BODY, now), Err(Refused::Stale), "{now}");
        }
    }

    #[test]
    fn of_several_signatures_one_must_be_right() {
        for tags in
            [format!("{WRONG} {TAG}"), format!("v1a,AAAA v2,x  {TAG} {WRONG}"), format!("{TAG} {TAG}")]
        {
            assert_eq!(check(&tags, &[SECRET], BODY, NOW), Ok(vec![SecretId::new(0)]), "{tags}");
        }
        let bare = TAG.strip_prefix("v1,").unwrap();
        let (cut, headless) = (TAG.strip_suffix('=').unwrap(), TAG.strip_prefix('v').unwrap());
        for tags in [WRONG, "", "v1,", "v1", bare, cut, &TAG.replace("v1", "v2"), headless] {
            assert_eq!(check(tags, &[SECRET], BODY, NOW), Err(Refused::Invalid), "{tags}");
        }
    }

    #[test]
    fn while_a_secret_is_changed_each_is_known_and_both_may_sign() {
        let other = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZA==";
        assert_eq!(check(TAG, &[other, "no-whsec", SECRET], BODY, NOW), Ok(vec![SecretId::new(2)]));
        assert_eq!(check(TAG, &[other], BODY, NOW), Err(Refused::Invalid));
        assert_eq!(check(TAG, &["no-whsec"], BODY, NOW), Err(Refused::Unverifiable));
        assert_eq!(check(TAG, &[], BODY, NOW), Err(Refused::Unverifiable));
        // python3: base64(hmac(b"old old old old old", MESSAGE + "." + TIME + "." + BODY, sha256))
        let both = format!("{TAG} v1,4edT34tayLQWiGhbKTWe+JERbjcB7TvQCrFqOGcd5J4=");
        let proven = check(&both, &[other, SECRET], BODY, NOW);
        assert_eq!(proven, Ok(vec![SecretId::new(0), SecretId::new(1)]));
    }

    #[test]
    fn what_is_not_whole_or_not_readable_is_invalid() {
        let all = [MESSAGE, TIME, TAG].map(|value| Some(value.as_bytes()));
        assert!(Signed::read([None; 3]).unwrap().is_none());
        for missing in 0..all.len() {
            let mut some = all;
            some[missing] = None;
            assert_eq!(Signed::read(some).unwrap_err(), Refused::Invalid, "{missing}");
        }
        for (index, value) in
            [(0, ""), (1, ""), (1, "soon"), (1, "+1614265330"), (1, "-1"), (1, "1614265330.0")]
        {
            let mut changed = all;
            changed[index] = Some(value.as_bytes());
            let begun =
                Signed::read(changed).and_then(|signed| signed.unwrap().begin(&secrets(&[SECRET]), NOW));
            assert_eq!(begun.err(), Some(Refused::Invalid), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_byte_makes_it_invalid(at in 0..BODY.len(), to in 1_u8..) {
            let mut body = BODY.to_vec();
            body[at] ^= to;
            assert_eq!(check(TAG, &[SECRET], &body, NOW), Err(Refused::Invalid));
        }

        #[test]
        fn no_header_panics(id in "[ -~]{0,20}", time in "[ -~]{0,20}", tags in "[ -~]{0,90}", now in any::<u64>()) {
            let headers = [&id, &time, &tags].map(|value| Some(value.as_bytes()));
            if let Ok(Some(signed)) = Signed::read(headers) {
                drop(signed.begin(&secrets(&[SECRET]), now).map(|signature| signature.verify()));
            }
        }
    }
}
