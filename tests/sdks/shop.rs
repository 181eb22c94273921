//! A shop's page, written as its author would: somebody buys something and closes the tab, and all of it stands in the
//! store.

use serde_json::json;

use crate::browser::Browser;
use crate::harness::stored::ask;
use crate::harness::wait_until;
use crate::harness::weir::{Weir, source};

#[test]
fn everything_that_a_shop_sends_before_its_tab_is_closed_stands_in_the_store() {
    let browser = Browser::shared();
    let lines = format!("publishers = [\"orders\"]\norigins = [\"{}\"]", browser.origin);
    let weir = Weir::with_config(&format!(
        r#"
        [tenants.acme]
        [publishers.orders]
        tenant = "acme"
        topic = "Orders"
        contract = "standard"
        events."Order Completed" = {{ name = "Order Completed", version = "1.0.0" }}
        {}
        [store]
        "#,
        source("shop", "acme", &["shop"], &lines)
    ));
    let visit = json!({
        "page": "shop.html", "profile": "shop", "query": {"key": "shop", "weir": weir.url()},
        "click": "#buy", "leave": true,
    });
    browser.visit(&visit);
    let rows = |sql: &str, expected: &[&str]| wait_until(sql, || ask(weir.data(), sql) == expected);
    rows("SELECT name, email, user_ids FROM acme_person", &["Ada Lovelace|ada@example.com|[\"ada\"]"]);
    rows(
        "SELECT e.name, e.properties ->> 'product', e.properties ->> 'total', p.email \
         FROM acme_event e JOIN acme_person p ON p.id = e.person_id",
        &["Order Completed|darjeeling|14.5|ada@example.com"],
    );
    let pages = r#"weir_events_total{outcome="ignored",source="shop",type="page"}"#;
    assert_eq!(weir.metric(pages), 1.0);
}
