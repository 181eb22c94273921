//! Pages and screens, from a call to what SQL finds.

use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::Weir;
use crate::store::ask;

#[test]
fn pages_and_screens_that_are_mapped_are_events() {
    let events = "events.\"page:*\" = { name = \"Page Viewed\", version = \"1.0.0\" }\n\
                  events.\"screen:Home\" = { name = \"Home Opened\", version = \"2\" }";
    let weir = Weir::with_config(&Sample::default().more(events).more("[store]").toml());
    let send =
        |call: &str, body: &str| assert_eq!(weir.post(&format!("/v1/{call}"), body).brief(), (200, "ok"));
    let page = r#"{"userId":"u","name":"Pricing","category":"Docs","properties":{"path":"/pricing"}}"#;
    send("page", page);
    send("screen", r#"{"userId":"u","event":"Home","properties":{"name":"Home"}}"#);
    send("screen", r#"{"userId":"u","name":"Else"}"#);
    let sql = "SELECT name, version, properties FROM acme_event ORDER BY name";
    let expected = [
        r#"Home Opened|2|{"name":"Home"}"#,
        r#"Page Viewed|1.0.0|{"name":"Pricing","category":"Docs","path":"/pricing"}"#,
    ];
    wait_until("both events", || ask(weir.data(), sql) == expected);
    assert_eq!(weir.metric(r#"weir_events_total{outcome="ignored",source="web",type="screen"}"#), 1.0);
}
