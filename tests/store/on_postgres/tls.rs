//! TLS to a PostgreSQL with a certificate that openssl made, and whom each `sslmode` trusts.

use std::path::Path;
use std::process::Command;

use weir::store::StoreError;
use weir::store::postgres::{PostgresStore, Target};

use crate::harness::postgres::{Asking, Server};
use crate::harness::wait_until;

/// Runs openssl in `folder`.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `ca`, another `other`, a certificate of `ca` for localhost, and one that signs itself.
fn make_certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
    for name in ["ca", "other"] {
        openssl(folder, &format!("req -x509 {key} -subj /CN={name} -keyout {name}.key -out {name}.pem"));
    }
    let names = "subjectAltName=DNS:localhost";
    openssl(
        folder,
        &format!(
            "req -x509 {key} -subj /CN=localhost -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE \
             -addext {names} -keyout server.key -out server.pem"
        ),
    );
    openssl(
        folder,
        &format!("req -x509 {key} -subj /CN=localhost -addext {names} -keyout own.key -out own.pem"),
    );
}

/// A server that speaks TLS with the certificate `name`, and takes nothing else over TCP.
struct Secured {
    server: Server,
    certificates: tempfile::TempDir,
}

impl Secured {
    fn with(name: &str) -> Self {
        let (server, certificates) = (Server::start(), tempfile::tempdir().unwrap());
        make_certificates(certificates.path());
        let data = server.folder().join("data");
        for (from, to) in [("key", "server.key"), ("pem", "server.crt")] {
            let bytes = std::fs::read(certificates.path().join(format!("{name}.{from}"))).unwrap();
            // PostgreSQL's user owns the file already, and keeps it to itself.
            let postgres = std::os::unix::fs::MetadataExt::uid(&data.metadata().unwrap());
            std::fs::write(data.join(to), bytes).unwrap();
            std::os::unix::fs::chown(data.join(to), Some(postgres), None).unwrap();
            std::fs::set_permissions(data.join(to), std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
        }
        Asking::of(&server.url).run("ALTER SYSTEM SET ssl = on");
        std::fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all all trust\n").unwrap();
        server.reload();
        let secured = Secured { server, certificates };
        wait_until("the server to speak TLS", || secured.open("localhost", "sslmode=require").is_ok());
        secured
    }

    fn open(&self, host: &str, query: &str) -> Result<PostgresStore, StoreError> {
        let ca = |name: &str| self.certificates.path().join(format!("{name}.pem")).display().to_string();
        let query = query.replace("CA", &ca("ca")).replace("OTHER", &ca("other")).replace("OWN", &ca("own"));
        let url = self.server.url.replace("127.0.0.1", host);
        PostgresStore::open(&Target::read(&format!("{url}?{query}")).unwrap())
    }

    /// The sentence with which it is not opened.
    fn fault(&self, host: &str, query: &str) -> String {
        self.open(host, query).map(drop).unwrap_err().to_string()
    }
}

#[test]
fn each_sslmode_trusts_whom_it_trusts_with_libpq() {
    let secured = Secured::with("server");
    for (host, query) in [
        ("127.0.0.1", ""),
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=CA"),
        ("127.0.0.1", "sslmode=require&sslrootcert=CA"),
        ("localhost", "sslmode=verify-full&sslrootcert=CA"),
    ] {
        secured.open(host, query).map(drop).unwrap_or_else(|error| panic!("{host} {query}: {error}"));
    }
    for (host, query, word) in [
        ("127.0.0.1", "sslmode=disable", "no encryption"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=CA", "the host that the certificate names"),
        ("localhost", "sslmode=verify-full&sslrootcert=OTHER", "give sslrootcert the certificate"),
        ("localhost", "sslmode=verify-ca&sslrootcert=OTHER", "give sslrootcert the certificate"),
        ("localhost", "sslmode=require&sslrootcert=OTHER", "give sslrootcert the certificate"),
    ] {
        let fault = secured.fault(host, query);
        assert!(fault.contains(word), "{host} {query}: {fault}");
    }
}

#[test]
fn a_certificate_that_signs_itself_is_trusted_by_who_has_a_copy() {
    let secured = Secured::with("own");
    secured.open("localhost", "sslmode=verify-full&sslrootcert=OWN").unwrap();
    secured.open("127.0.0.1", "sslmode=verify-ca&sslrootcert=OWN").unwrap();
    assert!(secured.fault("127.0.0.1", "sslmode=verify-full&sslrootcert=OWN").contains("certificate"));
    assert!(secured.fault("localhost", "sslmode=verify-ca&sslrootcert=CA").contains("certificate"));
}

#[test]
fn who_requires_tls_sends_nothing_without() {
    let url = format!("{}?sslmode=require", Server::shared().url);
    let fault = PostgresStore::open(&Target::read(&url).unwrap()).map(drop).unwrap_err();
    assert!(fault.to_string().contains("switch on ssl there"), "{fault}");
}
