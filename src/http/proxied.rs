//! The PROXY protocol, versions 1 and 2: what a proxy says before a connection's first byte, for whom it connects. What
//! follows is left unread, whether it is HTTP or TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::address::is_trusted;
use crate::observe::proxied::Outcome;

/// What version 2 begins with. Nothing else that a listener may be sent begins so.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;
/// Most bytes of what follows the first 16 of version 2: addresses, and what proxies add to them.
const LONGEST_BLOCK: u16 = 4_096;

/// For whom a proxy connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// For the client at this address.
    Client(SocketAddr),
    /// For itself, as health checks do, or for somebody whom it can't tell.
    Nobody,
}

/// Reads what `peer` says before its first byte, and tells for whom it connects, itself included.
///
/// # Errors
/// Why the connection is not taken: `peer` is none of the `trusted` proxies, or does not say it properly `within` time.
pub async fn client(
    io: &mut (impl AsyncRead + Unpin),
    peer: Option<SocketAddr>,
    trusted: &[IpNet],
    within: Duration,
) -> Result<(Outcome, Option<SocketAddr>), Outcome> {
    if !peer.is_some_and(|peer| is_trusted(peer.ip(), trusted)) {
        return Err(Outcome::Untrusted);
    }
    match timeout(within, read(io)).await {
        Err(_) => Err(Outcome::Late),
        Ok(Err(outcome)) => Err(outcome),
        Ok(Ok(Told::Client(client))) => Ok((Outcome::Client, Some(client))),
        Ok(Ok(Told::Nobody)) => Ok((Outcome::Proxy, peer)),
    }
}

/// Reads the header, and not a byte more.
async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Told, Outcome> {
    // Whoever only looks whether somebody listens says nothing.
    let first = io.read_u8().await.map_err(|_| Outcome::Silent)?;
    read_behind(first, io).await.ok().flatten().ok_or(Outcome::Missing)
}

/// Reads what is behind its `first` byte; none if it is not well-formed.
async fn read_behind(first: u8, io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Told>> {
    let mut start = [0; SIGNATURE.len() - 1];
    io.read_exact(&mut start).await?;
    let mut line = Vec::with_capacity(LONGEST_LINE);
    line.push(first);
    line.extend_from_slice(&start);
    if line == SIGNATURE {
        let mut head = [0; 4];
        io.read_exact(&mut head).await?;
        let [command, family, length @ ..] = head;
        let length = u16::from_be_bytes(length);
        if length > LONGEST_BLOCK {
            return Ok(None);
        }
        let mut block = vec![0; length.into()];
        io.read_exact(&mut block).await?;
        return Ok(block_v2(command, family, &block));
    }
    if !line.starts_with(b"PROXY ") {
        return Ok(None);
    }
    // Byte by byte: whatever is behind its end is not for here.
    while !line.ends_with(b"\n") {
        if line.len() == LONGEST_LINE {
            return Ok(None);
        }
        line.push(io.read_u8().await?);
    }
    Ok(line_v1(&line))
}

/// A line of version 1, with its end.
fn line_v1(line: &[u8]) -> Option<Told> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?.strip_prefix("PROXY ")?;
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(Told::Nobody);
    }
    let [from, to, from_port, to_port] = [words.next()?, words.next()?, words.next()?, words.next()?];
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => None,
    };
    let (from, _, port, _) = (address(from)?, address(to)?, port(from_port)?, port(to_port)?);
    words.next().is_none().then_some(Told::Client(SocketAddr::new(from, port)))
}

fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What follows the signature of version 2: its version with the command, the family with the protocol, and the block
/// of addresses.
fn block_v2(command: u8, family: u8, block: &[u8]) -> Option<Told> {
    match command {
        // LOCAL: the proxy itself.
        0x20 => return Some(Told::Nobody),
        0x21 => {}
        _ => return None,
    }
    match family >> 4 {
        1 => {
            let (from, rest) = block.split_first_chunk::<4>()?;
            let port = port_v2::<4>(rest)?;
            Some(Told::Client(SocketAddr::new(Ipv4Addr::from(*from).into(), port)))
        }
        2 => {
            let (from, rest) = block.split_first_chunk::<16>()?;
            let port = port_v2::<16>(rest)?;
            Some(Told::Client(SocketAddr::new(Ipv6Addr::from(*from).into(), port)))
        }
        // Unspecified, and sockets of UNIX: no address that could be used.
        0 | 3 => Some(Told::Nobody),
        _ => None,
    }
}

