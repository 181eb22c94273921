//! What becomes of an export: the text of the configuration, what it leaves out, and that Weir takes it.

mod properties;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::config::{Config, Overrides};
use crate::setup::load;

/// The configuration that `export` becomes, with its secrets in `/etc/weir`, and what was left out.
fn imported(export: &Value) -> (String, Vec<String>) {
    let plan = plan::plan(export::destinations(export));
    let left_out = plan.left_out.iter().map(|one| format!("{}: {}", one.place, one.what)).collect();
    (render::render(&plan, Path::new("/etc/weir")), left_out)
}

#[track_caller]
fn loaded(text: &str) -> Config {
    let loaded = load(Some((Path::new("weir.toml"), text)), &Overrides::default());
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// One destination with everything in its settings but what `changed` says.
fn destination(name: &str, changed: Value) -> Value {
    let mut config = json!({
        "domain": "acme.gainsightcloud.com", "accessKey": "key-1", "sharedSecret": "secret-1", "tenantId": "tenant-1",
        "topicName": "Ticket Actions", "contractId": "",
        "personMap": [{"from": "plan", "to": "Plan__gc"}], "companyMap": [{"from": "tier", "to": "Tier__gc"}],
        "eventNameMap": [{"from": "Ticket Closure", "to": "Ticket Closed"}],
        "eventVersionMap": [{"from": "Ticket Closure", "to": "1.0.0"}],
    });
    let (config_object, changed) = (config.as_object_mut().unwrap(), changed.as_object().unwrap().clone());
    config_object.extend(changed);
    json!({"id": name, "name": name, "enabled": true, "config": config,
           "destinationDefinition": {"name": "GAINSIGHT", "displayName": "Gainsight"}})
}

#[track_caller]
fn assert_left_out(left_out: &[String], parts: &[&str]) {
    let found = left_out.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "{parts:?} is not in {left_out:#?}");
}

#[test]
fn a_workspace_becomes_a_configuration_that_reads_as_if_written_by_hand() {
    let changed = json!({
        "contractId": "standard",
        "personMap": [{"from": "plan", "to": "Plan__gc"}, {"from": "rating", "to": "Rating"}],
        "eventNameMap": [{"from": "Ticket Closure", "to": "Ticket Closed"}, {"from": "Opened", "to": "Opened"}],
    });
    let export = json!({"workspaceId": "w", "sources": [{"id": "s", "name": "Web app", "writeKey": "key-of-web",
        "destinations": [destination("Gainsight CS", changed)]}]});
    let (text, left_out) = imported(&export);
    let expected = r##"# Made by `weir import-destination`. Ids become part of records, so rename them now or never.

[tenants.acme]
gainsight_tenant_id = "tenant-1"

[tenants.acme.person_fields]
# Left out: "rating" = "Rating": WHY-RATING
plan = "Plan__gc"

[tenants.acme.company_fields]
tier = "Tier__gc"

# In RudderStack: "Gainsight CS".
[sources.gainsight-cs]
tenant = "acme"
keys = [
  "HASH-1", # the setting "Gainsight Accesskey"
  # "HASH-2", # the write key of RudderStack's source "Web app", for SDKs that send to Weir directly
]
publishers = ["ticket-actions"]

[publishers.ticket-actions]
secrets = [{ file = "/etc/weir/ticket-actions.secret" }]
tenant = "acme"
topic = "Ticket Actions"
contract = "standard"
# Others that events name themselves (externalId of type gainsightEventContractId) go here.
contracts = ["standard"]

[publishers.ticket-actions.events]
# Left out: "Opened" lacks a version, and RudderStack sends only events that have both
"Ticket Closure" = { name = "Ticket Closed", version = "1.0.0" }
"##;
    let why_rating = "the field must end in __gc or be a standard field of Person; RudderStack goes on sending it as \
                      \"Rating\", which Weir drops unless a row here maps that name to such a field";
    let hash = |key: &str| crate::admission::keys::AccessKey::from(key.to_owned()).hash();
    let (first, second) = (hash("key-1"), hash("key-of-web"));
    let expected = expected.replace("HASH-1", &first).replace("HASH-2", &second);
    assert_eq!(text, expected.replace("WHY-RATING", why_rating));
    assert_eq!(left_out.len(), 2, "{left_out:#?}");
    loaded(&text);
}

