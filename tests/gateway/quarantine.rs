//! `weir quarantine` beside a Weir that runs on its journal, and on one that was stopped.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::tenant::Sample;
use crate::harness::weir::{KEY, Start, Weir, command};

/// A source whose unknown events are quarantined, and a publisher that maps `events`, too.
fn mapping(events: &str) -> String {
    Sample::default().tenant("unmapped_events = \"quarantine\"").more(events).toml()
}

/// Of a new event, in the publisher's table.
const OPENED: &str = r#"events."Ticket Opening" = { name = "Ticket Opened", version = "1.0.0" }"#;

fn opened(id: &str) -> String {
    json!({"userId": "u", "messageId": id, "event": "Ticket Opening", "timestamp": "2026-11-20T01:02:03Z",
        "properties": {"n": 1}})
    .to_string()
}

/// Runs `weir quarantine` on the journal of `data`.
fn quarantine(data: &Path, args: &[&str]) -> Output {
    let (action, rest) = args.split_first().unwrap();
    command(&[&["quarantine", action, "--data", data.to_str().unwrap()], rest].concat()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A Weir with two events in quarantine: one of an unknown event, and one without an email.
fn with_two_rejected() -> Weir {
    let weir = Weir::with_config(&mapping(""));
    assert_eq!(weir.post("/v1/track", opened("m1")).status, 200);
    assert_eq!(weir.post("/v1/identify", r#"{"userId":"u","messageId":"m2"}"#).status, 200);
    weir
}

#[test]
fn list_and_show_tell_what_is_in_quarantine_while_weir_runs() {
    let weir = with_two_rejected();
    let listed = quarantine(weir.data(), &["list", "--json"]);
    assert_eq!((code(&listed), stderr(&listed).as_str()), (0, ""));
    let told: Vec<_> = lines(&listed)
        .iter()
        .map(|line| (line["id"].clone(), line["reason"].clone(), line["replayed"].clone()))
        .collect();
    let row = |id: &str, reason: &str| (json!(id), json!(reason), Value::Null);
    assert_eq!(told, [row("m1/rejected", "event_not_mapped"), row("m2/rejected", "email_missing")]);

    let filtered =
        |flags: &[&str]| lines(&quarantine(weir.data(), &[&["list", "--json"], flags].concat())).len();
    assert_eq!(filtered(&["--reason", "email_missing", "--source", "web", "--since", "1h"]), 1);
    assert_eq!(filtered(&["--source", "app"]), 0);
    assert_eq!(filtered(&["--until", "1h"]), 0);

    let shown = stdout(&quarantine(weir.data(), &["show", "m1"]));
    assert!(shown.contains("\nreason    event_not_mapped\n"), "{shown}");
    assert!(shown.contains("\"event\":\"Ticket Opening\""), "{shown}");
    let shown = lines(&quarantine(weir.data(), &["show", "m2/rejected", "--json"]));
    assert_eq!(shown[0]["value"]["event"]["messageId"], "m2");
    let missing = quarantine(weir.data(), &["show", "m3"]);
    assert_eq!(code(&missing), 1);
    assert!(stderr(&missing).starts_with("there is no event m3 in quarantine"), "{}", stderr(&missing));
    let missing = quarantine(weir.data(), &["replay", "--dry-run", "m8", "m9"]);
    assert_eq!(code(&missing), 1);
    assert!(
        stderr(&missing).starts_with("of the 2 events named, 0 are in quarantine"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn a_running_weir_replays_with_its_configuration_and_only_once() {
    let mut weir = with_two_rejected();
    weir.stop();
    let mut weir = Start::default().config(mapping(OPENED)).on_data_of(&weir).serve();

    let dry = quarantine(weir.data(), &["replay", "--dry-run", "--reason", "event_not_mapped"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    assert!(stdout(&dry).starts_with("/acme/web  m1/rejected  would be queued: 1 record\n1 would be queued"));
    assert_eq!(weir.records().len(), 2);

    let replayed = quarantine(weir.data(), &["replay", "--json"]);
    // The other event still fails.
    assert_eq!(code(&replayed), 1);
    assert!(stderr(&replayed).starts_with("events that stay in quarantine: 1; "), "{}", stderr(&replayed));
    assert_eq!(
        lines(&replayed),
        [
            json!({"id": "m1/rejected", "source": "/acme/web", "outcome": "queued", "records": 1}),
            json!({"id": "m2/rejected", "source": "/acme/web", "outcome": "rejected", "reason": "email_missing",
                "detail": "email is required for identify"}),
            json!({"queued": 1, "ignored": 0, "rejected": 1, "impossible": 0, "already": 0}),
        ]
    );
    let records = weir.records();
    assert_eq!(records.len(), 4);
    let event = &records[2];
    assert_eq!(event.topic, "weir.events.ticket-actions");
    assert_eq!((event.header("ce_id"), event.header("ce_replayof")), ("m1/event.tickets", "m1/rejected"));
    assert_eq!((event.header("ce_source"), event.header("ce_eventname")), ("/acme/web", "Ticket Opened"));
    assert_eq!((event.header("ce_time"), &event.value), ("2026-11-20T01:02:03Z", &json!({"n": 1})));
    assert_eq!(records[3].header("ce_type"), "weir.replayed.v1");
    assert_eq!(weir.metric("weir_records_total{record=\"event\"}"), 1.0);

    let twice = quarantine(weir.data(), &["replay", "m1"]);
    assert_eq!(code(&twice), 1);
    assert!(stdout(&twice).contains("replayed before, at "), "{}", stdout(&twice));
    assert!(stderr(&twice).contains("--again"), "{}", stderr(&twice));
    assert_eq!(weir.records().len(), 4);
    let listed = lines(&quarantine(weir.data(), &["list", "--json"]));
    assert!(listed[0]["replayed"].is_string() && listed[1]["replayed"].is_null(), "{listed:?}");

    assert_eq!(code(&quarantine(weir.data(), &["replay", "m1", "--again"])), 0);
    assert_eq!(weir.records()[4].header("ce_id"), "m1/event.tickets");
    weir.stop();
    assert!(!weir.data().join("control.sock").exists());
}

#[test]
fn without_a_running_weir_the_command_replays_by_itself() {
    let mut weir = with_two_rejected();
    weir.stop();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, mapping(OPENED)).unwrap();
    let file = file.to_str().unwrap();

    let unknown = quarantine(weir.data(), &["replay", "m1"]);
    assert_eq!(code(&unknown), 1);
    assert!(stdout(&unknown).contains("its source /acme/web is not configured"), "{}", stdout(&unknown));

    let dry = quarantine(weir.data(), &["replay", "m1", "--dry-run", "--config", file]);
    assert_eq!((code(&dry), weir.records().len()), (0, 2), "{}", stderr(&dry));
    let replayed = quarantine(weir.data(), &["replay", "m1", "--config", file]);
    assert_eq!(code(&replayed), 0, "{}", stderr(&replayed));
    assert!(stdout(&replayed).contains("1 queued, 0 ignored"), "{}", stdout(&replayed));
    assert_eq!(weir.records()[2].header("ce_replayof"), "m1/rejected");
    assert_eq!(code(&quarantine(weir.data(), &["replay", "m1", "--config", file])), 1);

    // The next Weir reads on where the command left off.
    let weir = Start::default().config(mapping(OPENED)).on_data_of(&weir).serve();
    assert_eq!(weir.post("/v1/track", opened("m3")).brief(), (200, "ok"));
    assert_eq!(weir.records().last().unwrap().header("ce_id"), "m3/event.tickets");
}

#[test]
fn a_journal_that_something_else_writes_is_left_alone() {
    let weir = with_two_rejected();
    // As on a Weir whose socket could not be made.
    std::fs::remove_file(weir.data().join("control.sock")).unwrap();
    let refused = quarantine(weir.data(), &["replay"]);
    assert_eq!((code(&refused), stdout(&refused).as_str()), (1, ""));
    assert!(
        stderr(&refused).starts_with("another process writes to the journal in "),
        "{}",
        stderr(&refused)
    );
    assert_eq!(stderr(&refused).lines().count(), 1);
}

#[test]
fn without_a_journal_there_is_a_sentence_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for action in [&["list"][..], &["show", "m"], &["replay"], &["replay", "--dry-run"]] {
        let output = quarantine(&data, action);
        assert_eq!(code(&output), 1, "{action:?}");
        assert!(stderr(&output).starts_with("there is no journal in "), "{}", stderr(&output));
    }
    assert!(!data.exists());
}

#[test]
fn what_a_killed_weir_left_is_in_nobodys_way() {
    let mut weir = with_two_rejected();
    weir.kill();
    assert!(weir.data().join("control.sock").exists());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, mapping(OPENED)).unwrap();
    let by_itself = quarantine(weir.data(), &["replay", "m1", "--config", file.to_str().unwrap()]);
    assert_eq!(code(&by_itself), 0, "{}", stderr(&by_itself));
    let weir = Start::default().config(mapping(OPENED)).on_data_of(&weir).serve();
    assert_eq!(code(&quarantine(weir.data(), &["replay", "m1", "--again"])), 0);
}

#[test]
fn nobody_else_can_give_orders_and_nonsense_is_answered() {
    use std::io::{Read, Write};
    let weir = with_two_rejected();
    let socket = weir.data().join("control.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for nonsense in ["\n", "{}\n", "POST /replay HTTP/1.1\r\n\r\n", "{\"order\":1,\"brokers\":null}\n"] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("does not understand"), "{nonsense:?}: {answer}");
    }
    for path in ["/replay", "/control"] {
        assert_eq!(weir.admin(path).0, 404);
    }
    assert_eq!(weir.post("/v1/track", opened("m9")).status, 200);
    // And on Kafka, where this Weir's quarantine is not.
    let data = weir.data().to_str().unwrap();
    let mut elsewhere = command(&["quarantine", "replay", "--brokers", "127.0.0.1:1"]);
    let elsewhere = elsewhere.env("WEIR_DATA", data).output().unwrap();
    assert!(stderr(&elsewhere).contains("has its quarantine on its journal"), "{}", stderr(&elsewhere));
}

#[test]
fn an_event_outlives_its_place_in_the_journal() {
    let queue = "[queue]\njournal_bytes = 200_000\nfree_bytes = 0\nwhen_full = 'drop_oldest'\n";
    let mut weir = Weir::with_config(&format!("{}{queue}", mapping("")));
    assert_eq!(weir.post("/v1/track", opened("m1")).status, 200);
    let filling = |weir: &Weir| {
        let traits = json!({"email": "a@x.y", "filling__gc": "x".repeat(20_000)});
        let identify = json!({"userId": "u", "traits": traits});
        assert_eq!(weir.post("/v1/identify", identify.to_string()).brief(), (200, "ok"));
    };
    (0..20).for_each(|_| filling(&weir));
    assert_eq!(weir.quarantine(), [] as [&str; 0], "it left the journal");
    assert_eq!(lines(&quarantine(weir.data(), &["list", "--json"]))[0]["id"], "m1/rejected");
    weir.stop();
    let start = Start::default().config(format!("{}{queue}", mapping(OPENED))).on_data_of(&weir);
    let weir = start.serve();
    assert_eq!(code(&quarantine(weir.data(), &["replay", "m1"])), 0);
    assert_eq!(weir.records().iter().rev().nth(1).unwrap().header("ce_replayof"), "m1/rejected");
    (0..20).for_each(|_| filling(&weir));
    assert_eq!(code(&quarantine(weir.data(), &["replay", "m1"])), 1, "the note of it is kept, too");
}

/// Stands wherever a client has a say, but in the id.
const CANARY: &str = "cANarY7f3e";

#[test]
fn neither_key_nor_trait_shows_in_a_list_or_a_replay_or_a_log() {
    let c = CANARY;
    let start = Start::default().config(mapping("")).env("WEIR_LOG", "trace");
    let mut weir = start.serve();
    for (path, body) in [
        (
            "/v1/track",
            format!(r#"{{"userId":"{c}","messageId":"m1","event":"{c}","properties":{{"{c}":"{c}"}}}}"#),
        ),
        ("/v1/identify", format!(r#"{{"userId":"{c}","messageId":"m2","traits":{{"{c}":"{c}"}}}}"#)),
        (
            "/v1/track",
            format!(
                r#"{{"userId":"{c}","messageId":"m3","event":"Ticket Closure",
                    "context":{{"externalId":[{{"type":"gainsightEventContractId","id":"{c}"}}]}}}}"#
            ),
        ),
        ("/v1/identify", format!(r#"{{"{c}":"#)),
    ] {
        weir.post(&format!("{path}?writeKey={c}"), body);
    }
    // The log of an unmapped event names it, once; not here.
    weir.stop();
    let events = format!(r#"events."{c}" = {{ name = "Known", version = "1" }}"#);
    let start = Start::default().config(mapping(&events)).env("WEIR_LOG", "trace").on_data_of(&weir);
    let mut weir = start.serve();
    let mut printed = String::new();
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["replay", "--dry-run"],
        &["replay", "--json"],
        &["replay", "m1", "--again"],
    ] {
        let output = quarantine(weir.data(), args);
        printed.push_str(&(stdout(&output) + &stderr(&output)));
    }
    assert!(printed.contains("m1/rejected") && printed.contains("\"outcome\":\"queued\""), "{printed}");
    let metrics = weir.admin("/metrics").1;
    weir.stop();
    for (what, text) in [("output", printed), ("log", weir.log()), ("metrics", metrics)] {
        for secret in [CANARY, KEY] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} shows in the {what}");
        }
    }
    let notes = weir.records();
    let notes: Vec<_> =
        notes.iter().filter(|record| record.header("ce_type") == "weir.replayed.v1").collect();
    assert_eq!(notes.len(), 2);
    assert!(notes.iter().all(|note| note.value == json!({"replayed": "m1/rejected"})));
}

#[test]
fn tail_rejected_shows_the_rejected_events_alone() {
    let weir = Weir::standard();
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#).brief(),
        (200, "ok")
    );
    weir.post("/v1/identify", r#"{"userId":"nobody"}"#);
    let tail = |flags: &[&str]| {
        let mut command = command(&[&["tail", "--json", "--until-end"], flags].concat());
        let output = command.env("WEIR_DATA", weir.data()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tail(&[]).len(), 2);
    let [rejected] = &tail(&["--rejected"])[..] else { panic!("not one rejected event") };
    assert!(rejected.contains(r#""reason":"email_missing""#), "{rejected}");
    assert_eq!(
        tail(&["--rejected", "--topic", "weir.people"]),
        Vec::<String>::new(),
        "they contradict each other"
    );
}
