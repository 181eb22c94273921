//! What an export from RudderStack says about its Gainsight destinations. Keys and meaning of the settings: the
//! destination's `schema.json` in rudder-integrations-config, and how its transformer reads them (2026-08).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One Gainsight destination. No `Debug`: it holds secrets.
#[derive(Clone, Default)]
pub(super) struct Destination {
    /// Its id in RudderStack, by which one that hangs on several sources is known again.
    pub id: Option<String>,
    /// Its name, as its owner wrote it; empty where the export has only its settings.
    pub name: String,
    /// Whether RudderStack sends to it.
    pub enabled: bool,
    /// Whether a transformation of its owner's stands before it.
    pub transformed: bool,
    /// The sources that it hangs on: their names and write keys.
    pub write_keys: BTreeMap<String, String>,
    /// Its settings.
    pub settings: Settings,
}

/// A text among the settings, or in half a sentence why there is none.
pub(super) type Setting = Result<String, &'static str>;

/// What a map of the settings says: trait or event → what it becomes, nothing where that is no text.
pub(super) type Rows = BTreeMap<String, Option<String>>;

/// The settings of a destination, as its page in RudderStack asks for them.
#[derive(Clone)]
pub(super) struct Settings {
    /// Gainsight's host.
    pub domain: Setting,
    /// The key that it sends with people and companies.
    pub access_key: Setting,
    /// The secret that it sends with events.
    pub shared_secret: Setting,
    /// The tenant that it names with events.
    pub tenant_id: Setting,
    /// The topic of its events.
    pub topic: Setting,
    /// The contract of an event that names none.
    pub contract: Setting,
    /// Custom traits of people.
    pub person_map: Rows,
    /// Custom traits of companies.
    pub company_map: Rows,
    /// Names of events.
    pub event_names: Rows,
    /// Versions of events, by the same names.
    pub event_versions: Rows,
    /// Names of the settings that say something and that Weir knows nothing of.
    pub others: Vec<String>,
}

/// Why there is no text where its owner wrote none.
pub(super) const NOT_SET: &str = "is not set";

impl Default for Settings {
    fn default() -> Self {
        Settings::read(&Map::new())
    }
}

/// Settings that no other destination has: by them settings without a destination around them are known.
const OWN: [&str; 6] =
    ["personMap", "companyMap", "eventNameMap", "eventVersionMap", "topicName", "sharedSecret"];
/// The settings that are read beside those.
const SHARED: [&str; 4] = ["domain", "accessKey", "tenantId", "contractId"];
/// Settings about how RudderStack gets its events, and what it shows of them: nothing is lost without them.
const IRRELEVANT: [&str; 4] = ["connectionMode", "eventDelivery", "eventDeliveryTS", "useNativeSDK"];

/// The Gainsight destinations in `export`, wherever they stand in it: a whole workspace's configuration, some
/// of it, one destination, or the settings of one and nothing else.
pub(super) fn destinations(export: &Value) -> Vec<Destination> {
    let mut found = Vec::new();
    collect(export, None, &mut found);
    if found.is_empty() {
        found.extend(unnamed(export));
    }
    found
}

