//! Where a database is, and how to reach it: a URL as libpq reads it. No message repeats a part of the URL that may be
//! its password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::{Tls, Trust};

/// How long reaching one address may take, unless the URL says.
const CONNECT: Duration = Duration::from_secs(10);
/// When a silent connection is first asked whether it lives, and how often then, unless the URL says.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// How long what was sent may stay unacknowledged, unless the URL says.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// The parameters of a URL that Weir knows. `sslmode` and `sslrootcert` are its own to read.
const KNOWN: [&str; 18] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// A database that can be connected to.
#[derive(Clone)]
pub struct Target {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Target({self})")
    }
}

impl fmt::Display for Target {
    /// Hosts, ports and the database: what says in a message which one is meant.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(host) => write!(out, "{separator}{host}:{port}")?,
                Host::Unix(folder) => write!(out, "{separator}{}:{port}", folder.display())?,
            }
        }
        self.config.get_dbname().map_or(Ok(()), |name| write!(out, "/{name}"))
    }
}

impl Target {
    /// What `url` names: `postgres://user:password@host:port/database?sslmode=…`. Reads the certificates that it trusts.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn read(url: &str) -> Result<Self, String> {
        let parts = Parts::of(url)?;
        let mut config: Config = parts.plain.parse().map_err(|error| fault(&error))?;
        if config.get_hosts().is_empty() {
            return Err("names no host; write it as postgres://user:password@host:port/database".to_owned());
        }
        let ports = config.get_ports().len();
        if ports > 1 && ports != config.get_hosts().len() {
            return Err("has another number of ports than of hosts; give each host its port".to_owned());
        }
        let are_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let trust = parts.trust()?;
        config.ssl_mode(match &trust {
            // libpq, too, speaks no TLS on the socket of this machine.
            _ if are_local => SslMode::Disable,
            None => SslMode::Disable,
            Some((mode, _)) => *mode,
        });
        let trust = trust.filter(|_| !are_local).map_or(Trust::Anyone, |(_, trust)| trust);
        with_defaults(&mut config, &parts.names);
        Ok(Target { config, tls: Tls::new(&trust)? })
    }
}

