//! What becomes of a request that its queue keeps waiting, fails or refuses, or whose client leaves.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::config::Overrides;
use crate::observe::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::Records;
use crate::record::topics::Topics;
use crate::setup::load;
use crate::tenants::Tenants;

/// A queue whose end of each request a test holds in its hand.
#[derive(Default)]
struct Held {
    refusing: Option<Refused>,
    taken: Mutex<Vec<(Arc<Completion>, usize)>>,
}

impl Queue for Held {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        if let Some(refused) = self.refusing {
            return Err(refused);
        }
        let (completion, receipt) = Completion::new(records.len());
        self.taken.lock().unwrap().push((completion, records.len()));
        Ok(receipt)
    }

    fn prepare(&self, _: &Topics) -> Result<(), TopicsError> {
        Ok(())
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn largest_record(&self) -> usize {
        1_000_000
    }

    fn close(&self, _: Instant) -> usize {
        0
    }
}

fn app(queue: &Arc<Held>) -> App {
    let toml = "[tenants.acme]\n[sources.web]\ntenant = 'acme'\n";
    let config = load(Some((Path::new("test"), toml)), &Overrides::default()).unwrap();
    let metrics = Metrics::new([]).unwrap();
    let queue: Arc<dyn Queue> = Arc::<Held>::clone(queue);
    App::new(Tenants::from_config(&config), queue, Arc::new(metrics), config.limits)
}

/// Takes a batch of one event to queue, one to ignore and one to quarantine.
async fn take_three(app: &App) -> Answer {
    let body = Bytes::from_static(
        br#"{"batch":[{"type":"identify","userId":"u","traits":{"email":"a@b.c"}},
            {"type":"page","userId":"u"},{"type":"identify","userId":"u"}]}"#,
    );
    let lease = app.budget.lease(body.len()).unwrap();
    let body = Body { bytes: body, _lease: lease };
    let (snapshot, headers) = (app.snapshot(), HeaderMap::new());
    let known = Cell::default();
    let (snapshot, headers) = (&*snapshot, &headers);
    let span = &app.spans.of(|| None);
    let context = Context { app, snapshot, headers, path: "/v1/batch", peer: None, sender: &known, span };
    let sender = Some(&*snapshot.tenants.sources[0]);
    match submit_events(context, Arrived { sender, secrets: Vec::new(), body }, Call::Batch) {
        Ok(submitted) => submitted.answer().await.unwrap_or_else(|answer| answer),
        Err(answer) => answer,
    }
}

/// The counters of events and records that moved.
fn counted(app: &App) -> Vec<String> {
    let text = String::from_utf8(app.render_metrics()).unwrap();
    let lines = text.lines().filter(|line| !line.ends_with(" 0"));
    let names = ["weir_events_total", "weir_records_total", "weir_ignored_total", "weir_quarantined_total"];
    lines.filter(|line| names.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

const ALL_REFUSED: [&str; 2] = [
    r#"weir_events_total{outcome="refused",source="web",type="identify"} 2"#,
    r#"weir_events_total{outcome="refused",source="web",type="page"} 1"#,
];

#[test]
fn nothing_is_answered_or_counted_before_every_record_is_durable() {
    let queue = Arc::new(Held::default());
    let app = app(&queue);
    let system = actix_rt::System::new();
    system.block_on(async {
        let mut waiting = Box::pin(take_three(&app));
        assert_eq!((&mut waiting).now_or_never(), None);
        assert_eq!(app.budget.used(), 0, "the body's memory is free during the wait");
        let (completion, records) = queue.taken.lock().unwrap().pop().unwrap();
        completion.durable(records - 1);
        assert_eq!((&mut waiting).now_or_never(), None);
        assert_eq!(counted(&app), [""; 0]);
        completion.durable(1);
        assert!(matches!(waiting.await, Answer::Quarantined(events) if events.len() == 1));
    });
    let expected = [
        r#"weir_events_total{outcome="ignored",source="web",type="page"} 1"#,
        r#"weir_events_total{outcome="quarantined",source="web",type="identify"} 1"#,
        r#"weir_events_total{outcome="queued",source="web",type="identify"} 1"#,
        r#"weir_ignored_total{reason="call_type"} 1"#,
        r#"weir_quarantined_total{reason="email_missing"} 1"#,
        r#"weir_records_total{record="person"} 1"#,
        r#"weir_records_total{record="rejected"} 1"#,
    ];
    assert_eq!(counted(&app), expected);
}

#[test]
fn a_request_whose_queue_never_says_a_word_is_told_to_come_again_after_6500_ms() {
    let queue = Arc::new(Held::default());
    let app = app(&queue);
    actix_rt::System::new().block_on(async {
        // The clock jumps as soon as everybody waits for it.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        assert_eq!(take_three(&app).await, Answer::Unavailable);
        assert!((6_500..6_510).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    });
    assert_eq!(counted(&app), ALL_REFUSED);
}

#[test]
fn a_client_that_leaves_during_the_wait_has_its_events_counted_once_as_refused() {
    let queue = Arc::new(Held::default());
    let app = app(&queue);
    actix_rt::System::new().block_on(async {
        let mut waiting = Box::pin(take_three(&app));
        assert_eq!((&mut waiting).now_or_never(), None);
        drop(waiting);
    });
    assert_eq!(counted(&app), ALL_REFUSED);
}

#[test]
fn a_request_that_the_queue_loses_or_refuses_is_unavailable_and_refused_whole() {
    let queue = Arc::new(Held::default());
    let losing = app(&queue);
    actix_rt::System::new().block_on(async {
        let mut waiting = Box::pin(take_three(&losing));
        assert_eq!((&mut waiting).now_or_never(), None);
        queue.taken.lock().unwrap().pop().unwrap().0.failed();
        assert_eq!(waiting.await, Answer::Unavailable);
    });
    let refusing = |refused| {
        let refusing = app(&Arc::new(Held { refusing: Some(refused), ..Held::default() }));
        let answer = actix_rt::System::new().block_on(take_three(&refusing));
        assert_eq!(answer, Answer::Unavailable);
        refusing
    };
    let apps = [losing, refusing(Refused::Full), refusing(Refused::Closed)];
    for (app, cause) in apps.iter().zip(["not_durable", "queue_full", "not_ready"]) {
        assert_eq!(counted(app), ALL_REFUSED);
        let text = String::from_utf8(app.render_metrics()).unwrap();
        assert!(
            text.contains(&format!("weir_unavailable_total{{cause=\"{cause}\"}} 1\n")),
            "{cause}: {text}"
        );
    }
}
