//! The generator against small servers made by hand.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::traffic::{Mix, PEOPLE};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn shape(mix: Mix, batch: u64) -> Shape {
    Shape {
        run: "t".to_owned(),
        mix,
        batch,
        sources: 1,
        fields: 0,
        topics: None,
        raw: false,
        gzip: false,
        people: PEOPLE,
    }
}

fn plan(address: SocketAddr, connections: usize, rate: Option<f64>) -> Plan {
    let (warm, measure) = (Duration::from_millis(100), Duration::from_millis(400));
    let idle = Duration::ZERO;
    Plan {
        address,
        connections,
        rate,
        requests: None,
        hold: None,
        idle,
        warm,
        measure,
        pid: None,
        without: None,
    }
}

/// Longer than any test: what ends a run is that its requests are answered.
const LONG: Duration = Duration::from_secs(600);

/// `plan` for so many requests, however long they take.
fn so_many(requests: u64, plan: Plan) -> Plan {
    Plan { requests: Some(requests), measure: LONG, ..plan }
}

/// Serves each connection with `answer`, which gets the number of the request on its connection, and
/// whose none closes it. Tells of every whole request, by its message ids.
fn serve(
    answer: impl Fn(u64) -> Option<&'static [u8]> + Clone + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, seen) = (stream.unwrap(), answer.clone(), seen.clone());
            thread::spawn(move || {
                let (mut text, mut room, mut number) = (String::new(), [0; 4_096], 0);
                while let Ok(read @ 1..) = stream.read(&mut room) {
                    text += std::str::from_utf8(&room[..read]).unwrap();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.split("Content-Length: ").nth(1).unwrap().parse::<usize>().unwrap();
                    if body.len() < length {
                        continue;
                    }
                    assert_eq!(body.len(), length, "one request at a time");
                    seen.send(body.to_owned()).unwrap_or_default();
                    text.clear();
                    let Some(bytes) = answer(number) else { return };
                    number += 1;
                    stream.write_all(bytes).unwrap();
                }
            });
        }
    });
    (address, requests)
}

/// The ids that were acknowledged, as `verify` reads them.
fn ranges(acknowledged: &Acknowledged, shape: &Shape) -> Vec<(u64, u64)> {
    let run = crate::acknowledged::Run { run: shape.run.clone(), mix: shape.mix, batch: shape.batch };
    let mut file = Vec::new();
    acknowledged.write(&run, &mut file).unwrap();
    crate::acknowledged::read(&mut file.as_slice()).unwrap().1
}

#[test]
fn a_closed_loop_sends_each_number_once_and_acknowledges_it() {
    let (address, requests) = serve(|_| Some(OK));
    let shape = shape(Mix::Track, 2);
    let (report, acknowledged) = run(&plan(address, 4, None), &shape).unwrap();
    let sent = acknowledged.len();
    assert_eq!(ranges(&acknowledged, &shape), [(0, sent * 2 - 1)]);
    assert_eq!(report.statuses, BTreeMap::from([(200, sent)]));
    // Of what was sent, how much fell into the measured span is the machine's affair.
    assert!(report.events <= sent * 2 && report.events % 2 == 0);
    assert_eq!((report.broken, report.unanswered, report.unsent), (0, 0, 0));

    let mut numbers: Vec<u64> = Vec::new();
    for body in requests.try_iter() {
        numbers.extend(
            body.split("\"messageId\":\"t-")
                .skip(1)
                .map(|rest| rest.get(..10).unwrap().parse::<u64>().unwrap()),
        );
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..sent * 2).collect::<Vec<_>>());
}

#[test]
fn only_a_plain_ok_acknowledges() {
    let (address, _requests) = serve(|number| {
        Some(match number % 3 {
            0 => OK,
            1 => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nok",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"quarantined\":[]}",
        })
    });
    let shape = shape(Mix::Mixed, 1);
    let (report, acknowledged) = run(&so_many(9, plan(address, 1, None)), &shape).unwrap();
    assert_eq!(report.statuses, BTreeMap::from([(200, 3), (299, 3), (503, 3)]));
    assert_eq!(acknowledged.len(), report.statuses[&200]);
    let expected: Vec<_> = (0..acknowledged.len()).map(|number| (number * 3, number * 3)).collect();
    assert_eq!(ranges(&acknowledged, &shape), expected);
}