#[test]
fn one_destination_a_topic_becomes_one_source_with_a_publisher_a_topic() {
    let export = json!([
        destination("Tickets", json!({})),
        destination("Orders", json!({"topicName": "Orders", "tenantId": "", "sharedSecret": "secret-2"})),
        destination("Visits", json!({"topicName": "Visits", "accessKey": ""})),
    ]);
    let (text, left_out) = imported(&export);
    assert_eq!(left_out, Vec::<String>::new());
    let config = loaded(&text);
    assert_eq!(config.tenants.keys().collect::<Vec<_>>(), ["acme"]);
    assert_eq!(config.tenants["acme"].topic_prefix, "weir.");
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["tickets"]);
    assert_eq!(config.sources["tickets"].keys, [crate::admission::keys::digest(b"key-1")]);
    assert_eq!(config.sources["tickets"].publishers, ["ticket-actions", "visits", "orders"]);
    assert_eq!(config.publishers["orders"].topic, "Orders");
    assert!(text.contains(r#"secrets = [{ file = "/etc/weir/orders.secret" }]"#), "{text}");
}

#[test]
fn destinations_of_two_gainsight_tenants_share_nothing() {
    let other = json!({"tenantId": "tenant-2", "domain": "globex.gainsightcloud.com",
        "personMap": [{"from": "plan", "to": "Level__gc"}]});
    let (text, left_out) = imported(&json!([destination("Acme", json!({})), destination("Globex", other)]));
    let config = loaded(&text);
    assert_eq!(config.tenants["acme"].topic_prefix, "weir.acme.");
    assert_eq!(config.tenants["globex"].topic_prefix, "weir.globex.");
    assert_eq!(config.tenants["globex"].person_fields["plan"], "Level__gc");
    assert_eq!(config.sources["globex"].publishers, ["ticket-actions-2"]);
    assert!(config.sources["globex"].keys.is_empty());
    assert!(!text.contains("\nsecrets = [{ file = \"/etc/weir/ticket-actions-2.secret\" }]"), "{text}");
    assert_left_out(
        &left_out,
        &["sources.globex: keys: accessKey of \"Globex\"", "another tenant", "weir key"],
    );
    assert_left_out(&left_out, &["publishers.ticket-actions-2: secrets: ", "another tenant", "weir secret"]);
    assert_eq!(left_out.len(), 2, "{left_out:#?}");
}

#[test]
fn a_destination_that_names_no_tenant_belongs_to_that_of_its_key_or_else_of_its_host() {
    let people = |name: &str, key: &str, host: &str| {
        destination(
            name,
            json!({"tenantId": "", "topicName": "", "sharedSecret": "", "accessKey": key, "domain": host,
            "eventNameMap": [], "eventVersionMap": []}),
        )
    };
    let (text, _) = imported(&json!([
        people("by host", "****", "acme.gainsightcloud.com"),
        people("by key", "key-1", "success.example.com"),
        people("by nothing", "key-3", "other.example.com"),
        destination("Acme", json!({})),
    ]));
    let config = loaded(&text);
    let tenants: Vec<_> = config.sources.values().map(|one| one.tenant.as_str()).collect();
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["acme", "by-nothing"]);
    assert_eq!(tenants, ["acme", "by-nothing"]);
    assert!(text.contains("# In RudderStack: \"Acme\", \"by key\", \"by host\"."), "{text}");
}

#[test]
fn a_tenant_without_an_id_of_gainsights_is_not_called_as_another_is_known_there() {
    let nobody =
        json!({"tenantId": "", "accessKey": "key-2", "sharedSecret": "secret-2", "domain": "x.example.com"});
    let known = destination("Known", json!({"tenantId": "acme", "domain": "y.example.com"}));
    let (text, _) = imported(&json!([known, destination("Acme", nobody)]));
    let config = loaded(&text);
    assert_eq!(config.tenants.keys().collect::<Vec<_>>(), ["acme-2", "known"]);
}

#[test]
fn what_an_export_masks_is_asked_for() {
    let masked = json!({"accessKey": "****************", "sharedSecret": "***"});
    let (text, left_out) = imported(&destination("Masked", masked));
    let config = loaded(&text);
    assert!(config.sources["masked"].keys.is_empty());
    assert!(text.contains("\n# secrets = [{ file = \"/etc/weir/ticket-actions.secret\" }]\n"), "{text}");
    assert_left_out(&left_out, &["sources.masked: keys: ", "is masked in the export", "weir key"]);
    assert_left_out(&left_out, &["publishers.ticket-actions: secrets: ", "is masked", "weir secret"]);
}

