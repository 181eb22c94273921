//! Which pairs are taken, at the start and later.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use tempfile::TempDir;

use super::pair::{self, Files};
use super::reload::Reloader;
use crate::config::TlsConfig;
use crate::observe::metrics::Metrics;

/// A certificate and its key in a folder of their own.
pub(crate) struct Sample {
    pub folder: TempDir,
    pub config: TlsConfig,
}

impl Sample {
    /// Valid from the beginning of `from` to that of `until`.
    pub fn valid(from: Date, until: Date) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let config = TlsConfig {
            certificate: place("chain.pem"),
            key: place("key.pem"),
            listen: None,
            proxy_protocol: false,
        };
        let sample = Sample { folder, config };
        let (certificate, key) = made(from, until, &rcgen::PKCS_ECDSA_P256_SHA256);
        sample.write(&certificate, &key);
        sample
    }

    /// Valid for `days` from today on, and since yesterday.
    pub fn for_days(days: i32) -> Self {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Self::valid(today.yesterday().unwrap(), today + days.days())
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(&self.config.certificate, certificate).unwrap();
        fs::write(&self.config.key, key).unwrap();
    }

    fn problems(&self, now: Timestamp) -> Vec<String> {
        Files::read(&self.config).pair(now).unwrap_err().lines().to_vec()
    }
}

/// A certificate and its key, as PEM.
fn made(from: Date, until: Date, algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(vec!["weir.test".to_owned()]).unwrap();
    let time = |date: Date| {
        let unsigned = |number: i8| u8::try_from(number).unwrap();
        rcgen::date_time_ymd(date.year().into(), unsigned(date.month()), unsigned(date.day()))
    };
    (params.not_before, params.not_after) = (time(from), time(until));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn year(year: i16) -> (Date, Date) {
    (date(year, 1, 1), date(year + 1, 1, 1))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-11-21T12:00:00Z";

#[test]
fn a_pair_is_taken_from_its_first_second_to_its_last() {
    let sample = Sample::valid(date(2026, 11, 21), date(2027, 2, 19));
    let pair = |now| Files::read(&sample.config).pair(at(now));
    assert_eq!(pair("2026-11-21T00:00:00Z").unwrap().not_after, 1_802_995_200);
    assert!(pair("2027-02-19T00:00:00Z").is_ok());
    let problem = |now| pair(now).unwrap_err().to_string();
    assert_eq!(
        problem("2027-02-19T00:00:01Z"),
        "tls.certificate: the certificate expired at 2027-02-19T00:00:00Z; renew it"
    );
    assert_eq!(
        problem("2026-11-20T23:59:59Z"),
        "tls.certificate: the certificate is not valid before 2026-11-21T00:00:00Z; use another, or correct this \
         machine's clock"
    );
}

#[test]
fn every_kind_of_key_that_tls_uses_is_taken_with_one_alpn_name_and_both_versions() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let sample = Sample::for_days(30);
        let (from, until) = year(2026);
        let (certificate, key) = made(from, until, algorithm);
        sample.write(&certificate, &key);
        let settings = Files::read(&sample.config).pair(at(NOW)).unwrap().settings;
        assert_eq!(settings.alpn_protocols, [b"http/1.1"]);
        assert!(settings.ticketer.enabled());
    }
}

#[test]
fn a_pair_that_no_client_would_take_is_refused_with_one_sentence_under_its_key() {
    let (from, until) = year(2026);
    let (certificate, key) = made(from, until, &rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, other_key) = made(from, until, &rcgen::PKCS_ECDSA_P256_SHA256);
    let cut = certificate.lines().take(3).collect::<Vec<_>>().join("\n");
    let old_style =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = no_der.replace("CERTIFICATE", "PRIVATE KEY");
    let unread = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    for (certificate, key, problem) in [
        ("", key.as_str(), "tls.certificate: the file is empty; "),
        ("canary", &key, "tls.certificate: the file holds no certificate; "),
        (
            &key,
            &key,
            "tls.certificate: the file contains a key and no certificate; tls.certificate and tls.key may be swapped",
        ),
        (&cut, &key, "tls.certificate: the file is damaged or not PEM; "),
        (no_der, &key, "tls.certificate: the first certificate is damaged; "),
        (&certificate, "", "tls.key: the file is empty; "),
        (&certificate, "canary", "tls.key: the file holds no private key; "),
        (
            &certificate,
            &certificate,
            "tls.key: the file contains a certificate and no key; tls.certificate and tls.key may be swapped",
        ),
        (&certificate, &unread("PUBLIC KEY"), "tls.key: the file contains a public key; "),
        (
            &certificate,
            &unread("OPENSSH PRIVATE KEY"),
            "tls.key: the file contains a key in OpenSSH's format; ",
        ),
        (
            &unread("CERTIFICATE REQUEST"),
            &key,
            "tls.certificate: the file contains a request for a certificate; ",
        ),
        (&unread("PKCS7"), &key, "tls.certificate: the file is PKCS#7; "),
        (&certificate, "-----BEGIN PRIVATE KEY-----\ncanary", "tls.key: the file is damaged or not PEM; "),
        (&certificate, &no_key, "tls.key: the key is damaged, or of a kind that TLS does not use; "),
        (&certificate, &encrypted, "tls.key: the key is encrypted, and Weir has no password for it; "),
        (&certificate, old_style, "tls.key: the key is encrypted, and Weir has no password for it; "),
        (&certificate, &other_key, "tls.key: does not belong to the first certificate in tls.certificate; "),
    ] {
        let sample = Sample::for_days(30);
        sample.write(certificate, key);
        let found = sample.problems(at(NOW));
        let [line] = found.as_slice() else { panic!("not one problem: {found:#?}") };
        assert!(line.starts_with(problem) && !line.contains("canary"), "{line}");
    }
}

