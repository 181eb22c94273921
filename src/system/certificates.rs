//! The certificates that all programs of a system trust.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Where systems keep them: Debian, Ubuntu and Alpine; Fedora and RHEL; openSUSE; the BSDs. A crate that looks for them
/// would look here, too.
const PLACES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file with them, if this system has one.
pub fn file() -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|path| path.exists())
}

/// The certificates themselves.
///
/// # Errors
/// When there are none: what to do.
pub fn of_system() -> Result<Vec<CertificateDer<'static>>, String> {
    let advice = "install them (the package ca-certificates)";
    let path = file().ok_or_else(|| format!("this system has no certificates to trust; {advice}"))?;
    let bytes =
        fs::read(path).map_err(|error| format!("{} can't be read: {error}; {advice}", path.display()))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect();
    if found.is_empty() {
        Err(format!("{} holds no certificate; {advice}", path.display()))
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_with_the_file_has_certificates_in_it() {
        assert_eq!(file().is_some(), of_system().is_ok_and(|found| found.len() > 10));
    }
}
