//! What connectors to Zoho get wrong: each mistake made on purpose, to see that the org punishes it, and the same
//! situation with Weir.

use std::collections::BTreeSet;

use serde_json::Value;
use weir::connect::source::{Source, SourceError, Wanted};

use super::bench::{Bench, FIRST, at, by_id, deals, wanted};
use super::org::{Org, field};

/// A connector that makes mistakes.
struct Naive<'a> {
    bench: &'a Bench,
    token: String,
}

impl<'a> Naive<'a> {
    fn new(bench: &'a Bench) -> Self {
        let (_, token) = refresh(bench);
        Naive { bench, token: token.unwrap() }
    }

    fn get(&self, path: &str, since: Option<&str>) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent
            .get(format!("{}{path}", self.bench.served.url()))
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(since) = since {
            request = request.header("if-modified-since", since);
        }
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    fn ids(&self, path: &str, since: Option<&str>) -> Vec<u64> {
        let (status, body) = self.get(path, since);
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let rows = body["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
    }
}

fn refresh(bench: &Bench) -> (u16, Option<String>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "1000.CLIENT"),
        ("client_secret", "secret"),
        ("refresh_token", "1000.refresh"),
    ];
    let mut response = agent.post(format!("{}/oauth/v2/token", bench.served.url())).send_form(form).unwrap();
    let body: Value = response.body_mut().read_json().unwrap();
    (response.status().as_u16(), body["access_token"].as_str().map(str::to_owned))
}

/// Only pages, as those connectors read.
fn by_pages(mut org: Org) -> Org {
    org.coql_refuses = Some("INVALID_QUERY");
    org.bulk_refuses = Some("FEATURE_NOT_ENABLED");
    org
}

#[test]
fn a_token_for_each_call_is_throttled_and_that_is_no_mistake_of_the_settings() {
    let bench = Bench::new(deals(3));
    bench.served.org().accounts.most = Some(10);
    let statuses: Vec<_> = (0..11).map(|_| refresh(&bench).0).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10);
    assert_eq!(statuses[10], 400, "which is not what a wrong configuration means");
    let error = bench.source().test().unwrap_err();
    assert!(matches!(error, SourceError::Away(_)), "later: {error:?}");

    let bench = Bench::new(deals(3));
    bench.served.org().accounts.most = Some(10);
    for _ in 0..30 {
        bench.source().test().unwrap();
    }
    assert_eq!(bench.served.org().accounts.requests, 1, "processes share one token");
}

#[test]
fn fifty_fields_and_two_thousand_rows_are_where_others_stop() {
    let mut org = by_pages(deals(3_000));
    let module = org.modules.get_mut("Deals").unwrap();
    let names: Vec<_> = (0..60).map(|at| format!("F{at}")).collect();
    module.fields.extend(names.iter().map(|name| field(name, "text")));
    for row in module.rows.values_mut() {
        row.values.extend(names.iter().map(|name| (name.clone(), format!("{name} of {}", row.id).into())));
    }
    let bench = Bench::new(org);
    let naive = Naive::new(&bench);
    let (status, body) = naive.get(&format!("/crm/v8/Deals?fields={}", names.join(",")), None);
    assert!(status == 400 && body.contains("LIMIT_EXCEEDED"), "{body}");
    let (status, body) = naive.get("/crm/v8/Deals?fields=id&per_page=200&page=11", None);
    assert!(status == 400 && body.contains("DISCRETE_PAGINATION_LIMIT_EXCEEDED"), "{body}");

    let fields: Vec<_> = names.iter().map(String::as_str).collect();
    let rows = by_id(bench.read(&wanted("Deals", &fields)));
    assert_eq!(rows.len(), 3_000);
    for (id, row) in rows {
        for (name, cell) in names.iter().zip(row.cells) {
            assert_eq!(cell, Some(format!("{name} of {id}")));
        }
    }
}

