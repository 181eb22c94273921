//! People, one a call, with their links to companies. Pure.

use serde_json::json;

use super::client::{Call, Method};
use super::values::Values;

/// Inserts a person, or updates one of this Email, and links it to companies.
pub fn upsert(mut fields: Values, companies: &[&str]) -> Call {
    if !companies.is_empty() {
        let companies: Vec<_> = companies.iter().map(|gsid| json!({"Company_ID": gsid})).collect();
        fields.set("companies", json!(companies).to_string());
    }
    Call::new(Method::Put, "/v1.0/api/people", fields.json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_goes_out_with_its_companies() {
        let fields = Values::read(r#"{"Email":"a@b.c","Age__gc":1.0}"#);
        assert_eq!(upsert(fields.clone(), &[]).body, r#"{"Age__gc":1.0,"Email":"a@b.c"}"#);
        let linked = upsert(fields, &["1P02A", "1P02B"]).body;
        assert!(
            linked.ends_with(r#""companies":[{"Company_ID":"1P02A"},{"Company_ID":"1P02B"}]}"#),
            "{linked}"
        );
    }
}
