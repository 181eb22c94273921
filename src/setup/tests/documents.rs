//! Whole documents: the defaults, the sample of the documentation, layers, and broken TOML.

use super::*;
use crate::config::{DEFAULTS, QueueConfig, WhenFull};
use crate::http::tls::pair;
use crate::http::tls::tests::Sample;
use crate::setup::{Roles, load_to_serve, memory_bound, warnings};
use crate::tenants::{GroupEmail, Tenants, UnmappedEvents, UnmappedTraits};
use std::time::Duration;

/// `default.toml` as a user would write it: examples switched on, names in the place of `*`.
fn defaults_in_full() -> String {
    let shown = |line: &str| match line.strip_prefix('#') {
        Some(example) if !example.starts_with([' ', '#']) && example.contains(" = ") => example.to_owned(),
        _ => line.to_owned(),
    };
    let text = DEFAULTS.lines().map(shown).collect::<Vec<_>>().join("\n");
    let text = text
        .replace("objects.\"*\"", "objects.deal__gc")
        .replace("keys = []\n# Field", "keys = [\"Id__gc\"]\n# Field");
    let named = |text: String, table: &str, id: &str| {
        text.replace(&format!("[{table}.\"*\""), &format!("[{table}.{id}"))
    };
    let text = named(text, "tenants", "acme");
    let text = named(text, "gainsight", "acme");
    named(named(text, "sources", "web"), "publishers", "tickets")
}

#[test]
fn the_defaults_alone_are_a_valid_configuration() {
    let config = load(None, &Overrides::default()).unwrap();
    assert_eq!(config.data.path(), Path::new("./weir-data"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.to_string(), "127.0.0.1:9464");
    assert!(config.tenants.is_empty() && config.sources.is_empty() && config.publishers.is_empty());
    assert_eq!(config.queue.brokers, None);
    assert_eq!(config.queue.journal_bytes, 10_737_418_240);
    assert_eq!(config.queue.free_bytes, 1_073_741_824);
    assert_eq!(config.queue.when_full, WhenFull::Refuse);
    assert_eq!(config.limits.request.body_bytes, 4_096_000);
    assert_eq!(config.limits.server.shutdown, Duration::from_secs(20));
    let month = Duration::from_secs(30 * 86_400);
    assert_eq!((config.quarantine.age, config.quarantine.bytes), (month, 1_073_741_824));
}

#[test]
fn every_key_of_the_defaults_is_known_and_every_example_valid() {
    let config = loaded(&defaults_in_full());
    assert_eq!(config.queue.brokers.as_deref(), Some("kafka-1:9092,kafka-2:9092"));
    assert_eq!(config.publishers["tickets"].kafka_topic.as_deref(), Some("weir.events.tickets"));
    assert_eq!(config.tenants["acme"].person_fields["plan"], "Plan__gc");
}

#[test]
fn every_known_key_is_documented_in_the_defaults() {
    let stranger = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz = 1\n";
    let mut text = stranger.to_owned();
    for line in defaults_in_full().lines() {
        text.push_str(line);
        text.push('\n');
        if line.starts_with('[') && !line.contains("_fields]") && !line.contains("kafka]") {
            text.push_str(stranger);
        }
    }
    // The tables of events and aliases hold free names: there the stranger is one of them, of the wrong type.
    let found = problems(&text);
    let lists: Vec<_> = found.iter().filter_map(|line| line.split("the keys here are ").nth(1)).collect();
    assert_eq!((found.len(), lists.len()), (18, 15), "{found:#?}");
    for key in lists.iter().flat_map(|list| list.split(", ")) {
        let documented =
            DEFAULTS.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key} = ")))
                || DEFAULTS.lines().any(|line| line.starts_with('[') && line.contains(key));
        assert!(documented, "{key} is not in default.toml");
    }
}

