//! Asks a running Weir on its operators' listener. Plain HTTP/1.1 by hand: one question a connection, of a server that
//! is Weir's own, needs no client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Failure;
use super::serve::run_file;
use crate::config::DataDir;

/// How long each step of a question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Where the Weir on `data` is asked.
///
/// # Errors
/// None runs there.
pub(super) fn address(data: &DataDir) -> Result<SocketAddr, Failure> {
    run_file::admin_address(data).ok_or_else(|| {
        let data = data.path().display();
        Failure::Named(format!(
            "no Weir is running on {data}; start one, or name its data folder with --data"
        ))
    })
}

/// The answer of the listener at `admin` to a GET of `path`.
///
/// # Errors
/// When it can't be reached, does not answer in time, or what it answers is no HTTP.
pub(super) fn get(admin: SocketAddr, path: &str) -> Result<Answer, Failure> {
    ask(admin, path).map_err(|error| {
        Failure::Named(format!("Weir does not answer at {admin}: {error}; look whether its process runs"))
    })
}

fn ask(admin: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    read(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("that is no answer of Weir's"))
}

/// The status and the body. Weir sends the length of all that it answers here, so nothing is in chunks.
fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = |text| read(text).map(|Answer { status, body }| (status, body));
        let ready = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(answer(ready), Some((200, "ok".to_owned())));
        assert_eq!(answer("HTTP/1.1 503 \r\n\r\n"), Some((503, String::new())));
        for none in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(answer(none), None, "{none}");
        }
    }
}
