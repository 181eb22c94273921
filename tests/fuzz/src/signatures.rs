//! Signatures of requests: verified exactly where an HMAC that is computed here, out of SHA-256 alone, says so.
//!
//! An input's first byte chooses what is done to an honest request: which header is left out, what of it is changed
//! after it was signed. The clock, the secrets, the id, other signatures, and the body follow.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use data_encoding::{BASE64, BASE64_NOPAD};
use sha2::{Digest, Sha256};
use weir::admission::secrets::{Invalid, Presented, Secret, SecretId, signing_key};
use weir::admission::signature::{Refused, Signed};

use super::input::Input;

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let (plan, now, drift) =
        (input.byte(), input.number() >> (input.byte() % 64), u64::from(input.byte()) * 3);
    let secrets: Vec<_> = (0..input.byte() % 4).map(|_| Known::read(&mut input)).collect();
    let id = input.bytes().to_vec();
    let time = match plan & 3 {
        0 => input.bytes().to_vec(),
        1 => now.saturating_sub(drift).to_string().into_bytes(),
        _ => now.saturating_add(drift).to_string().into_bytes(),
    };
    let (junk, signers) = (input.bytes().to_vec(), input.byte());
    let changed = (input.byte(), usize::from(input.byte()), input.byte());
    let body = input.rest();

    // What the honest ones among the secrets sign.
    let is_signer = |index: &usize| signers >> index & 1 == 1;
    let signing: Vec<_> =
        (0..secrets.len()).filter(is_signer).filter(|index| secrets[*index].key.is_some()).collect();
    let tags = signing.iter().map(|index| secrets[*index].tag(&id, &time, body).expect("it has a key"));
    let own = tags.collect::<Vec<_>>().join(" ").into_bytes();
    let tags = if junk.is_empty() { own } else { [junk.as_slice(), b" ", &own].concat() };

    // What arrives.
    let mut parts = [id, time, tags, body.to_vec()];
    let (part, place, by) = changed;
    let at = usize::from(part & 3);
    let is_changed = plan & 4 != 0 && by != 0 && place < parts[at].len();
    if is_changed {
        parts[at][place] ^= by;
    }
    let [id, time, tags, body] = &parts;
    let left_out = usize::from(plan >> 3 & 7);
    let present: [Option<&[u8]>; 3] =
        std::array::from_fn(|index| (left_out != index + 1).then_some([id, time, tags][index].as_slice()));
    // What HTTP does not let through does not get here.
    if present.into_iter().flatten().any(|value| HeaderValue::from_bytes(value).is_err()) {
        return;
    }

    let kept: Vec<_> = secrets
        .iter()
        .enumerate()
        .map(|(index, one)| Arc::new(Secret::new(SecretId::new(index), &one.text)))
        .collect();
    let verified = verify(present, &kept, now, body, usize::from(by));
    assert_eq!(verified, expected(&secrets, present, now, body));

    // In particular: who has signed is known, and what was changed since is not theirs.
    let is_whole = present.iter().all(Option::is_some) && !id.is_empty();
    let is_fresh = plan & 3 != 0 && drift <= 300;
    if is_whole && is_fresh && !is_changed && !signing.is_empty() {
        let ids = verified.clone().expect("it was signed");
        assert!(signing.iter().all(|index| ids.is_some_and_contains(*index)), "{verified:?}");
    }
    if is_changed && at != 2 && junk.is_empty() {
        assert!(!matches!(&verified, Ok(Some(_))), "{verified:?}");
    }
    by_their_text(&secrets, &kept);
}

trait Holds {
    fn is_some_and_contains(&self, index: usize) -> bool;
}

impl Holds for Option<Vec<SecretId>> {
    fn is_some_and_contains(&self, index: usize) -> bool {
        self.as_ref().is_some_and(|ids| ids.contains(&SecretId::new(index)))
    }
}

