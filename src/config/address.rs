//! Addresses as people write them: accepted if they can mean only one thing; otherwise the error says what to write.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

/// An address to listen on: an IP address and port; `localhost` for this machine alone, and nothing (or `*`) for all of
/// its addresses.
///
/// # Errors
/// What to write instead, without a key before it.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    taken(text).ok_or_else(|| advice(text))
}

/// Whether a host of a URL or a request, perhaps with a port, is this machine alone.
pub fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    (is_loopback || name.eq_ignore_ascii_case("localhost")) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// What [`network`] reads.
pub const NETWORK: &str =
    "a network such as \"10.0.0.0/8\", with no bits set behind its prefix, or an address";

/// A network or an address. One of IPv4 is that even if it is written as one of IPv6.
pub fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let network = match mapped {
        Some((v4, prefix)) => Ipv4Net::new(v4, prefix).ok()?.into(),
        None => network,
    };
    (network == network.trunc()).then_some(network)
}

/// The address, where only one can be meant.
fn taken(text: &str) -> Option<SocketAddr> {
    let (host, number) = text.rsplit_once(':')?;
    match host {
        "" | "*" => Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port(number)?)),
        _ if host.eq_ignore_ascii_case("localhost") => {
            Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(number)?))
        }
        _ => text.parse().ok(),
    }
}

/// What to write instead of `text`.
fn advice(text: &str) -> String {
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or_default();
        return format!("must be an address, not a URL; write {} without {scheme}://", example(rest));
    }
    if text.contains([',', ' ', ';']) {
        return "takes one address; write 0.0.0.0:8080 to listen on all addresses of this machine".to_owned();
    }
    if let Some(port) = port(text) {
        return format!("names no address; {}", either(port));
    }
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return format!("names no port; write {}, say", SocketAddr::new(ip, 8080));
    }
    let Some((host, number)) = text.rsplit_once(':') else {
        return format!("names no port; write {}, say", example(text));
    };
    match (port(number), host.parse::<Ipv6Addr>()) {
        (None, _) => format!("must end with a port from 0 to 65535; write {}, say", example(host)),
        (Some(port), Ok(ip)) => format!("must have brackets around an IPv6 address; write [{ip}]:{port}"),
        (Some(port), Err(_)) => format!(
            "must be an IP address of this machine and a port, because a name may stand for several; {}",
            either(port)
        ),
    }
}

fn either(port: u16) -> String {
    format!("write 127.0.0.1:{port} for this machine only, or 0.0.0.0:{port} for everybody who can reach it")
}

