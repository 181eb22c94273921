//! Where Weir listens: on sockets that its supervisor holds and hands over, as systemd does, or on its own.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::cli::Failure;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// The sockets that were handed over (`LISTEN_FDS`), in the order in which they are taken.
pub struct Sockets {
    handed_over: ListenFd,
    taken: usize,
}

impl Sockets {
    /// Those of this process.
    pub fn of_process() -> Self {
        Sockets { handed_over: ListenFd::from_env(), taken: 0 }
    }

    /// Takes the next socket that was handed over; without one, listens on `address`. Tells the address that it got.
    /// `key` says where that was configured, and `how` where else it may be chosen.
    ///
    /// # Errors
    /// When the address can't be had, or what was handed over is no listening TCP socket: one sentence.
    pub fn bind(
        &mut self,
        address: SocketAddr,
        key: &str,
        how: &str,
    ) -> Result<(TcpListener, SocketAddr), Failure> {
        let number = self.taken;
        self.taken += 1;
        let handed_over = self.handed_over.take_tcp_listener(number).and_then(|socket| {
            socket.map(|socket| socket.local_addr().map(|address| (socket, address))).transpose()
        });
        match handed_over {
            Ok(Some(socket)) => Ok(socket),
            Ok(None) => listen(address, key, how),
            Err(error) => Err(Failure::Named(format!(
                "{key}: socket {number} of LISTEN_FDS is no listening TCP socket ({error}); hand over those of listen, \
                 tls.listen and admin, in this order"
            ))),
        }
    }

    /// Whether somebody else holds the first, so that its clients wait there for the next start.
    pub fn are_held(&self) -> bool {
        self.handed_over.len() > 0
    }

    /// Refuses what was handed over and nobody has taken: its clients would wait for ever.
    ///
    /// # Errors
    /// When there is any: one sentence.
    pub fn all_taken(&self) -> Result<(), Failure> {
        let (handed_over, taken) = (self.handed_over.len(), self.taken);
        if handed_over <= taken {
            return Ok(());
        }
        Err(Failure::Named(format!(
            "LISTEN_FDS: {handed_over} sockets are handed over, and this configuration listens on {taken}; hand over \
             those of listen, tls.listen and admin, in this order"
        )))
    }
}

fn listen(address: SocketAddr, key: &str, how: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "stop the program that uses it, or choose another",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose another",
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose another",
            _ => "choose another",
        };
        Failure::Named(format!("{key}: cannot listen on {address}: {error}; {advice}{how}"))
    })
}
