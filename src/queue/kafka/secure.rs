//! The files and secrets that `[queue.kafka]` names, as a start finds them: whether they can be read, and whether
//! librdkafka can use them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rdkafka::error::KafkaError;

use super::check::{offline, unusable};
use super::settings::{producer, secrets};
use crate::config::{Environment, QueueConfig};

/// Files that a client reads, and what each has to hold.
const FILES: &[(&str, &str)] = &[
    ("ssl.ca.location", "the certificates, in PEM, of who signs those of the brokers"),
    ("ssl.certificate.location", "Weir's certificate and its chain, in PEM"),
    ("ssl.key.location", "the key of Weir's certificate, in PEM (ssl.key.password opens an encrypted one)"),
    ("ssl.keystore.location", "Weir's certificate and its key, in PKCS#12 (ssl.keystore.password opens it)"),
    ("ssl.crl.location", "a list of revoked certificates, in PEM"),
];

/// All problems of the files and secrets of `[queue.kafka]`, each as `queue.kafka.<key>: what to do`. The settings
/// themselves have been checked. Needs no broker.
pub fn check_files(config: &QueueConfig, environment: Environment<'_>) -> Vec<String> {
    let (secrets, mut problems) = match secrets(&config.kafka, environment) {
        Ok(secrets) => (secrets, Vec::new()),
        Err(problems) => (Default::default(), problems),
    };
    for (key, what) in FILES {
        let path = config.kafka.texts().find(|(name, _)| name == key).map(|(_, path)| Path::new(path));
        if let Some(Err(error)) = path.map(read) {
            problems.push(format!("queue.kafka.{key}: can't be read: {error}; it has to hold {what}"));
        }
    }
    if problems.is_empty() {
        let mut client = producer(config, None);
        client.extend(secrets);
        problems.extend(offline(&client).err().map(|why| unfit_file(&why).unwrap_or_else(|| unusable(why))));
    }
    problems
}

/// Authorities may lie in a folder.
fn read(path: &Path) -> io::Result<()> {
    if path.is_dir() { path.read_dir().map(drop) } else { File::open(path)?.read(&mut [0]).map(drop) }
}

/// What librdkafka says about a file that it can't use, as `queue.kafka.<key>: what to do`; none where it is about
/// something else.
pub(super) fn unfit_file(error: &KafkaError) -> Option<String> {
    let KafkaError::ClientCreation(why) = error else { return None };
    if why.contains("key values mismatch") || why.starts_with("Private key check failed") {
        let advice = "is not the key of the certificate; name two that belong together";
        return Some(format!("queue.kafka.ssl.key.location: {advice}"));
    }
    let (key, what) = FILES.iter().find(|(key, _)| why.contains(key))?;
    Some(format!("queue.kafka.{key}: can't be used; it has to hold {what}"))
}

/// What is allowed but leaves the way to Kafka open, each as `queue.kafka.<key>: what it means`.
pub fn open_ways(config: &QueueConfig) -> Vec<String> {
    let is = |key, value: &str| {
        config.kafka.texts().any(|(name, given)| name == key && given.eq_ignore_ascii_case(value))
    };
    let mut found = Vec::new();
    let mut warn = |key: &str, meaning: &str| found.push(format!("queue.kafka.{key}: {meaning}"));
    if is("security.protocol", "SASL_PLAINTEXT") {
        warn(
            "security.protocol",
            "the login and all records cross the network unencrypted; SASL_SSL encrypts them",
        );
    }
    for (key, off) in
        [("enable.ssl.certificate.verification", "false"), ("ssl.endpoint.identification.algorithm", "none")]
    {
        if is(key, off) {
            warn(key, "whoever stands between Weir and Kafka can pose as a broker; remove it");
        }
    }
    for (key, _) in config.kafka.secrets().filter(|(_, place)| place.is_open_to_all()) {
        warn(key, "every user of this machine may read its file; chmod 600 it");
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::config::{SecretPlace, Setting};
    use crate::queue::kafka::tests::queue_config;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let files = Files(tempfile::tempdir().unwrap());
            for name in ["one", "other"] {
                let key = KeyPair::generate().unwrap();
                let pem = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
                files.write(&format!("{name}.pem"), &pem);
                files.write(&format!("{name}.key"), &key.serialize_pem());
            }
            files.write("text", "no certificate");
            files
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).unwrap();
        }

        fn problems(&self, settings: &[(&str, &str)]) -> Vec<String> {
            let paths: Vec<_> = settings.iter().map(|(key, name)| (*key, self.0.path().join(name))).collect();
            let mut given = vec![("security.protocol", "SSL")];
            given.extend(paths.iter().map(|(key, path)| (*key, path.to_str().unwrap())));
            check_files(&queue_config("kafka:9093", &given), &|_| None)
        }
    }

    #[test]
    fn files_that_belong_together_have_no_problem() {
        let found = Files::new().problems(&[
            ("ssl.ca.location", "other.pem"),
            ("ssl.certificate.location", "one.pem"),
            ("ssl.key.location", "one.key"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_file_that_is_missing_or_holds_something_else_is_told_with_its_key() {
        let files = Files::new();
        for (key, _) in FILES.iter().filter(|(key, _)| *key != "ssl.key.location") {
            let found = files.problems(&[(key, "nothing")]);
            assert!(found[0].starts_with(&format!("queue.kafka.{key}: can't be read: ")), "{found:?}");
            let found = files.problems(&[(key, "text")]);
            assert!(
                found[0].starts_with(&format!("queue.kafka.{key}: can't be used; it has to hold ")),
                "{found:?}"
            );
        }
        let of_another = [("ssl.certificate.location", "one.pem"), ("ssl.key.location", "other.key")];
        let found = files.problems(&of_another);
        assert!(found[0].contains("ssl.key.location: is not the key of the certificate"), "{found:?}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_told_with_its_key() {
        let mut config = queue_config("kafka:9093", &[("security.protocol", "SASL_SSL")]);
        let place = Setting::Secret(SecretPlace::Env("KAFKA_PASSWORD".to_owned()));
        config.kafka.0.insert("sasl.password".to_owned(), place);
        let found = check_files(&config, &|_| None);
        assert_eq!(
            found,
            ["queue.kafka.sasl.password: its environment variable is not set; set it to the secret"]
        );
    }

    #[test]
    fn an_open_way_is_warned_of() {
        let open =
            [("security.protocol", "sasl_plaintext"), ("enable.ssl.certificate.verification", "false")];
        assert_eq!(open_ways(&queue_config("kafka:9092", &open)).len(), 2);
        assert_eq!(open_ways(&queue_config("kafka:9092", &[("security.protocol", "SSL")])).len(), 0);
    }
}
