//! Those whom a tenant does not want to hear of.

use crate::harness::weir::{Weir, config};

#[test]
fn events_of_suppressed_users_are_answered_well_counted_and_kept_nowhere() {
    let weir = Weir::with_config(&config(
        "[tenants.acme.suppress]\nuser_ids = [' robot ']\nemails = ['Ada@X.y']\nemail_domains = ['Internal.example']\n",
    ));
    for body in [
        r#"{"userId":"robot","traits":{"email":"robot@x.y"}}"#,
        r#"{"userId":"u","traits":{"email":" ada@x.y"}}"#,
        r#"{"userId":"u","traits":{"email":"somebody@internal.example"}}"#,
    ] {
        assert_eq!(weir.post("/v1/identify", body).brief(), (200, "ok"), "{body}");
    }
    assert_eq!(weir.records().len(), 0);
    assert_eq!(weir.metric("weir_ignored_total{reason=\"suppressed\"}"), 3.0);
    let events = "weir_events_total{outcome=\"ignored\",source=\"web\",type=\"identify\"}";
    assert_eq!(weir.metric(events), 3.0);
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"b@x.y"}}"#).brief(),
        (200, "ok")
    );
    assert_eq!(weir.records().len(), 1);
}
