//! Calls of Gainsight's own API.

use super::super::gainsight::{Operation, Reply, map_again, process};
use super::properties::{assert_sound, json};
use super::*;
use crate::event::head::EventHead;
use proptest::prelude::*;

use Operation::{Company, CompanyQuery, Event, People};

impl Setup {
    pub(super) fn gainsight(self, operation: Operation, body: impl AsRef<[u8]>) -> Fate<Reply> {
        self.with_head(operation, &EventHead::default(), body.as_ref())
    }

    /// An event of the publisher `tickets`.
    fn publish_event(self, head: &EventHead, body: &str) -> Fate<Reply> {
        self.with_head(Event, head, body.as_bytes())
    }

    fn with_head(self, operation: Operation, head: &EventHead, body: &[u8]) -> Fate<Reply> {
        let sender = self.sender();
        let request = Request { path: "/v1.0/api/people", ..sender.request() };
        sender.fate(process(operation, head, None, &request, body))
    }
}

fn failed(reason: Reason) -> Reply {
    Reply::Failed(Rejection::new(reason))
}

/// The id of the company "Acme" of the tenant `acme`, by `printf 'acme\x1fAcme' | sha256sum`.
const ACME: &str = "1P024RUEIHNJ7PEGGITHDTICD685B3J7UC1F";

#[test]
fn a_person_is_sent_in_fields_and_becomes_what_its_traits_would_have() {
    let body = r#"{"Email":" Ada@x.Y ","FirstName":"Ada","Location":{ "city": "L" },"Comments":12.0,
        "MasterAvatarTypeCode":"0x10","Plan__gc":"gold","plan":"silver","email":"no field","Gsid":"x",
        "EmailOptOut":"false","Timezone":null,"LastName":""}"#;
    let fate = Setup::new().gainsight(People, body);
    assert_eq!(fate.answer, Reply::Taken);
    let person = fate.only();
    assert_eq!((person.topic.as_str(), person.key.as_deref()), ("weir.people", Some("acme\u{1f}ada@x.y")));
    assert_eq!(person.which(), "person");
    assert_eq!(person.header("ce_time"), Some("2026-11-21T12:00:00.000Z"), "the receipt");
    let expected = concat!(
        r#"{"Email":" Ada@x.Y ","FirstName":"Ada","Location":"{\"city\":\"L\"}","EmailOptOut":"false","#,
        r#""Comments":"12.0","MasterAvatarTypeCode":16,"Plan__gc":"silver","Name":"Ada"}"#
    );
    assert_eq!(person.value, expected);
    assert_eq!(fate.counted(), "dropped/person=1 identify/queued=1");
}

#[test]
fn what_is_a_field_already_is_not_sent_elsewhere_by_the_tenants_map() {
    let mut setup = Setup::new();
    setup.tenant.person_fields =
        map(&[("Location", "Place__gc"), ("Plan__gc", "Other__gc"), ("nick", "Name")]);
    setup.tenant.unmapped_traits = UnmappedTraits::Suffix;
    let body = r#"{"Email":"a@x","Location":"L","Plan__gc":"P","nick":"N","seats":3,"companies":null}"#;
    let fate = setup.gainsight(People, body);
    assert_eq!(
        fate.only().value,
        r#"{"Email":"a@x","Name":"N","Location":"L","Plan__gc":"P","seats__gc":3}"#
    );
}

