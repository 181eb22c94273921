//! What an answer of Gainsight means: done, nothing there, enough calls, away, nobody may, or which rows it refuses and
//! why. Pure.
//!
//! The envelope and the codes are those of Gainsight's documentation of its Company, People and Events APIs, the three
//! forms of "nothing found" those that its users met. What is assumed beyond that is said in docs/gainsight-target.md.

mod hint;

use serde::Deserialize;
use serde_json::Value;

pub use hint::hint;

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It did what was asked. The records that it tells of, which may be none.
    Done(Vec<Value>),
    /// There is no such record.
    Nothing,
    /// Gainsight had enough calls for now.
    Throttled,
    /// It could not do it now: the same may work later.
    Away(String),
    /// It lets nobody in, or not with this key: somebody has to see to it.
    Closed(String),
    /// It does not take what was sent: the same never works.
    Refused(Refusal),
}

/// Why Gainsight does not take what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Gainsight's code; of an answer without one, the status.
    pub code: String,
    /// What is wrong with each record, where the answer has an entry for each or for the bad ones alone. Without
    /// entries it may be any of them.
    pub entries: Vec<Vec<Fault>>,
}

impl Refusal {
    /// What is wrong with each of `sent` records. None: it can't be told which of them is meant.
    pub fn of_each(self, sent: usize) -> Option<Vec<Vec<Fault>>> {
        if sent == 1 {
            let faults: Vec<Fault> = self.entries.into_iter().flatten().collect();
            let whole = || vec![Fault { code: self.code, field: None }];
            return Some(vec![if faults.is_empty() { whole() } else { faults }]);
        }
        (self.entries.len() == sent).then_some(self.entries)
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Gainsight's code.
    pub code: String,
    /// The field, where Gainsight names one.
    pub field: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    result: Option<bool>,
    #[serde(rename = "errorCode")]
    code: Option<String>,
    /// What metadata has in the place of a code.
    title: Option<String>,
    #[serde(rename = "errorDesc", default)]
    description: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize, Default)]
struct Told {
    #[serde(rename = "errorCode")]
    code: Option<String>,
    #[serde(rename = "fieldName")]
    field: Option<String>,
}

/// What Gainsight's metadata says of an object that an org lacks.
pub const NO_OBJECT: &str = "OBJECT_NOT_FOUND";

impl Answer {
    /// Reads the answer to a call. Its words may hold values of records, so none of them are kept.
    pub fn read(status: u16, body: &[u8]) -> Answer {
        let envelope = serde_json::from_slice::<Envelope>(body).ok();
        let code = envelope.as_ref().and_then(|envelope| envelope.code.clone()).unwrap_or_default();
        if envelope.as_ref().is_some_and(|envelope| envelope.title.as_deref() == Some(NO_OBJECT)) {
            return Answer::Refused(Refusal { code: NO_OBJECT.to_owned(), entries: Vec::new() });
        }
        match (status, code.as_str()) {
            (429, _) | (_, "GU_2400") => return Answer::Throttled,
            (408 | 500.., _) | (_, "GU_1101") => {
                return Answer::Away(format!("it answered {}", name(status, &code)));
            }
            (401 | 403, _) | (_, "GS_APIG_2401" | "GSOBJ_1024") => {
                return Answer::Closed(format!(
                    "it refuses the access key ({}); make a new one in Gainsight (Administration, Connectors), and put \
                     it where gainsight.*.access_key says",
                    name(status, &code)
                ));
            }
            (_, "GS_APIG_2402") => {
                return Answer::Closed(
                    "it takes no calls from this machine's address (GS_APIG_2402); add the address to its allowlist"
                        .to_owned(),
                );
            }
            (404 | 405, _) | (_, "GSOBJ_1023") => {
                return Answer::Closed(format!(
                    "it has nothing at this path ({}); gainsight.*.url must be the address of your org, such as \
                     https://acme.gainsightcloud.com",
                    name(status, &code)
                ));
            }
            _ => {}
        }
        let is_done = (200..300).contains(&status);
        let Some(envelope) = envelope else {
            return if is_done {
                Answer::Away("its answer is not what Gainsight sends; look at what stands between".to_owned())
            } else {
                Answer::Refused(Refusal { code: name(status, ""), entries: Vec::new() })
            };
        };
        if envelope.says_nothing() {
            return Answer::Nothing;
        }
        let entries = faults(&envelope.data);
        if is_done && envelope.result != Some(false) && entries.iter().all(Vec::is_empty) {
            return Answer::Done(records(envelope.data));
        }
        Answer::Refused(Refusal { code: name(status, &code), entries: entries_of(entries, &envelope, &code) })
    }

