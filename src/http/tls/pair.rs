//! A certificate with its key: read from the two files, and refused if no client would accept it, with each problem
//! under its key in the configuration.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use sha2::{Digest, Sha256};

use super::form::{File, instead, plain};
use super::validity::{self, Validity};
use crate::config::{Problems, TlsConfig};

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";
const CHAIN_WANTED: &str = "put the certificate and its chain there, as PEM";
const KEY_WANTED: &str = "put the certificate's key there, as PEM";

/// The two files as they were read, or why they were not.
#[derive(Debug)]
pub struct Files {
    certificate: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
}

/// A certificate with its key, sound and valid.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What connections are served with.
    pub settings: Arc<ServerConfig>,
    /// The same as [`Pair::expires`] in Unix time, however far away.
    pub not_after: i64,
    /// Whether the certificate names hosts where clients look for names.
    pub has_names: bool,
}

impl Pair {
    /// The last second in which the certificate is valid.
    pub fn expires(&self) -> Timestamp {
        readable(self.not_after)
    }
}

/// A pair, and the digest of the files that it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// See [`Files::digest`].
    pub digest: [u8; 32],
    /// What they hold.
    pub pair: Pair,
}

/// The pair that `config` names, if clients will take it now.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(config: &TlsConfig) -> Result<Loaded, Problems> {
    Files::read(config).load(Timestamp::now())
}

impl Files {
    /// Reads what `config` names.
    pub fn read(config: &TlsConfig) -> Self {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| {
                format!("cannot read {}: {error}; name a file that Weir may read", path.display())
            })
        };
        Files { certificate: read(&config.certificate), key: read(&config.key) }
    }

    /// The pair, if clients will take it at `now`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, now: Timestamp) -> Result<Loaded, Problems> {
        Ok(Loaded { digest: self.digest(), pair: self.pair(now)? })
    }

    /// The same for the same contents, so that those need not be kept.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for file in [&self.certificate, &self.key] {
            let (read, bytes) = match file {
                Ok(bytes) => (1, bytes.as_slice()),
                Err(error) => (0, error.as_bytes()),
            };
            hash.update([read]);
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }

    /// What they hold, if clients will take it `now`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn pair(&self, now: Timestamp) -> Result<Pair, Problems> {
        let provider = ring::default_provider();
        let chain = self.certificate.clone().and_then(|bytes| chain(&bytes, now));
        let key = self.key.clone().and_then(|bytes| signing_key(&bytes, &provider));
        let (chain, validity, key) = match (chain, key) {
            (Ok((chain, validity)), Ok(key)) => (chain, validity, key),
            (chain, key) => {
                let mut problems = Problems::default();
                chain.err().into_iter().for_each(|advice| problems.add(CERTIFICATE, advice));
                key.err().into_iter().for_each(|advice| problems.add(KEY, advice));
                return Err(problems);
            }
        };
        let certified = CertifiedKey::new(chain, key);
        let usable = certified.keys_match().and_then(|()| settings(provider, certified));
        let settings = usable.map_err(|error| {
            let mut problems = Problems::default();
            match error {
                rustls::Error::InconsistentKeys(_) => problems.add(
                    KEY,
                    "does not belong to the first certificate in tls.certificate; name the key that it was made for, \
                     and put its own certificate first",
                ),
                // What rustls says is meant for programmers.
                _ => problems.add(
                    CERTIFICATE,
                    "is a certificate that TLS can't use: it is damaged, or has an unusual form; make a new \
                     one, of X.509 version 3",
                ),
            }
            problems
        })?;
        Ok(Pair { settings: Arc::new(settings), not_after: validity.until, has_names: validity.has_names })
    }
}

type Chain = (Vec<CertificateDer<'static>>, Validity);

fn chain(bytes: &[u8], now: Timestamp) -> Result<Chain, String> {
    let bytes = plain(bytes);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, pem::Error>>()
        // What the error quotes is not ours to show.
        .map_err(|_| format!("the file is damaged or not PEM; {CHAIN_WANTED}"))?;
    let Some(first) = chain.first() else {
        if let Some(what) = instead(bytes, File::Certificate) {
            return Err(format!("the file {what}"));
        }
        let what = if bytes.is_empty() { "is empty" } else { "holds no certificate" };
        return Err(format!("the file {what}; {CHAIN_WANTED}"));
    };
    let validity =
        validity::of(first).ok_or_else(|| format!("the first certificate is damaged; {CHAIN_WANTED}"))?;
    if !validity.is_version_3 {
        return Err(
            "the certificate has an old version, which TLS clients refuse; make one of X.509 version 3 (with \
             openssl, one that has extensions, such as -addext \"subjectAltName=DNS:…\")"
                .to_owned(),
        );
    }
    let now = now.as_second();
    if now > validity.until {
        return Err(format!("the certificate expired at {}; renew it", readable(validity.until)));
    }
    if now < validity.from {
        let from = readable(validity.from);
        return Err(format!(
            "the certificate is not valid before {from}; use another, or correct this machine's clock"
        ));
    }
    Ok((chain, validity))
}

/// For people, as far as there are dates.
pub(super) fn readable(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn signing_key(bytes: &[u8], provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, String> {
    let bytes = plain(bytes);
    let says = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    if says("BEGIN ENCRYPTED PRIVATE KEY") || says("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the key is encrypted, and Weir has no password for it; decrypt it, as `openssl pkey` does"
                .to_owned(),
        );
    }
    let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if bytes.is_empty() => format!("the file is empty; {KEY_WANTED}"),
        pem::Error::NoItemsFound => match instead(bytes, File::Key) {
            Some(what) => format!("the file {what}"),
            None => format!("the file holds no private key; {KEY_WANTED}"),
        },
        _ => format!("the file is damaged or not PEM; {KEY_WANTED}"),
    })?;
    provider.key_provider.load_private_key(key).map_err(|_| {
        "the key is damaged, or of a kind that TLS does not use; it must be ECDSA (P-256, P-384), Ed25519 or RSA (2048 \
         to 8192 bits)"
            .to_owned()
    })
}

fn settings(provider: CryptoProvider, certified: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let mut settings = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Clients keep what resumes their sessions: no memory here. After a reload they meet the new certificate.
    settings.session_storage = Arc::new(NoServerSessionStorage {});
    settings.ticketer = ring::Ticketer::new()?;
    Ok(settings)
}
