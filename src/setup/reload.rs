//! What a running Weir takes over of a changed configuration, and what needs a restart.

use crate::config::{Config, Limits, Problems, RequestLimits, TlsConfig};

/// `changed` as a Weir that was started with `running` can go on with it: what is built once, when it starts, stays.
pub fn carry_over(running: &Config, changed: Config) -> Config {
    let mut strangers = changed.limits.request.strangers;
    if strangers.trusted_proxies.is_empty() && asks_for_proxies(running) {
        // The listeners still ask for the PROXY protocol, and would take connections from nobody.
        strangers.trusted_proxies.clone_from(&running.limits.request.strangers.trusted_proxies);
    }
    // Field by field, so that a new one has to be decided on.
    Config {
        data: running.data.clone(),
        listen: running.listen,
        proxy_protocol: running.proxy_protocol,
        admin: running.admin,
        admin_api: running.admin_api.clone(),
        tls: match (&running.tls, changed.tls) {
            (Some(running), Some(TlsConfig { certificate, key, .. })) => {
                Some(TlsConfig { certificate, key, ..running.clone() })
            }
            (running, _) => running.clone(),
        },
        tenants: changed.tenants,
        sources: changed.sources,
        publishers: changed.publishers,
        secrets: changed.secrets,
        queue: running.queue.clone(),
        quarantine: changed.quarantine,
        limits: Limits {
            request: RequestLimits { strangers, ..changed.limits.request },
            server: running.limits.server.clone(),
        },
        store: running.store.clone(),
        gainsight: running.gainsight.clone(),
    }
}

fn asks_for_proxies(running: &Config) -> bool {
    running.proxy_protocol || running.tls.as_ref().is_some_and(|tls| tls.proxy_protocol)
}

/// The keys in which `changed` differs from `running`, and that `carry_over` leaves as they are.
pub fn needs_restart(running: &Config, changed: &Config) -> Vec<&'static str> {
    let (queue, other) = (&running.queue, &changed.queue);
    let (server, limits) = (&running.limits.server, &changed.limits.server);
    let tls_differs = |differs: fn(&TlsConfig, &TlsConfig) -> bool| {
        running
            .tls
            .as_ref()
            .zip(changed.tls.as_ref())
            .is_some_and(|(running, changed)| differs(running, changed))
    };
    let differences = [
        ("data", running.data != changed.data),
        ("listen", running.listen != changed.listen),
        ("proxy_protocol", running.proxy_protocol != changed.proxy_protocol),
        ("admin", running.admin != changed.admin),
        ("admin_api", running.admin_api != changed.admin_api),
        ("tls", running.tls.is_some() != changed.tls.is_some()),
        ("tls.listen", tls_differs(|running, changed| running.listen != changed.listen)),
        (
            "tls.proxy_protocol",
            tls_differs(|running, changed| running.proxy_protocol != changed.proxy_protocol),
        ),
        ("queue.brokers", queue.brokers != other.brokers),
        ("queue.create_topics", queue.create_topics != other.create_topics),
        ("queue.ack", queue.ack != other.ack),
        ("queue.journal_bytes", queue.journal_bytes != other.journal_bytes),
        ("queue.free_bytes", queue.free_bytes != other.free_bytes),
        ("queue.when_full", queue.when_full != other.when_full),
        ("queue.kafka", queue.kafka != other.kafka),
        ("store", running.store != changed.store),
        ("gainsight", running.gainsight != changed.gainsight),
        ("limits.inflight_bytes", server.inflight_bytes != limits.inflight_bytes),
        ("limits.connections", server.connections != limits.connections),
        ("limits.header_ms", server.header != limits.header),
        ("limits.idle_ms", server.idle != limits.idle),
        ("limits.shutdown_ms", server.shutdown != limits.shutdown),
    ];
    differences.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Refuses what a file that was emptied, or is just being written, would do to a Weir that has senders.
