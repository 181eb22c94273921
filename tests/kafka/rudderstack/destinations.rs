//! What RudderStack's destinations make of an event: the requests of the webhook, the HTTP webhook and the Gainsight
//! destination, and what they make of the answers.

use serde_json::{Map, Value, json};

use super::client::Client;
use super::router::{Attempt, Deliver, told};
use crate::harness::rudderstack::{Agent, Call};
use crate::harness::tenant::KEY;

/// What is entered in the Gainsight destination's event settings.
pub const SHARED_SECRET: &str = "c2hhcmVkIHNlY3JldCBvZiB0aGUgdGlja2V0cyBwdWJsaXNoZXI=";
/// The tenant that the Gainsight destination names.
pub const TENANT_ID: &str = "6f0f9a0e-2f3c-4c9a-9d35-1c6ab2f7c1de";
/// Its topic.
pub const TOPIC: &str = "Ticket Actions";

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// The access key is that of the sample tenant's source.
const ACCESS: (&str, &str) = ("Accesskey", KEY);

/// An event for a destination.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The webhook's: one event.
    Webhook(Value),
    /// The HTTP webhook's: some events.
    HttpWebhook(Vec<Value>),
    /// Gainsight's identify: the mapped person.
    Person(Value),
    /// Gainsight's group: the mapped company, and the user's email.
    Company(Value, String),
    /// Gainsight's track: the name that the map gives, and the properties.
    Event(&'static str, Value),
}

impl Deliver for Delivery {
    fn attempt(&self, client: &mut Client) -> Attempt {
        match self {
            Delivery::Webhook(event) => {
                // The names of configured headers are lower-cased before they are sent.
                let headers = [("content-type", JSON.1), ("accesskey", KEY)];
                send(client, "POST", "/v1/webhook", &headers, &without_nulls(event).to_string())
            }
            Delivery::HttpWebhook(events) => {
                let bearer = format!("Bearer {KEY}");
                let headers = [("Authorization", bearer.as_str()), JSON];
                send(client, "POST", "/v1/webhook", &headers, &Value::from(events.clone()).to_string())
            }
            Delivery::Person(person) => person_call(client, person),
            Delivery::Company(company, email) => match upsert(client, company) {
                Ok(gsid) => {
                    person_call(client, &json!({"Email": email, "companies": [{"Company_ID": gsid}]}))
                }
                Err(attempt) => attempt,
            },
            Delivery::Event(name, properties) => {
                let headers = [
                    ("sharedSecret", SHARED_SECRET),
                    ("topicName", TOPIC),
                    ("tenantId", TENANT_ID),
                    JSON,
                    ("eventName", name),
                    ("eventVersion", "1.0.0"),
                    ("contractId", "gold"),
                    ACCESS,
                ];
                // An empty map has no body at all.
                let empty = properties.as_object().is_some_and(Map::is_empty);
                let body = if empty { String::new() } else { properties.to_string() };
                send(client, "POST", "/v1.0/api/eventManager/event", &headers, &body)
            }
        }
    }
}

fn send(client: &mut Client, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Attempt {
    Attempt::judge(&client.call(&Call { agent: Agent::Go, method, target, headers, body }))
}

fn person_call(client: &mut Client, person: &Value) -> Attempt {
    send(client, "PUT", "/v1.0/api/people", &[ACCESS, JSON], &person.to_string())
}

/// The transformer's search for a company and what it does then: the company's id.
fn upsert(client: &mut Client, company: &Value) -> Result<Value, Attempt> {
    let name = &company["Name"];
    let condition = json!({"name": "Name", "alias": "A", "value": [name], "operator": "EQ"});
    let query = json!({"select": ["Name"], "where": {"conditions": [condition], "expression": "A"}});
    let found = ask(client, "POST", "/v1/data/objects/query/Company", &query)?;
    let records = found["data"]["records"].as_array().ok_or_else(|| failed("records is no array"))?;
    let (method, target) = if records.is_empty() {
        ("POST", "/v1/data/objects/Company")
    } else {
        ("PUT", "/v1/data/objects/Company?keys=Name")
    };
    let made = ask(client, method, target, &json!({"records": [company]}))?;
    let gsid = made["data"]["records"][0]["Gsid"].clone();
    if gsid.is_string() { Ok(gsid) } else { Err(failed("there is no Gsid")) }
}

/// A call of the transformer's: only a 200 with a body will do.
fn ask(client: &mut Client, method: &str, target: &str, body: &Value) -> Result<Value, Attempt> {
    let (headers, body) = ([ACCESS, JSON], body.to_string());
    let answer = client.call(&Call { agent: Agent::Axios, method, target, headers: &headers, body: &body });
    match Attempt::judge(&answer) {
        Attempt::Delivered => {
            let answer = answer.map_err(|error| failed(&error.to_string()))?;
            if answer.status != 200 || answer.body.is_empty() {
                return Err(failed(&told(&answer)));
            }
            serde_json::from_slice(&answer.body).map_err(|error| failed(&error.to_string()))
        }
        other => Err(other),
    }
}

fn failed(why: &str) -> Attempt {
    Attempt::Failed(format!("500: {why}"))
}

/// An event less its top-level nulls.
fn without_nulls(event: &Value) -> Value {
    let members = event.as_object().cloned().unwrap_or_default();
    members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
}
