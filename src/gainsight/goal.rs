//! Customer goals, one a call. Pure.
//!
//! Gainsight documents how a goal is created, and that goals can be fetched and updated, but not at which paths. Those
//! are assumed, so goals go out only where `gainsight.*.goals` says so.

use serde_json::json;

use super::client::{Call, Method};
use super::values::Values;

/// What Weir calls them.
pub const OBJECT: &str = "customer_goal";
/// Where goals are created.
const CREATE: &str = "/v1/csgoal/external/create";
/// Where goals are fetched, by a query like those of other objects. Assumed.
pub const FIND: &str = "/v1/csgoal/external/fetch";
/// Where goals are updated, with a body like that which creates one and the goal's Gsid in its record. Assumed.
pub const UPDATE: &str = "/v1/csgoal/external/update";

/// Creates a goal. Gainsight looks its company up by the name.
pub fn create(record: &Values) -> Call {
    let mut record = record.clone();
    let defaults = [("StatusName", "New"), ("EntityType", "COMPANY")];
    for (field, value) in
        defaults.into_iter().filter(|(field, _)| record.get(field).is_none()).collect::<Vec<_>>()
    {
        record.set(field, json!(value).to_string());
    }
    request(Method::Post, CREATE, &record)
}

/// Updates the goal with this Gsid.
pub fn update(record: &Values, gsid: &str) -> Call {
    let mut record = record.clone();
    record.set("Gsid", json!(gsid).to_string());
    request(Method::Put, UPDATE, &record)
}

fn request(method: Method, path: &'static str, record: &Values) -> Call {
    let by_name = record.get("CompanyName").is_some() && record.get("CompanyId").is_none();
    let lookups = by_name.then(|| {
        json!({"CompanyId": {
            "fields": {"CompanyName": "Name"}, "lookupField": "Gsid", "objectName": "company",
            "multiMatchOption": "FIRSTMATCH", "onNoMatch": "ERROR",
        }})
    });
    let lookups = lookups.map_or_else(String::new, |lookups| format!(r#","lookups":{lookups}"#));
    Call::new(method, path, format!(r#"{{"requests":[{{"record":{}}}]{lookups}}}"#, record.json()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_goal_goes_out_with_its_company_to_be_looked_up() {
        let record = Values::read(r#"{"Name":"Save 10 %","CompanyName":"IBM","Benefit__gc":1.10}"#);
        let call = create(&record);
        assert!(call.body.contains(r#""Benefit__gc":1.10"#));
        let body: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(body["requests"][0]["record"]["StatusName"], "New");
        assert_eq!(body["requests"][0]["record"]["EntityType"], "COMPANY");
        assert_eq!(body["lookups"]["CompanyId"]["fields"], json!({"CompanyName": "Name"}));
        let update = update(&Values::read(r#"{"Name":"B"}"#), "1G0");
        assert_eq!(update.body, r#"{"requests":[{"record":{"Gsid":"1G0","Name":"B"}}]}"#);
    }
}
