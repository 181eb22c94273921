//! RudderStack as it calls a destination: how its two HTTP clients write their requests (Go's in the router, axios in
//! the transformer), and what it makes of an answer.

/// The name that they know Weir by: that of the tests' certificates.
const HOST: &str = super::tls::NAME;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// rudder-server's router.
    Go,
    /// The transformer.
    Axios,
}

/// A request that is to be made.
#[derive(Clone, Debug)]
pub struct Call<'c> {
    /// Who makes it.
    pub agent: Agent,
    /// `POST`, `PUT` or `PATCH`.
    pub method: &'c str,
    /// Path and query.
    pub target: &'c str,
    /// What the destination adds, names as its code types them.
    pub headers: &'c [(&'c str, &'c str)],
    /// Empty: no body at all.
    pub body: &'c str,
}

impl Call<'_> {
    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let Call { agent, method, target, body, .. } = self;
        let length = format!("Content-Length: {}\r\n", body.len());
        let line = |(name, value): (&str, &str)| format!("{name}: {value}\r\n");
        let head = match agent {
            Agent::Go => {
                let mut headers: Vec<(String, &str)> =
                    self.headers.iter().map(|(name, value)| (canonical(name), *value)).collect();
                headers.sort();
                let headers: String = headers.iter().map(|(name, value)| line((name, value))).collect();
                format!(
                    "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: RudderLabs\r\n{length}{headers}\
                     Accept-Encoding: gzip\r\n\r\n"
                )
            }
            Agent::Axios => {
                let headers: String = self.headers.iter().copied().map(line).collect();
                format!(
                    "{method} {target} HTTP/1.1\r\nAccept: application/json, text/plain, */*\r\n{headers}\
                     User-Agent: axios/1.8.4\r\n{length}Accept-Encoding: gzip, compress, deflate, br\r\n\
                     Host: {HOST}\r\nConnection: keep-alive\r\n\r\n"
                )
            }
        };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// A header's name as Go writes it.
fn canonical(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// What RudderStack makes of an answer's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The event is delivered.
    Done,
    /// It is sent again.
    Again,
    /// It is given up.
    Never,
}

/// The router's verdict.
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        408 | 429 | 500.. | ..200 => Verdict::Again,
        _ => Verdict::Never,
    }
}
