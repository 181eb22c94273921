//! What jobs ask of the source, and what goes wrong meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use weir::connect::cell::CellType;
use weir::connect::document::{Comparison, Condition, Filter, Literal};
use weir::connect::expression::Expression;
use weir::connect::source::{Estimate, Flow, Gone, Page, Source, SourceError, Wanted};

use super::bench::{Bench, FIELDS, FIRST, at, by_id, deal, deals, fields, wanted};
use super::org::{Fault, ModuleOf, Org, Row};

#[test]
fn a_small_org_is_read_in_one_page() {
    let bench = Bench::new(deals(30));
    let rows = bench.read(&wanted("Deals", &FIELDS));
    assert_eq!(rows.len(), 30);
    // The fields, the count, the page.
    assert_eq!((bench.meter.spent(), bench.served.org().calls.len()), (3, 3));
    assert_eq!(bench.served.org().credits.1, 1_000_000 - 3, "it counts as Zoho does");
}

#[test]
fn a_window_has_its_begin_and_not_its_end() {
    for way in [Some("INVALID_QUERY"), None] {
        let mut org = deals(3_000);
        org.coql_refuses = way;
        let bench = Bench::new(org);
        let window = Wanted { since: Some(at(100)), until: at(110), ..wanted("Deals", &["Amount"]) };
        let ids: Vec<_> = by_id(bench.read(&window)).into_keys().collect();
        assert_eq!(ids, (300..330).collect::<Vec<_>>(), "{way:?}");
    }
}

#[test]
fn many_rows_of_one_second_are_all_read() {
    for way in [Some("INVALID_QUERY"), None] {
        let mut org = deals(1_500);
        for row in org.modules.get_mut("Deals").unwrap().rows.values_mut().skip(100).take(900) {
            row.modified = FIRST + 60;
        }
        (org.coql_refuses, org.counts) = (way, Some(3_000));
        let bench = Bench::new(org);
        assert_eq!(by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 1_500, "{way:?}");
    }
}

#[test]
fn five_hundred_changed_rows_cost_four_credits() {
    let bench = Bench::new(deals(20_000));
    let since =
        Wanted { since: Some(at((20_000 - 500) / 3)), ..wanted("Deals", &["Amount", "Account_Name"]) };
    let estimate = bench.source().estimate(&since).unwrap();
    assert_eq!(estimate, Estimate { rows: Some(501), calls: 3, credits: 4 });
    let spent = bench.meter.spent();
    assert_eq!(by_id(bench.read(&since)).len(), 501);
    // The fields, a query for up to 200 rows, one for up to 1,000.
    assert_eq!(bench.meter.spent() - spent, 4);
    let spent = bench.meter.spent();
    let quiet = Wanted { since: Some(at(20_000 / 3 - 10)), ..since.clone() };
    assert_eq!(bench.read(&quiet).len(), 33);
    assert_eq!(bench.meter.spent() - spent, 2);
    let names = Wanted { fields: vec!["Account_Name.name".to_owned()], ..quiet };
    assert_eq!(bench.read(&names).len(), 33);
    assert_eq!(bench.meter.spent() - spent, 4, "names come with a page");
    let mut source = bench.source();
    source.read(&since, None, &mut |_| Ok(Flow::More)).unwrap();
    assert_eq!(source.spent(), (3, 4));
    assert_eq!(source.spent(), (0, 0));
}

