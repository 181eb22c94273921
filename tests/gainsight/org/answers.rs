//! What the org answers to each call, and what it does then.

use serde_json::{Map, Value, json};
use weir::gainsight::{event, goal};

use super::{Asked, Record, State, said};

fn done(data: &Value) -> (u16, String) {
    (200, json!({"result": true, "errorCode": null, "data": data}).to_string())
}

/// The answer to a query that finds nothing.
fn nothing() -> (u16, String) {
    (400, said("GSOBJ_1011"))
}

impl State {
    pub(super) fn answer(&mut self, asked: &Asked) -> (u16, String) {
        let Ok(body) = serde_json::from_str::<Value>(&asked.body) else { return (400, said("GSOBJ_1008")) };
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match path {
            "/v1/meta/services/objects/describe" => self.describe(&body),
            "/v1.0/api/people" if asked.is_put => self.upsert(body),
            event::PATH
                if self
                    .secret
                    .as_ref()
                    .is_some_and(|secret| asked.headers.get("sharedsecret") != Some(secret)) =>
            {
                (401, String::new())
            }
            event::PATH => {
                self.events.push((asked.headers.clone(), body));
                (200, String::new())
            }
            goal::FIND if self.lacks.contains(goal::OBJECT) => (404, said("GSOBJ_1023")),
            goal::FIND => self.find(goal::OBJECT, &body),
            goal::UPDATE if asked.is_put => self.update(goal::OBJECT, goal_of(&body), &["Gsid"]),
            "/v1/csgoal/external/create" => self.insert(goal::OBJECT, goal_of(&body)),
            _ => {
                let Some(object) = path.strip_prefix("/v1/data/objects/") else {
                    return (404, said("GSOBJ_1023"));
                };
                match (object.strip_prefix("query/"), query.strip_prefix("keys=")) {
                    (Some(object), _) => self.find(object, &body),
                    (None, Some(keys)) if asked.is_put => {
                        self.update(object, records(&body), &keys.split(',').collect::<Vec<_>>())
                    }
                    _ => self.insert(object, records(&body)),
                }
            }
        }
    }

    fn describe(&self, body: &Value) -> (u16, String) {
        let names: Vec<&str> =
            body["objectNames"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if names.iter().any(|name| self.lacks.contains(*name)) {
            let told = json!({"result": false, "title": "OBJECT_NOT_FOUND", "detail": "Requested object not found."});
            return (404, told.to_string());
        }
        let described = self.fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
        done(&described.map(|(name, fields)| json!({"objectName": name, "fields": fields})).collect())
    }

    fn find(&self, object: &str, body: &Value) -> (u16, String) {
        let is_meant = |record: &Record| {
            body["where"]["conditions"].as_array().unwrap().iter().all(|condition| {
                let value = record.fields.get(condition["name"].as_str().unwrap());
                value.is_some_and(|value| condition["value"].as_array().unwrap().contains(value))
            })
        };
        let found = self.records(object).iter().enumerate().filter(|(_, record)| is_meant(record));
        let found = found.map(|(at, record)| {
            let mut shown = record.shown();
            shown["CreatedDate"] = json!(at);
            shown
        });
        let found: Vec<Value> = found.collect();
        if found.is_empty() { nothing() } else { done(&json!({"records": found})) }
    }

    /// What it refuses of each record; none: of no record anything.
    fn refusal(&self, records: &[Map<String, Value>]) -> Option<(u16, String)> {
        let bad = |record: &Map<String, Value>| -> Vec<Value> {
            let fields = record.keys().filter_map(|field| Some((field, self.refused.get(field)?)));
            fields.map(|(field, code)| json!({"errors": [{"errorCode": code, "fieldName": field}]})).collect()
        };
        let entries: Vec<Vec<Value>> = records.iter().map(bad).collect();
        let code =
            entries.iter().flatten().find_map(|entry| entry["errors"][0]["errorCode"].as_str())?.to_owned();
        let entries: Vec<Vec<Value>> =
            entries.into_iter().filter(|entry| self.names_records || !entry.is_empty()).collect();
        let body = json!({
            "result": false, "errorCode": code, "errorDesc": "Validation failed",
            "data": {"count": 0, "errors": entries, "records": null},
        });
        Some((400, body.to_string()))
    }

    fn insert(&mut self, object: &str, records: Vec<Map<String, Value>>) -> (u16, String) {
        if let Some(refusal) = self.refusal(&records) {
            return refusal;
        }
        let mut made = Vec::new();
        for fields in records {
            self.made += 1;
            let record = Record { gsid: format!("1P02{:032}", self.made), fields };
            made.push(record.shown());
            self.objects.entry(object.to_owned()).or_default().push(record);
        }
        done(&json!({"count": made.len(), "errors": null, "records": made}))
    }

    fn update(&mut self, object: &str, records: Vec<Map<String, Value>>, keys: &[&str]) -> (u16, String) {
        if let Some(refusal) = self.refusal(&records) {
            return refusal;
        }
        let there = self.objects.entry(object.to_owned()).or_default();
        let place = |fields: &Map<String, Value>| {
            there.iter().position(|record| match keys {
                ["Gsid"] => fields["Gsid"] == json!(record.gsid),
                _ => keys
                    .iter()
                    .all(|key| fields.contains_key(*key) && record.fields.get(*key) == fields.get(*key)),
            })
        };
        let Some(places) = records.iter().map(place).collect::<Option<Vec<_>>>() else { return nothing() };
        for (place, mut fields) in places.iter().zip(records) {
            fields.remove("Gsid");
            there[*place].fields.extend(fields);
        }
        let found: Vec<Value> = places.iter().map(|place| there[*place].shown()).collect();
        done(&json!({"count": found.len(), "errors": null, "records": found}))
    }

    fn upsert(&mut self, body: Value) -> (u16, String) {
        let Value::Object(mut fields) = body else { return (400, said("GSOBJ_VCRUDR1001")) };
        let linked = fields.remove("companies").unwrap_or_default();
        let linked: Vec<String> = linked.as_array().into_iter().flatten().filter_map(id).collect();
        let is_there = |gsid: &String| self.records("Company").iter().any(|company| company.gsid == *gsid);
        if !linked.iter().all(is_there) {
            return (400, said("GSOBJ_PEOPLE1001"));
        }
        if let Some(refusal) = self.refusal(std::slice::from_ref(&fields)) {
            return refusal;
        }
        let Some(email) = fields.get("Email").and_then(Value::as_str).map(str::to_lowercase) else {
            return (400, said("GSOBJ_VDTEMAIL1001"));
        };
        let person = self.people.entry(email).or_default();
        person.0.extend(fields);
        person.1.extend(linked);
        done(&Value::Null)
    }
}

fn records(body: &Value) -> Vec<Map<String, Value>> {
    body["records"].as_array().unwrap().iter().map(|record| record.as_object().unwrap().clone()).collect()
}

/// The record of a goal's request.
fn goal_of(body: &Value) -> Vec<Map<String, Value>> {
    vec![body["requests"][0]["record"].as_object().unwrap().clone()]
}

fn id(link: &Value) -> Option<String> {
    link.get("Company_ID")?.as_str().map(str::to_owned)
}