///
/// # Errors
/// When `changed` configures no source.
pub fn check(changed: &Config) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if changed.sources.is_empty() {
        problems.add("sources", "none is left, so no sender could go on; to have none, restart Weir");
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;
    use crate::setup::load;

    const SENDERS: &str = "[tenants.acme]\n[sources.web]\ntenant = \"acme\"\n";

    fn config(toml: &str) -> Config {
        load(Some((Path::new("weir.toml"), &format!("{toml}\n{SENDERS}"))), &Overrides::default()).unwrap()
    }

    fn carried(running: &str, changed: &str) -> (Config, Vec<&'static str>) {
        let (running, changed) = (config(running), config(changed));
        let keys = needs_restart(&running, &changed);
        (carry_over(&running, changed), keys)
    }

    #[test]
    fn tenants_and_limits_of_requests_are_taken_over() {
        let changed =
            "[limits]\nevents = 7\n[tenants.other]\ntopic_prefix = \"other.\"\n[quarantine]\ndays = 3";
        let (next, keys) = carried("", changed);
        assert_eq!(keys, [""; 0]);
        assert_eq!((next.limits.request.events, next.tenants.len()), (7, 2));
        assert_eq!(next.quarantine.age.as_secs(), 3 * 86_400);
    }

    #[test]
    fn what_is_built_at_the_start_stays_as_it_is_and_is_named() {
        for (key, line) in [
            ("data", "data = \"elsewhere\""),
            ("listen", "listen = \"127.0.0.1:1\""),
            ("admin", "admin = \"127.0.0.1:1\""),
            ("admin_api", "[admin_api]\nurl = \"https://weir.example.com\""),
            ("proxy_protocol", "proxy_protocol = true\ntrusted_proxies = [\"10.0.0.1\"]"),
            ("queue.brokers", "[queue]\nbrokers = \"kafka:9092\""),
            ("queue.create_topics", "[queue]\ncreate_topics = true"),
            ("queue.ack", "[queue]\nack = \"journal\""),
            ("queue.journal_bytes", "[queue]\njournal_bytes = 20_000_000_000"),
            ("queue.free_bytes", "[queue]\nfree_bytes = 1"),
            ("queue.when_full", "[queue]\nwhen_full = \"drop_oldest\""),
            ("queue.kafka", "[queue.kafka]\n\"linger.ms\" = 7"),
            ("store", "[store]"),
            (
                "gainsight",
                "[gainsight.x]\ntenant = \"acme\"\nurl = \"https://a.b\"\naccess_key = { env = \"K\" }",
            ),
            ("limits.inflight_bytes", "[limits]\ninflight_bytes = 99_000_000"),
            ("limits.connections", "[limits]\nconnections = 9"),
            ("limits.header_ms", "[limits]\nheader_ms = 9"),
            ("limits.idle_ms", "[limits]\nidle_ms = 9"),
            ("limits.shutdown_ms", "[limits]\nshutdown_ms = 9"),
            ("tls", "[tls]\ncertificate = \"a\"\nkey = \"b\""),
        ] {
            let (next, keys) = carried("", line);
            assert_eq!(keys, [key]);
            assert_eq!(needs_restart(&config(""), &next), [""; 0], "{key} was taken over");
        }
        let tls = "[tls]\ncertificate = \"a\"\nkey = \"b\"";
        let (next, keys) = carried(tls, &format!("{tls}\nlisten = \"127.0.0.1:1\""));
        assert_eq!((keys, next.tls.and_then(|tls| tls.listen)), (vec!["tls.listen"], None));
        let (next, keys) = carried(tls, "[tls]\ncertificate = \"c\"\nkey = \"b\"");
        assert_eq!((keys, next.tls.unwrap().certificate.as_path()), (vec![], Path::new("c")));
    }

    #[test]
    fn listeners_that_ask_for_the_proxy_protocol_keep_their_proxies() {
        let proxies = |config: &Config| {
            let trusted = config.limits.request.strangers.trusted_proxies.iter();
            trusted.map(ToString::to_string).collect::<Vec<_>>()
        };
        let running = "proxy_protocol = true\ntrusted_proxies = [\"10.0.0.1\"]";
        let (next, keys) = carried(running, "");
        assert_eq!((proxies(&next), keys), (vec!["10.0.0.1/32".to_owned()], vec!["proxy_protocol"]));
        let (next, keys) = carried(running, "proxy_protocol = true\ntrusted_proxies = [\"10.0.0.2\"]");
        assert_eq!((proxies(&next), keys), (vec!["10.0.0.2/32".to_owned()], vec![]));
        let tls =
            "trusted_proxies = ['10.0.0.1']\n[tls]\ncertificate = 'a'\nkey = 'b'\nlisten = '127.0.0.1:1'\n";
        let (next, keys) = carried(&format!("{tls}proxy_protocol = true"), tls);
        assert_eq!((next.tls.unwrap().proxy_protocol, keys), (true, vec!["tls.proxy_protocol"]));
        let (next, _) = carried("trusted_proxies = [\"10.0.0.1\"]", "");
        assert!(proxies(&next).is_empty());
    }

    #[test]
    fn an_emptied_file_is_refused() {
        let empty = load(None, &Overrides::default()).unwrap();
        assert_eq!(
            check(&empty).unwrap_err().to_string(),
            "sources: none is left, so no sender could go on; to have none, restart Weir"
        );
        check(&config("")).unwrap();
    }
}