/// Adds the destinations in `value`, which belongs to `source`.
fn collect(value: &Value, source: Option<&Map<String, Value>>, found: &mut Vec<Destination>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, source, found)),
        Value::Object(object) => match object.get("config").and_then(Value::as_object) {
            Some(config) if kind(object).is_some_and(is_gainsight) => {
                add(Destination::read(object, config), source, found);
            }
            _ => {
                let source = if object.contains_key("writeKey") { Some(object) } else { source };
                object.values().for_each(|value| collect(value, source, found));
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds `destination`, which may be there already: one destination stands below each source that it hangs on.
fn add(destination: Destination, source: Option<&Map<String, Value>>, found: &mut Vec<Destination>) {
    let known = destination.id.is_some().then(|| found.iter().position(|one| one.id == destination.id));
    let index = known.flatten().unwrap_or_else(|| {
        found.push(destination);
        found.len() - 1
    });
    if let (Some(destination), Some(source)) = (found.get_mut(index), source)
        && let Ok(key) = secret(source, "writeKey")
    {
        destination.write_keys.insert(key, name(source));
    }
}

/// The destination that `export` is without saying so: with the settings of one, or being just these.
fn unnamed(export: &Value) -> Option<Destination> {
    let root = export.as_object().filter(|root| kind(root).is_none())?;
    let config = root.get("config").and_then(Value::as_object);
    let shaped = |settings: &Map<String, Value>| {
        let has = |key: &&str| settings.contains_key(*key);
        OWN.iter().any(has) || ["domain", "accessKey"].iter().all(has)
    };
    match config {
        Some(config) if shaped(config) => Some(Destination::read(root, config)),
        None if shaped(root) => Some(Destination::read(&Map::new(), root)),
        _ => None,
    }
}

/// What kind of destination this is, where it says so.
fn kind(destination: &Map<String, Value>) -> Option<&str> {
    let definition = destination.get("destinationDefinition").and_then(|definition| definition.get("name"));
    definition.or_else(|| destination.get("type")).and_then(Value::as_str)
}

fn is_gainsight(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("gainsight")
}

impl Destination {
    fn read(object: &Map<String, Value>, config: &Map<String, Value>) -> Self {
        let transformations = object.get("transformations").and_then(Value::as_array);
        Destination {
            id: object.get("id").and_then(plain),
            name: name(object),
            enabled: object.get("enabled").and_then(Value::as_bool).unwrap_or(true),
            transformed: transformations.is_some_and(|all| !all.is_empty()),
            write_keys: BTreeMap::new(),
            settings: Settings::read(config),
        }
    }
}

impl Settings {
    fn read(config: &Map<String, Value>) -> Self {
        let known = |key: &str| OWN.iter().chain(&SHARED).chain(&IRRELEVANT).any(|known| *known == key);
        let others = config.iter().filter(|(key, value)| !known(key) && says_something(value));
        Settings {
            domain: text(config, "domain"),
            access_key: secret(config, "accessKey"),
            shared_secret: secret(config, "sharedSecret"),
            tenant_id: token(config, "tenantId"),
            topic: text(config, "topicName"),
            contract: text(config, "contractId"),
            person_map: rows(config, "personMap"),
            company_map: rows(config, "companyMap"),
            event_names: rows(config, "eventNameMap"),
            event_versions: rows(config, "eventVersionMap"),
            others: others.map(|(key, _)| key.clone()).collect(),
        }
    }
}

/// What a person would call it.
fn name(object: &Map<String, Value>) -> String {
    object.get("name").and_then(plain).unwrap_or_default().trim().to_owned()
}

/// The text of `key` as it would travel in a header, without blanks at its ends.
fn text(object: &Map<String, Value>, key: &str) -> Setting {
    let text = object.get(key).and_then(plain).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        Err(NOT_SET)
    } else if text.starts_with("env.") {
        Err("is in an environment variable of rudder-server, not in the export")
    } else if text.starts_with("{{") && text.ends_with("}}") {
        Err("is taken from each event, which Weir can't do")
    } else if text.contains(char::is_control) {
        Err("contains a control character, so no header can hold it")
    } else {
        Ok(text.to_owned())
    }
}

/// The same, for what is compared byte for byte.
fn token(object: &Map<String, Value>, key: &str) -> Setting {
    let token = text(object, key)?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("contains blanks, or characters that are not visible ASCII")
    } else if token.len() > MOST {
        Err("is longer than a header may be")
    } else {
        Ok(token)
    }
}

/// The most bytes of a secret in Weir's configuration.
const MOST: usize = 4_096;

/// The same, for what an export may show as asterisks.
fn secret(object: &Map<String, Value>, key: &str) -> Setting {
    match text(object, key)? {
        masked if masked.contains("***") || masked.contains('•') => Err("is masked in the export"),
        _ => token(object, key),
    }
}

/// A text, or a number as one.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The rows `{"from","to"}` of a map. As RudderStack reads them: a blank `from` is no row, of several rows
/// for one `from` the last counts, and what is no list has no rows.
fn rows(config: &Map<String, Value>, key: &str) -> Rows {
    let rows = config.get(key).and_then(Value::as_array).into_iter().flatten();
    let row = |row: &Value| {
        let from = row.get("from").and_then(plain).filter(|from| !from.trim().is_empty())?;
        Some((from, row.get("to").and_then(plain)))
    };
    rows.filter_map(row).collect()
}

