//! A listening socket that a supervisor holds, and hands over to each start of Weir.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::weir::{KEY, Start, Weir, config};
use crate::harness::wire::{basic, request};
use crate::harness::{PATIENCE, wait_until};

fn start_on(socket: &TcpListener, earlier: Option<&Weir>) -> Weir {
    let start = Start::default().config(config("")).socket(socket.try_clone().unwrap());
    match earlier {
        Some(earlier) => start.on_data_of(earlier).serve(),
        None => start.serve(),
    }
}

/// One request on a connection of its own; its answer's first line, empty where the connection was closed without one.
fn ask(port: u16, number: usize) -> String {
    let body = format!(r#"{{"userId":"u","messageId":"m{number}","traits":{{"email":"a@b.c"}}}}"#);
    let headers = [("Authorization", &*basic(KEY)), ("Connection", "close")];
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection is refused");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let sent = stream.write_all(&request("POST", "/v1/identify", &headers, body.as_bytes()));
    if sent.and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return String::new();
    }
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn restarts_refuse_no_client_while_a_supervisor_holds_the_socket() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut weir = start_on(&socket, None);
    assert_eq!(weir.url(), format!("http://127.0.0.1:{port}"));
    let (stop, asked, unanswered) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    match ask(port, asked.fetch_add(1, Ordering::Relaxed)).as_str() {
                        "HTTP/1.1 200 OK" => {}
                        "" => drop(unanswered.fetch_add(1, Ordering::Relaxed)),
                        other => panic!("answered {other}"),
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for _ in 0..5 {
            let before = asked.load(Ordering::Relaxed);
            wait_until("requests", || asked.load(Ordering::Relaxed) > before + 20);
            weir.stop();
            weir = start_on(&socket, Some(&weir));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(unanswered.into_inner(), 0, "of {}", asked.load(Ordering::Relaxed));
    assert_eq!(weir.records().len(), asked.into_inner());
}

#[test]
fn a_socket_too_many_is_refused_with_a_sentence() {
    let script = "LISTEN_PID=$$ LISTEN_FDS=9 exec \"$0\" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0";
    let output = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_weir")]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("listen: socket 0 of LISTEN_FDS is no listening TCP socket"), "{said}");
}