#[test]
fn rows_that_weir_does_not_take_are_left_out_with_their_reason() {
    let rows = |rows: &[(&str, &str)]| -> Vec<Value> {
        rows.iter().map(|(from, to)| json!({"from": from, "to": to})).collect()
    };
    let person =
        [("email", "Mail__gc"), ("companies", "C__gc"), ("x", ""), ("y", "Locaton"), ("ok", "Email")];
    let changed = json!({
        "personMap": rows(&person),
        "companyMap": rows(&[("summary", "Summary2__gc"), ("z", "__gc"), ("Gsid", "Id__gc")]),
    });
    let (text, left_out) = imported(&destination("Maps", changed));
    let tenant = &loaded(&text).tenants["acme"];
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, field)| format!("{name}={field}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&tenant.person_fields), ["ok=Email"]);
    assert_eq!(pairs(&tenant.company_fields), ["summary=Summary2__gc"]);
    let person = "tenants.acme.person_fields: ";
    assert_left_out(&left_out, &[person, "\"email\" = \"Mail__gc\": has a field of its own"]);
    assert_left_out(&left_out, &[person, "\"companies\" = ", "has a field of its own"]);
    assert_left_out(&left_out, &[person, "\"x\" names no field"]);
    assert_left_out(
        &left_out,
        &[person, "\"y\" = \"Locaton\"", "did you mean Location?", "which Weir drops"],
    );
    assert_left_out(&left_out, &["tenants.acme.company_fields: ", "\"z\" = \"__gc\"", "of Company"]);
    assert_left_out(&left_out, &["tenants.acme.company_fields: ", "\"Gsid\""]);
    assert_eq!(left_out.len(), 6, "{left_out:#?}");
}

#[test]
fn of_two_destinations_that_map_a_trait_differently_the_first_counts() {
    let other =
        json!({"personMap": [{"from": "plan", "to": "Level__gc"}, {"from": "seats", "to": "Seats__gc"}]});
    let (text, left_out) = imported(&json!([destination("One", json!({})), destination("Two", other)]));
    let config = loaded(&text);
    assert_eq!(config.tenants["acme"].person_fields["plan"], "Plan__gc");
    assert_eq!(config.tenants["acme"].person_fields["seats"], "Seats__gc");
    assert_left_out(
        &left_out,
        &["\"plan\" = \"Level__gc\": another destination", "sends it as \"Plan__gc\""],
    );
    assert_eq!(left_out.len(), 1, "{left_out:#?}");
}

#[test]
fn an_event_needs_a_name_and_a_version() {
    let changed = json!({
        "eventNameMap": [{"from": "A", "to": " Name of A "}, {"from": "B", "to": "b"}, {"from": "C", "to": ""}],
        "eventVersionMap": [{"from": "A", "to": "1"}, {"from": "c", "to": "1"}, {"from": "C", "to": " "}],
    });
    let (text, left_out) = imported(&destination("Events", changed));
    let events = &loaded(&text).publishers["ticket-actions"].events;
    assert_eq!(events.len(), 1);
    assert_eq!((events["A"].name.as_str(), events["A"].version.as_str()), ("Name of A", "1"));
    let place = "publishers.ticket-actions.events: ";
    assert_left_out(&left_out, &[place, "\"B\" lacks a version"]);
    assert_left_out(&left_out, &[place, "\"c\" lacks a name"]);
    assert_left_out(&left_out, &[place, "\"C\" lacks a name and a version"]);
}

#[test]
fn a_destination_for_people_and_companies_alone_has_no_publisher() {
    let people = json!({
        "topicName": "", "sharedSecret": "", "tenantId": "", "eventNameMap": [], "eventVersionMap": [],
    });
    let (text, left_out) = imported(&destination("People", people));
    let config = loaded(&text);
    assert!(config.publishers.is_empty() && config.sources["people"].publishers.is_empty());
    assert_eq!(left_out, Vec::<String>::new());

    let half = json!({"topicName": "env.TOPIC"});
    let (text, left_out) = imported(&destination("Half", half));
    assert!(loaded(&text).publishers.is_empty());
    assert_left_out(&left_out, &["sources.half: a publisher: topicName of \"Half\"", "environment"]);

    let nobody = json!({"tenantId": ""});
    let (text, left_out) = imported(&destination("Nobody's", nobody));
    loaded(&text);
    assert_left_out(&left_out, &["tenants.acme: gainsight_tenant_id: tenantId of \"Nobody's\" is not set"]);
}