#[test]
fn the_documented_sample_loads_with_each_of_its_values() {
    let config = loaded(
        r#"
        data   = "/var/lib/weir"
        listen = "0.0.0.0:8080"
        [tenants.acme]
        topic_prefix    = "weir."
        unmapped_traits = "suffix"
        unmapped_events = "quarantine"
        group_email     = "optional"
        [tenants.acme.person_fields]
        plan = "Plan__gc"
        [tenants.acme.company_fields]
        tier = "Tier__gc"
        [sources.web]
        tenant     = "acme"
        keys       = ["sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
        publishers = ["tickets"]
        enabled    = false
        [publishers.tickets]
        tenant         = "acme"
        topic          = "Ticket Actions"
        contract       = "standard"
        contracts      = ["standard", "gold"]
        kafka_topic    = "weir.events.tickets"
        [publishers.tickets.events]
        "Ticket Closure" = { name = "Ticket Closed", version = "1.0.0" }
        [queue]
        brokers = "kafka-1:9092, kafka-2:9092"
        [limits]
        depth = 100
        "#,
    );
    assert_eq!(config.data.path(), Path::new("/var/lib/weir"));
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.queue.brokers.as_deref(), Some("kafka-1:9092,kafka-2:9092"));
    assert_eq!((config.limits.request.depth, config.limits.request.events), (100, 5_000));

    let tenants = Tenants::from_config(&config);
    let source = &tenants.keys[&crate::admission::keys::digest(b"abc")];
    assert_eq!((source.id.as_str(), source.enabled, source.index), ("web", false, 0));
    assert_eq!(source.ce_source, "/acme/web");
    assert_eq!(source.tenant.id, "acme");
    assert_eq!(source.tenant.unmapped_traits, UnmappedTraits::Suffix);
    assert_eq!(source.tenant.unmapped_events, UnmappedEvents::Quarantine);
    assert_eq!(source.tenant.group_email, GroupEmail::Optional);
    assert_eq!(source.tenant.person_fields["plan"], "Plan__gc");
    assert_eq!(source.tenant.company_fields["tier"], "Tier__gc");
    let [publisher] = source.publishers.as_slice() else { panic!("not one publisher") };
    assert_eq!((publisher.id.as_str(), publisher.topic.as_str()), ("tickets", "Ticket Actions"));
    assert_eq!(publisher.contract.as_deref(), Some("standard"));
    assert_eq!(publisher.events["Ticket Closure"].name, "Ticket Closed");
    assert_eq!(publisher.events["Ticket Closure"].version, "1.0.0");
}

#[test]
fn flags_beat_the_file_and_the_file_beats_the_defaults() {
    let file = "data = '/file'\nlisten = '127.0.0.1:1'\n[queue]\nbrokers = 'file:1'";
    let overrides = Overrides {
        data: Some("/flag".into()),
        brokers: Some("flag:1".to_owned()),
        create_topics: true,
        ..Overrides::default()
    };
    let config = load(Some((Path::new("weir.toml"), file)), &overrides).unwrap();
    assert_eq!(config.data.path(), Path::new("/flag"));
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.admin.port(), 9464);
    assert_eq!(config.queue.brokers.as_deref(), Some("flag:1"));
    assert!(config.queue.create_topics);
}

#[test]
fn blank_brokers_in_the_environment_leave_those_of_the_file() {
    let overrides = Overrides { brokers: Some(String::new()), ..Overrides::default() };
    let file = (Path::new("weir.toml"), "[queue]\nbrokers = 'file:1'");
    assert_eq!(load(Some(file), &overrides).unwrap().queue.brokers.as_deref(), Some("file:1"));
    assert_eq!(load(None, &overrides).unwrap().queue.brokers, None);
}

#[test]
fn broken_toml_is_one_problem_with_its_place_and_without_its_text() {
    let text = "data = 'x'\n[sources.web]\nkeys = [canary-plain-key]\n";
    let found = problems(text);
    let [line] = found.as_slice() else { panic!("{found:#?}") };
    assert!(line.starts_with("weir.toml: line 3, column 9: "), "{line}");
    assert!(!line.contains("canary"), "{line}");
}

