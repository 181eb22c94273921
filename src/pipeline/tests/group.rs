//! group → Company and link.

use super::*;

/// RudderStack's page and its code: field, trait, a value, what is sent.
const FIELDS: [(&str, &str, &str, &str); 22] = [
    ("Name", "name", "\"N\"", "\"N\""),
    ("Employees", "employees", "\"1000\"", "1000"),
    ("Arr", "arr", "\"5\"", "\"5\""),
    ("BillingAddress", "billingAddress", "{\"zip\": 1}", r#""{\"zip\":1}""#),
    ("Summary", "summary", "1.50", "\"1.50\""),
    ("CompanyType", "companyType", "\"Partner\"", "\"Partner\""),
    ("Csm", "csm", "\"c@x\"", "\"c@x\""),
    ("CustomerlifetimeInMonths", "customerLifetimeInMonths", "true", "1"),
    ("Industry", "industry", "[\"a\"]", r#""[\"a\"]""#),
    ("LifecycleInWeeks", "lifecycleInWeeks", "1e3", "1e3"),
    ("ManagedAs", "managedAs", "{\"a\":1}", "{\"a\":1}"),
    ("Mrr", "mrr", "1.0", "1.0"),
    ("OriginalContractDate", "originalContractDate", "\"2020-01-01\"", "\"2020-01-01\""),
    ("ParentCompany", "parentCompany", "\"P\"", "\"P\""),
    ("RenewalDate", "renewalDate", "\"2030-01-01T00:00:00+02:00\"", "\"2030-01-01T00:00:00+02:00\""),
    ("Stage", "stage", "0", "0"),
    ("Status", "status", "false", "false"),
    ("Tags", "tags", "[1]", "[1]"),
    ("TickerSymbol", "tickerSymbol", "false", "\"false\""),
    ("Users", "users", "\"0x10\"", "16"),
    ("SfdcAccountId", "sfdcAccountId", "\"001\"", "\"001\""),
    ("IndustryNew", "industryNew", "\"New\"", "\"New\""),
];

fn group(traits: &str) -> String {
    format!(r#"{{"userId":"u","messageId":"g","traits":{traits},"context":{{"traits":{{"email":"E@x"}}}}}}"#)
}

fn company(traits: &str) -> String {
    Setup::new().one(CallType::Group, group(traits)).records[0].value.clone()
}

#[test]
fn every_field_of_the_page_is_filled() {
    for (field, name, given, sent) in FIELDS {
        let extra = if name == "name" { "" } else { "\"name\":\"N\"," };
        let value = company(&format!("{{{extra}\"{name}\":{given}}}"));
        assert!(value.contains(&format!("\"{field}\":{sent}")), "{name}: {value}");
    }
}

#[test]
fn the_traits_of_the_context_are_the_users_and_fill_no_company() {
    let body = r#"{"userId":"u","traits":{"name":"Acme"},
        "context":{"traits":{"email":"e@x","name":"Ann","industry":"I","companyType":"T","tier":"t"}}}"#;
    let result = Setup::new().one(CallType::Group, body);
    assert_eq!(result.records[0].value, r#"{"Name":"Acme"}"#);
}

#[test]
fn what_is_no_number_is_left_out_of_the_numbers() {
    let traits = r#"{"name":"N","employees":"","users":"abc","lifecycleInWeeks":[1],"arr":""}"#;
    assert_eq!(company(traits), r#"{"Name":"N"}"#);
}

#[test]
fn a_group_is_a_company_and_a_link_that_agree_on_its_id() {
    let result = Setup::new().one(CallType::Group, group(r#"{"name":" Example Company ","tier":"A","x":1}"#));
    let [company, link] = &result.records[..] else { panic!("{result:?}") };

    // The first 160 bits of SHA-256("acme" 0x1f "Example Company") in base32hex, computed elsewhere.
    let id = "1P02I9FI3305D1015K99P985RENE1301N0J9";
    assert_eq!(company.topic, "weir.companies");
    assert_eq!(company.key.as_deref(), Some("acme\u{1f}Example Company"));
    assert_eq!(company.value, r#"{"Name":" Example Company ","Tier__gc":"A"}"#);
    assert_eq!(company.header("ce_type"), Some("weir.company.v1"));
    assert_eq!(company.header("ce_id"), Some("g/company"));
    assert_eq!(company.header("ce_companyid"), Some(id));

    assert_eq!(link.topic, "weir.people");
    assert_eq!(link.key.as_deref(), Some("acme\u{1f}e@x"));
    assert_eq!(
        link.value,
        format!(r#"{{"Email":"E@x","CompanyId":"{id}","CompanyName":" Example Company "}}"#)
    );
    assert_eq!(link.header("ce_type"), Some("weir.person-company.v1"));
    assert_eq!(link.header("ce_id"), Some("g/link.0"));
    assert_eq!(link.header("ce_companyid"), None);
    assert_eq!(result.answer, Answer::Ok);
    assert_eq!(result.counted(), "dropped/company=1 group/queued=1");
}

#[test]
fn a_company_id_depends_on_tenant_and_exact_name_only() {
    let id = |tenant, name| crate::mapping::company::company_id(tenant, name);
    assert_eq!(id("acme", "Größe & Söhne"), "1P02LU2T89CBFKILBALMALSQO790J2M7CV0H");
    assert_ne!(id("acme", "example company"), id("acme", "Example Company"));
    assert_ne!(id("other", "Example Company"), id("acme", "Example Company"));
}

#[test]
fn a_group_without_a_company_name_is_quarantined() {
    for name in ["null", "\"\"", "\" \"", "0", "false", "\"\\u0000\""] {
        let result = Setup::new().one(CallType::Group, group(&format!("{{\"name\":{name}}}")));
        assert_eq!(result.reasons(), ["company_name_missing"], "{name}");
        assert_eq!(result.records.len(), 1, "only the rejected event: {result:?}");
    }
}

#[test]
fn a_group_without_its_users_email_is_quarantined_or_kept_unlinked() {
    for context in ["{}", r#"{"email":null}"#, r#"{"email":" "}"#, r#"{"email":false}"#] {
        // An email at root is the company's, not the user's.
        let body = format!(
            r#"{{"userId":"u","messageId":"g","traits":{{"name":"N","email":"root@x"}},
                "context":{{"traits":{context}}}}}"#
        );
        let result = Setup::new().one(CallType::Group, &body);
        assert_eq!(result.reasons(), ["user_email_missing"], "{context}");
        assert_eq!(result.counted(), "group/quarantined=1 quarantined/user_email_missing=1");

        let mut setup = Setup::new();
        setup.tenant.group_email = GroupEmail::Optional;
        let result = setup.one(CallType::Group, &body);
        assert_eq!(result.values(), [("company", r#"{"Name":"N"}"#)]);
        assert_eq!(result.answer, Answer::Ok);
    }
}
