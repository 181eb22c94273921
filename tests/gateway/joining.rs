//! Ids that are one user's, and companies of users without an email, from a call to what SQL finds.

use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::{Weir, command, config};
use crate::store::ask;

fn shown(weir: &Weir, arguments: &[&str]) -> String {
    let (data, file) = (weir.data(), weir.config_file());
    let place = ["--data", data.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let output = command(&[&["store", "show"], arguments, &place].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn send(weir: &Weir, call: &str, body: &str) {
    assert_eq!(weir.post(&format!("/v1/{call}"), body).brief(), (200, "ok"), "{body}");
}

#[test]
fn an_alias_joins_what_came_under_an_anonymous_id_with_the_person_who_turns_out_to_be_its_user() {
    let weir = Weir::with_config(&config("[store]"));
    send(&weir, "track", r#"{"anonymousId":"anon-1","event":"Ticket Closure"}"#);
    send(&weir, "alias", r#"{"previousId":"anon-1","userId":"ada"}"#);
    send(&weir, "identify", r#"{"userId":"ada","traits":{"email":"ada@x.org"}}"#);
    let sql =
        "SELECT e.user_id, p.email, p.user_ids FROM acme_event e JOIN acme_person p ON p.id = e.person_id";
    wait_until("the event's person", || ask(weir.data(), sql) == ["anon-1|ada@x.org|[\"ada\",\"anon-1\"]"]);
    assert_eq!(weir.metric(r#"weir_events_total{outcome="queued",source="web",type="alias"}"#), 1.0);
    assert_eq!(
        weir.metric(r#"weir_load_records_total{loader="store",outcome="loaded",record="alias"}"#),
        1.0
    );
    let text = shown(&weir, &["person", "ada@x.org"]);
    assert!(text.contains("  user ids    ada, anon-1\n  joined      anon-1 into ada\n"), "{text}");
    assert!(text.contains("Ticket Closed"), "the events of both: {text}");
    let json: serde_json::Value =
        serde_json::from_str(&shown(&weir, &["person", "ada@x.org", "--json"])).unwrap();
    assert_eq!(json["joined"], serde_json::json!({"anon-1": "ada"}));
}

#[test]
fn an_alias_on_a_first_start_is_joined_and_without_a_store_ignored() {
    let demo = Weir::demo();
    send(&demo, "alias", r#"{"previousId":"anon-1","userId":"ada"}"#);
    send(&demo, "identify", r#"{"userId":"ada","traits":{"email":"ada@x.org"}}"#);
    let ids = "SELECT user_ids FROM demo_person";
    wait_until("both ids", || ask(demo.data(), ids) == ["[\"ada\",\"anon-1\"]"]);
    let without = Weir::standard();
    send(&without, "alias", r#"{"previousId":"anon-1","userId":"ada"}"#);
    assert_eq!(without.metric(r#"weir_ignored_total{reason="call_type"}"#), 1.0);
    assert_eq!(without.records().len(), 0);
}

#[test]
fn a_group_without_an_email_links_the_company_once_identify_has_told_who_its_user_is() {
    let sample = Sample::default().tenant("group_email = \"optional\"").more("[store]");
    let weir = Weir::with_config(&sample.toml());
    let links = "SELECT person_email, company_name FROM acme_company_person ORDER BY 1";
    send(&weir, "group", r#"{"userId":"ada","traits":{"name":"Acme"}}"#);
    send(&weir, "identify", r#"{"userId":"ada","traits":{"email":"ada@x.org"}}"#);
    send(&weir, "identify", r#"{"userId":"bob","traits":{"email":"bob@x.org"}}"#);
    send(&weir, "group", r#"{"userId":"bob","traits":{"name":"Acme"}}"#);
    wait_until("both links", || ask(weir.data(), links) == ["ada@x.org|Acme", "bob@x.org|Acme"]);
    let id = &ask(weir.data(), "SELECT id FROM acme_company")[0];
    let link = format!(r#"link  {{"CompanyId":"{id}","CompanyName":"Acme","Email":"ada@x.org"}}"#);
    for arguments in [["person", "ada@x.org"], ["company", "Acme"]] {
        let text = shown(&weir, &arguments);
        assert!(text.contains(&link), "{text}");
    }
}