/// What `host`, perhaps with a port, may have been meant to be.
fn example(host: &str) -> SocketAddr {
    let meant = taken(host).or_else(|| taken(&format!("{host}:8080")));
    meant.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What to write instead of `broker`, one of a bootstrap list; none where it is well written. It may hold a password,
/// written into a URL, so no more than a host is repeated.
pub fn broker_fault(broker: &str) -> Option<String> {
    if let Some((scheme, _)) = broker.split_once("://") {
        let scheme: String = scheme.chars().take(20).collect();
        return Some(format!(
            "must be host:port without {scheme}://; set \"security.protocol\" in [queue.kafka] for the kind \
             of connection, and its sasl.* settings for a login"
        ));
    }
    if broker.contains(|one: char| one.is_whitespace() || one == ';') {
        return Some(
            "must have commas between one host:port and the next, not blanks or semicolons".to_owned(),
        );
    }
    if broker.contains(['@', '/', '"', '\'']) {
        return Some("must be host:port alone, or several with commas between them".to_owned());
    }
    if broker.parse::<Ipv6Addr>().is_ok() || broker.starts_with('[') && broker.ends_with(']') {
        return Some(
            "must have brackets around an IPv6 address and a port behind them, such as [::1]:9092".to_owned(),
        );
    }
    let Some((host, number)) = broker.rsplit_once(':') else {
        return Some(format!(
            "\"{broker}\" has no port; write {broker}:9092, if Kafka listens where it usually does"
        ));
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains(':') && !bracketed {
        return Some(
            "must be host:port, or several separated by commas; put an IPv6 address in brackets".to_owned(),
        );
    }
    let is_port = port(number).is_some_and(|port| port != 0);
    (!is_port).then(|| format!("\"{host}\" must have a port from 1 to 65535 behind it, such as {host}:9092"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_where_only_one_thing_can_be_meant() {
        for (written, meant) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            (" 0.0.0.0:0\n", "0.0.0.0:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(listen(written).map(|address| address.to_string()), Ok(meant.to_owned()), "{written}");
        }
    }

    #[test]
    fn any_other_is_told_what_to_write() {
        for (written, told) in [
            ("8080", "write 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080"),
            ("0.0.0.0", "names no port; write 0.0.0.0:8080, say"),
            ("[::1]", "names no port; write [::1]:8080, say"),
            ("::1", "names no port; write [::1]:8080, say"),
            ("::", "names no port; write [::]:8080, say"),
            ("localhost", "names no port; write 127.0.0.1:8080, say"),
            ("weir.example.com", "names no port; write 127.0.0.1:8080, say"),
            ("http://localhost:8081/", "not a URL; write 127.0.0.1:8081 without http://"),
            ("https://0.0.0.0", "not a URL; write 0.0.0.0:8080 without https://"),
            ("tcp://:9", "not a URL; write 0.0.0.0:9 without tcp://"),
            ("fe80::1%eth0:8080", "must be an IP address of this machine and a port"),
            ("weir.example.com:8080", "must be an IP address of this machine and a port"),
            ("0.0.0.0:", "must end with a port from 0 to 65535; write 0.0.0.0:8080, say"),
            ("0.0.0.0:65536", "must end with a port from 0 to 65535; write 0.0.0.0:8080, say"),
            ("0.0.0.0:+80", "must end with a port from 0 to 65535; write 0.0.0.0:8080, say"),
            ("127.0.0.1:8080,127.0.0.1:8081", "takes one address"),
            ("", "names no port; write 0.0.0.0:8080, say"),
        ] {
            let advice = listen(written).unwrap_err();
            assert!(advice.contains(told), "{written}: {advice}");
        }
    }

    #[test]
    fn a_network_is_one_that_can_mean_only_one_thing() {
        for (written, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 10.0.0.1 ", "10.0.0.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(
                network(written).map(|network| network.to_string()).as_deref(),
                Some(meant),
                "{written}"
            );
        }
        for written in
            ["10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/32", "10.0.0", "proxy", "[::1]", "10.0.0.1:80", ""]
        {
            assert_eq!(network(written), None, "{written}");
        }
    }

    #[test]
    fn a_broker_is_a_host_and_a_port_and_any_other_is_told_what_to_write() {
        for good in ["k:9092", "k-1.example.com:1", "127.0.0.1:9092", "[::1]:9092"] {
            assert_eq!(broker_fault(good), None, "{good}");
        }
        for (written, told) in [
            ("PLAINTEXT://k:9092", "without PLAINTEXT://; set \"security.protocol\" in [queue.kafka]"),
            ("kafka://me:canary@k:9092/topic", "without kafka://"),
            ("k:9092 l:9092", "must have commas between"),
            ("k:9092;l:9092", "must have commas between"),
            ("k", "\"k\" has no port; write k:9092"),
            ("10.0.0.1", "\"10.0.0.1\" has no port; write 10.0.0.1:9092"),
            ("k:", "must have a port from 1 to 65535"),
            ("k:0", "must have a port from 1 to 65535"),
            ("k:65536", "must have a port from 1 to 65535"),
            ("k:canary", "must have a port from 1 to 65535"),
            ("::1", "brackets around an IPv6 address"),
            ("[::1]", "brackets around an IPv6 address"),
            ("fe80::zz:9092", "put an IPv6 address in brackets"),
            (":9092", "must be host:port"),
            ("me:canary@k:9092", "must be host:port alone"),
            ("k:9092/", "must be host:port alone"),
            ("\"k:9092\"", "must be host:port alone"),
            ("", "has no port"),
        ] {
            let advice = broker_fault(written).unwrap_or_else(|| panic!("{written}"));
            assert!(advice.contains(told) && !advice.contains("canary"), "{written}: {advice}");
        }
    }
}
