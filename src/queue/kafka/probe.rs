//! A look at the TLS of a port that a client could not talk to: whether it speaks TLS, and what its certificate is
//! like. librdkafka says of a certificate only that it is not taken.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

/// How long the port may take, for each step.
const STEP: Duration = Duration::from_secs(1);

/// How many of a certificate's names are told.
const NAMES: usize = 3;

/// What a port's certificate is like, whoever issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    /// It is valid now, and for this host.
    Sound,
    /// It was valid.
    Expired,
    /// It will be.
    Early,
    /// It is for hosts of these names.
    OfOthers(String),
    /// It is of a kind that can't be told more about.
    Unknown,
}

/// The certificate of `broker` (`host:port`); none where no TLS is spoken there. Blocks for a few seconds at most.
pub(super) fn certificate(broker: &str) -> Option<Certificate> {
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let provider = Arc::new(ring::default_provider());
    let look = Arc::new(Look { provider: Arc::clone(&provider), seen: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&look) as _);
    let mut connection = ClientConnection::new(Arc::new(builder.with_no_client_auth()), name).ok()?;
    let address = broker.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, STEP).ok()?;
    stream.set_read_timeout(Some(STEP)).ok()?;
    stream.set_write_timeout(Some(STEP)).ok()?;
    // It ends with an error in any case: at the certificate, once that was looked at.
    drop(connection.complete_io(&mut stream));
    look.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Looks at a certificate, and goes no further.
#[derive(Debug)]
struct Look {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Certificate>>,
}

impl Look {
    fn at(&self, end: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Certificate {
        let Ok(parsed) = ParsedCertificate::try_from(end) else { return Certificate::Unknown };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let nobody = RootCertStore::empty();
        // Without an authority none is signed by one; but when it is valid is looked at first.
        match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, algorithms) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. })) => Certificate::Expired,
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })) => Certificate::Early,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                match verify_server_name(&parsed, name) {
                    Ok(()) => Certificate::Sound,
                    Err(Error::InvalidCertificate(error)) => Certificate::OfOthers(names(&error)),
                    Err(_) => Certificate::Unknown,
                }
            }
            _ => Certificate::Unknown,
        }
    }
}

/// The names that a certificate is for.
fn names(error: &CertificateError) -> String {
    let CertificateError::NotValidForNameContext { presented, .. } = error else {
        return "another host".to_owned();
    };
    // Each as rustls shows it: `DnsName("k.example.com")`.
    let name = |shown: &String| shown.split('"').nth(1).unwrap_or(shown).to_owned();
    let mut names: Vec<String> = presented.iter().take(NAMES).map(name).collect();
    if presented.is_empty() {
        names.push("no host".to_owned());
    } else if presented.len() > NAMES {
        names.push("others".to_owned());
    }
    names.join(", ")
}

impl ServerCertVerifier for Look {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = self.at(end_entity, server_name, now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Err(Error::General("seen enough".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("nothing is verified".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("nothing is verified".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
