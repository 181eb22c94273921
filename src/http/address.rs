//! From which address a request comes. A proxy says for whom it asks, in `Forwarded` or `X-Forwarded-For`, and is
//! believed only if it is trusted: anybody may write such headers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Whether `address` is that of a trusted proxy.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The address of the client of a request that came from `peer`. If that is one of the `trusted` proxies, it is the
/// right-most address that the headers tell and that is not itself a trusted proxy. What a proxy does not tell, or
/// hides, can't be known: the proxy's own address stands for it. If there are both headers and they disagree, one of
/// them may be the client's own work, and `peer` stands for it, too.
pub fn client(peer: IpAddr, trusted: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let told_by = |name: &str, nodes: fn(&str) -> Nodes| {
        let lines: Vec<_> =
            headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        let mut nodes = lines.iter().rev().flat_map(|line| nodes(line).into_iter().rev()).peekable();
        nodes.peek().is_some().then(|| nearest(peer, trusted, nodes))
    };
    match (told_by(FORWARDED, forwarded), told_by(X_FORWARDED_FOR, x_forwarded_for)) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(told), _) | (None, Some(told)) => told,
        (None, None) => peer,
    }
}

/// Who asked whom, as one line tells it: the client first. None is someone who is not known.
type Nodes = Vec<Option<IpAddr>>;

/// The first of `nodes`, which begin with the one before `peer`, that is no trusted proxy; else the last that is known.
fn nearest(peer: IpAddr, trusted: &[IpNet], nodes: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
    let mut known = peer;
    for node in nodes {
        match node {
            Some(address) if is_trusted(address, trusted) => known = address,
            Some(address) => return address,
            None => break,
        }
    }
    known
}

/// The addresses of a line of `X-Forwarded-For`.
fn x_forwarded_for(line: &str) -> Nodes {
    line.split(',').map(str::trim).filter(|node| !node.is_empty()).map(address).collect()
}

/// The addresses of a line of `Forwarded` (RFC 7239). A line that is not written as it should be tells of nobody: a
/// client could leave a quote open, and thus hide what its proxy appends.
fn forwarded(line: &str) -> Nodes {
    let mut nodes = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let Some((node, behind)) = element(rest) else { return vec![None] };
        nodes.extend(node);
        rest = behind;
    }
    nodes
}

/// The first element of a list, if it has any pairs, as whom it names, and what follows it.
fn element(text: &str) -> Option<(Option<Option<IpAddr>>, &str)> {
    let (mut named, mut is_empty) = (None, true);
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some((name, value)) = pair(&mut rest)? {
            is_empty = false;
            if name.eq_ignore_ascii_case("for") && named.replace(address(&value)).is_some() {
                return None;
            }
        }
        rest = rest.trim_start();
        let separator = rest.chars().next();
        rest = rest.get(1..).unwrap_or_default();
        match separator {
            Some(';') => {}
            None | Some(',') => return Some(((!is_empty).then(|| named.flatten()), rest)),
            Some(_) => return None,
        }
    }
}

/// A pair's name and value.
type Pair<'t> = (&'t str, String);

/// Takes a pair `name=value` from the beginning of `rest`; the inner none where there is none, the outer where it is
/// not well-formed.
fn pair<'t>(rest: &mut &'t str) -> Option<Option<Pair<'t>>> {
    let (name, behind) = token(rest);
    if name.is_empty() {
        return matches!(rest.chars().next(), None | Some(';' | ',')).then_some(None);
    }
    let behind = behind.strip_prefix('=')?;
    let (value, behind) = match behind.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => match token(behind) {
            ("", _) => return None,
            (value, behind) => (value.to_owned(), behind),
        },
    };
    *rest = behind;
    Some(Some((name, value)))
}

/// A token at the beginning of `text`, and what follows it. Many proxies write ports and even IPv6 addresses without
/// quotes, so `:`, `[` and `]` may be in it.
fn token(text: &str) -> (&str, &str) {
    let belongs = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:[]".contains(c);
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// A quoted text that begins behind its first quote, and what follows its last.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

/// An address with or without a port, IPv6 with or without brackets; none for `unknown` and names that hide somebody.
fn address(node: &str) -> Option<IpAddr> {
    let parsed =
        node.parse::<IpAddr>().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|both| both.ip()));
    let parsed = parsed.or_else(|| {
        if let Some(bracketed) = node.strip_prefix('[') {
            let (v6, port) = bracketed.split_once(']')?;
            return is_port(port).then(|| v6.parse::<Ipv6Addr>().ok()).flatten().map(IpAddr::from);
        }
        let (v4, port) = node.split_at(node.find(':')?);
        is_port(port).then(|| v4.parse::<std::net::Ipv4Addr>().ok()).flatten().map(IpAddr::from)
    });
    parsed.map(|address| address.to_canonical())
}

/// Whether `text` is nothing, or a colon and a port, perhaps a hidden one.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let hidden = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.chars().all(hidden),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
