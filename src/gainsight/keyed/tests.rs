//! Which records are one, and what is asked and sent.

use proptest::prelude::*;

use super::*;

fn own(keys: &[&str]) -> Keyed {
    Keyed::own("deal__gc", &keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
}

#[test]
fn companies_are_found_by_name_and_the_oldest_of_several_counts() {
    let row = Values::read(r#"{"Name":"O\"B","Arr":1}"#);
    assert!(Keyed::company().find(&[&row]).body.contains(r#""value":["O\"B"]"#));
    let company =
        |name: &str, gsid: &str, created: i64| json!({"Name": name, "Gsid": gsid, "CreatedDate": created});
    let found = Keyed::company().found(&[
        company("Acme", "1P02B", 2_000),
        company(" Acme", "1P02A", 1_000),
        company("acme", "1P02C", 5),
        json!({"Name": "No id"}),
    ]);
    let acme = &found["Acme"];
    assert_eq!((acme.known.gsid.as_str(), acme.count), ("1P02A", 2));
    assert_eq!(acme.known.keys.get("Name"), Some(r#"" Acme""#));
    assert_eq!(found["acme"].count, 1, "another name");
    assert_eq!(found.len(), 2);
}

#[test]
fn records_go_out_as_they_are() {
    let records = [Values::read(r#"{"Name":"A","Arr":1.10}"#), Values::read(r#"{"Name":"B"}"#)];
    let company = Keyed::company();
    assert_eq!(company.insert(&records).body, r#"{"records":[{"Arr":1.10,"Name":"A"},{"Name":"B"}]}"#);
    assert_eq!(company.update(&records, None).path, "/v1/data/objects/Company?keys=Name");
    assert_eq!(
        own(&["Account", "Month"]).update(&records, None).path,
        "/v1/data/objects/deal__gc?keys=Account,Month"
    );
}

#[test]
fn several_keys_are_asked_for_together() {
    let deals = own(&["Account", "Month"]);
    let rows = [Values::read(r#"{"Account":"A ","Month":1}"#), Values::read(r#"{"Account":"B","Month":2}"#)];
    let call = deals.find(&rows.iter().collect::<Vec<_>>());
    assert_eq!(call.path, "/v1/data/objects/query/deal__gc");
    let asked: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(asked["select"], json!(["Gsid", "Account", "Month", "CreatedDate"]));
    assert_eq!(asked["where"]["expression"], "A AND B");
    assert_eq!(asked["where"]["conditions"][0]["value"], json!(["A ", "A", "B"]));
    assert_eq!(asked["where"]["conditions"][1]["value"], json!([1, 2]));
    let found =
        deals.found(&[json!({"Gsid": "1", "Account": "A", "Month": 1.0}), json!({"Gsid": "2", "Month": 1})]);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), [deals.key(&rows[0]).unwrap()]);
}

#[test]
fn a_record_without_one_of_its_keys_has_none() {
    let deals = own(&["Account", "Month"]);
    for json in [r#"{"Account":"A"}"#, r#"{"Account":"A","Month":null}"#, r#"{"Account":"A","Month":" "}"#] {
        assert_eq!(deals.key(&Values::read(json)), Err("Month"), "{json}");
    }
    assert_eq!(deals.unfit(), None);
    assert_eq!(own(&[]).unfit().unwrap().0, "keys_missing");
    assert_eq!(own(&["A", "B", "C", "D"]).unfit().unwrap().0, "keys_too_many");
}

#[test]
fn a_number_is_the_same_key_however_it_is_written() {
    let deals = own(&["Number"]);
    let key = |json: &str| deals.key(&Values::read(&format!("{{\"Number\":{json}}}"))).unwrap();
    assert_eq!((key("7"), key("7.0")), (key(r#""7""#), key(" 7 ")));
    assert_ne!(key("7.5"), key("7"));
}

proptest! {
    /// Two names are one company's exactly if they differ by nothing but blanks around them and composed letters.
    #[test]
    fn names_that_differ_by_blanks_alone_are_one_company(
        name in "[a-zé ]{0,4}[a-zéÅ]",
        other in "[a-zé ]{0,4}[a-zéÅ]",
        before in "[ \t\u{a0}]{0,3}",
        after in "[ \n]{0,3}",
    ) {
        let key = |name: &str| {
            let mut fields = Values::default();
            fields.set("Name", json!(name).to_string());
            (Keyed::company().key(&fields).unwrap(), Keyed::company().written(&fields))
        };
        let decomposed: String = format!("{before}{name}{after}").nfd().collect();
        prop_assert_eq!(key(&decomposed), key(&name));
        prop_assert_eq!(key(&name).0 == key(&other).0, name.trim() == other.trim());
    }
}
