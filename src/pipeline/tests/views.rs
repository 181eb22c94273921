//! page and screen → the events of the publishers that map them.

use super::*;
use crate::tenants::Views;

/// The first publisher maps the page Pricing and any other, and the screen Home; the second any page.
fn setup() -> Setup {
    let mut setup = Setup::new();
    let any = |name: &str| events(&[("*", name, "1")]).remove("*");
    setup.publishers[0].views.pages =
        Views { named: events(&[("Pricing", "Priced", "2"), ("7", "Seventh", "1")]), any: any("Paged") };
    setup.publishers[0].views.screens = Views { named: events(&[("Home", "At Home", "1")]), any: None };
    setup.publishers[1].views.pages.any = any("Seen");
    setup.publishers.iter_mut().for_each(|publisher| publisher.contract = None);
    setup
}

/// The names that a call has as an event, with its value.
fn seen(call: CallType, members: &str) -> Vec<(String, String)> {
    let body = format!(r#"{{"userId":"u","messageId":"m"{members}}}"#);
    let records = setup().one(call, body).records;
    records.into_iter().map(|record| (record.headers["ce_eventname"].clone(), record.value)).collect()
}

fn names(call: CallType, members: &str) -> Vec<String> {
    seen(call, members).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_page_is_the_event_of_its_name_or_else_of_any_page() {
    assert_eq!(names(CallType::Page, r#","name":"Pricing""#), ["Priced", "Seen"]);
    for other in [r#","name":"pricing""#, r#","name":"Pricing ""#, "", r#","name":null"#, r#","name":"*""#] {
        assert_eq!(names(CallType::Page, other), ["Paged", "Seen"], "{other}");
    }
    assert_eq!(names(CallType::Page, r#","name":7"#), ["Seventh", "Seen"]);
    let record =
        &setup().one(CallType::Page, r#"{"anonymousId":"a","messageId":"m","name":"Pricing"}"#).records[0];
    assert_eq!((record.topic.as_str(), record.key.as_deref()), ("weir.events.tickets", Some("acme\u{1f}a")));
    let header = |name: &str| record.headers[name].as_str();
    assert_eq!((header("ce_id"), header("ce_eventversion")), ("m/event.tickets", "2"));
    assert_eq!(header("ce_topic"), "Ticket Actions");
}

#[test]
fn a_name_that_sdks_of_apps_send_elsewhere_counts() {
    for members in [
        r#","name":"Home""#,
        r#","properties":{"name":"Home"}"#,
        r#","event":"Home""#,
        r#","name":"","event":"Else","properties":{"name":"Home"}"#,
    ] {
        assert_eq!(names(CallType::Screen, members), ["At Home"], "{members}");
    }
}

#[test]
fn properties_are_as_they_came_with_the_name_and_the_category_that_they_lack() {
    let value = |members: &str| seen(CallType::Page, members).swap_remove(0).1;
    let given = r#","name":"A","category":"C","properties":"#;
    assert_eq!(
        value(&format!(r#"{given}{{"name":"B","category":null, "n":1.50}}"#)),
        r#"{"name":"B","category":null, "n":1.50}"#
    );
    assert_eq!(value(&format!(r#"{given}{{"n":1.50}}"#)), r#"{"name":"A","category":"C","n":1.50}"#);
    assert_eq!(value(&format!(r#"{given}{{"category":"D"}}"#)), r#"{"name":"A","category":"D"}"#);
    assert_eq!(value(&format!("{given}{{ }}")), r#"{"name":"A","category":"C" }"#);
    assert_eq!(value(r#","name":"A","category":null"#), r#"{"name":"A"}"#);
    assert_eq!((value(""), value(&format!("{given}[1]"))), ("{}".to_owned(), "[1]".to_owned()));
}

#[test]
fn a_page_that_is_not_mapped_is_ignored_and_never_quarantined() {
    let mut setup = setup();
    setup.tenant.unmapped_events = UnmappedEvents::Quarantine;
    let result = setup.one(CallType::Screen, r#"{"userId":"u","name":"Elsewhere"}"#);
    assert_eq!(result.counted(), "ignored/event_not_mapped=1 screen/ignored=1");
    assert_eq!((result.unmapped.len(), result.answer), (0, Answer::Ok));
}

#[test]
fn a_page_obeys_integrations_secrets_and_contracts_as_a_track_does() {
    let page = |members: &str| format!(r#"{{"userId":"u","name":"Pricing"{members}}}"#);
    let off = setup().one(CallType::Page, page(r#","integrations":{"All":false}"#));
    assert_eq!(off.counted(), "ignored/integrations_off=1 page/ignored=1");
    let shut = setup().require(0, 1).one(CallType::Page, page(""));
    assert_eq!(shut.counts["quarantined/secret_missing"], 1);
    let contract = r#","context":{"externalId":[{"type":"gainsightEventContractId","id":"gold"}]}"#;
    let topics: Vec<_> =
        setup().one(CallType::Page, page(contract)).records.into_iter().map(|record| record.topic).collect();
    assert_eq!(topics, ["weir.events.tickets.gold", "weir.events.alerts.gold"]);
}

#[test]
fn a_track_event_that_is_called_like_a_page_is_none() {
    let result = setup().one(CallType::Track, r#"{"userId":"u","event":"Pricing"}"#);
    assert_eq!(result.counted(), "ignored/event_not_mapped=1 track/ignored=1");
}