#[test]
fn an_empty_name_blanks_none() {
    let fate = Setup::new().gainsight(People, r#"{"Email":"a@x","Name":""}"#);
    assert_eq!(fate.only().value, r#"{"Email":"a@x"}"#);
}

#[test]
fn a_person_with_companies_is_a_person_and_a_link_to_each() {
    let body = format!(
        r#"{{"Email":"A@x","FirstName":"Ada",
            "companies":[{{"Company_ID":"{ACME}"}},{{"Company_ID":7,"Title":"CTO"}}]}}"#
    );
    let fate = Setup::new().gainsight(People, body);
    let expected = [
        ("person", r#"{"Email":"A@x","FirstName":"Ada","Name":"Ada"}"#.to_owned()),
        ("link.0", format!(r#"{{"Email":"A@x","CompanyId":"{ACME}"}}"#)),
        ("link.1", r#"{"Email":"A@x","CompanyId":"7"}"#.to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(which, value)| (*which, value.as_str())).collect();
    assert_eq!(fate.values(), expected);
    assert!(fate.records.iter().all(|record| record.key.as_deref() == Some("acme\u{1f}a@x")));
    let ids: Vec<_> = fate.records.iter().map(Seen::message_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // The title of the second company.
    assert_eq!(fate.counted(), "dropped/person=1 identify/queued=1");
}

#[test]
fn an_email_and_companies_alone_are_a_link_alone_as_a_group_call_is() {
    let link = |body: &str| Setup::new().gainsight(People, body);
    let fate = link(r#"{"Email":"a@x","companies":[{"Company_ID":" C1 "}],"FirstName":null}"#);
    assert_eq!(fate.values(), [("link.0", r#"{"Email":"a@x","CompanyId":"C1"}"#)]);
    let fate = link(r#"{"Email":"a@x","companies":[]}"#);
    assert_eq!(fate.values(), [("person", r#"{"Email":"a@x"}"#)]);
}

#[test]
fn a_person_without_email_or_with_a_company_without_id_fails_and_is_kept() {
    for (body, reason) in [
        ("{}", Reason::EmailMissing),
        (r#"{"email":"a@x"}"#, Reason::EmailMissing),
        (r#"{"Email":" "}"#, Reason::EmailMissing),
        (r#"{"Email":0}"#, Reason::EmailMissing),
        (r#"{"Email":null,"companies":[{"Company_ID":"C"}]}"#, Reason::EmailMissing),
        (r#"{"Email":"a@x","companies":"C"}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":{"Company_ID":"C"}}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":["C"]}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":[{"Company_ID":"C"},{}]}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":[{"Company_ID":" "}]}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":[{"Company_ID":0}]}"#, Reason::CompanyIdMissing),
        (r#"{"Email":"a@x","companies":[{"Company_ID":{}}]}"#, Reason::CompanyIdMissing),
        ("[]", Reason::NotAnObject),
        ("7", Reason::NotAnObject),
        ("{", Reason::InvalidJson),
        ("", Reason::InvalidJson),
    ] {
        let fate = Setup::new().gainsight(People, body);
        assert_eq!(fate.answer, failed(reason), "{body}");
        let record = fate.only();
        assert_eq!(record.which(), "rejected");
        assert_eq!(record.json()["reason"], reason.label());
        assert_eq!(fate.counted(), format!("identify/quarantined=1 quarantined/{}=1", reason.label()));
    }
    let mut setup = Setup::new();
    setup.rules.depth = 3;
    let deep = setup.gainsight(People, r#"{"Email":"a@x","Location":[[[]]]}"#);
    assert_eq!(deep.answer, failed(Reason::DepthExceeded));
    assert!(deep.only().json()["event_base64"].is_string());
}

#[test]
fn a_long_email_does_not_stand_in_many_links() {
    let companies = |n: usize| vec![r#"{"Company_ID":"C"}"#; n].join(",");
    let body = |email: &str, n| format!(r#"{{"Email":"{email}","companies":[{}]}}"#, companies(n));
    let fate = Setup::new().gainsight(People, body("a@x", 50));
    assert_eq!(fate.records.len(), 50);
    let fate = Setup::new().gainsight(People, body(&format!("{}@x", "e".repeat(200_000)), 50));
    assert_eq!(fate.answer, failed(Reason::RecordTooLarge));
    assert_eq!(fate.records.len(), 1);
    let fate = Setup::new().gainsight(People, body("a@x", 51));
    assert!(matches!(&fate.answer, Reply::Failed(rejection) if rejection.detail.contains("at most 50")));
}

#[test]
fn no_call_takes_more_of_the_queue_than_the_configuration_was_checked_for() {
    let mut config = crate::setup::load(None, &crate::config::Overrides::default()).unwrap();
    config.limits.request.events = 1;
    let (most_records, most_bytes) = crate::setup::largest_request(&config);
    let email = format!("{}@x", "e".repeat(5_198));
    let companies = vec![r#"{"Company_ID":"C"}"#; 50].join(",");
    let people = format!(r#"{{"Email":"{email}","FirstName":"F","companies":[{companies}]}}"#);
    let company = format!(r#"{{"records":[{}]}}"#, vec![r#"{"Name":"A"}"#; 50].join(","));
    for (operation, body, records) in [(People, people, 51), (Company, company, 50)] {
        let made = Setup::new().gainsight(operation, body).records;
        assert_eq!(made.len(), records);
        assert!(made.len() <= most_records);
        let bytes: usize =
            made.iter().map(|record| record.key.as_ref().map_or(0, String::len) + record.value.len()).sum();
        assert!(bytes + records * 1_024 <= most_bytes, "{bytes}");
    }
}

#[test]
fn companies_are_sent_in_fields_and_told_with_their_ids() {
    let body = r#"{"records":[{"Name":" Acme ","Employees":"250","Arr":"5","Summary":7,"tier":"A","X__gc":1,
        "Nps":9,"Users":""},{"Name":8}]}"#;
    let fate = Setup::new().gainsight(Company, body);
    let Reply::Companies(saved) = &fate.answer else { panic!("{:?}", fate.answer) };
    assert_eq!((saved.len(), saved[0].as_str()), (2, ACME));
    let expected = [
        ("company", r#"{"Name":" Acme ","Employees":250,"Arr":"5","Summary":"7","Tier__gc":"A","X__gc":1}"#),
        ("company", r#"{"Name":8}"#),
    ];
    assert_eq!(fate.values(), expected);
    let [acme, eight] = &fate.records[..] else { panic!("not two") };
    assert_eq!((acme.key.as_deref(), acme.header("ce_companyid")), (Some("acme\u{1f}Acme"), Some(ACME)));
    assert_eq!(eight.header("ce_companyid"), Some(saved[1].as_str()));
    assert_ne!(acme.message_id(), eight.message_id(), "or readers would drop one of them");
    assert_eq!(fate.counted(), "group/queued=2");
}

#[test]
fn one_company_that_fails_fails_the_call_and_only_it_is_kept() {
    let long = "x".repeat(600);
    let body =
        format!(r#"{{"records":[{{"Name":"A"}},{{"name":"B"}},7,{{"Name":"{long}"}},{{"Name":"C"}}]}}"#);
    let mut setup = Setup::new();
    setup.rules.event_bytes = 500;
    let fate = setup.gainsight(Company, body);
    let why = |reason| Some(Rejection::new(reason));
    let expected = vec![
        None,
        why(Reason::CompanyNameMissing),
        why(Reason::NotAnObject),
        why(Reason::EventTooLarge),
        None,
    ];
    assert_eq!(fate.answer, Reply::FailedRecords(expected));
    let kept: Vec<_> =
        fate.records.iter().map(|record| (record.which(), record.json()["index"].clone())).collect();
    assert_eq!(kept, [("rejected", 1.into()), ("rejected", 2.into()), ("rejected", 3.into())]);
    assert_eq!(fate.records[0].json()["event"], serde_json::json!({"name": "B"}));
    assert_eq!(
        fate.counted(),
        "group/quarantined=3 group/refused=2 quarantined/company_name_missing=1 \
         quarantined/event_too_large=1 quarantined/not_an_object=1"
    );
}

#[test]
fn a_call_brings_one_to_fifty_companies_in_a_list() {
    let records = |n: usize| format!(r#"{{"records":[{}]}}"#, vec![r#"{"Name":"A"}"#; n].join(","));
    let fate = Setup::new().gainsight(Company, records(50));
    assert_eq!(fate.records.len(), 50);
    let wrong = [
        r#"{"records":[],"records":[{"Name":"A"}]}"#,
        r#"{"records":{"Name":"A"}}"#,
        r#"{"records":null}"#,
        r#"{"Name":"A"}"#,
        "[]",
        "7",
    ];
    for body in wrong.map(str::to_owned).into_iter().chain([records(0), records(51)]) {
        let fate = Setup::new().gainsight(Company, &body);
        assert_eq!((fate.answer, fate.records.len()), (Reply::WrongCount, 0), "{body}");
    }
    for body in ["{", r#"{"records":[{"Name":"A"}]} x"#, r#"{"records":[{"Name":"A"}],}"#] {
        assert_eq!(Setup::new().gainsight(Company, body).answer, failed(Reason::InvalidJson), "{body}");
    }
    let mut setup = Setup::new();
    setup.rules.depth = 1;
    let fate = setup.gainsight(Company, r#"{"records":[{"Name":"A"},{"Name":[]}]}"#);
    let deep = vec![None, Some(Rejection::new(Reason::DepthExceeded))];
    assert_eq!(
        fate.answer,
        Reply::FailedRecords(deep),
        "the levels of each record count, not those around it"
    );
}

#[test]
fn a_query_finds_nothing_and_leaves_nothing() {
    for (body, told) in
        [("{}", Reply::NoRecords), ("7", Reply::NoRecords), ("{", failed(Reason::InvalidJson))]
    {
        let fate = Setup::new().gainsight(CompanyQuery, body);
        assert_eq!((fate.answer, fate.records.len(), fate.counts.len()), (told, 0, 0), "{body}");
    }
}

#[test]
fn a_record_that_is_larger_than_the_queue_takes_fails() {
    for (operation, body) in
        [(People, r#"{"Email":"a@x","FirstName":"Ada"}"#), (Company, r#"{"records":[{"Name":"Acme"}]}"#)]
    {
        let mut setup = Setup::new();
        setup.rules.record_bytes = 60;
        let fate = setup.gainsight(operation, body);
        assert!(fate.counted().contains("quarantined/record_too_large=1"), "{}", fate.counted());
        assert_eq!(fate.only().which(), "rejected");
    }
}

#[test]
fn what_was_kept_is_mapped_again_by_the_rules_of_its_route() {
    let again = |operation: Operation, event: &str| {
        let (sender, head) = (Setup::new().sender(), EventHead::default());
        let mut records = Records::new(0);
        let again = sender.stamp_again();
        let mapped = map_again(operation, &head, &sender.request(), event, again.on(&mut records));
        (mapped, seen(&records))
    };
    let (mapped, records) = again(People, r#"{"Email":"a@x","name":"n","companies":[{"Company_ID":"C"}]}"#);
    assert_eq!(mapped, MappedAgain::Queued);
    let ids: Vec<_> = records.iter().map(|record| record.header("ce_id").unwrap()).collect();
    assert_eq!(ids, ["m/person", "m/link.0"]);
    assert_eq!(records[0].value, r#"{"Email":"a@x"}"#);
    let (mapped, records) = again(Company, r#"{"Name":"Acme"}"#);
    assert_eq!((mapped, records[0].header("ce_companyid")), (MappedAgain::Queued, Some(ACME)));
    for (operation, event, reason) in [
        (People, "{}", Reason::EmailMissing),
        (Company, "{}", Reason::CompanyNameMissing),
        (Company, "{", Reason::InvalidJson),
    ] {
        let (mapped, records) = again(operation, event);
        assert_eq!((mapped, records), (MappedAgain::Rejected(Rejection::new(reason)), Vec::new()));
    }
}

/// What the headers of an event say: topic, name, version, contract.
fn head(said: [&str; 4]) -> EventHead {
    let [topic, name, version, contract] =
        said.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
    EventHead { topic, name, version, contract }
}

const CLOSED: [&str; 4] = ["Ticket Actions", "Closed", "v01", ""];

#[test]
fn an_event_goes_under_the_name_and_version_that_it_came_with_and_without_a_key() {
    let fate = Setup::new().publish_event(&head(CLOSED), r#" {"id":7.50,"\u0000":"\ud800","n":null} "#);
    assert_eq!(fate.answer, Reply::Taken);
    let event = fate.only();
    assert_eq!(
        (event.topic.as_str(), &event.key, event.which()),
        ("weir.events.tickets", &None, "event.tickets")
    );
    let headers = ["ce_topic", "ce_eventname", "ce_eventversion", "ce_contract", "ce_time"];
    assert_eq!(
        headers.map(|name| event.header(name)),
        [Some("Ticket Actions"), Some("Closed"), Some("v01"), None, Some("2026-11-21T12:00:00.000Z")]
    );
    assert_eq!(event.value, r#"{"id":7.50,"":"\ufffd","n":null}"#);
    assert_eq!(fate.counted(), "track/queued=1");
    let again = Setup::new().publish_event(&head(CLOSED), r#"{"id":7.50}"#);
    assert_ne!(again.only().message_id(), event.message_id(), "a call has no id of its own");
}

#[test]
fn an_event_without_a_body_has_no_properties() {
    for body in ["", " \n", "{}"] {
        assert_eq!(Setup::new().publish_event(&head(CLOSED), body).only().value, "{}");
    }
}

#[test]
fn an_event_goes_to_the_contract_that_it_names_else_to_its_publishers() {
    let mut gold = CLOSED;
    gold[3] = "gold";
    let fate = Setup::new().publish_event(&head(gold), "{}");
    assert_eq!(
        (fate.only().topic.as_str(), fate.only().header("ce_contract")),
        ("weir.events.tickets.gold", Some("gold"))
    );
    let mut setup = Setup::new();
    setup.publishers[0].contract = Some("standard".to_owned());
    let fate = setup.publish_event(&head(CLOSED), "{}");
    assert_eq!(fate.only().header("ce_contract"), Some("standard"));
}

#[test]
fn an_event_that_breaks_a_rule_fails_and_is_kept_with_what_its_headers_said() {
    for (said, body, reason, detail) in [
        (
            ["Other", "N", "1", ""],
            "{}",
            Reason::TopicUnknown,
            "no publisher of this tenant has the event's topic",
        ),
        (["", "N", "1", ""], "{}", Reason::TopicUnknown, "the header topicName is missing"),
        (["Ticket Actions", "", "1", ""], "{}", Reason::EventNameMissing, "the header eventName is missing"),
        (
            ["Ticket Actions", "N", "", ""],
            "{}",
            Reason::EventNameMissing,
            "the header eventVersion is missing",
        ),
        (
            ["Ticket Actions", "N", "1", "silver"],
            "{}",
            Reason::ContractUnknown,
            "the contract is not listed for its publisher: tickets",
        ),
        (CLOSED, "[]", Reason::NotAnObject, Reason::NotAnObject.sentence()),
        (CLOSED, "null", Reason::NotAnObject, Reason::NotAnObject.sentence()),
        (CLOSED, "{", Reason::InvalidJson, "invalid json"),
    ] {
        let head = head(said);
        let fate = Setup::new().publish_event(&head, body);
        let told = Reply::Failed(Rejection { reason, detail: detail.to_owned().into() });
        assert_eq!(fate.answer, told, "{said:?} {body}");
        let kept = fate.only().json();
        assert_eq!((&kept["reason"], &kept["detail"]), (&reason.label().into(), &detail.into()));
        assert_eq!(serde_json::from_value::<EventHead>(kept["headers"].clone()).unwrap(), head);
        assert_eq!(fate.counted(), format!("quarantined/{}=1 track/quarantined=1", reason.label()));
    }
    let other = Setup::new().gainsight(People, "{}");
    assert_eq!(other.only().json().get("headers"), None);
}

proptest! {
    #[test]
    fn any_body_is_taken_and_what_becomes_of_it_is_sound(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        email in json(), company in json(), odd in json(), said in any::<[bool; 4]>()
    ) {
        let companies = format!(r#"[{{"Company_ID":{odd},"x":{odd}}},{company}]"#);
        let bodies = [
            bytes,
            odd.clone().into_bytes(),
            format!(r#"{{"Email":{email},"companies":{odd},"Location":{company}}}"#).into_bytes(),
            format!(r#"{{"Email":"e@x","Name":{email},"companies":{companies}}}"#).into_bytes(),
            format!(r#"{{"records":[{{"Name":{company},"Employees":{odd}}},{odd}]}}"#).into_bytes(),
            format!(r#"{{"records":{odd}}}"#).into_bytes(),
        ];
        let known = ["Ticket Actions", "Closed", "1", "gold"];
        let head = head(std::array::from_fn(|place| if said[place] { known[place] } else { "" }));
        for body in &bodies {
            for operation in [People, CompanyQuery, Company, Event] {
                assert_sound(&Setup::new().with_head(operation, &head, body));
            }
        }
    }
}

#[test]
fn headers_that_no_record_could_hold_are_left_out_of_what_is_kept() {
    let mut setup = Setup::new();
    setup.rules.record_bytes = 2_000;
    let long = "t".repeat(3_000);
    let fate = setup.publish_event(&head([&long, "Closed", "v01", ""]), r#"{"id":7}"#);
    assert_eq!(fate.answer, failed(Reason::TopicUnknown));
    let value = fate.only().json();
    assert_eq!((&value["event"], value.get("headers")), (&serde_json::json!({"id": 7}), None));
}
