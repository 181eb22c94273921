//! The addresses on which `weir serve` listens, and the protocol of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::sockets::Sockets;
use crate::cli::Failure;
use crate::config::Config;
use crate::http::server::{self, Listening};
use crate::http::tls::Acceptor;
use crate::http::tls::pair::Loaded;
use crate::http::tls::reload::Reloader;
use crate::observe::metrics::Metrics;

/// Where clients connect.
pub struct Clients {
    pub listeners: server::Listeners,
    /// The address of `listen`.
    pub url: String,
    /// That of TLS, where `listen` is for plain HTTP.
    pub tls_url: Option<String>,
    /// Takes on new certificates.
    pub certificate: Option<Reloader>,
}

impl Clients {
    /// Binds what `config` says, on `sockets`; TLS begins with `tls`, and counts in `metrics`.
    pub fn bind(
        sockets: &mut Sockets,
        config: &Config,
        tls: Option<&Loaded>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Failure> {
        let (socket, address) = sockets.bind(config.listen, "listen", " with --listen")?;
        let listener = Listening { socket, proxied: config.proxy_protocol };
        let Some((tls, loaded)) = config.tls.as_ref().zip(tls) else {
            let listeners = server::Listeners { plain: Some(listener), tls: None };
            return Ok(Clients { listeners, url: url("http", address), tls_url: None, certificate: None });
        };
        let own = tls.listen.map(|address| sockets.bind(address, "tls.listen", "")).transpose()?;
        let own = own.map(|(socket, address)| (Listening { socket, proxied: tls.proxy_protocol }, address));
        let reloader = Reloader::new(tls, loaded, Arc::clone(metrics));
        let acceptor = Acceptor::new(reloader.current(), config.limits.server.header, metrics);
        let certificate = Some(reloader);
        Ok(match own {
            None => {
                let listeners = server::Listeners { plain: None, tls: Some((listener, acceptor)) };
                Clients { listeners, url: url("https", address), tls_url: None, certificate }
            }
            Some((own, tls_address)) => {
                let listeners = server::Listeners { plain: Some(listener), tls: Some((own, acceptor)) };
                let tls_url = Some(url("https", tls_address));
                Clients { listeners, url: url("http", address), tls_url, certificate }
            }
        })
    }
}

/// An address as a client on this machine reaches it.
pub fn url(scheme: &str, address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}