/// Before the second page is read, a row of the first one changes, and one goes.
fn moving(mut org: Org) -> Org {
    let mut pages = 0;
    org.hook = Some(Box::new(move |org, asked| {
        pages += usize::from(asked.path == "/crm/v8/Deals");
        if pages == 2 {
            pages += 1;
            org.change("Deals", 5, "Amount", 1.into());
            org.delete("Deals", 6);
        }
    }));
    org
}

#[test]
fn pages_by_number_lose_rows_of_a_set_that_moves() {
    let bench = Bench::new(moving(by_pages(deals(600))));
    let naive = Naive::new(&bench);
    let mut seen = BTreeSet::new();
    for page in 1..=3 {
        let path =
            format!("/crm/v8/Deals?fields=id&sort_by=Modified_Time&sort_order=asc&per_page=200&page={page}");
        seen.extend(naive.ids(&path, Some("2026-01-01T00:00:00+00:00")));
    }
    let lost: Vec<_> = (7..=600).filter(|id| !seen.contains(id)).collect();
    assert!(lost.len() == 2, "rows that never changed: {lost:?}");

    // Even where tokens of pages are numbers in disguise.
    for are_offsets in [false, true] {
        let mut org = moving(by_pages(deals(600)));
        org.page_tokens_are_offsets = are_offsets;
        let bench = Bench::new(org);
        let rows = by_id(bench.read(&wanted("Deals", &["Amount"])));
        let lost: Vec<_> = (7..=600).filter(|id| !rows.contains_key(id)).collect();
        assert_eq!(lost, Vec::<u64>::new());
    }
}

#[test]
fn nothing_new_has_no_body_and_is_no_error() {
    let mut org = deals(10);
    org.modules.insert(
        "Empty".to_owned(),
        super::org::ModuleOf { fields: super::bench::fields(), ..Default::default() },
    );
    let bench = Bench::new(org);
    let naive = Naive::new(&bench);
    let later = "2026-06-01T00:00:00+00:00";
    assert_eq!(naive.get("/crm/v8/Deals?fields=id", Some(later)), (304, String::new()));
    assert_eq!(naive.get("/crm/v8/Empty?fields=id", None), (204, String::new()));

    let since = Wanted { since: Some(at(10_000)), ..wanted("Deals", &["Amount"]) };
    assert_eq!(bench.read(&since), []);
    assert_eq!(bench.read(&wanted("Empty", &["Amount"])), []);
    assert_eq!(bench.source().gone("Deals", Some(at(0))).unwrap(), Some(Vec::new()));
    assert_eq!(
        bench.source().rows("Deals", &["Amount".to_owned()], &["77".to_owned()]).unwrap(),
        Some(Vec::new())
    );
    bench.served.org().coql_refuses = Some("INVALID_QUERY");
    assert_eq!(bench.read(&since), []);
}

#[test]
fn a_parameter_that_zoho_does_not_know_filters_nothing() {
    let bench = Bench::new(by_pages(deals(150)));
    let naive = Naive::new(&bench);
    let path = "/crm/v8/Deals?fields=id&updated_since=2026-01-01T00:00:49Z";
    assert_eq!(naive.ids(path, None).len(), 150, "all of it, each time");

    let since = at(49);
    assert_eq!(since.as_second(), FIRST + 49);
    let rows = by_id(bench.read(&Wanted { since: Some(since), ..wanted("Deals", &["Amount"]) }));
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [147, 148, 149, 150]);
}

#[test]
fn a_token_of_one_data_centre_is_none_in_another() {
    let (here, there) = (Bench::new(deals(3)), Bench::new(deals(3)));
    let naive = Naive { bench: &there, token: Naive::new(&here).token };
    let (status, body) = naive.get("/crm/v8/Deals?fields=id", None);
    assert!(status == 401 && body.contains("INVALID_TOKEN"), "{body}");
    // Weir asks the server of its settings, and calls the API that this one names.
    there.source().test().unwrap();
    assert_eq!(there.served.org().accounts.requests, 1);
}