/// What Weir says: the secrets that signed; none where there is no signature.
fn verify(
    headers: [Option<&[u8]>; 3],
    secrets: &[Arc<Secret>],
    now: u64,
    body: &[u8],
    chunk: usize,
) -> Result<Option<Vec<SecretId>>, Refused> {
    let Some(signed) = Signed::read(headers)? else { return Ok(None) };
    let mut signature = signed.begin(secrets, now)?;
    body.chunks(chunk.max(1)).for_each(|chunk| signature.update(chunk));
    signature.verify().map(Some)
}

/// What it must say.
fn expected(
    secrets: &[Known],
    present: [Option<&[u8]>; 3],
    now: u64,
    body: &[u8],
) -> Result<Option<Vec<SecretId>>, Refused> {
    let [Some(id), Some(time), Some(tags)] = present else {
        return if present.iter().all(Option::is_none) { Ok(None) } else { Err(Refused::Invalid) };
    };
    let seconds =
        std::str::from_utf8(time).ok().filter(|time| time.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(seconds) = seconds.and_then(|time| time.parse::<u64>().ok()).filter(|_| !id.is_empty()) else {
        return Err(Refused::Invalid);
    };
    if seconds.max(now) - seconds.min(now) > 300 {
        return Err(Refused::Stale);
    }
    if secrets.iter().all(|one| one.key.is_none()) {
        return Err(Refused::Unverifiable);
    }
    let tags: Vec<_> = tags.split(|byte| *byte == b' ').collect();
    let signed = |one: &Known| one.tag(id, time, body).is_some_and(|tag| tags.contains(&tag.as_bytes()));
    let signers = secrets.iter().enumerate().filter(|(_, one)| signed(one));
    let signers: Vec<_> = signers.map(|(index, _)| SecretId::new(index)).collect();
    if signers.is_empty() { Err(Refused::Invalid) } else { Ok(Some(signers)) }
}

/// A secret with the key that it stands for.
struct Known {
    text: String,
    key: Option<Vec<u8>>,
}

impl Known {
    fn read(input: &mut Input<'_>) -> Self {
        let (kind, bytes) = (input.byte(), input.bytes());
        let key = (!bytes.is_empty()).then(|| bytes.to_vec());
        match kind & 3 {
            0 => Known { text: format!("whsec_{}", BASE64.encode(bytes)), key },
            1 => Known { text: format!("whsec_{}", BASE64_NOPAD.encode(bytes)), key },
            2 => Known { text: format!("s{}", String::from_utf8_lossy(bytes)), key: None },
            // Whatever stands behind the prefix.
            _ => {
                let text = format!("whsec_{}", String::from_utf8_lossy(bytes));
                let key = signing_key(&text);
                Known { text, key }
            }
        }
    }

    /// What it puts into the header for a message.
    fn tag(&self, id: &[u8], time: &[u8], body: &[u8]) -> Option<String> {
        let message = [id, b".", time, b".", body].concat();
        self.key.as_ref().map(|key| format!("v1,{}", BASE64.encode(&hmac(key, &message))))
    }
}

/// HMAC-SHA256 as RFC 2104 writes it down.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let digest: [u8; 32] = Sha256::digest(key).into();
    let key = if key.len() > block.len() { &digest } else { key };
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Each secret is known by its text beside its tenant, and by nothing else.
fn by_their_text(secrets: &[Known], kept: &[Arc<Secret>]) {
    for one in secrets {
        let mut presented = Presented { secret: one.text.as_bytes(), tenant: None };
        assert_eq!(presented.secret_of("t-1", kept), Err(Invalid));
        presented.tenant = Some(b"t-1");
        let shown = presented.secret_of("t-1", kept).expect("it is one of them");
        assert!(
            secrets
                .iter()
                .enumerate()
                .any(|(index, other)| other.text == one.text && SecretId::new(index) == shown)
        );
        let longer = format!("{}x", one.text);
        presented.secret = longer.as_bytes();
        let is_another = secrets.iter().any(|other| other.text == longer);
        assert_eq!(presented.secret_of("t-1", kept).is_ok(), is_another);
    }
}
