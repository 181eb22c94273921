//! APIs that give JSON as sources, Ecosystems among them, against one that pages in every way and goes wrong in many.

pub mod api;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use toml::Table;
use weir::connect::ecosystems;
use weir::connect::http_json::settings;
use weir::connect::http_json::source::HttpSource;
use weir::connect::source::{Flow, Page, Source, SourceError, Wanted};
use weir::connect::vault::Vault;

use api::{Fault, Paging, Served};

/// A token, or none.
struct Token(Option<&'static str>);

impl Vault for Token {
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError> {
        assert_eq!(field, "token");
        Ok(self.0.map(str::to_owned))
    }

    fn put(&mut self, _: &[(&str, Option<&str>)]) -> Result<(), SourceError> {
        Ok(())
    }

    fn lock(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn unlock(&mut self) {}
}

fn record(number: usize) -> Value {
    json!({
        "document_id": format!("D{number}"),
        "value_driver_id": "V/1",
        "kpi_id": 7,
        "account_name": " Acme ",
        "total_benefit": 12.50,
        "created_at": "2026-11-30T09:00:00+01:00",
        "updated_at": format!("2026-11-{:02}T00:00:00Z", number + 1),
        "value_realization_calendar": {"q1": number},
    })
}

fn served(paging: Paging, count: usize) -> Served {
    Served::start(paging, (0..count).map(record).collect())
}

/// The API with its paging, as a connection `http` describes it.
fn described(api: &Served, paging: &str) -> HttpSource {
    let text = format!(
        r#"
        base_url = "{}/api"
        [objects.drivers]
        path = "/value-drivers"
        records = "data"
        id = "Document"
        modified = "updated_at"
        since = "updated_since"
        paging = {paging}
        fields = {{ Document = "document_id", Benefit = {{ path = "total_benefit", type = "number" }} }}
        "#,
        api.url
    );
    let read = settings::read(&text.parse().unwrap(), "s").unwrap();
    HttpSource::new(read, Box::new(Token(Some("secret-token")))).unwrap().with_pause(Duration::ZERO)
}

/// The API as one of Ecosystems.
fn ecosystems_at(api: &Served, token: Option<&'static str>) -> HttpSource {
    let given: Table = format!("base_url = \"{}/api\"", api.url).parse().unwrap();
    let read = ecosystems::api(&given, "s").unwrap();
    HttpSource::new(read, Box::new(Token(token))).unwrap().with_pause(Duration::ZERO)
}

fn wanted(object: &str, fields: &[&str]) -> Wanted {
    Wanted {
        object: object.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        since: None,
        until: Timestamp::now(),
        filter: None,
        limit: None,
    }
}

fn pages(
    source: &mut HttpSource,
    wanted: &Wanted,
    checkpoint: Option<&str>,
) -> Result<Vec<Page>, SourceError> {
    let mut pages = Vec::new();
    let mut take = |page| {
        pages.push(page);
        Ok(Flow::More)
    };
    source.read(wanted, checkpoint, &mut take).map(|()| pages)
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.rows).map(|row| row.id.clone().unwrap()).collect()
}

const STYLES: [(Paging, &str); 5] = [
    (Paging::Page, r#"{ style = "page", parameter = "page" }"#),
    (Paging::Offset, r#"{ style = "offset", parameter = "offset" }"#),
    (Paging::Cursor, r#"{ style = "cursor", parameter = "offset", next = "next" }"#),
    (Paging::NextUrl, r#"{ style = "next_url", next = "next" }"#),
    (Paging::LinkHeader, r#"{ style = "link_header" }"#),
];

#[test]
fn every_style_of_paging_reads_each_record_once_and_goes_on_after_any_page() {
    for (paging, style) in STYLES {
        for count in [0, 1, 3, 7] {
            let api = served(paging, count);
            let wanted = wanted("drivers", &["Document", "Benefit"]);
            let all = pages(&mut described(&api, style), &wanted, None).unwrap();
            let expected: Vec<String> = (0..count).map(|number| format!("D{number}")).collect();
            assert_eq!(ids(&all), expected, "{paging:?}");
            assert!(
                all.iter().flat_map(|page| &page.rows).all(|row| row.cells[1].as_deref() == Some("12.5"))
            );
            for (index, page) in all.iter().enumerate() {
                let rest = pages(&mut described(&api, style), &wanted, Some(&page.checkpoint)).unwrap();
                assert_eq!(ids(&rest), ids(&all[index + 1..]), "{paging:?} after {index}");
            }
        }
    }
}

#[test]
fn only_what_changed_is_asked_for_and_a_preview_asks_for_one_page() {
    let api = served(Paging::Page, 7);
    let mut source = ecosystems_at(&api, Some("secret-token"));
    let since = Some("2026-11-06T00:00:00Z".parse().unwrap());
    let some = Wanted { since, ..wanted("value_drivers", &["Document ID"]) };
    assert_eq!(ids(&pages(&mut source, &some, None).unwrap()), ["D5/V%2F1/7", "D6/V%2F1/7"]);
    assert_eq!(
        api.api().asked[0],
        "/api/value-drivers?page_size=200&updated_since=2026-11-06T00%3A00%3A00Z&page=1"
    );
    let asked = api.api().asked.len();
    let preview = Wanted { limit: Some(2), ..wanted("value_drivers", &["Document ID"]) };
    assert_eq!(ids(&pages(&mut source, &preview, None).unwrap()).len(), 2);
    assert_eq!(api.api().asked.len(), asked + 1);
    assert_eq!(source.spent(), (asked as u64 + 1, 0));
}

#[test]
fn ecosystems_gives_value_drivers_as_cells() {
    let api = served(Paging::Page, 2);
    let mut source = ecosystems_at(&api, Some("secret-token"));
    assert_eq!(
        source.test().unwrap(),
        format!("{}/api takes the token and gives value_drivers: there are some", api.url)
    );
    let fields =
        ["Account Name", "Total Benefit", "Created AT", "KPI ID", "KPI Name", "Value Realization Calendar"];
    let read = pages(&mut source, &wanted("value_drivers", &fields), None).unwrap();
    let cells: Vec<_> = read[0].rows[0].cells.iter().map(Option::as_deref).collect();
    let expected =
        [Some("Acme"), Some("12.5"), Some("2026-11-30T08:00:00Z"), Some("7"), None, Some("{\"q1\":0}")];
    assert_eq!(cells, expected);
    assert_eq!(read[0].rows[1].modified, Some("2026-11-02T00:00:00Z".parse().unwrap()));
    assert_eq!(source.fields("value_drivers").unwrap().len(), 18);
    let by_id =
        source.rows("value_drivers", &["Document ID".to_owned()], &["D1/V%2F1/7".to_owned()]).unwrap();
    assert_eq!(by_id.unwrap()[0].cells, [Some("D1".to_owned())]);
    assert!(source.clock().unwrap().to_string().starts_with("2026-11-30T08:00:"), "by its own clock");
    let error = source.fields("value_driver").unwrap_err();
    assert!(error.to_string().ends_with("did you mean value_drivers?"), "{error}");
    let error = pages(&mut source, &wanted("value_drivers", &["Acount Name"]), None).unwrap_err();
    assert!(error.to_string().ends_with("did you mean Account Name?"), "{error}");
}

/// What reading comes to where the first answer has this fault.
fn with_fault(fault: Fault) -> (Result<usize, SourceError>, Served) {
    let api = served(Paging::NextUrl, 4);
    api.api().faults.push_back(Some(fault));
    let read = pages(&mut described(&api, STYLES[3].1), &wanted("drivers", &["Document"]), None);
    (read.map(|pages| ids(&pages).len()), api)
}

#[test]
fn what_passes_is_tried_again() {
    for fault in [Fault::Status(500, "x: y"), Fault::Status(503, "x: y"), Fault::Lost] {
        assert_eq!(with_fault(fault.clone()).0, Ok(4), "{fault:?}");
    }
    let api = served(Paging::NextUrl, 4);
    api.api().faults.extend((0..9).map(|_| Some(Fault::Status(502, "x: y"))));
    let read = pages(&mut described(&api, STYLES[3].1), &wanted("drivers", &["Document"]), None);
    assert!(matches!(read, Err(SourceError::Away(_))), "{read:?}");
    assert_eq!(api.api().asked.len(), 3);
}

#[test]
fn each_other_answer_says_what_to_do() {
    for (fault, told) in [
        (Fault::Html, "is no JSON"),
        (Fault::Elsewhere, "has no list of records where records says"),
        (Fault::Endless, "is larger than 32 MiB"),
        (Fault::Status(301, "location: https://elsewhere.example/"), "sends elsewhere (HTTP 301)"),
        (Fault::Status(404, "x: y"), "has nothing there (HTTP 404)"),
        (Fault::Status(422, "x: y"), "refuses the call (HTTP 422)"),
    ] {
        match with_fault(fault.clone()).0 {
            Err(SourceError::Settings(said)) => assert!(said.contains(told), "{fault:?}: {said}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
    assert!(matches!(with_fault(Fault::Half).0, Err(SourceError::Away(_))));
    for status in [401, 403] {
        assert!(matches!(with_fault(Fault::Status(status, "x: y")).0, Err(SourceError::Authorize(_))));
    }
}

#[test]
fn a_limit_is_waited_for_as_long_as_the_api_says() {
    // The machine may take a while meanwhile.
    for (header, least, most) in
        [("retry-after: 120", 110, 600), ("x: y", 50, 600), ("retry-after: 999999999", 86_390, 87_000)]
    {
        let before = Timestamp::now();
        match with_fault(Fault::Status(429, header)).0 {
            Err(SourceError::Budget { until, .. }) => {
                let wait = until.duration_since(before).as_secs();
                assert!((least..=most).contains(&wait), "{header}: {wait} s");
            }
            other => panic!("{header}: {other:?}"),
        }
    }
}

#[test]
fn the_token_goes_to_its_own_server_alone() {
    let other = served(Paging::NextUrl, 1);
    for next in [format!("{}/api/value-drivers", other.url), "//evil.example/x".to_owned()] {
        match with_fault(Fault::Next(next)).0 {
            Err(SourceError::Settings(said)) => assert!(said.contains("leads to another server"), "{said}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(other.api().asked, Vec::<String>::new());
}

#[test]
fn pages_that_go_in_a_circle_end_the_run() {
    let api = served(Paging::NextUrl, 1);
    let again = format!("{}/api/value-drivers?offset=0", api.url);
    api.api().faults.extend([Some(Fault::Next(again.clone())), Some(Fault::Next(again))]);
    match pages(&mut described(&api, STYLES[3].1), &wanted("drivers", &["Document"]), None) {
        Err(SourceError::Settings(said)) => assert!(said.contains("the same page"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_goes_where_the_settings_say() {
    let api = served(Paging::Page, 1);
    api.api().credential = ("x-api-key".to_owned(), "secret-token".to_owned());
    let given = format!("base_url = \"{}/api\"\nauth_header = \"X-Api-Key\"\nauth_scheme = \"\"", api.url);
    let read = ecosystems::api(&given.parse().unwrap(), "s").unwrap();
    let mut source = HttpSource::new(read, Box::new(Token(Some("secret-token")))).unwrap();
    source.test().unwrap();
    assert!(matches!(ecosystems_at(&api, Some("wrong")).test(), Err(SourceError::Authorize(_))));
    let asked = api.api().asked.len();
    assert!(matches!(ecosystems_at(&api, None).test(), Err(SourceError::Authorize(_))));
    assert_eq!(api.api().asked.len(), asked, "nothing is asked without a token");
}