/// What openssl makes with these arguments in `folder`.
fn openssl(folder: &Path, arguments: &str) {
    let mut command = std::process::Command::new("openssl");
    let output = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_other_tools_write_is_told_by_its_form_with_the_command_that_mends_it() {
    let sample = Sample::for_days(30);
    let folder = sample.folder.path();
    openssl(folder, "x509 -in chain.pem -outform der -out chain.der");
    openssl(folder, "pkey -in key.pem -outform der -out key.der");
    openssl(folder, "pkcs12 -export -in chain.pem -inkey key.pem -passout pass:canary -out both.p12");
    openssl(folder, "crl2pkcs7 -nocrl -certfile chain.pem -out chain.p7b");
    openssl(folder, "crl2pkcs7 -nocrl -certfile chain.pem -outform der -out chain.p7c");
    openssl(folder, "x509 -in chain.pem -trustout -out trusted.pem");
    openssl(folder, "pkcs8 -topk8 -in key.pem -passout pass:canary -out encrypted.pem");
    openssl(folder, "req -new -key key.pem -subj /CN=weir.test -out request.pem");
    openssl(folder, "x509 -req -in request.pem -signkey key.pem -days 30 -out version-1.pem");
    let wide = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let wide: Vec<u8> =
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        fs::write(folder.join(format!("wide-{name}")), wide).unwrap();
    };
    wide("chain.pem");
    wide("key.pem");
    let problem = |certificate: &str, key: &str| {
        let config = TlsConfig {
            certificate: folder.join(certificate),
            key: folder.join(key),
            listen: None,
            proxy_protocol: false,
        };
        let found = Files::read(&config).pair(Timestamp::now()).unwrap_err();
        let [line] = found.lines() else { panic!("{certificate}, {key}: {found}") };
        line.clone()
    };
    for (certificate, told) in [
        ("chain.der", "the file is DER; turn it into PEM with `openssl x509 -inform der"),
        ("key.der", "the file contains a key and no certificate; "),
        ("both.p12", "the file is PKCS#12 (.p12, .pfx); take it apart with `openssl pkcs12"),
        ("chain.p7b", "the file is PKCS#7; turn it into PEM with `openssl pkcs7 -print_certs"),
        ("chain.p7c", "the file is PKCS#7; turn it into PEM with `openssl pkcs7 -inform der"),
        ("trusted.pem", "the file is in OpenSSL's own format; "),
        ("request.pem", "the file contains a request for a certificate; "),
        ("wide-chain.pem", "the file is written in UTF-16; "),
        (
            "version-1.pem",
            "the certificate has an old version, which TLS clients refuse; make one of X.509 version 3",
        ),
    ] {
        let line = problem(certificate, "key.pem");
        assert!(line.starts_with(&format!("tls.certificate: {told}")), "{line}");
    }
    for (key, told) in [
        ("key.der", "the file is DER; turn it into PEM with `openssl pkey -inform der"),
        ("both.p12", "the file is PKCS#12 (.p12, .pfx); "),
        ("encrypted.pem", "the key is encrypted, and Weir has no password for it; "),
        ("wide-key.pem", "the file is written in UTF-16; "),
    ] {
        let line = problem("chain.pem", key);
        assert!(line.starts_with(&format!("tls.key: {told}")), "{line}");
    }
}

