//! Whatever an export says, what becomes of it is a configuration that Weir takes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Texts as people and programs write them, and as nobody does.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "", " ", "a", "A", "b", "tenant-1", "tenant-2", "acme", "Ticket Actions", "ticket actions!", "gold", "Gold",
            "email", "companies", "Email", "Plan__gc", "__gc", "***", "env.X", "{{ a || b }}", "GAINSIGHT", "日本", "\n",
            "acme.gainsightcloud.com", "1.0.0",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z ]{60,300}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        8 => text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let names = vec![
        "sources",
        "destinations",
        "name",
        "id",
        "writeKey",
        "enabled",
        "config",
        "destinationDefinition",
        "type",
        "transformations",
        "domain",
        "accessKey",
        "sharedSecret",
        "tenantId",
        "topicName",
        "contractId",
        "personMap",
        "companyMap",
        "eventNameMap",
        "eventVersionMap",
        "from",
        "to",
        "connectionMode",
        "other",
    ];
    scalar.prop_recursive(6, 60, 8, move |inner| {
        let name = prop_oneof![8 => prop::sample::select(names.clone()).prop_map(str::to_owned), 1 => text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A destination whose settings say anything, below a source or not.
fn any_destination() -> impl Strategy<Value = Value> {
    let row = || (text(), text()).prop_map(|(from, to)| json!({"from": from, "to": to}));
    let rows = || prop::collection::vec(row(), 0..6);
    let texts = || (text(), text(), text(), text(), text(), text(), text());
    (texts(), rows(), rows(), rows(), rows(), any::<bool>(), text()).prop_map(
        |(
            (name, key, secret, tenant, topic, contract, domain),
            person,
            company,
            names,
            versions,
            enabled,
            write_key,
        )| {
            json!({"name": name, "writeKey": write_key, "destinations": [{"name": name, "enabled": enabled,
                "type": "Gainsight", "config": {"domain": domain, "accessKey": key, "sharedSecret": secret,
                    "tenantId": tenant, "topicName": topic, "contractId": contract, "personMap": person,
                    "companyMap": company, "eventNameMap": names, "eventVersionMap": versions}}]})
        },
    )
}

proptest! {
    #[test]
    fn whatever_comes_of_any_destinations_weir_takes(export in prop::collection::vec(any_destination(), 1..5)) {
        let (text, _) = imported(&Value::from(export));
        let config = loaded(&text);
        prop_assert!(!config.tenants.is_empty() && !config.sources.is_empty());
    }

    #[test]
    fn whatever_comes_of_any_json_weir_takes(export in value()) {
        loaded(&imported(&export).0);
        loaded(&imported(&json!({"type": "GAINSIGHT", "name": export, "config": export})).0);
        loaded(&imported(&json!([export, {"config": {"topicName": export, "personMap": export}}])).0);
    }
}
