//! Single keys: their types, their bounds, and their names.

use super::*;

#[test]
fn an_unknown_key_is_refused_at_every_level_with_the_nearest_known_one() {
    for (text, key, meant) in [
        ("listn = '127.0.0.1:1'", "listn", "did you mean listen?"),
        ("[tenant.acme]", "tenant", "did you mean tenants?"),
        ("[tenants.acme]\ntopicprefix = 'a.'", "tenants.acme.topicprefix", "did you mean topic_prefix?"),
        ("[limits]\nbody_byte = 1", "limits.body_byte", "did you mean body_bytes?"),
        ("[queue]\nbroker = 'k:1'", "queue.broker", "did you mean brokers?"),
        (
            "[tls]\ncertificate = 'c'\nkey = 'k'\ncert = 'c'",
            "tls.cert",
            "the keys here are certificate, key, listen, proxy_protocol",
        ),
        ("[queue]\nLinger = 1", "queue.Linger", "the keys here are brokers, create_topics"),
    ] {
        assert_problem(text, key, meant);
    }
    let contracts = sample("contracts = ", "contractss = ");
    assert_problem(&contracts, "publishers.tickets.contractss", "did you mean contracts?");
    let event = sample("version = \"1.0.0\"", "version = \"1.0.0\", verison = \"2\"");
    assert_problem(&event, "publishers.tickets.events.\"Ticket Closure\".verison", "did you mean version?");
}

