//! Events of the Events Framework, one a call. Pure.

use serde_json::Value;

use super::client::{Call, Method};
use super::outbox::Event;
use super::values::Values;

/// Where events go.
pub const PATH: &str = "/v1.0/api/eventManager/event";

/// The header of a publisher's secret.
pub const SECRET: &str = "sharedsecret";

/// Who sends events to Gainsight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Its shared secret.
    pub secret: String,
    /// Its topic, as Gainsight calls it.
    pub topic: String,
}

/// Id of the publisher of an event, which its `ce_id` ends with.
pub fn publisher(event: &Event) -> Option<&str> {
    event.event_id.rsplit('/').next()?.strip_prefix("event.")
}

/// Sends `event`, with its id as the field `id_field`.
pub fn send(event: &Event, publisher: &Publisher, tenant_id: &str, id_field: Option<&str>) -> Call {
    let body = match id_field {
        None => event.properties.clone(),
        Some(field) => {
            let mut properties = Values::read(&event.properties);
            properties.set(field, Value::from(event.event_id.as_str()).to_string());
            properties.json()
        }
    };
    let topic = if event.topic.is_empty() { &publisher.topic } else { &event.topic };
    let mut headers = vec![
        (SECRET, publisher.secret.clone()),
        ("tenantid", tenant_id.to_owned()),
        ("topicname", topic.clone()),
        ("eventname", event.name.clone()),
        ("eventversion", event.version.clone()),
    ];
    headers.extend(event.contract.clone().map(|contract| ("contractid", contract)));
    Call { headers, ..Call::new(Method::Post, PATH, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_out_with_its_publishers_headers_and_its_id() {
        let event = Event {
            id: 7,
            event_id: "m/1/event.tickets".to_owned(),
            source: "/acme/web".to_owned(),
            user_id: None,
            time: "2026-01-31T12:00:00Z".to_owned(),
            received_ms: 0,
            topic: "Ticket Actions".to_owned(),
            name: "Ticket Closure".to_owned(),
            version: "1.0.0".to_owned(),
            contract: Some("gold".to_owned()),
            properties: r#"{"n":1.0}"#.to_owned(),
        };
        assert_eq!(publisher(&event), Some("tickets"));
        let tickets = Publisher { secret: "s".to_owned(), topic: "Another".to_owned() };
        let call = send(&event, &tickets, "T", Some("WeirId__gc"));
        assert_eq!(call.body, r#"{"WeirId__gc":"m/1/event.tickets","n":1.0}"#);
        let header =
            |name: &str| call.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str());
        assert_eq!((header("sharedsecret"), header("tenantid")), (Some("s"), Some("T")));
        assert_eq!((header("topicname"), header("contractid")), (Some("Ticket Actions"), Some("gold")));
        assert_eq!((header("eventname"), header("eventversion")), (Some("Ticket Closure"), Some("1.0.0")));
        assert_eq!(send(&event, &tickets, "T", None).body, event.properties);
    }
}