#[test]
fn topics_that_make_no_name_of_their_own_on_the_queue_get_one() {
    let topic = |name: &str, topic: &str, contract: &str| {
        destination(name, json!({"topicName": topic, "contractId": contract, "eventNameMap": []}))
    };
    let long = "long ".repeat(30);
    let (text, _) = imported(&json!([
        topic("a", "チケット", ""),
        topic("b", "イベント", "gold"),
        topic("c", "Ticket Actions", "gold"),
        topic("d", "ticket-actions!", ""),
        topic("e", "Ticket Actions", "Gold"),
        topic("f", "Ticket Actions", "silver"),
        topic("g", &long, "gold"),
        topic("h", "A", ""),
        topic("i", "d", ""),
    ]));
    let config = loaded(&text);
    let names: Vec<_> =
        config.publishers.iter().map(|(id, one)| (id.as_str(), one.kafka_topic.as_deref())).collect();
    let own = |id: &str| names.iter().find(|(other, _)| *other == id).unwrap().1;
    assert_eq!(own("a-2"), Some("weir.events.a-2"));
    assert_eq!(own("b"), Some("weir.events.b"));
    assert_eq!(own("ticket-actions"), None);
    assert_eq!(own("ticket-actions-2"), Some("weir.events.ticket-actions-2"));
    assert_eq!(own("ticket-actions-3"), Some("weir.events.ticket-actions-3"));
    assert_eq!(own("ticket-actions-4"), None);
    assert_eq!(own("a-3"), None);
    assert_eq!(own("d"), None);
    assert_eq!(names.len(), 9);
}

#[test]
fn a_queue_name_of_a_publisher_is_not_one_that_a_topic_makes() {
    let (text, _) = imported(&json!([
        destination("One", json!({"topicName": "b"})),
        destination("b", json!({"topicName": "日本"})),
        destination("Three", json!({"topicName": "b 2"})),
    ]));
    let config = loaded(&text);
    let names: Vec<_> = config.publishers.values().map(|one| one.kafka_topic.as_deref()).collect();
    assert_eq!(config.publishers.keys().collect::<Vec<_>>(), ["b", "b-2", "b-2-2"]);
    assert_eq!(names, [None, Some("weir.events.b-2"), Some("weir.events.b-2-2")]);
}

#[test]
fn no_more_publishers_of_a_source_get_one_event_than_a_request_has_room_for() {
    let topic = |topic: &str| destination(topic, json!({ "topicName": topic }));
    let (text, left_out) = imported(&json!([topic("A"), topic("B"), topic("C"), topic("D")]));
    let config = loaded(&text);
    assert_eq!(config.publishers.len(), 4);
    assert_eq!(config.sources["a"].publishers, ["a-2", "b", "c"]);
    assert_left_out(&left_out, &["sources.a: publishers: d maps \"Ticket Closure\""]);
}

#[test]
fn a_contract_that_makes_no_name_on_the_queue_is_left_out() {
    for contract in ["日本".to_owned(), "c".repeat(65)] {
        let (text, left_out) = imported(&destination("C", json!({ "contractId": contract })));
        assert_eq!(loaded(&text).publishers["ticket-actions"].contract, None);
        assert_left_out(&left_out, &["publishers.ticket-actions: contract: "]);
    }
}

#[test]
fn what_is_switched_off_in_rudderstack_stays_off() {
    let mut off = destination("Off", json!({"topicName": "Off"}));
    off["enabled"] = json!(false);
    let (text, left_out) = imported(&off);
    let config = loaded(&text);
    assert!(!config.sources["off"].enabled);
    assert!(config.publishers.values().all(|publisher| publisher.secrets.is_empty()), "no secret opens it");
    assert_left_out(&left_out, &["sources.off: \"Off\" is switched off"]);

    let (text, _) = imported(&json!([off, destination("On", json!({}))]));
    let config = loaded(&text);
    let source = &config.sources["off"];
    assert!(source.enabled);
    assert_eq!(source.publishers, ["ticket-actions"]);
    assert!(config.publishers.contains_key("off-2"));
}