#[test]
fn a_mark_at_the_beginning_and_lines_that_end_as_on_windows_are_taken() {
    let sample = Sample::for_days(30);
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let (certificate, key) = (text(&sample.config.certificate), text(&sample.config.key));
    for (mark, end) in [("\u{feff}", "\n"), ("", "\r\n"), ("\u{feff}", "\r\n"), ("\r\n \r\n", "\r\n")] {
        let written = |text: &str| format!("{mark}{}", text.replace('\n', end));
        sample.write(&written(&certificate), &written(&key));
        let pair = Files::read(&sample.config).pair(Timestamp::now());
        assert!(pair.is_ok(), "{mark:?} {end:?}: {}", pair.unwrap_err());
    }
}

#[test]
fn a_certificate_that_names_its_host_in_its_subject_alone_is_taken_with_a_warning() {
    let sample = Sample::for_days(30);
    let folder = sample.folder.path();
    assert!(pair::load(&sample.config).unwrap().pair.has_names);
    openssl(folder, "req -x509 -new -key key.pem -subj /CN=weir.test -days 30 -out chain.pem");
    assert!(!pair::load(&sample.config).unwrap().pair.has_names);
    let mut config = crate::setup::load(None, &crate::config::Overrides::default()).unwrap();
    config.tls = Some(sample.config.clone());
    let loaded = pair::load(&sample.config).unwrap();
    let warned = crate::setup::warnings(&config, Some(&loaded), &crate::setup::Roles::default());
    let warning = warned.iter().find(|warning| warning.contains("subjectAltName"));
    assert!(warning.is_some_and(|warning| warning.starts_with("tls.certificate: ")), "{warned:?}");
}

#[test]
fn both_files_are_told_at_once_and_one_that_cannot_be_read_by_its_name() {
    let sample = Sample::for_days(30);
    fs::remove_file(&sample.config.certificate).unwrap();
    fs::write(&sample.config.key, "").unwrap();
    let found = sample.problems(at(NOW));
    let [certificate, key] = found.as_slice() else { panic!("{found:#?}") };
    let path = sample.config.certificate.display();
    assert_eq!(
        certificate,
        &format!(
            "tls.certificate: cannot read {path}: No such file or directory (os error 2); name a file that \
             Weir may read"
        )
    );
    assert!(key.starts_with("tls.key: the file is empty; "), "{key}");
}

#[test]
fn one_file_may_hold_both() {
    let sample = Sample::for_days(30);
    let (from, until) = year(2026);
    let (certificate, key) = made(from, until, &rcgen::PKCS_ECDSA_P256_SHA256);
    let both = certificate + &key;
    sample.write(&both, &both);
    assert!(Files::read(&sample.config).pair(at(NOW)).is_ok());
}

/// A reloader under test: its looks are the test's.
struct Watched {
    sample: Sample,
    metrics: Arc<Metrics>,
    reloader: Reloader,
}

impl Watched {
    fn new() -> Self {
        let (from, until) = year(2026);
        let sample = Sample::valid(from, until);
        let metrics = Arc::new(Metrics::new([]).unwrap());
        let loaded = Files::read(&sample.config).load(at(NOW)).unwrap();
        let reloader = Reloader::new(&sample.config, &loaded, Arc::clone(&metrics));
        Watched { sample, metrics, reloader }
    }

    fn look(&mut self, now: &str) {
        self.reloader.compare(&Files::read(&self.sample.config), at(now));
    }

    /// Reloads that were taken and that failed, and the day on which what is in use expires.
    fn seen(&self) -> (u64, u64, String) {
        let reloads = |outcome| self.metrics.tls.reloads.with_label_values(&[outcome]).get();
        let text = String::from_utf8(self.metrics.render()).unwrap();
        let line = text.lines().find(|line| line.starts_with("weir_tls_certificate_not_after_seconds "));
        let seconds: i64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        (reloads("loaded"), reloads("failed"), pair::readable(seconds).strftime("%Y-%m-%d").to_string())
    }

    #[track_caller]
    fn expect(&self, loaded: u64, failed: u64, expires: &str) {
        assert_eq!(self.seen(), (loaded, failed, expires.to_owned()));
    }

    fn settings(&self) -> usize {
        Arc::as_ptr(&self.reloader.current.get()) as usize
    }
}

#[test]
fn a_change_is_taken_once_it_has_stood_for_two_looks() {
    let mut watched = Watched::new();
    let before = watched.settings();
    watched.look(NOW);
    watched.expect(0, 0, "2027-01-01");
    let (certificate, key) = made(date(2026, 6, 1), date(2027, 6, 1), &rcgen::PKCS_ECDSA_P256_SHA256);
    watched.sample.write(&certificate, &key);
    watched.look(NOW);
    watched.expect(0, 0, "2027-01-01");
    assert_eq!(watched.settings(), before);
    watched.look(NOW);
    watched.expect(1, 0, "2027-06-01");
    assert_ne!(watched.settings(), before);
    watched.look(NOW);
    watched.expect(1, 0, "2027-06-01");
}

