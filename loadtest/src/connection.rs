//! One keep-alive HTTP/1.1 connection: writes prepared bytes, reads just enough of the answer.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use memchr::memmem;
use mio::net::TcpStream;

use crate::traffic::Request;

/// A chunked body in which nothing is.
const NO_CHUNKS: &[u8] = b"0\r\n\r\n";

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Number of the request.
    pub number: u64,
    /// When it was to be sent: latency counts from here.
    pub intended: Instant,
}

/// What an answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Whether the body was exactly `ok`: nothing stands in quarantine.
    pub ok: bool,
    /// Whether the server closes the connection.
    pub closes: bool,
}

/// A connection with its requests.
#[derive(Debug)]
pub struct Connection {
    /// The socket, registered by whoever drives it.
    pub stream: TcpStream,
    /// What is on its way, if anything is.
    pub pending: Option<Pending>,
    requests: Vec<Request>,
    current: usize,
    written: usize,
    /// How much of the request may be sent by now.
    allowed: usize,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects, and waits until that is done.
    ///
    /// # Errors
    /// When nobody listens at `address`.
    pub fn open(address: SocketAddr, requests: Vec<Request>) -> io::Result<Connection> {
        let stream = connect(address)?;
        Ok(Connection {
            stream,
            pending: None,
            requests,
            current: 0,
            written: 0,
            allowed: 0,
            answer: Vec::new(),
        })
    }

    /// Connects again, with nothing on its way.
    ///
    /// # Errors
    /// When nobody listens at `address`.
    pub fn reopen(&mut self, address: SocketAddr) -> io::Result<()> {
        self.stream = connect(address)?;
        self.pending = None;
        self.answer.clear();
        Ok(())
    }

    /// Sends request `pending.number`, as far as the socket takes it now; its body too, unless that is held back.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&mut self, pending: Pending, hold_body: bool) -> io::Result<()> {
        let kinds = u64::try_from(self.requests.len()).unwrap_or(1).max(1);
        self.current = usize::try_from(pending.number % kinds).unwrap_or(0);
        if let Some(request) = self.requests.get_mut(self.current) {
            request.number(pending.number);
            self.allowed = if hold_body { request.body() } else { request.bytes().len() };
        }
        self.pending = Some(pending);
        self.written = 0;
        self.write()
    }

    /// Whether a body is held back.
    pub fn holds_body(&self) -> bool {
        self.requests.get(self.current).is_some_and(|request| self.allowed < request.bytes().len())
    }

    /// Sends the body that was held back.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send_body(&mut self) -> io::Result<()> {
        self.allowed = usize::MAX;
        self.write()
    }

    /// Goes on sending; does nothing once all is sent.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self) -> io::Result<()> {
        let bytes = self.requests.get(self.current).map(Request::bytes).unwrap_or_default();
        while self.pending.is_some() {
            let left = bytes.get(self.written..self.allowed.min(bytes.len())).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            match self.stream.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there: an answer, once it is whole. `room` is memory to read into.
    ///
    /// # Errors
    /// When the connection is broken or closed, or what comes is no answer.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<Option<Answer>> {
        loop {
            match self.stream.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    let new = room.get(..read).unwrap_or_default();
                    let answer = if self.answer.is_empty() {
                        // Nearly always: one read, one answer.
                        parse(new)?
                    } else {
                        self.answer.extend_from_slice(new);
                        parse(&self.answer)?
                    };
                    if let Some(answer) = answer {
                        self.answer.clear();
                        return Ok(Some(answer));
                    }
                    if self.answer.is_empty() {
                        self.answer.extend_from_slice(new);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

/// The answer at the start of `bytes`, if it is whole. Its length is told; or it is chunked and empty, from a
/// server that answers before the outcome, and tells of a failure by the first chunk.
fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP/1.1 answer with a length");
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = bytes.get(..end).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?));
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or_else(wrong)?;
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for line in lines {
        if let Some(value) = header(line, b"content-length:") {
            length = number(value);
        } else if let Some(value) = header(line, b"transfer-encoding:") {
            chunked = value.eq_ignore_ascii_case(b"chunked");
        } else if let Some(value) = header(line, b"connection:") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    let body = bytes.get(end + 4..).unwrap_or_default();
    if chunked {
        let whole = body == NO_CHUNKS;
        return if whole || NO_CHUNKS.starts_with(body) {
            Ok(whole.then_some(Answer { status, ok: false, closes }))
        } else {
            Err(wrong())
        };
    }
    let length = length.ok_or_else(wrong)?;
    Ok(body.get(..length).map(|body| Answer { status, ok: status == 200 && body == b"ok", closes }))
}

fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ndate: Sat\r\n\r\nok";

    #[test]
    fn an_answer_counts_once_it_is_whole() {
        for end in 0..OK.len() {
            assert_eq!(parse(&OK[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(parse(OK).unwrap(), Some(Answer { status: 200, ok: true, closes: false }));
    }

    #[test]
    fn what_is_not_a_plain_ok_is_told_apart() {
        let quarantined = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{\"q\"";
        assert_eq!(parse(quarantined).unwrap(), Some(Answer { status: 200, ok: false, closes: false }));
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(parse(busy).unwrap(), Some(Answer { status: 503, ok: false, closes: true }));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_chunked_answer_counts_once_it_ends_with_nothing_in_it() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let empty = [head, NO_CHUNKS].concat();
        for end in 0..empty.len() {
            assert_eq!(parse(&empty[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(parse(&empty).unwrap(), Some(Answer { status: 200, ok: false, closes: false }));
        assert!(parse(&[head, &b"7\r\nfailed\n"[..]].concat()).is_err());
    }
}
