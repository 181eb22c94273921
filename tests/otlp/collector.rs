//! A collector of spans: takes OTLP over HTTP as the real ones do, and keeps what it got.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;

/// A collector that listens on loopback until the test program ends.
pub struct Collector {
    address: String,
    got: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, got) = (listener.local_addr().unwrap().to_string(), Arc::default());
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                take(&stream.unwrap(), &kept);
            }
        });
        Collector { address, got }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is for it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that came so far.
    pub fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        got.iter().flat_map(|one| &one.scope_spans).flat_map(|one| one.spans.clone()).collect()
    }

    /// What each sender said of itself.
    pub fn senders(&self) -> Vec<BTreeMap<String, String>> {
        let got = self.got.lock().unwrap();
        got.iter().map(|one| attributes(&one.resource.as_ref().unwrap().attributes)).collect()
    }
}

/// The requests of one connection.
fn take(stream: &TcpStream, got: &Mutex<Vec<ResourceSpans>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                return;
            }
        }
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
        assert!(head.contains("\r\nx-team: operators\r\n"), "{head}");
        let length = head.split("\r\ncontent-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        got.lock().unwrap().extend(ExportTraceServiceRequest::decode(&*body).unwrap().resource_spans);
        let mut stream = stream;
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )
            .unwrap();
    }
}

/// Texts and whole numbers, as text.
pub fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{}: {other:?}", pair.key),
    };
    list.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}