/// Sets what Weir wants where the URL does not say.
fn with_defaults(config: &mut Config, given: &[String]) {
    let is_open = |name: &str| given.iter().all(|given| given != name);
    if is_open("application_name") {
        config.application_name("weir");
    }
    if is_open("connect_timeout") {
        config.connect_timeout(CONNECT);
    }
    if is_open("tcp_user_timeout") {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    let (idle, interval, retries) = KEEPALIVE;
    if is_open("keepalives_idle") {
        config.keepalives_idle(idle);
    }
    if is_open("keepalives_interval") {
        config.keepalives_interval(interval);
    }
    if is_open("keepalives_retries") {
        config.keepalives_retries(retries);
    }
    // Of several hosts one may be a standby.
    if is_open("target_session_attrs") && config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// A URL taken apart.
struct Parts {
    /// The URL without what Weir reads itself.
    plain: String,
    /// The parameters that it gives.
    names: Vec<String>,
    mode: Option<String>,
    roots: Option<String>,
}

impl Parts {
    fn of(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let advice = "is no URL of PostgreSQL; write it as postgres://user:password@host:port/database";
            return Err(advice.to_owned());
        }
        // A password may have a ? that is not written as %3F.
        let (before, place) = url.split_once('@').map_or((None, url), |(before, rest)| (Some(before), rest));
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        if place.contains('@') {
            return Err("has more than one @; in its user or password write @ as %40".to_owned());
        }
        let mut plain = before.map_or_else(String::new, |before| format!("{before}@")) + place;
        let mut parts = Parts { plain: String::new(), names: Vec::new(), mode: None, roots: None };
        let mut separator = '?';
        for (name, pair) in query.split('&').filter(|pair| !pair.is_empty()).map(name_of) {
            let value =
                || form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
            match name {
                "sslmode" => parts.mode = value(),
                "sslrootcert" => parts.roots = value(),
                name if KNOWN.contains(&name) => {
                    plain.push(separator);
                    plain.push_str(pair);
                    separator = '&';
                }
                "sslcert" | "sslkey" | "passfile" | "service" => {
                    return Err(format!("has {name}, which Weir does not support; use a password"));
                }
                _ => {
                    let known = KNOWN.join(", ");
                    return Err(format!(
                        "has a parameter that Weir does not know; those that it knows are sslmode, sslrootcert, {known}"
                    ));
                }
            }
            parts.names.push(name.to_owned());
        }
        Ok(Parts { plain, ..parts })
    }

    /// How TLS is to be used, and whom to trust then; none: no TLS.
    fn trust(&self) -> Result<Option<(SslMode, Trust)>, String> {
        let file = self.roots.as_deref().filter(|path| *path != "system").map(PathBuf::from);
        let mode = match (self.mode.as_deref(), self.roots.as_deref()) {
            // As libpq has it.
            (None, Some("system")) => "verify-full",
            (Some("require"), Some(_)) => "verify-ca",
            (mode, _) => mode.unwrap_or("prefer"),
        };
        Ok(Some(match mode {
            "disable" => return Ok(None),
            "prefer" => (SslMode::Prefer, Trust::Anyone),
            "require" => (SslMode::Require, Trust::Anyone),
            "verify-ca" => (SslMode::Require, Trust::Signed(file)),
            "verify-full" => (SslMode::Require, Trust::Named(file)),
            "allow" => {
                let advice = "has sslmode=allow, which protects nothing; write prefer, or better verify-full";
                return Err(advice.to_owned());
            }
            _ => {
                let advice =
                    "has an sslmode that is none of disable, prefer, require, verify-ca, verify-full";
                return Err(advice.to_owned());
            }
        }))
    }
}

fn name_of(pair: &str) -> (&str, &str) {
    (pair.split('=').next().unwrap_or_default(), pair)
}

/// What is wrong with a URL. The library's words name parameters, never values.
fn fault(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(" ({cause})"));
    format!(
        "can't be read{cause}; write it as postgres://user:password@host:port/database?sslmode=verify-full"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(url: &str) -> String {
        Target::read(url).unwrap_err()
    }

    #[test]
    fn a_target_is_shown_without_its_user_and_password() {
        let target = Target::read("postgres://weir:p%40ss?word/@db.example:5433/cs?sslmode=disable").unwrap();
        assert_eq!(target.to_string(), "db.example:5433/cs");
        assert_eq!(format!("{target:?}"), "Target(db.example:5433/cs)");
        assert_eq!(target.config.get_password(), Some(b"p@ss?word/".as_slice()));
        let two = Target::read("postgresql://a:5432,b:5433/cs").unwrap();
        assert_eq!(two.to_string(), "a:5432,b:5433/cs");
        assert_eq!(two.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn sslmode_means_what_it_means_to_libpq() {
        let mode = |query: &str| {
            let target = Target::read(&format!("postgres://u@h/d{query}")).unwrap();
            target.config.get_ssl_mode()
        };
        assert_eq!(mode(""), SslMode::Prefer);
        assert_eq!(mode("?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("?connect_timeout=3&sslmode=require"), SslMode::Require);
        assert!(fault("postgres://u@h/d?sslmode=verify").contains("verify-full"));
        assert!(fault("postgres://u@h/d?sslmode=allow").contains("protects nothing"));
        let socket = Target::read("postgres://u@%2Frun%2Fpostgresql/d?sslmode=require").unwrap();
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(socket.to_string(), "/run/postgresql:5432/d");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, word) in [
            ("mysql://u:hush@h/d", "no URL of PostgreSQL"),
            ("postgres://u:hu@sh@h/d", "%40"),
            ("postgres://u:hush@h:port/d", "invalid value for option `port`"),
            ("postgres://u:hush@/d", "names no host"),
            ("postgres://u:hush@h/d?sslcert=x", "sslcert"),
            ("postgres://u:hush@h/d?hush=1", "a parameter that Weir does not know"),
            ("postgres://u:hush@a:1,b:2,c/d?port=1", "number of ports"),
            ("postgres://u:hush@h/d?sslmode=verify-ca&sslrootcert=/none.pem", "/none.pem"),
        ] {
            let fault = fault(url);
            assert!(fault.contains(word) && !fault.contains("hush"), "{url}: {fault}");
        }
    }

    #[test]
    fn what_the_url_says_of_a_connection_stands() {
        let quick = Target::read("postgres://u@h/d?connect_timeout=2&application_name=probe").unwrap();
        assert_eq!(quick.config.get_connect_timeout(), Some(&Duration::from_secs(2)));
        assert_eq!(quick.config.get_application_name(), Some("probe"));
        let plain = Target::read("postgres://u@h/d").unwrap();
        assert_eq!(plain.config.get_application_name(), Some("weir"));
        assert_eq!(plain.config.get_keepalives_idle(), Duration::from_secs(30));
    }
}