#[test]
fn a_listener_that_asks_for_the_proxy_protocol_must_know_its_proxies() {
    let needs = "needs trusted_proxies";
    assert_problem("proxy_protocol = true", "proxy_protocol", needs);
    let tls = "[tls]\ncertificate = 'c'\nkey = 'k'\nproxy_protocol = true\n";
    assert_problem(&format!("{tls}listen = '127.0.0.1:8443'"), "tls.proxy_protocol", needs);
    let trusting = "trusted_proxies = ['10.0.0.0/8']\n";
    assert_problem(&format!("{trusting}{tls}"), "tls.proxy_protocol", "which is not set");
    let config = loaded(&format!("proxy_protocol = true\n{trusting}{tls}listen = '127.0.0.1:8443'"));
    assert!(config.proxy_protocol && config.tls.unwrap().proxy_protocol);
    assert!(!loaded(SAMPLE).proxy_protocol);
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_bounds_is_one_problem() {
    for (text, key, advice) in [
        ("data = ''", "data", "must be a text that is not blank"),
        ("data = 1", "data", "must be a text that is not blank"),
        ("listen = 'weir.example:80'", "listen", "must be an IP address of this machine and a port"),
        ("admin = '0.0.0.0'", "admin", "names no port; write 0.0.0.0:8080"),
        ("listen = 8080", "listen", "names no address; write 127.0.0.1:8080 for this machine only"),
        ("listen = true", "listen", "must be an IP address and port"),
        ("tls = true", "tls", "must be a table"),
        (
            "[tls]\ncertificate = 'c'\nkey = 'k'\nlisten = 8443",
            "tls.listen",
            "names no address; write 127.0.0.1:8443",
        ),
        ("tenants = 1", "tenants", "must be a table"),
        ("[[limits]]", "limits", "must be a table"),
        ("[tenants]\nacme = 1", "tenants.acme", "must be a table"),
        ("[tenants.a]\nunmapped_traits = 'Drop'", "tenants.a.unmapped_traits", "\"drop\" or \"suffix\""),
        ("[tenants.a]\nunmapped_events = true", "tenants.a.unmapped_events", "\"ignore\" or \"quarantine\""),
        ("[tenants.a]\ncontract_routing = 'key'", "tenants.a.contract_routing", "\"topic\" or \"header\""),
        ("[tenants.a]\ngroup_email = ''", "tenants.a.group_email", "\"required\" or \"optional\""),
        ("[tenants.a]\nperson_fields = 'x'", "tenants.a.person_fields", "must be a table"),
        ("[tenants.a.person_fields]\nplan = ''", "tenants.a.person_fields.plan", "the name of a field"),
        ("[queue]\nwhen_full = 'drop'", "queue.when_full", "\"refuse\" or \"drop_oldest\""),
        ("[queue]\nack = 'both'", "queue.ack", "\"kafka\" or \"journal\""),
        ("[queue]\ncreate_topics = 1", "queue.create_topics", "must be true or false"),
        ("[queue]\njournal_bytes = 131_071", "queue.journal_bytes", "a whole number from 131072"),
        ("[quarantine]\ndays = 0", "quarantine.days", "a whole number from 1 to 36500"),
        ("[quarantine]\nbytes = 1_000", "quarantine.bytes", "a whole number from 1048576"),
        ("[queue]\nfree_bytes = -1", "queue.free_bytes", "a whole number from 0"),
        ("[queue.kafka]\nacks = 1.5", "queue.kafka.acks", "must be a text, a whole number"),
        (
            "[sources.a]\ntenant = 'a'\nrate = 1_000_001\n[tenants.a]",
            "sources.a.rate",
            "a whole number from 0 to 1000000",
        ),
        ("[tenants.a.suppress]\nuser_ids = [' ']", "tenants.a.suppress.user_ids[0]", "not blank"),
        ("[tenants.a.suppress]\nuser_ids = ['\u{200b}']", "tenants.a.suppress.user_ids[0]", "shows nothing"),
        ("[tenants.a.suppress]\nemails = ['a@x', 'x.y']", "tenants.a.suppress.emails[1]", "must be an email"),
        (
            "[tenants.a.suppress]\nemail_domains = ['a@x.y']",
            "tenants.a.suppress.email_domains[0]",
            "what stands behind the @",
        ),
        ("unknown_key = 'wait'", "unknown_key", "\"refuse\" or \"retry\""),
        ("trusted_proxies = '10.0.0.0/8'", "trusted_proxies", "must be a list"),
        (
            "trusted_proxies = ['10.0.0.1/8']",
            "trusted_proxies[0]",
            "must be a network such as \"10.0.0.0/8\"",
        ),
        ("[limits]\nfailed_keys = -1", "limits.failed_keys", "a whole number from 0"),
        ("[limits]\ndepth = 0", "limits.depth", "a whole number from 1 to 1000"),
        ("[limits]\ndepth = 1001", "limits.depth", "a whole number from 1 to 1000"),
        ("[limits]\nevents = 1.0", "limits.events", "a whole number from 1"),
        ("[limits]\nconnections = 0", "limits.connections", "a whole number from 1"),
        ("[limits]\nheader_ms = 0", "limits.header_ms", "a whole number from 1"),
        ("[limits]\nchunk_ms = 0", "limits.chunk_ms", "a whole number from 1"),
        ("[limits]\nidle_ms = 0", "limits.idle_ms", "a whole number from 1"),
        ("[limits]\nbody_ms = 0", "limits.body_ms", "a whole number from 1"),
        ("[limits]\nshutdown_ms = 0", "limits.shutdown_ms", "a whole number from 1"),
        ("[limits]\nbody_bytes = 0", "limits.body_bytes", "a whole number from 1"),
        ("[limits]\nevent_bytes = 0", "limits.event_bytes", "a whole number from 1"),
        ("[limits]\ninflight_bytes = 0", "limits.inflight_bytes", "a whole number from 1"),
    ] {
        assert_problem(text, key, advice);
    }
}

#[test]
fn limits_that_contain_each_other_are_compared() {
    assert_problem("[limits]\nevent_bytes = 4_096_001", "limits.event_bytes", "limits.body_bytes");
    let inflight = "[limits]\nbody_bytes = 4_096_000\ninflight_bytes = 4_095_999";
    assert_problem(inflight, "limits.body_bytes", "limits.inflight_bytes");
    loaded("[limits]\nbody_bytes = 524_288\ninflight_bytes = 524_288");
}

#[test]
fn the_largest_request_must_find_room_in_the_queue() {
    let kafka = |more: &str| format!("[queue]\nbrokers = 'k:1'\n{more}");
    loaded(&kafka(""));
    assert_problem(
        &kafka("kafka = { 'queue.buffering.max.messages' = 11_000 }"),
        "limits.events",
        "10000 records, of which the queue holds 9900",
    );
    assert_problem("[limits]\nbody_bytes = 30_000_000", "limits.body_bytes", "280240000 bytes in the queue");
    let publisher = |i| {
        format!(
            "[publishers.p{i}]\ntenant = 'a'\ntopic = 't{i}'\n\
             events.E = {{ name = 'E', version = '1' }}\n"
        )
    };
    let publishers: String = (0..15).map(publisher).collect();
    let ids: Vec<String> = (0..15).map(|i| format!("'p{i}'")).collect();
    let source = format!("[tenants.a]\n[sources.s]\ntenant = 'a'\npublishers = [{}]\n", ids.join(","));
    assert_problem(&(source + &publishers), "limits.body_bytes", "fewer publishers of a source");
}

#[test]
fn the_addresses_differ_unless_a_port_is_picked() {
    assert_problem("listen = '127.0.0.1:9464'", "admin", "same address as listen");
    assert_problem("listen = '0.0.0.0:9464'", "admin", "same address as listen");
    let tls = |more: &str| format!("{more}\n[tls]\ncertificate = 'c'\nkey = 'k'\n");
    assert_problem(&(tls("") + "listen = '0.0.0.0:8080'"), "tls.listen", "same address as listen");
    assert_problem(&(tls("") + "listen = '127.0.0.1:9464'"), "admin", "same address as tls.listen");
    loaded(&(tls("listen = '127.0.0.1:0'") + "listen = '127.0.0.1:0'"));
    loaded(&(tls("") + "listen = '127.0.0.1:8443'"));
    loaded("listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'");
    loaded("listen = '127.0.0.2:9464'");
}

#[test]
fn brokers_are_a_list_of_hosts_with_ports() {
    for good in ["k:9092", "k-1.x:9092, k-2.x:9093", "[::1]:9092", "k:1,", "k:1, ,l:1"] {
        loaded(&format!("[queue]\nbrokers = '{good}'"));
    }
    for (wrong, told) in [
        ("k:1,l", "\"l\" has no port; write l:9092"),
        ("k:0", "a port from 1 to 65535"),
        ("SSL://k:1,SSL://l:1", "without SSL://"),
        ("k:1 l:1", "commas between"),
        (",", "has no port"),
    ] {
        assert_problem(&format!("[queue]\nbrokers = '{wrong}'"), "queue.brokers", told);
    }
}

#[test]
fn kafka_settings_become_text_but_may_not_name_the_servers() {
    let kafka = loaded("[queue.kafka]\n'linger.ms' = 5\n'socket.keepalive.enable' = true\n'client.id' = 'x'")
        .queue
        .kafka;
    let pairs: Vec<_> = kafka.texts().collect();
    assert_eq!(pairs, [("client.id", "x"), ("linger.ms", "5"), ("socket.keepalive.enable", "true")]);
    assert_problem(
        "[queue.kafka]\n'bootstrap.servers' = 'k:1'",
        "queue.kafka.bootstrap.servers",
        "queue.brokers instead",
    );
}