    /// Reads the answer to an event, of which nothing is known but that 2xx means well.
    pub fn of_event(status: u16, body: &[u8]) -> Answer {
        if (200..300).contains(&status) && serde_json::from_slice::<Envelope>(body).is_err() {
            return Answer::Done(Vec::new());
        }
        match Answer::read(status, body) {
            Answer::Closed(_) if matches!(status, 401 | 403) => Answer::Closed(format!(
                "it refuses events (HTTP {status}); look at the publisher's secrets and the tenant's \
                 gainsight_tenant_id, and at gainsight.*.access_key"
            )),
            answer => answer,
        }
    }
}

impl Envelope {
    /// An empty result has three forms: no records, or one of these.
    fn says_nothing(&self) -> bool {
        let no_match = self.code.as_deref() == Some("GSOBJ_1011");
        let told = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("No data found"));
        no_match || (self.result == Some(false) && (told(&self.description) || told(&self.message)))
    }
}

/// Its code, else its status.
fn name(status: u16, code: &str) -> String {
    if code.is_empty() { format!("HTTP {status}") } else { code.to_owned() }
}

/// `data` is a list of records, or an object with them, or a record, or nothing.
fn records(data: Value) -> Vec<Value> {
    match data {
        Value::Array(records) => records,
        Value::Object(mut data) => match data.remove("records") {
            Some(Value::Array(records)) => records,
            Some(_) => Vec::new(),
            None => vec![Value::Object(data)],
        },
        _ => Vec::new(),
    }
}

/// The faults of `data.errors`: a list with an entry a record, each of which is an object, or a list of them.
fn faults(data: &Value) -> Vec<Vec<Fault>> {
    let entries = data.get("errors").and_then(Value::as_array);
    entries.map_or_else(Vec::new, |entries| entries.iter().map(of_entry).collect())
}

fn of_entry(entry: &Value) -> Vec<Fault> {
    match entry {
        Value::Array(parts) => parts.iter().flat_map(of_entry).collect(),
        Value::Object(part) => match part.get("errors").and_then(Value::as_array) {
            Some(told) => told.iter().flat_map(of_entry).collect(),
            None => {
                let told = Told::deserialize(entry).unwrap_or_default();
                told.code.map(|code| Fault { code, field: told.field }).into_iter().collect()
            }
        },
        _ => Vec::new(),
    }
}

/// Where no entry says more than the envelope, what that says is of its only record, if it has one.
fn entries_of(entries: Vec<Vec<Fault>>, envelope: &Envelope, code: &str) -> Vec<Vec<Fault>> {
    if !entries.iter().all(Vec::is_empty) {
        return entries;
    }
    let field = envelope.description.as_deref().and_then(named_field).map(str::to_owned);
    field.map_or_else(Vec::new, |field| vec![vec![Fault { code: code.to_owned(), field: Some(field) }]])
}

/// The field of `… (OriginalContractDate = 210318).`
fn named_field(description: &str) -> Option<&str> {
    let (_, behind) = description.split_once('(')?;
    let (field, _) = behind.split_once(" = ")?;
    let is_name = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(field)
}

#[cfg(test)]
mod tests;