#[test]
fn any_2xx_acknowledges_what_a_raw_server_takes() {
    let (address, requests) = serve(|number| {
        Some(match number % 3 {
            0 => OK,
            1 => b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nkept",
            _ => b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nok",
        })
    });
    let shape = Shape { raw: true, ..shape(Mix::Track, 2) };
    let (report, acknowledged) = run(&so_many(9, plan(address, 1, None)), &shape).unwrap();
    assert_eq!(report.statuses, BTreeMap::from([(200, 3), (202, 3), (502, 3)]));
    assert_eq!(acknowledged.len(), report.statuses[&200] + report.statuses[&202]);
    assert_eq!(requests.recv().unwrap().lines().count(), 2);
}

#[test]
fn a_broken_connection_is_made_anew_and_its_request_stays_unacknowledged() {
    let (address, _requests) = serve(|number| (number < 5).then_some(OK));
    let shape = shape(Mix::Track, 1);
    let (report, acknowledged) = run(&so_many(17, plan(address, 1, None)), &shape).unwrap();
    assert_eq!(report.broken, 2, "{report:?}");
    assert_eq!(ranges(&acknowledged, &shape), [(0, 4), (6, 10), (12, 16)]);
}

#[test]
fn an_open_loop_keeps_its_rate_and_counts_from_the_intended_time() {
    // One connection, 20 ms an answer: 50 requests a second where 200 are due.
    let (address, _requests) = serve(|_| {
        thread::sleep(Duration::from_millis(20));
        Some(OK)
    });
    let (report, acknowledged) = run(&plan(address, 1, Some(200.0)), &shape(Mix::Track, 1)).unwrap();
    assert!(acknowledged.len() <= 26, "{}", acknowledged.len());
    assert!(report.unsent >= 70, "{report:?}");
    // Those never sent have waited for up to 375 ms; a closed loop's clock would say 20 ms.
    assert!(report.latency_ms.p50 > 100.0, "{report:?}");

    let (address, _requests) = serve(|_| Some(OK));
    let (report, acknowledged) = run(&plan(address, 8, Some(200.0)), &shape(Mix::Track, 1)).unwrap();
    // 200 a second for half a second; those that a busy machine came too late to send are counted.
    assert_eq!(acknowledged.len() + report.unsent, 100);
    // Where there is time for all, all are sent, and none before it is due.
    let begun = Instant::now();
    let in_time = so_many(100, plan(address, 8, Some(200.0)));
    let (report, acknowledged) = run(&in_time, &shape(Mix::Track, 1)).unwrap();
    assert_eq!((acknowledged.len(), report.unsent), (100, 0));
    assert!(begun.elapsed() >= Duration::from_millis(495));
}

#[test]
fn a_run_of_so_many_requests_ends_with_their_answers() {
    let (address, _requests) = serve(|_| Some(OK));
    let shape = shape(Mix::Track, 1);
    for rate in [None, Some(1_000.0)] {
        let begun = Instant::now();
        let (report, acknowledged) = run(&so_many(7, plan(address, 3, rate)), &shape).unwrap();
        assert!(begun.elapsed() < LONG / 2, "it does not last as long as it may");
        assert_eq!(ranges(&acknowledged, &shape), [(0, 6)]);
        assert_eq!((report.statuses, report.unsent), (BTreeMap::from([(200, 7)]), 0));
    }
}

#[test]
fn a_body_is_held_back_after_its_head() {
    let (address, _requests) = serve(|_| Some(OK));
    let hold = Some(Duration::from_millis(60));
    let warm = Duration::ZERO;
    let plan = Plan { hold, warm, ..so_many(6, plan(address, 2, None)) };
    let (report, acknowledged) = run(&plan, &shape(Mix::Track, 1)).unwrap();
    assert_eq!(acknowledged.len(), 6);
    assert!(report.latency_ms.p50 >= 59.0, "{report:?}");
    assert_eq!(report.refused_unread, 0);
}

#[test]
fn an_answer_to_the_head_alone_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let busy = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(busy).unwrap();
        }
    });
    let hold = Some(Duration::from_secs(5));
    let plan = Plan { hold, ..so_many(20, plan(address, 2, Some(100.0))) };
    let (report, acknowledged) = run(&plan, &shape(Mix::Track, 1)).unwrap();
    assert_eq!(acknowledged.len(), 0, "{report:?}");
    assert_eq!((report.refused_unread, &report.statuses), (20, &BTreeMap::from([(503, 20)])));
    assert_eq!(report.broken, 0);
}