#[test]
fn labels_lines_and_formulas_come_by_pages() {
    let mut org = deals(3_000);
    org.counts = Some(90_000);
    let bench = Bench::new(org);
    let rows = by_id(bench.read(&wanted("Deals", &["Tag", "Lines", "Score"])));
    assert_eq!(rows.len(), 3_000);
    let cells: Vec<_> = rows[&9].cells.iter().map(|cell| cell.as_deref().unwrap()).collect();
    assert_eq!(cells, [r#"["vip"]"#, r#"[{"Quantity":2,"id":"8"}]"#, "1.25"]);
    assert_eq!(bench.calls().keys().filter(|path| path.contains("bulk") || path.contains("coql")).count(), 0);
}

/// Deals that are made when they are asked for.
fn many(count: u64) -> Org {
    let mut org = Org::default();
    let make = |id| Row { modified: FIRST + (id / 100) as i64, ..deal(id) };
    let module = ModuleOf { fields: fields(), made: Some((count, make)), ..ModuleOf::default() };
    org.modules.insert("Deals".to_owned(), module);
    org
}

#[test]
fn a_quarter_of_a_million_rows_come_in_bulk_in_little_memory() {
    let bench = Bench::new(many(250_000));
    let (mut count, mut sum, mut pages) = (0_u64, 0_u64, 0);
    let wanted = wanted("Deals", &["Deal_Name", "Amount", "Account_Name", "Regions"]);
    let mut source = bench.source();
    source.fields("Deals").unwrap();
    let counted = allocation_counter::measure(|| {
        source
            .read(&wanted, None, &mut |page| {
                pages += 1;
                count += page.rows.len() as u64;
                sum +=
                    page.rows.iter().map(|row| row.id.as_ref().unwrap().parse::<u64>().unwrap()).sum::<u64>();
                Ok(Flow::More)
            })
            .unwrap();
    });
    assert_eq!((count, sum), (250_000, 250_000 * 250_001 / 2));
    assert!(counted.bytes_max < 8 << 20, "{} bytes at once", counted.bytes_max);
    assert!(pages >= 125, "{pages}");
    let calls = bench.calls();
    assert_eq!(calls["/crm/bulk/v8/read"], 2, "200,000 rows a job");
    assert!(!calls.contains_key("/crm/v8/coql") && !calls.contains_key("/crm/v8/Deals"));
    assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 0);
}

#[test]
fn of_many_changed_rows_the_rest_is_counted_and_read_in_the_cheapest_way() {
    for counts in [3_000, 90_000] {
        let mut org = deals(6_000);
        org.counts = Some(counts);
        let bench = Bench::new(org);
        let rows = by_id(bench.read(&Wanted { since: Some(at(100)), ..wanted("Deals", &FIELDS) }));
        assert_eq!(rows.len(), 5_701);
        assert_eq!(bench.calls()["/crm/v8/Deals/actions/count"], 1);
        assert_eq!(bench.served.org().jobs.len(), usize::from(counts == 90_000));
    }
}

#[test]
fn pages_go_on_beyond_what_their_tokens_reach() {
    let mut org = deals(3_000);
    (org.token_reach, org.coql_refuses) = (500, Some("INVALID_QUERY"));
    let bench = Bench::new(org);
    assert_eq!(by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 3_000);
}

#[test]
fn pages_in_another_order_than_asked_for_are_all_read() {
    let mut org = deals(700);
    (org.sorts, org.coql_refuses) = (false, Some("INVALID_QUERY"));
    for row in org.modules.get_mut("Deals").unwrap().rows.values_mut() {
        row.modified = FIRST + (row.id as i64 * 7_919) % 300 / 299;
    }
    let bench = Bench::new(org);
    assert_eq!(by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 700);
}

/// An org whose rows come in bulk.
pub fn in_bulk(count: u64) -> Org {
    let mut org = deals(count);
    org.counts = Some(90_000);
    org
}

/// A name, and what an org does.
type Case = (&'static str, fn(&mut Org));

#[test]
fn a_bulk_read_that_fails_or_is_refused_gives_way_to_another_way() {
    let cases: [Case; 4] = [
        ("it fails", |org| org.bulk_states = vec!["ADDED", "FAILURE"]),
        ("it is refused", |org| org.bulk_refuses = Some("FIELD_NOT_SUPPORTED")),
        ("nothing but pages", |org| {
            (org.bulk_refuses, org.coql_refuses) = (Some("NO_PERMISSION"), Some("OAUTH_SCOPE_MISMATCH"));
        }),
        ("a state that nobody knows", |org| org.bulk_states = vec!["ADDED", "PREPARING", "COMPLETED"]),
    ];
    for (name, case) in cases {
        let mut org = in_bulk(2_500);
        case(&mut org);
        let bench = Bench::new(org);
        let rows = by_id(bench.read(&wanted("Deals", &FIELDS)));
        assert_eq!(rows.len(), 2_500, "{name}");
        assert!(bench.served.org().jobs.len() <= 3, "{name}");
    }
}

#[test]
fn which_way_rows_came_is_told() {
    let mut org = in_bulk(10);
    (org.bulk_refuses, org.coql_refuses) = (Some("NO_PERMISSION"), Some("INVALID_QUERY"));
    let bench = Bench::new(org);
    let mut source = bench.source();
    source.read(&wanted("Deals", &["Amount"]), None, &mut |_| Ok(Flow::More)).unwrap();
    let told = source.notices();
    assert_eq!(told[0], "Deals: about 90000 rows are read in bulk");
    assert!(told[1].starts_with("Deals: Zoho takes no bulk read"), "{told:?}");
    assert!(told[2].ends_with("they are read by pages"), "{told:?}");
    assert_eq!((told.len(), source.notices()), (3, Vec::new()));
}

#[test]
fn a_bulk_read_that_never_ends_is_not_waited_for() {
    let mut org = in_bulk(300);
    org.bulk_states = vec!["ADDED", "IN PROGRESS"];
    let bench = Bench::new(org);
    let mut source = bench.source();
    source.client().set_pause(Duration::ZERO);
    let mut rows = Vec::new();
    let wanted = wanted("Deals", &["Amount"]);
    let mut take = |page: Page| {
        rows.extend(page.rows);
        Ok(Flow::More)
    };
    source.read(&wanted, None, &mut take).unwrap();
    assert_eq!((by_id(rows).len(), bench.served.org().jobs.len()), (300, 3));
}

#[test]
fn tokens_that_have_ended_begin_anew() {
    let mut org = in_bulk(3_000);
    (org.bulk_rows, org.bulk_tokens_ended) = (2_900, true);
    let bench = Bench::new(org);
    assert_eq!(by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 3_000, "by another way, at last");

    let mut org = deals(900);
    org.coql_refuses = Some("INVALID_QUERY");
    for row in org.modules.get_mut("Deals").unwrap().rows.values_mut() {
        row.modified = FIRST;
    }
    let mut pages = 0;
    org.hook = Some(Box::new(move |org, asked| {
        pages += usize::from(asked.path == "/crm/v8/Deals");
        org.page_tokens_ended = pages == 3;
    }));
    let bench = Bench::new(org);
    assert_eq!(by_id(bench.read(&wanted("Deals", &["Amount"]))).len(), 900);
}

#[test]
fn faults_in_between_cost_no_rows() {
    let faults = [
        Fault::Says(500, "INTERNAL_ERROR"),
        Fault::Says(429, "TOO_MANY_REQUESTS"),
        Fault::Half,
        Fault::Lost,
        Fault::Slow(20),
        Fault::Says(401, "INVALID_TOKEN"),
    ];
    for counts in [None, Some(3_000), Some(90_000)] {
        let mut org = deals(1_000);
        org.counts = counts;
        for fault in faults {
            for path in ["/crm/v8/Deals", "/coql", "/bulk/v8/read", "/result", "/settings/fields"] {
                org.faults.push_back((path, fault));
            }
        }
        org.faults.make_contiguous().sort_by_key(|(path, _)| path.len());
        let bench = Bench::new(org);
        let wanted = wanted("Deals", &FIELDS);
        let (mut rows, mut checkpoint) = (Vec::new(), None::<String>);
        for _ in 0..30 {
            let read = bench.read_from(&wanted, checkpoint.clone().as_deref(), |page| {
                rows.extend(page.rows);
                checkpoint = Some(page.checkpoint);
                Flow::More
            });
            match read {
                Ok(()) => break,
                Err(SourceError::Away(_) | SourceError::Budget { .. } | SourceError::Settings(_)) => {}
                Err(other) => panic!("{counts:?}: {other:?}"),
            }
        }
        assert_eq!(by_id(rows).len(), 1_000, "{counts:?}");
    }
}

#[test]
fn an_org_that_is_away_is_no_mistake_of_the_settings() {
    let mut org = deals(3);
    org.faults.extend([("/settings/modules", Fault::Says(502, "")); 9]);
    let bench = Bench::new(org);
    let error = bench.source().test().unwrap_err();
    assert!(matches!(&error, SourceError::Away(why) if why.contains("HTTP 502")), "{error:?}");
}

/// A filter of one condition or two, both of which have to hold.
fn filter(conditions: &[(&str, Comparison, Literal)]) -> Filter {
    let conditions: BTreeMap<_, _> = ('A'..)
        .zip(conditions)
        .map(|(letter, (field, is, value))| {
            (letter, Condition { field: (*field).to_owned(), is: *is, values: vec![value.clone()] })
        })
        .collect();
    Filter { expression: Expression::all(&conditions.keys().copied().collect()), conditions }
}

#[test]
fn a_filter_goes_along_as_far_as_zoho_decides_it_in_the_same_way() {
    let won = ("Stage", Comparison::Equals, Literal::Text("Won".to_owned()));
    let name = ("Deal_Name", Comparison::Equals, Literal::Text("x".to_owned()));
    for counts in [3_000, 90_000] {
        let mut org = deals(2_000);
        org.counts = Some(counts);
        let bench = Bench::new(org);
        let filter = Some(filter(&[won.clone(), name.clone()]));
        let rows = by_id(bench.read(&Wanted { filter, ..wanted("Deals", &["Stage"]) }));
        let ids: Vec<_> = rows.into_keys().collect();
        assert_eq!(ids, (1..=200).map(|at| at * 10).collect::<Vec<_>>(), "{counts}");
    }
    let bench = Bench::new(deals(2_000));
    let filter = Some(filter(&[name]));
    let limited = Wanted { filter, limit: Some(20), ..wanted("Deals", &["Stage"]) };
    assert_eq!(bench.read(&limited).len(), 20, "it is asked again of each row");
}

#[test]
fn a_limit_costs_one_page() {
    let bench = Bench::new(deals(5_000));
    let rows = bench.read(&Wanted { limit: Some(20), ..wanted("Deals", &FIELDS) });
    assert_eq!(rows.len(), 20);
    assert_eq!((bench.meter.spent(), bench.calls()["/crm/v8/Deals"]), (2, 1));
    let rows = bench.read(&Wanted { limit: Some(450), ..wanted("Deals", &FIELDS) });
    assert_eq!(rows.len(), 450);
}

#[test]
fn rows_are_found_by_their_ids() {
    let bench = Bench::new(deals(500));
    let ids: Vec<_> = (1..=250).chain([9_999]).map(|id: u64| id.to_string()).collect();
    let fields = ["Account_Name.name", "Amount"].map(str::to_owned);
    let rows = by_id(bench.source().rows("Deals", &fields, &ids).unwrap().unwrap());
    assert_eq!(rows.len(), 250);
    assert_eq!(rows[&41].cells, [Some("Account 1".to_owned()), Some("41.5".to_owned())]);
    assert_eq!(bench.calls()["/crm/v8/Deals"], 3, "a hundred a call");
}

#[test]
fn deleted_rows_are_told_since_a_moment() {
    let mut org = deals(1_000);
    for id in 1..=450 {
        org.modules.get_mut("Deals").unwrap().deleted.push((id, FIRST + id as i64, id % 2 == 0));
    }
    let bench = Bench::new(org);
    let gone = bench.source().gone("Deals", None).unwrap().unwrap();
    assert_eq!(gone.len(), 450);
    assert_eq!(gone[0], Gone { id: "1".to_owned(), at: at(1) });
    assert_eq!(bench.meter.spent(), 3 * 2, "two credits a page");
    assert_eq!(bench.source().gone("Deals", Some(at(449))).unwrap().unwrap().len(), 2);
    assert_eq!(bench.source().gone("Users", None).unwrap(), None);
}

/// Users of all types: many active ones, one that left, and one in two types.
fn staff() -> Org {
    let mut org = deals(3);
    let user = |id: u64, status: &str| {
        let values = json!({"full_name": format!("User {id}"), "email": format!("u{id}@z.example"), "status": status,
            "role": {"id": "1", "name": "CEO"}, "created_time": "2026-01-01T05:30:00+05:30", "$x": 1});
        Row { id, modified: FIRST + id as i64, values: values.as_object().unwrap().clone() }
    };
    org.users.extend((1..=250).map(|id| ("ActiveUsers", user(id, "active"))));
    org.users.push(("DeactiveUsers", user(300, "disabled")));
    org.users.push(("NotConfirmedUsers", user(250, "active")));
    org
}

#[test]
fn users_of_all_types_are_a_dataset() {
    let bench = Bench::new(staff());
    let fields = ["full_name", "email", "status", "role.name", "created_time", "Modified_Time"];
    let rows = by_id(bench.read(&wanted("Users", &fields)));
    assert_eq!(rows.len(), 251);
    let cells: Vec<_> = rows[&300].cells.iter().map(|cell| cell.as_deref().unwrap()).collect();
    assert_eq!(
        cells,
        ["User 300", "u300@z.example", "disabled", "CEO", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"]
    );
    let window = Wanted { since: Some(at(249)), until: at(300), ..wanted("Users", &fields) };
    assert_eq!(by_id(bench.read(&window)).into_keys().collect::<Vec<_>>(), [249, 250]);
    let found = bench.source().rows("Users", &["email".to_owned()], &["300".to_owned()]).unwrap();
    assert_eq!(found.unwrap()[0].cells, [Some("u300@z.example".to_owned())]);
    let mut checkpoints = Vec::new();
    bench
        .read_from(&wanted("Users", &fields), None, |page| {
            checkpoints.push(page.checkpoint);
            Flow::More
        })
        .unwrap();
    assert_eq!(checkpoints.len(), 4);
}

#[test]
fn modules_and_fields_are_found_with_their_types() {
    let bench = Bench::new(deals(3));
    let objects: Vec<_> = bench.source().objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(objects, ["Deals", "Users"]);
    let fields: BTreeMap<_, _> = bench
        .source()
        .fields("Deals")
        .unwrap()
        .into_iter()
        .map(|field| (field.name.clone(), field))
        .collect();
    assert_eq!(fields["Owner.email"].kind, CellType::Email);
    assert!(fields["Owner.name"].is_unseen && fields["Score"].is_unseen && !fields["Owner"].is_unseen);
    assert_eq!(fields["Regions"].choices, ["EU", "US", "APAC"]);
    assert!(!fields.contains_key("Account_Name.email"));

    let error = bench.source().fields("Deal").unwrap_err();
    assert!(matches!(&error, SourceError::Settings(why) if why.contains("did you mean Deals?")), "{error:?}");
    let read = bench.read_from(&wanted("Deals", &["Amuont"]), None, |_| Flow::More);
    assert!(
        matches!(&read, Err(SourceError::Settings(why)) if why.contains("did you mean Amount?")),
        "{read:?}"
    );
    let read = bench.read_from(&wanted("Deals", &["Amount"]), Some("{}"), |_| Flow::More);
    assert!(matches!(&read, Err(SourceError::Settings(why)) if why.contains("start it anew")), "{read:?}");
}

#[test]
fn its_clock_is_that_of_its_answers() {
    let bench = Bench::new(deals(3));
    let mut source = bench.source();
    let (first, now) = (source.clock().unwrap(), Timestamp::now());
    assert!(first < now && first > now - SignedDuration::from_secs(600) && first.subsec_nanosecond() == 0);
    source.clock().unwrap();
    assert_eq!(bench.served.org().calls.len(), 1, "it is asked for once");
}

#[test]
fn whoever_has_enough_is_not_read_to() {
    static PAGES: AtomicU64 = AtomicU64::new(0);
    let mut org = deals(1_000);
    org.coql_refuses = Some("INVALID_QUERY");
    let bench = Bench::new(org);
    let wanted = wanted("Deals", &["Amount"]);
    let stopped = bench.source().read(&wanted, None, &mut |_| {
        PAGES.fetch_add(1, Ordering::SeqCst);
        Err(SourceError::Stopped)
    });
    assert_eq!((stopped, PAGES.load(Ordering::SeqCst)), (Err(SourceError::Stopped), 1));
}