#[test]
fn a_certificate_that_came_before_its_key_fails_once_and_heals_with_the_key() {
    let mut watched = Watched::new();
    let before = watched.settings();
    let old_key = fs::read_to_string(&watched.sample.config.key).unwrap();
    let (certificate, key) = made(date(2026, 6, 1), date(2027, 6, 1), &rcgen::PKCS_ECDSA_P256_SHA256);
    watched.sample.write(&certificate, &old_key);
    for _ in 0..5 {
        watched.look(NOW);
    }
    watched.expect(0, 1, "2027-01-01");
    assert_eq!(watched.settings(), before);
    watched.sample.write(&certificate, &key);
    watched.look(NOW);
    watched.look(NOW);
    watched.expect(1, 1, "2027-06-01");
}

#[test]
fn each_bad_change_fails_once_and_the_old_files_again_need_no_reload() {
    let mut watched = Watched::new();
    let old = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let (certificate, key) = (old(&watched.sample.config.certificate), old(&watched.sample.config.key));
    for (failed, bad) in [(1, "nothing"), (2, "")] {
        watched.sample.write(bad, &key);
        for _ in 0..3 {
            watched.look(NOW);
        }
        watched.expect(0, failed, "2027-01-01");
    }
    fs::remove_file(&watched.sample.config.certificate).unwrap();
    watched.look(NOW);
    watched.look(NOW);
    watched.expect(0, 3, "2027-01-01");
    watched.sample.write(&certificate, &key);
    watched.look(NOW);
    watched.look(NOW);
    watched.expect(0, 3, "2027-01-01");
    watched.sample.write("", &key);
    watched.look(NOW);
    watched.look(NOW);
    watched.expect(0, 4, "2027-01-01");
}

#[test]
fn a_certificate_whose_time_has_not_come_is_taken_when_it_comes() {
    let mut watched = Watched::new();
    let (certificate, key) = made(date(2026, 11, 22), date(2027, 11, 22), &rcgen::PKCS_ECDSA_P256_SHA256);
    watched.sample.write(&certificate, &key);
    for _ in 0..3 {
        watched.look(NOW);
    }
    watched.expect(0, 1, "2027-01-01");
    watched.look("2026-11-22T00:00:00Z");
    watched.expect(1, 1, "2027-11-22");
}

#[test]
fn that_the_certificate_in_use_has_expired_is_told_once_until_there_is_another() {
    let mut watched = Watched::new();
    let mut told = |now: &str| watched.reloader.has_just_expired(at(now));
    assert_eq!(["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"].map(&mut told), [false, false]);
    assert_eq!(["2027-01-01T00:00:01Z", "2027-01-01T00:00:06Z"].map(told), [true, false]);
    let (certificate, key) = made(date(2026, 6, 1), date(2027, 6, 1), &rcgen::PKCS_ECDSA_P256_SHA256);
    watched.sample.write(&certificate, &key);
    watched.look("2027-01-02T00:00:00Z");
    watched.look("2027-01-02T00:00:00Z");
    watched.expect(1, 0, "2027-06-01");
    assert!(watched.reloader.has_just_expired(at("2027-06-02T00:00:00Z")));
}

#[test]
fn files_that_are_replaced_behind_links_are_seen() {
    let mut watched = Watched::new();
    let folder = watched.sample.folder.path().to_owned();
    let versions = ["first", "second"].map(|name| folder.join(name));
    let link = folder.join("current");
    let swap = |version: &Path| {
        let new = folder.join("new");
        std::os::unix::fs::symlink(version, &new).unwrap();
        fs::rename(new, &link).unwrap();
    };
    for (version, month) in versions.iter().zip([6, 7]) {
        fs::create_dir(version).unwrap();
        let (certificate, key) =
            made(date(2026, month, 1), date(2027, month, 1), &rcgen::PKCS_ECDSA_P256_SHA256);
        fs::write(version.join("chain.pem"), certificate).unwrap();
        fs::write(version.join("key.pem"), key).unwrap();
    }
    swap(&versions[0]);
    let config = TlsConfig {
        certificate: link.join("chain.pem"),
        key: link.join("key.pem"),
        listen: None,
        proxy_protocol: false,
    };
    let loaded = Files::read(&config).load(at(NOW)).unwrap();
    watched.reloader = Reloader::new(&config, &loaded, Arc::clone(&watched.metrics));
    watched.sample.config = config;
    watched.expect(0, 0, "2027-06-01");
    swap(&versions[1]);
    watched.look(NOW);
    watched.look(NOW);
    watched.expect(1, 0, "2027-07-01");
}