/// The first of the two ports that follow the other address, of so many bytes.
fn port_v2<const BYTES: usize>(block: &[u8]) -> Option<u16> {
    let (_, ports) = block.split_first_chunk::<BYTES>()?;
    let (from, rest) = ports.split_first_chunk::<2>()?;
    rest.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes`, none where they are no header, and what is left of them.
    fn of(bytes: &[u8]) -> (Option<Told>, &[u8]) {
        let mut rest = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(read(&mut rest)).ok();
        (told, rest)
    }

    fn at(address: &str) -> Option<Told> {
        Some(Told::Client(address.parse().unwrap()))
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    #[test]
    fn a_line_of_version_1_names_the_client_and_what_follows_is_left() {
        for (line, told) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n", at("192.0.2.7:4711")),
            ("PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", at("[2001:db8::7]:65535")),
            ("PROXY UNKNOWN\r\n", Some(Told::Nobody)),
            ("PROXY UNKNOWN ffff::1 whatever else\r\n", Some(Told::Nobody)),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(of(bytes.as_bytes()), (told, &b"GET / HTTP/1.1\r\n"[..]), "{line}");
        }
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80 1\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 4711 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4711 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +471 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1  80\r\n",
            "PROXY TCP4 ::1 ::1 4711 80\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 4711 80\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 4711 80\r\n",
            "proxy TCP4 192.0.2.7 10.0.0.1 4711 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80",
            "PROXY\r\n",
            "",
        ] {
            assert_eq!(of(line.as_bytes()).0, None, "{line}");
        }
        let [longest, longer] = [91, 92].map(|more| format!("PROXY UNKNOWN {}\r\n", "x".repeat(more)));
        assert_eq!((longest.len(), of(longest.as_bytes()).0), (LONGEST_LINE, Some(Told::Nobody)));
        assert_eq!(of(longer.as_bytes()).0, None);
    }

    #[test]
    fn a_block_of_version_2_names_the_client_and_what_follows_is_left() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let v6 =
            [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0x12, 0x67, 0, 80]]
                .concat();
        let more = [&v4[..], b"\x04\0\x03abc"].concat();
        for (header, told) in [
            (v2(0x21, 0x11, &v4), at("192.0.2.7:4711")),
            (v2(0x21, 0x11, &more), at("192.0.2.7:4711")),
            (v2(0x21, 0x21, &v6), at("[2001:db8::7]:4711")),
            (v2(0x20, 0x00, &[]), Some(Told::Nobody)),
            (v2(0x20, 0x11, &v4), Some(Told::Nobody)),
            (v2(0x21, 0x00, b"abc"), Some(Told::Nobody)),
            (v2(0x21, 0x31, &[0; 216]), Some(Told::Nobody)),
            (v2(0x21, 0x11, &[0; 4_096]), at("0.0.0.0:0")),
        ] {
            let bytes = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!(of(&bytes), (told, &b"\x16\x03\x01"[..]), "{header:?}");
        }
        for header in [
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x21, &v6[..35]),
            v2(0x21, 0x11, &[0; 4_097]),
            v2(0x22, 0x11, &v4),
            v2(0x11, 0x11, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x21, 0x11, &v4)[..20].to_vec(),
        ] {
            assert_eq!(of(&header).0, None, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            version in any::<bool>(), text in "(PROXY |TCP4 |TCP6 |UNKNOWN|1.2.3.4 |::1 |80 |\r\n|\\PC){0,12}",
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let input = if version { [&SIGNATURE[..], &bytes].concat() } else { text.into_bytes() };
            let (_, rest) = of(&input);
            prop_assert!(input.ends_with(rest));
        }

        #[test]
        fn what_a_proxy_writes_is_what_is_read(client in any::<SocketAddr>(), other in any::<u16>()) {
            // Neither version carries these of IPv6.
            let client = SocketAddr::new(client.ip(), client.port());
            let (family, to, ip) = match client.ip() {
                IpAddr::V4(ip) => ("TCP4", "10.0.0.1", ip.octets().to_vec()),
                IpAddr::V6(ip) => ("TCP6", "::1", ip.octets().to_vec()),
            };
            let line = format!("PROXY {family} {} {to} {} {other}\r\n", client.ip(), client.port());
            prop_assert_eq!(of(line.as_bytes()), (Some(Told::Client(client)), &b""[..]));
            let ports = [client.port().to_be_bytes(), other.to_be_bytes()].concat();
            let block = [&ip[..], &vec![0; ip.len()], &ports].concat();
            let header = v2(0x21, if ip.len() == 4 { 0x11 } else { 0x21 }, &block);
            prop_assert_eq!(of(&header), (Some(Told::Client(client)), &b""[..]));
        }
    }
}