#[test]
fn all_problems_are_told_at_once_and_each_begins_with_its_key() {
    let text =
        sample("topic = \"Ticket Actions\"", "") + "[limits]\ndepth = 'x'\nevnts = 1\n[queue]\nbrokers = 1";
    let found = problems(&text);
    for key in ["publishers.tickets.topic", "limits.depth", "limits.evnts", "queue.brokers"] {
        assert!(found.iter().any(|line| line.starts_with(&format!("{key}: "))), "{key} is not in {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
    let shown = load(Some((Path::new("weir.toml"), &text)), &Overrides::default()).unwrap_err().to_string();
    assert_eq!(shown.lines().collect::<Vec<_>>(), found);
}

#[test]
fn values_that_may_be_secret_stay_out_of_problems_and_debug_output() {
    let plain = sample("keys = [\"sha256:", "keys = [\"canary-key\", \"sha256:canary-");
    let kafka = "[queue.kafka]\n'sasl.password' = ['canary']\n'bootstrap.servers' = 'canary'";
    let found = problems(&(plain + kafka)).join("\n");
    assert!(
        found.contains("sources.web.keys[0]: must be \"sha256:\" and 64 lower-case hex digits"),
        "{found}"
    );
    assert!(found.contains("sources.web.keys[1]: ") && found.contains("sasl.password"), "{found}");
    assert!(!found.contains("canary"), "{found}");

    let refused = problems("[queue]\nbrokers = 'k:1'\nkafka.'sasl.password' = 'canary'").join("\n");
    assert!(refused.contains("queue.kafka.sasl.password: write { file"), "{refused}");
    assert!(!refused.contains("canary"), "{refused}");
    let queue: QueueConfig = loaded("[queue]\nbrokers = 'k:1'\nkafka.'client.id' = 'canary'").queue;
    let shown = format!("{queue:?}");
    assert!(shown.contains("client.id") && !shown.contains("canary"), "{shown}");
}

#[test]
fn tls_needs_both_its_files_and_may_have_an_address_of_its_own() {
    let files = "certificate = '/c.pem'\nkey = '/k.pem'\n";
    assert!(loaded("").tls.is_none());
    let tls = loaded(&format!("[tls]\n{files}")).tls.unwrap();
    assert_eq!((tls.certificate.as_path(), tls.key.as_path()), (Path::new("/c.pem"), Path::new("/k.pem")));
    assert_eq!(tls.listen, None);
    let tls = loaded(&format!("[tls]\n{files}listen = '0.0.0.0:8443'")).tls.unwrap();
    assert_eq!(tls.listen.unwrap().to_string(), "0.0.0.0:8443");
    let found = problems("[tls]\nlisten = '0.0.0.0:8443'");
    assert_eq!(
        found,
        [
            "tls.certificate: is missing; it must be the path of a PEM file",
            "tls.key: is missing; it must be the path of a PEM file"
        ]
    );
    assert_problem("[tls]\nkey = '/k.pem'", "tls.certificate", "is missing");
    assert_problem("[tls]\ncertificate = ''\nkey = '/k.pem'", "tls.certificate", "the path of a PEM file");
}

#[test]
fn who_serves_is_told_of_bad_tls_files_with_all_other_problems_and_others_need_not_read_them() {
    let text = "[tls]\ncertificate = '/no/such.pem'\nkey = '/no/such.pem'\n";
    loaded(text);
    let more = format!("{text}[limits]\ndepth = 0");
    let found = load_to_serve(
        Some((Path::new("weir.toml"), &more)),
        &Overrides::default(),
        Roles::default(),
        &|_| None,
    )
    .unwrap_err();
    let keys: Vec<_> = found.lines().iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(keys, ["limits.depth", "tls.certificate", "tls.key"]);
    assert!(load_to_serve(None, &Overrides::default(), Roles::default(), &|_| None).is_ok());
}

#[test]
fn a_certificate_that_expires_within_two_weeks_is_a_warning() {
    for (days, warned) in [(13, true), (16, false)] {
        let sample = Sample::for_days(days);
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let text = format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}",
            path(&sample.config.certificate),
            path(&sample.config.key)
        );
        let config = loaded(&text);
        let pair = pair::load(config.tls.as_ref().unwrap()).unwrap();
        let found = warnings(&config, Some(&pair), &Roles::default());
        let told = found.iter().any(|line| line.starts_with("tls.certificate: expires at 20"));
        assert_eq!(told, warned, "{days}: {found:#?}");
    }
}

#[test]
fn the_memory_bound_counts_what_tls_holds_for_every_connection() {
    let bound =
        |more: &str| memory_bound(&loaded(&format!("[limits]\nconnections = 10\n{more}")), &Roles::default());
    let tls = "[tls]\ncertificate = '/c.pem'\nkey = '/k.pem'";
    assert_eq!(bound(tls) - bound(""), 10 * 113 * 1_024);
}

#[test]
fn the_memory_bound_grows_with_the_bodies_in_flight() {
    let default = memory_bound(&loaded(""), &Roles::default());
    assert_eq!(
        memory_bound(&loaded("[limits]\ninflight_bytes = 67_108_865"), &Roles::default()),
        default + 1
    );
    assert!(default > 67_108_864);
}

#[test]
fn a_configuration_that_works_but_may_surprise_has_warnings() {
    let keys = |text: &str| -> Vec<String> {
        let lines = warnings(&loaded(text), None, &Roles::default());
        lines.iter().filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect()
    };
    let kafka = "[queue]\nbrokers = 'k:1'\n";
    assert_eq!(keys(&(SAMPLE.to_owned() + kafka)), Vec::<String>::new());
    assert_eq!(keys(SAMPLE), ["queue.journal_bytes"]);
    assert_eq!(keys(kafka), ["sources"]);
    assert_eq!(keys("[queue.kafka]\n'linger.ms' = 1"), ["sources", "queue.journal_bytes", "queue.kafka"]);
    let idle = sample("publishers = [\"tickets\"]", "publishers = []") + kafka;
    assert_eq!(keys(&idle), ["sources.web.publishers", "publishers.tickets"]);
    let secret = "[publishers.tickets]\nsecrets = [{ env = 'SECRET' }]\n";
    let by_secret = idle.replace("[publishers.tickets]\n", secret);
    assert_eq!(keys(&by_secret), ["sources.web.publishers"], "reached by Gainsight's event route");
    let small = "[queue]\njournal_bytes = 40_000_000";
    assert_eq!(keys(small), ["sources", "queue.journal_bytes", "queue.journal_bytes"]);
    assert_eq!(
        keys(&format!("{small}\n[limits]\nbody_bytes = 2_000_000")),
        ["sources", "queue.journal_bytes"]
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("journal/consumers")).unwrap();
    std::fs::write(folder.path().join("journal/consumers/crm"), "").unwrap();
    assert_eq!(keys(&format!("data = {:?}", folder.path().to_str().unwrap())), ["sources"]);
    let dropping = warnings(&loaded("[queue]\nwhen_full = 'drop_oldest'"), None, &Roles::default());
    assert!(dropping.iter().any(|line| line.ends_with("the oldest are dropped")), "{dropping:#?}");
}
