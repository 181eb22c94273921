//! The names of topics: those that are made, and those that are refused.

use super::*;
use crate::tenants::Tenants;

/// A publisher of acme to add to the sample.
fn another(id: &str, lines: &str) -> String {
    format!("{SAMPLE}[publishers.{id}]\ntenant = \"acme\"\n{lines}\n")
}

#[test]
fn topics_are_made_of_prefix_topic_and_contract() {
    let tenants = Tenants::from_config(&loaded(SAMPLE));
    assert_eq!(
        tenants.topics.names(),
        [
            "weir.people",
            "weir.companies",
            "weir.rejected",
            "weir.events.ticket-actions",
            "weir.events.ticket-actions.gold",
            "weir.events.ticket-actions.standard",
        ]
    );
    let source = &tenants.sources[0];
    assert_eq!(source.tenant.people.name(), "weir.people");
    assert_eq!(source.tenant.companies.name(), "weir.companies");
    assert_eq!(source.tenant.rejected.name(), "weir.rejected");
    let publisher = &source.publishers[0];
    assert_eq!(publisher.queue_topic.name(), "weir.events.ticket-actions");
    assert_eq!(publisher.contracts["gold"].name(), "weir.events.ticket-actions.gold");
}

#[test]
fn the_default_contract_counts_as_listed() {
    let text = sample("contracts = [\"standard\", \"gold\"]", "contracts = []");
    let tenants = Tenants::from_config(&loaded(&text));
    let publisher = &tenants.sources[0].publishers[0];
    assert_eq!(publisher.contracts["standard"].name(), "weir.events.ticket-actions.standard");
    assert_eq!(publisher.contracts.len(), 1);
}

#[test]
fn a_kafka_topic_is_the_whole_name_and_contracts_append_to_it() {
    let text = sample("contract = \"standard\"", "kafka_topic = \"Own_Name\"");
    let tenants = Tenants::from_config(&loaded(&text));
    let publisher = &tenants.sources[0].publishers[0];
    assert_eq!(publisher.queue_topic.name(), "Own_Name");
    assert_eq!(publisher.contracts["gold"].name(), "Own_Name.gold");
}

#[test]
fn with_contracts_in_a_header_all_events_of_a_publisher_have_one_topic() {
    let by_header =
        |text: &str| text.replace("[tenants.acme]", "[tenants.acme]\ncontract_routing = 'header'");
    // Names that would be one topic's, or none's.
    let text = by_header(&sample("\"gold\"", "\"gold\", \"Gold\", \"金\""));
    let tenants = Tenants::from_config(&loaded(&text));
    assert_eq!(
        tenants.topics.names(),
        ["weir.people", "weir.companies", "weir.rejected", "weir.events.ticket-actions"]
    );
    let publisher = &tenants.sources[0].publishers[0];
    assert_eq!(publisher.contracts.len(), 4);
    assert!(publisher.contracts.values().all(|topic| *topic == publisher.queue_topic));
    // The names of topics themselves are looked at as before.
    let taken = another("upper", "topic = \"TICKET_actions\"");
    assert_problem(&by_header(&taken), "publishers.upper.topic", "set kafka_topic");
}

#[test]
fn publishers_with_the_same_topic_text_share_its_queue() {
    let text = another("second", "topic = \"Ticket Actions\"\ncontracts = [\"gold\", \"basic\"]");
    let tenants = Tenants::from_config(&loaded(&text));
    let names = tenants.topics.names();
    assert_eq!(names.iter().filter(|name| name.starts_with("weir.events.")).count(), 4, "{names:?}");
}

#[test]
fn different_texts_with_one_name_collide() {
    let text = another("upper", "topic = \"TICKET_actions\"");
    assert_problem(&text, "publishers.upper.topic", "publishers.tickets.topic; set kafka_topic");
    loaded(&another("upper", "topic = \"TICKET_actions\"\nkafka_topic = \"weir.other\""));
    let contracts = sample("\"gold\"", "\"gold\", \"Gold\"");
    assert_problem(
        &contracts,
        "publishers.tickets.contracts",
        "is also that of publishers.tickets.contracts",
    );
}

#[test]
fn a_name_of_which_nothing_is_left_needs_a_kafka_topic() {
    assert_problem(&another("p", "topic = \"日本\""), "publishers.p.topic", "set kafka_topic");
    loaded(&another("p", "topic = \"日本\"\nkafka_topic = \"weir.japan\""));
    assert_problem(&sample("\"gold\"", "\"金\""), "publishers.tickets.contracts", "rename it");
}

#[test]
fn a_name_is_no_longer_than_kafka_takes() {
    // "weir.events." has 12 bytes.
    loaded(&another("p", &format!("topic = \"{}\"", "a".repeat(237))));
    let long = another("p", &format!("topic = \"{}\"", "a".repeat(238)));
    assert_problem(&long, "publishers.p.topic", "250 bytes, more than 249; set kafka_topic");
    let contract = another("p", &format!("topic = \"{}\"\ncontract = \"b\"", "a".repeat(237)));
    assert_problem(&contract, "publishers.p.contracts", "more than 249");
}

#[test]
fn a_kafka_topic_is_a_legal_name_that_nobody_else_has() {
    for wrong in ["a b", "a/b", ".", "..", "ä"] {
        let text = another("p", &format!("topic = \"P\"\nkafka_topic = \"{wrong}\""));
        assert_problem(&text, "publishers.p.kafka_topic", "letters, digits, dots");
    }
    for taken in
        ["weir.people", "weir.events.ticket-actions", "weir.events.ticket-actions.gold", "weir_people"]
    {
        let text = another("p", &format!("topic = \"P\"\nkafka_topic = \"{taken}\""));
        let found = problems(&text);
        assert!(found.iter().all(|line| line.starts_with("publishers.")), "{found:#?}");
        assert!(found.iter().any(|line| line.contains("is also that of")), "{taken}: {found:#?}");
    }
}

#[test]
fn tenants_never_share_a_topic() {
    let second = "[tenants.other]\n";
    assert_problem(&format!("{SAMPLE}{second}"), "tenants.other.topic_prefix", "tenants.acme has the same");
    let apart = format!("{SAMPLE}{second}topic_prefix = \"other.\"\n");
    loaded(&apart);
    let inside = format!("{SAMPLE}{second}topic_prefix = \"weir.events.\"\n")
        + "[publishers.p]\ntenant = \"acme\"\ntopic = \"People\"\n";
    assert_problem(&inside, "tenants.other.topic_prefix", "is also that of publishers.p.topic");
    let stolen = apart
        + "[publishers.p]\ntenant = \"other\"\ntopic = \"Ticket Actions\"\n\
           kafka_topic = \"weir.events.ticket-actions\"\n";
    assert_problem(&stolen, "publishers.p.kafka_topic", "is also that of publishers.tickets.topic");
    assert_problem("[tenants.a]\ntopic_prefix = 'a b'", "tenants.a.topic_prefix", "letters, digits, dots");
}
