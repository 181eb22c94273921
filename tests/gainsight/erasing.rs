//! Whoever is erased from an outbox is gone from all of it, whatever the sender is about to do.

use std::sync::mpsc;
use std::thread;

use weir::gainsight::answer::Answer;
use weir::gainsight::client::Call;
use weir::gainsight::outbox::{Outbox, Waiting, prepared};
use weir::gainsight::send::{Org, Sender};
use weir::store::erase::{Erase, erase};
use weir::store::row::RowKey;

use crate::bench::{BEGIN, Bench};
use crate::org::StandIn;

fn forget(bench: &Bench, email: &str) {
    let mut store = prepared(bench.file()).unwrap();
    let person = RowKey { tenant: "acme".to_owned(), object: "person".to_owned(), key: email.to_owned() };
    erase(&mut store, &person, BEGIN).unwrap();
    assert!(store.scrub().unwrap());
}

/// The files of the outbox hold `what`.
fn holds(bench: &Bench, what: &str) -> bool {
    let folder = bench.file().parent().unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(what.len()).any(|window| window == what.as_bytes()))
}

/// A person with all that there may be of one: links, some of them waiting, events, failures of each kind.
fn full() -> Bench {
    let mut bench = Bench::new();
    bench.org.state().refused.insert("Bad__gc".to_owned(), "GSOBJ_1008");
    let mut person = bench.person("ada@x.org", r#","Name":"Lovelace","Bad__gc":"secret-bad""#);
    person.headers.push(("ce_userid".to_owned(), b"ada".to_vec()));
    let mut foreign = bench.event("ada", 1);
    foreign.headers[1].1 = b"m1/event.unknown".to_vec();
    let records = [
        person,
        bench.company("Acme", ""),
        bench.link("ada@x.org", "Acme"),
        bench.link("ada@x.org", "Nowhere"),
        foreign,
        bench.person("bob@x.org", r#","Name":"Bob""#),
    ];
    bench.load(&records);
    bench.send_for(60);
    let unsent = [bench.person("ada@x.org", r#","Comments":"not sent yet""#), bench.event("ada", 2)];
    bench.load(&unsent);
    assert_eq!((bench.failed().len(), bench.waiting().events), (2, 1));
    bench
}

#[test]
fn nothing_of_an_erased_person_remains_in_the_outbox() {
    let bench = full();
    assert!(holds(&bench, "ada@x.org") && holds(&bench, "secret-bad"));
    forget(&bench, "ada@x.org");
    for what in ["ada@x.org", "Lovelace", "secret-bad", "not sent yet", r#"{"n":2}"#] {
        assert!(!holds(&bench, what), "{what}");
    }
    assert!(holds(&bench, "bob@x.org"));
    assert_eq!(bench.waiting(), Waiting::default());
    let calls = bench.calls();
    bench.send_for(60);
    assert_eq!(bench.calls(), calls);
}

/// An org that lets the test do something between a call and its note.
struct Waits {
    org: StandIn,
    called: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Org for Waits {
    fn call(&mut self, call: &Call) -> (Option<u16>, Answer) {
        let answer = self.org.call(call);
        self.called.send(()).unwrap();
        self.go_on.recv().unwrap();
        answer
    }
}

#[test]
fn an_erasure_while_a_call_is_made_leaves_nothing_either() {
    let bench = full();
    let (called, calls) = mpsc::channel();
    let (go, go_on) = mpsc::channel();
    thread::scope(|scope| {
        let (settings, org) = (&bench.settings, bench.org.clone());
        let file = bench.file();
        scope.spawn(move || {
            let outbox = Outbox::open(file, &settings.loader, &settings.tenant).unwrap();
            let mut sender = Sender::new(settings, outbox, Box::new(Waits { org, called, go_on })).unwrap();
            let now_ms = BEGIN + 200_000;
            for _ in 0..6 {
                sender.step(now_ms).unwrap();
            }
        });
        // The first call asks for metadata, the second is the person's or the event's.
        for number in 0.. {
            if calls.recv().is_err() {
                break;
            }
            if number == 1 {
                forget(&bench, "ada@x.org");
            }
            go.send(()).unwrap();
        }
    });
    forget(&bench, "bob@x.org");
    for what in ["ada@x.org", "Lovelace", "secret-bad", "not sent yet"] {
        assert!(!holds(&bench, what), "{what}");
    }
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn what_is_retried_goes_out_with_its_newest_values() {
    let mut bench = full();
    bench.org.state().refused.clear();
    let better = [bench.person("ada@x.org", r#","Bad__gc":"better""#)];
    bench.load(&better);
    bench.settings.publishers.insert("unknown".to_owned(), bench.settings.publishers["tickets"].clone());
    let mut store = prepared(bench.file()).unwrap();
    let failures = weir::store::inspect::Inspect::failures(&mut store, &Default::default()).unwrap();
    drop(store);
    assert_eq!(bench.outbox().retry(&failures, BEGIN + 100_000).unwrap(), 2);
    bench.send_for(120);
    let state = bench.org.state();
    assert_eq!(state.people["ada@x.org"].0["Bad__gc"], "better");
    let sent: Vec<_> = state.events.iter().map(|(_, body)| body["n"].as_u64().unwrap()).collect();
    assert_eq!(sent, [2, 1], "behind those that waited");
    drop(state);
    assert!(bench.failed().is_empty());
}
