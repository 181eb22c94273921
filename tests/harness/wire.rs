//! A client that sends exact bytes and sees exact bytes: pipelining, slow bodies, broken chunks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned};

use super::{PATIENCE, tls};

/// Headers of a request, in order.
pub type Headers<'h> = &'h [(&'h str, &'h str)];

/// An answer as it came over the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers in order, as they were spelled.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The header `name`, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} came twice: {self:?}");
        value
    }

    /// Its body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Its body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and text: what most tests ask for.
    pub fn brief(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}

/// What a connection speaks.
trait Speech: Read + Write + std::fmt::Debug + Send {}

impl Speech for TcpStream {}
impl Speech for StreamOwned<ClientConnection, TcpStream> {}

/// What came of a handshake.
#[derive(Debug)]
pub struct Met {
    pub version: ProtocolVersion,
    pub certificate: Vec<u8>,
    pub alpn: Option<Vec<u8>>,
    pub resumed: bool,
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    speech: Box<dyn Speech>,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// Connects to the gateway at `url`; what is spoken is plain, whatever `url` says.
    pub fn connect(url: &str) -> Self {
        let address = url.split("://").last().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { speech: Box::new(stream.try_clone().unwrap()), stream, read: Vec::new() }
    }

    /// The same, but an answer or its reader may take no more than `patience`.
    pub fn within(self, patience: std::time::Duration) -> Self {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        self.stream.set_write_timeout(Some(patience)).unwrap();
        self
    }

    /// The same over TLS, once the handshake is done; and what came of it.
    pub fn over_tls(mut self, client: &Arc<ClientConfig>) -> io::Result<(Self, Met)> {
        let name = ServerName::try_from(tls::NAME).unwrap();
        let mut session = ClientConnection::new(Arc::clone(client), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut self.stream)?;
        }
        let met = Met {
            version: session.protocol_version().unwrap(),
            certificate: session.peer_certificates().unwrap()[0].to_vec(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        };
        self.speech = Box::new(StreamOwned::new(session, self.stream.try_clone().unwrap()));
        Ok((self, met))
    }

    /// Sends `bytes`, all of them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.speech.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends `bytes`; false if the other side takes no more.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.speech.write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more will be sent.
    pub fn end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// A second handle on the same plain connection, to send while another reads.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Sends a request and gives its answer.
    ///
    /// # Errors
    /// When the connection is lost, or patience is at an end.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.speech.write_all(request)?;
        self.read_answer(false)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.next_answer(false).expect("the connection was closed without an answer")
    }

    /// The next answer, to a HEAD request: it has no body, whatever its length says.
    pub fn answer_to_head(&mut self) -> Answer {
        self.next_answer(true).expect("the connection was closed without an answer")
    }

    /// The next answer, or `None` once the connection is closed.
    pub fn answer_or_end(&mut self) -> Option<Answer> {
        self.next_answer(false)
    }

    /// Waits for the end of the connection, and gives what came until then.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more().expect("an end") {}
        std::mem::take(&mut self.read)
    }

    /// Whether bytes of an answer have come within a moment. For what must not come at all.
    pub fn has_answer_within(&mut self, moment: std::time::Duration) -> bool {
        if self.read.is_empty() {
            self.stream.set_read_timeout(Some(moment)).unwrap();
            let mut byte = [0; 1];
            let got = self.speech.read(&mut byte);
            self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
            match got {
                Ok(read) => self.read.extend_from_slice(&byte[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        !self.read.is_empty()
    }

    fn next_answer(&mut self, bodiless: bool) -> Option<Answer> {
        self.read_answer(bodiless).unwrap_or_else(|error| panic!("no answer and no end: {error}"))
    }

    fn read_answer(&mut self, bodiless: bool) -> io::Result<Option<Answer>> {
        let head_end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at;
            }
            if !self.more()? {
                assert!(self.read.is_empty(), "half an answer: {:?}", String::from_utf8_lossy(&self.read));
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.read.drain(..head_end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        assert_eq!(answer.header("transfer-encoding"), None, "Weir's answers have a length");
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if !bodiless && status >= 200 && status != 204 {
            while self.read.len() < length {
                assert!(self.more()?, "the body ended early: {answer:?}");
            }
            answer.body = self.read.drain(..length).collect();
        }
        Ok(Some(answer))
    }

    /// Reads on; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        match self.speech.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.read.extend_from_slice(&chunk[..read]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A request, head and body, with a `Content-Length` unless `headers` speak of one or of chunks.
pub fn request(method: &str, target: &str, headers: Headers<'_>, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: weir\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let named = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !body.is_empty() && !named("content-length") && !named("transfer-encoding") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// `body` in chunks of `size` bytes, with the last chunk.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// The `Authorization` of `key`.
pub fn basic(key: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()))
}

/// `plain` in every way of compression that Weir reads, by the name that `Content-Encoding` has for it: `deflate` in
/// zlib's format, and bare.
pub fn compressed(plain: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let level = flate2::Compression::default();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(plain).unwrap();
    let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), level);
    bare.write_all(plain).unwrap();
    let mut zstd = vec![0; plain.len() + 1_000];
    let length = zstd_safe::compress(&mut zstd[..], plain, 3).unwrap();
    zstd.truncate(length);
    [
        ("gzip", gzip(plain)),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", bare.finish().unwrap()),
        ("zstd", zstd),
    ]
}

/// `plain` as one gzip member.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
