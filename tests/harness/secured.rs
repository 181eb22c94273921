//! A real Apache Kafka that speaks TLS and asks who it is that connects; Weir may do there what docs/kafka.md says that
//! it has to, and nothing else.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::kafka::Kafka;
use super::reaper;
use super::tls::Authority;

/// The password of all users, and of `rotating` at first (tests/kafka/cluster). `narrow` may join no group.
pub const PASSWORD: &str = "the-password-of-weir";

/// The broker, and the files that it and its clients have.
pub struct Secured {
    pub kafka: Kafka,
    folder: TempDir,
}

impl Secured {
    /// One broker for this whole process.
    pub fn shared() -> &'static Secured {
        static SHARED: OnceLock<Secured> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = tempfile::tempdir_in(reaper::folder()).unwrap();
            let (ours, others) = (Authority::new(), Authority::new());
            let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
            write("ca.pem", ours.pem());
            write("others.pem", others.pem());
            for (name, host, year) in [
                ("good", "127.0.0.1", 2999),
                ("expired", "127.0.0.1", 2021),
                ("misnamed", "kafka.test", 2999),
            ] {
                let issued = ours.certify("a broker", &[host], year);
                write(&format!("{name}.pem"), issued.key + &issued.chain);
            }
            for (name, authority) in [("weir", &ours), ("stranger", &others)] {
                let issued = authority.certify("weir", &["weir.test"], 2999);
                write(&format!("{name}.crt"), issued.chain);
                write(&format!("{name}.key"), issued.key);
            }
            write("password", format!("{PASSWORD}\n"));
            let kafka = Kafka::start_secured(folder.path());
            let secured = Secured { kafka, folder };
            let topics = ["Write", "DescribeConfigs", "Create", "Read"];
            let prefixed = ["--topic", "t", "--resource-pattern-type", "prefixed"];
            secured.allow(&["weir", "rotating", "narrow"], &topics, &prefixed);
            secured.allow(&["weir"], &["Read"], &["--group", "weir-store"]);
            secured
        })
    }

    /// Allows these users these operations.
    fn allow(&self, users: &[&str], operations: &[&str], resource: &[&str]) {
        let mut arguments = vec!["--add", "--force"];
        let users: Vec<String> = users.iter().map(|user| format!("User:{user}")).collect();
        users.iter().for_each(|user| arguments.extend(["--allow-principal", user]));
        operations.iter().for_each(|operation| arguments.extend(["--operation", operation]));
        self.kafka.tool("AclCommand", "", &[&arguments, resource].concat());
    }

    /// Gives `rotating` another password.
    pub fn change_password(&self, password: &str) {
        let config = format!("SCRAM-SHA-256=[password={password}]");
        let user =
            ["--alter", "--entity-type", "users", "--entity-name", "rotating", "--add-config", &config];
        self.kafka.tool("kafka.admin.ConfigCommand", "", &user);
    }

    /// A file of the broker's or of its clients'.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `[queue]` for the listener `name`, or `PLAIN` for the one without TLS, with these settings of the client.
    pub fn queue(&self, name: &str, settings: &[String]) -> String {
        let brokers = if name == "PLAIN" { self.kafka.brokers.clone() } else { self.kafka.secured(name) };
        format!(
            "[queue]\nbrokers = {brokers:?}\ncreate_topics = true\n[queue.kafka]\n{}\n",
            settings.join("\n")
        )
    }

    /// That it trusts the authority in this file.
    pub fn trust(&self, name: &str) -> String {
        format!("\"ssl.ca.location\" = {:?}", self.file(name))
    }

    /// A login as `user`, with the password in the file `password`.
    pub fn login(&self, protocol: &str, mechanism: &str, user: &str, password: &str) -> Vec<String> {
        vec![
            setting("security.protocol", protocol),
            setting("sasl.mechanism", mechanism),
            setting("sasl.username", user),
            format!("\"sasl.password\" = {{ file = {:?} }}", self.file(password)),
        ]
    }

    /// TLS with the certificate of `name`.
    pub fn certificate(&self, name: &str) -> Vec<String> {
        let file = |key, end: &str| format!("{key:?} = {:?}", self.file(&format!("{name}.{end}")));
        vec![
            setting("security.protocol", "SSL"),
            self.trust("ca.pem"),
            file("ssl.certificate.location", "crt"),
            file("ssl.key.location", "key"),
        ]
    }
}

/// A line of `[queue.kafka]`.
pub fn setting(key: &str, value: &str) -> String {
    format!("{key:?} = {value:?}")
}
