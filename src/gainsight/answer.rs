//! What an answer of Gainsight means: done, nothing there, enough calls, away, nobody may, or which rows it refuses and
//! why. Pure.
//!
//! The envelope and the codes are those of Gainsight's documentation of its Company, People and Events APIs, the three
//! forms of "nothing found" those that its users met. What is assumed beyond that is said in docs/gainsight-target.md.

use serde::Deserialize;
use serde_json::Value;

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

impl Answer {
    /// Reads the answer to a call. Its words may hold values of records, so none of them are kept.
    pub fn read(status: u16, body: &[u8]) -> Answer {
        let envelope = serde_json::from_slice::<Envelope>(body).ok();
        let code = envelope.as_ref().and_then(|envelope| envelope.code.clone()).unwrap_or_default();
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
        Answer::read(status, body)
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

/// What to do about a code, as a sentence for whoever reads `weir_failed`.
pub fn hint(code: &str) -> &'static str {
    match code {
        "GSOBJ_1001" => {
            "the value is longer than the field takes; lengthen the field in Gainsight, or send less"
        }
        "GSOBJ_1002" | "GSOBJ_VCRUDR1002" => {
            "the object has no such field; make it in Gainsight (Administration, Data Management), or map the trait to \
             another one"
        }
        "GSOBJ_1004" | "GSOBJ_VDTGSID1001" => {
            "the value is no Gsid; map the trait to a field of another type"
        }
        "GSOBJ_1005" | "GSOBJ_VDTDATIME1001" => {
            "the value is no date and time; send it as 2026-01-31T12:00:00Z"
        }
        "GSOBJ_1006" => "the value is no date; send it as 2026-01-31",
        "GSOBJ_1007" | "GSOBJ_VCRUDR1001" => {
            "the field must have a value; let it be empty in Gainsight, or send one"
        }
        "GSOBJ_PEOPLE1001" => {
            "the company or relationship is gone from Gainsight; look for it there, then retry"
        }
        "GSOBJ_VDTBOOL1001" => "the value is neither true nor false",
        "GSOBJ_VDTNUM1001" | "GSOBJ_VDTPERCENT1001" => "the value is no number",
        "GSOBJ_VDTNUM1002" => "the number is out of the field's range",
        "GSOBJ_VDTCURREN1001" | "GSOBJ_VDTCURREN1002" => {
            "the value is no amount; send digits without separators"
        }
        "GSOBJ_VDTEMAIL1001" => "the value is no email",
        "GSOBJ_VDTPKLST1001" | "GSOBJ_VDTPKLST1002" => {
            "the dropdown has no such item; add it in Gainsight, or send one that it has"
        }
        "GSOBJ_VDTSFDCID1001" => "an id of Salesforce has 15 or 18 letters and digits",
        "GSOBJ_VDTURL1001" => "the value is no URL",
        _ => "Gainsight refuses it; its documentation of API error codes says more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Answer {
        Answer::read(status, body.as_bytes())
    }

    fn refusal(code: &str, entries: &[&[(&str, Option<&str>)]]) -> Answer {
        let fault = |(code, field): &(&str, Option<&str>)| Fault {
            code: (*code).to_owned(),
            field: field.map(str::to_owned),
        };
        let entries = entries.iter().map(|entry| entry.iter().map(fault).collect()).collect();
        Answer::Refused(Refusal { code: code.to_owned(), entries })
    }

    #[test]
    fn records_come_in_a_list_or_in_an_object() {
        let record = serde_json::json!({"Gsid": "1P02A", "Name": "Acme"});
        for data in [
            serde_json::json!([record]),
            serde_json::json!({"count": 1, "errors": null, "records": [record]}),
        ] {
            let body = serde_json::json!({"result": true, "errorCode": null, "data": data}).to_string();
            assert_eq!(read(200, &body), Answer::Done(vec![record.clone()]));
        }
    }

    #[test]
    fn nothing_found_has_three_forms() {
        assert_eq!(read(200, r#"{"result":true,"data":{"records":[]}}"#), Answer::Done(Vec::new()));
        let said =
            r#"{"result":false,"errorCode":"GSOBJ_1XXX","errorDesc":"No data found for given criteria"}"#;
        assert_eq!(read(200, said), Answer::Nothing);
        let code =
            r#"{"result":false,"errorCode":"GSOBJ_1011","errorDesc":"No entity matches the given criteria"}"#;
        assert_eq!(read(400, code), Answer::Nothing);
    }

    #[test]
    fn an_outage_and_a_limit_are_told_from_a_refusal() {
        assert_eq!(read(429, ""), Answer::Throttled);
        assert_eq!(
            read(200, r#"{"result":false,"errorCode":"GU_2400","errorDesc":"Too many request"}"#),
            Answer::Throttled
        );
        assert!(matches!(read(500, r#"{"result":false,"errorCode":"GU_1101"}"#), Answer::Away(_)));
        assert!(matches!(read(502, "<html>"), Answer::Away(_)));
        assert!(matches!(read(200, "<html>"), Answer::Away(_)), "a proxy's page is no success");
    }

    #[test]
    fn a_key_that_is_refused_is_nobody_rows_fault() {
        let body = r#"{"result":false,"errorCode":"GS_APIG_2401","errorDesc":"Unauthorized","message":"Unauthorized"}"#;
        for answer in [read(401, body), read(200, body), read(403, "")] {
            assert!(matches!(answer, Answer::Closed(why) if why.contains("access key")));
        }
        assert!(matches!(read(404, ""), Answer::Closed(why) if why.contains("gainsight.*.url")));
    }

    #[test]
    fn a_200_with_result_false_is_no_success() {
        let body = r#"{"result":false,"errorCode":"GSOBJ_1008","errorDesc":"Validation failed"}"#;
        assert_eq!(read(200, body), refusal("GSOBJ_1008", &[]));
    }

    #[test]
    fn bad_fields_are_named_for_each_record() {
        let body = r#"{"result":false,"errorCode":"GSOBJ_1006","errorDesc":"Invalid dateTimes format (D = 210318).",
            "data":{"count":0,"errors":[[{"success":false,"parsedValue":210318,"errors":[{"errorMessage":"Invalid",
            "errorCode":"GSOBJ_1006","fieldName":"D","invalidValue":210318}]}],[]],"records":null},"message":null}"#;
        assert_eq!(read(400, body), refusal("GSOBJ_1006", &[&[("GSOBJ_1006", Some("D"))], &[]]));
    }

    #[test]
    fn a_field_that_only_the_sentence_names_is_found() {
        let body =
            r#"{"result":false,"errorCode":"GSOBJ_1005","errorDesc":"Invalid DateTime (Since__gc = soon)"}"#;
        assert_eq!(read(400, body), refusal("GSOBJ_1005", &[&[("GSOBJ_1005", Some("Since__gc"))]]));
        assert_eq!(named_field("Something (with brackets)"), None);
    }

    #[test]
    fn where_it_cant_be_told_which_record_is_meant_none_is_blamed() {
        let fault = Fault { code: "GSOBJ_1001".to_owned(), field: Some("A".to_owned()) };
        let bad = |entries: Vec<Vec<Fault>>| Refusal { code: "GSOBJ_1001".to_owned(), entries };
        assert_eq!(bad(vec![vec![fault.clone()]]).of_each(3), None);
        assert_eq!(bad(vec![]).of_each(2), None);
        let entries = vec![vec![], vec![fault.clone()]];
        assert_eq!(bad(entries.clone()).of_each(2), Some(entries));
        assert_eq!(bad(vec![vec![fault.clone()]]).of_each(1), Some(vec![vec![fault]]));
        let whole = Fault { code: "GSOBJ_1001".to_owned(), field: None };
        assert_eq!(bad(vec![]).of_each(1), Some(vec![vec![whole]]));
    }

    #[test]
    fn an_update_that_says_well_but_has_errors_is_a_refusal() {
        let body = r#"{"result":true,"data":{"count":1,"errors":[[],[{"errorCode":"GSOBJ_1001","fieldName":"A"}]]}}"#;
        assert_eq!(read(200, body), refusal("HTTP 200", &[&[], &[("GSOBJ_1001", Some("A"))]]));
    }

    #[test]
    fn an_event_is_taken_whatever_a_2xx_says_but_not_with_result_false() {
        assert_eq!(Answer::of_event(202, b""), Answer::Done(Vec::new()));
        assert_eq!(Answer::of_event(200, b"ok"), Answer::Done(Vec::new()));
        assert!(matches!(Answer::of_event(200, br#"{"result":false,"errorCode":"X"}"#), Answer::Refused(_)));
        assert!(matches!(Answer::of_event(503, b""), Answer::Away(_)));
    }
}
