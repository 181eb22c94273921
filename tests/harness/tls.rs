//! Certificates that a test makes, and clients that trust them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// The name in every certificate.
pub const NAME: &str = "weir.test";

/// Who signs the certificates, and what a client trusts.
pub struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
    /// What a client sees.
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Authority { root, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        let lines = data_encoding::BASE64.encode(&self.root);
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    }

    /// A certificate that is valid until the end of `year`.
    pub fn issue(&self, year: i32) -> Issued {
        self.certify("a server", &[NAME, "127.0.0.1"], year)
    }

    /// A certificate of `subject` for hosts of these names, valid until the end of `year`.
    pub fn certify(&self, subject: &str, names: &[&str], year: i32) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 12, 31));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }

    /// A client that trusts this authority and speaks `version` alone.
    pub fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// The two files that a configuration names.
pub struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub fn holding(issued: &Issued) -> Self {
        let files = Files { folder: tempfile::tempdir().unwrap() };
        files.replace(issued);
        files
    }

    pub fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Puts other files in their place, each by renaming.
    pub fn replace(&self, issued: &Issued) {
        replace(&self.chain(), &issued.chain);
        replace(&self.key(), &issued.key);
    }

    /// `[tls]` with these files.
    pub fn toml(&self, more: &str) -> String {
        format!("[tls]\ncertificate = {:?}\nkey = {:?}\n{more}\n", self.chain(), self.key())
    }
}

/// Puts a file with `text` in the place of `path`, at one moment.
pub fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("new");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, path).unwrap();
}