#[test]
fn what_rudderstack_does_on_the_way_is_named() {
    let mut busy = destination("Busy", json!({"consentManagement": {"web": [{"provider": "ketch"}]}}));
    busy["transformations"] = json!([{"versionId": "v"}]);
    let (text, left_out) = imported(&busy);
    loaded(&text);
    assert_left_out(&left_out, &["sources.busy: transformation, setting \"consentManagement\" of \"Busy\""]);
}

#[test]
fn names_become_ids_and_nothing_in_them_becomes_configuration() {
    let evil = "x\"\n[limits]\ndepth = 0 # \u{7f}\\";
    let changed = json!({"topicName": "T\"]", "domain": "gs.example.com",
        "personMap": [{"from": evil, "to": "X\"\n__gc"}],
        "eventNameMap": [{"from": evil, "to": "\"\\"}], "eventVersionMap": [{"from": evil, "to": "\""}]});
    let export = json!({"name": evil, "writeKey": "w", "destinations": [destination(evil, changed)]});
    let (text, _) = imported(&export);
    let config = loaded(&text);
    assert_eq!(config.limits.request.depth, 200);
    assert_eq!(config.tenants["x-limits-depth-0"].person_fields[evil], "X\"\n__gc");
    assert_eq!(config.publishers["t"].topic, "T\"]");
    assert_eq!(config.publishers["t"].events[evil].name, "\"\\");

    let nameless = json!({"domain": "", "topicName": "日本", "accessKey": "k"});
    let config = loaded(&imported(&nameless).0);
    assert!(config.tenants.contains_key("gainsight") && config.sources.contains_key("gainsight"));
    assert_eq!(config.publishers["events"].topic, "日本");

    let long = destination(&"n".repeat(300), json!({"domain": "https://ACME.gainsightcloud.com/"}));
    let config = loaded(&imported(&json!([long, long, long])).0);
    assert!(config.tenants.contains_key("acme"));
}

#[test]
fn neither_keys_nor_secrets_are_in_the_configuration_or_in_what_is_said_of_it() {
    let secrets = json!({"accessKey": "canary-access", "sharedSecret": "canary-shared"});
    let second = json!({"accessKey": "canary-access", "sharedSecret": "canary-shared", "tenantId": "other"});
    let bad = json!({"accessKey": "canary access", "sharedSecret": "canary\nshared", "tenantId": "third"});
    let export = json!({"name": "s", "writeKey": "canary-write", "destinations":
        [destination("a", secrets), destination("b", second), destination("c", bad)]});
    let imported = Imported::of(&export).unwrap();
    let text = imported.configuration(Path::new("/etc/weir"));
    loaded(&text);
    let text = text + &imported.summary();
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn secrets_are_kept_in_files_that_their_owner_alone_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticket-actions.secret");
    let with = |secret: &str| Imported::of(&destination("a", json!({ "sharedSecret": secret }))).unwrap();
    keep_secrets(&with("secret-1"), folder.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "secret-1\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    keep_secrets(&with("secret-1"), folder.path()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);

    let refused = keep_secrets(&with("secret-2"), folder.path()).unwrap_err().to_string();
    assert!(refused.starts_with(path.to_str().unwrap()) && refused.contains("--secrets"), "{refused}");
    assert!(!refused.contains("secret-1") && !refused.contains("secret-2"), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "secret-1\n");
}

#[test]
fn no_secret_is_written_where_one_of_them_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let export =
        json!([destination("a", json!({"topicName": "A"})), destination("b", json!({"topicName": "B"}))]);
    fs::write(folder.path().join("b.secret"), "another").unwrap();
    keep_secrets(&Imported::of(&export).unwrap(), folder.path()).unwrap_err();
    assert!(!folder.path().join("a.secret").exists());
}

#[test]
fn an_export_with_a_byte_order_mark_is_read_and_what_is_not_json_is_one_sentence() {
    assert_eq!(parse(b"\xef\xbb\xbf[1]").unwrap(), json!([1]));
    for bad in [&b""[..], b"{", b"\xff\xfe{\0}\0", b"sources:\n  - a", &b"[".repeat(100_000)] {
        let told = parse(bad).unwrap_err().to_string();
        assert!(told.lines().count() == 1 && !told.contains("sources"), "{told}");
    }
}