/// Whether anything in `value` was filled in.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(object) => object.values().any(says_something),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(export: &Value) -> Vec<String> {
        destinations(export).into_iter().map(|one| one.name).collect()
    }

    fn one(export: &Value) -> Destination {
        let mut found = destinations(export);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn destination(id: &str, kind: &str) -> Value {
        json!({"id": id, "name": format!("to {id}"), "enabled": true, "config": {"domain": "d"},
               "destinationDefinition": {"name": kind}})
    }

    #[test]
    fn destinations_are_found_wherever_an_export_has_them() {
        let gainsight = destination("a", "GAINSIGHT");
        for export in [
            json!({"sources": [{"id": "s", "name": "Web", "writeKey": "k", "destinations": [gainsight]}]}),
            json!({"workspace-1": {"sources": [{"writeKey": "k", "destinations": [gainsight]}]}}),
            json!({"destinations": [gainsight]}),
            json!({"destination": gainsight}),
            json!([gainsight]),
            gainsight.clone(),
        ] {
            assert_eq!(names(&export), ["to a"], "{export}");
        }
        let typed = json!({"name": "typed", "type": "gainsight", "config": {}});
        assert_eq!(names(&typed), ["typed"]);
    }

    #[test]
    fn settings_alone_are_known_by_the_keys_that_only_gainsight_has() {
        assert_eq!(one(&json!({"name": "n", "config": {"personMap": []}})).name, "n");
        assert_eq!(one(&json!({"topicName": "T"})).settings.topic.as_deref(), Ok("T"));
        assert_eq!(one(&json!({"domain": "d", "accessKey": "k"})).settings.access_key.as_deref(), Ok("k"));
        for other in [
            json!({}),
            json!([]),
            json!("GAINSIGHT"),
            json!({"accessKey": "k"}),
            json!({"config": {"accessKey": "k", "bucketName": "b"}}),
            json!({"type": "KAFKA", "config": {"topicName": "t"}}),
            destination("px", "GAINSIGHT_PX"),
            json!({"destinationDefinition": {"name": "GAINSIGHT"}}),
        ] {
            assert!(destinations(&other).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_destination_below_several_sources_is_one_and_remembers_their_write_keys() {
        let source = |name: &str, key: &str| {
            json!({"name": name, "writeKey": key, "destinations": [destination("a", "GAINSIGHT"),
                   destination("k", "KAFKA")]})
        };
        let sources = [source("Web", "key-1"), source("App", "key-2"), source("Old", "******")];
        let found = one(&json!({ "sources": sources }));
        let keys: Vec<_> = found.write_keys.iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
        assert_eq!(keys, [("key-1", "Web"), ("key-2", "App")]);
        let without_ids = json!([{"type": "GAINSIGHT", "config": {}}, {"type": "GAINSIGHT", "config": {}}]);
        assert_eq!(destinations(&without_ids).len(), 2);
    }

    #[test]
    fn a_destination_is_on_and_untouched_unless_the_export_says_otherwise() {
        let found = one(&json!({"type": "GAINSIGHT", "config": {}}));
        assert!(found.enabled && !found.transformed);
        let found = one(&json!({"type": "GAINSIGHT", "config": {}, "enabled": false,
            "transformations": [{"versionId": "v"}]}));
        assert!(!found.enabled && found.transformed);
    }

    #[test]
    fn a_text_that_the_export_does_not_have_is_told_apart_from_one_that_it_has() {
        let read = |value: Value| text(json!({"key": value}).as_object().unwrap(), "key");
        assert_eq!(read(json!("  Ticket Actions ")), Ok("Ticket Actions".to_owned()));
        assert_eq!(read(json!(7)), Ok("7".to_owned()));
        for absent in [json!(null), json!(" "), json!([]), json!({}), json!(true)] {
            assert_eq!(read(absent), Err(NOT_SET));
        }
        assert!(read(json!("env.TOPIC")).unwrap_err().contains("environment"));
        assert!(read(json!("{{ event.topic || T }}")).unwrap_err().contains("each event"));
        assert!(read(json!("a\nb")).unwrap_err().contains("control character"));
    }

    #[test]
    fn asterisks_are_no_secret_but_may_stand_in_a_name() {
        let object = json!({"key": "sk-***", "dots": "••••", "topic": "*** Tickets ***"});
        let object = object.as_object().unwrap();
        assert_eq!(secret(object, "key"), Err("is masked in the export"));
        assert_eq!(secret(object, "dots"), Err("is masked in the export"));
        assert!(text(object, "topic").is_ok());
    }

    #[test]
    fn a_secret_that_no_header_could_carry_is_none() {
        let object = json!({"blank": "a b", "umlaut": "ä", "long": "x".repeat(4_097), "plain": " x+/= "});
        let object = object.as_object().unwrap();
        for key in ["blank", "umlaut", "long"] {
            assert!(secret(object, key).is_err(), "{key}");
        }
        assert_eq!(secret(object, "plain").as_deref(), Ok("x+/="));
    }

    #[test]
    fn maps_are_read_as_rudderstack_reads_them() {
        let config = json!({"map": [
            {"from": "plan", "to": "Old__gc"}, {"from": " ", "to": "X__gc"}, {"to": "X__gc"},
            {"from": "Plan", "to": "Other__gc"}, {"from": "plan", "to": "Plan__gc"}, {"from": "bare"},
            {"from": "empty", "to": ""}, {"from": 1, "to": 2}, "no row", null,
        ], "no_list": {"from": "a", "to": "b"}});
        let config = config.as_object().unwrap();
        let rows_read = rows(config, "map");
        let expected = [
            ("1", Some("2")),
            ("Plan", Some("Other__gc")),
            ("bare", None),
            ("empty", Some("")),
            ("plan", Some("Plan__gc")),
        ];
        let read: Vec<_> = rows_read.iter().map(|(from, to)| (from.as_str(), to.as_deref())).collect();
        assert_eq!(read, expected);
        assert!(rows(config, "no_list").is_empty() && rows(config, "none").is_empty());
    }

    #[test]
    fn settings_that_weir_has_nothing_like_are_named_once_they_say_something() {
        let config = json!({"config": {"personMap": [], "connectionMode": {"web": "cloud"}, "blank": "", "off": false,
            "oneTrustCookieCategories": [{"oneTrustCookieCategory": ""}], "rate": 5,
            "consentManagement": {"web": [{"provider": "ketch"}]}}});
        assert_eq!(one(&config).settings.others, ["consentManagement", "rate"]);
    }
}
