//! A TCP proxy that can be slow, cut connections, lie, or take sides: in front of a broker it is the network,
//! in front of two gateways a small balancer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::clients::lock;
use crate::conversation::{Conversation, whole_frames};

/// How often it looks for a new connection.
const LOOK: Duration = Duration::from_millis(5);
/// Kafka's `OUT_OF_ORDER_SEQUENCE_NUMBER`: to the first request in flight, an idempotent producer's end.
const OUT_OF_ORDER: i16 = 45;

/// A proxy; it and its connections end when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    /// Where it listens.
    pub address: SocketAddr,
}

#[derive(Default)]
struct Shared {
    targets: Mutex<Vec<SocketAddr>>,
    speaks_kafka: bool,
    next: AtomicUsize,
    delay_ms: AtomicU64,
    is_cut: AtomicBool,
    lies: AtomicBool,
    corrupts: AtomicBool,
    ended: AtomicBool,
    open: Mutex<Vec<Weak<Connection>>>,
}

/// The client's end and the server's. They are closed when the last thread that has them ends.
struct Connection {
    ends: [TcpStream; 2],
    conversation: Conversation,
}

impl Proxy {
    /// Listens on `port` of this machine for a broker's clients.
    pub fn before_broker(port: u16, broker: u16) -> Self {
        let targets = Mutex::new(vec![SocketAddr::from(([127, 0, 0, 1], broker))]);
        Self::start(port, Shared { targets, speaks_kafka: true, ..Shared::default() })
    }

    /// Listens on a free port and passes connections on to `targets` in turn.
    pub fn balancer(targets: Vec<SocketAddr>) -> Self {
        Self::start(0, Shared { targets: Mutex::new(targets), ..Shared::default() })
    }

    fn start(port: u16, shared: Shared) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the proxy's port is free");
        listener.set_nonblocking(true).expect("a listener that can be asked");
        let (address, shared) = (listener.local_addr().expect("an address"), Arc::new(shared));
        let proxy = Proxy { shared: Arc::clone(&shared), address };
        thread::spawn(move || {
            while !shared.ended.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((client, _)) => accept(client, &shared),
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        proxy
    }

    /// From now on every piece of data arrives so much later.
    pub fn delay(&self, by: Duration) {
        self.shared.delay_ms.store(u64::try_from(by.as_millis()).unwrap_or(0), Ordering::Release);
    }

    /// Resets every connection.
    pub fn reset(&self) {
        for connection in lock(&self.shared.open).drain(..).filter_map(|open| open.upgrade()) {
            for end in &connection.ends {
                // Closing is then a reset, and closing is what its threads do once nothing more can be read.
                set_socket_linger(end, Some(Duration::ZERO)).ok();
                end.shutdown(Shutdown::Read).ok();
            }
        }
    }

    /// Lets no connection live until it is mended.
    pub fn cut(&self, is_cut: bool) {
        self.shared.is_cut.store(is_cut, Ordering::Release);
        self.reset();
    }

    /// Whether the next answer about records is turned into one that an idempotent producer can't go on after.
    pub fn lie(&self, lies: bool) {
        self.shared.lies.store(lies, Ordering::Release);
    }

    /// Whether that is still to come.
    pub fn lies(&self) -> bool {
        self.shared.lies.load(Ordering::Acquire)
    }

    /// Breaks the next records on their way to the broker.
    pub fn corrupt(&self, corrupts: bool) {
        self.shared.corrupts.store(corrupts, Ordering::Release);
    }

    /// Whether that is still to come.
    pub fn corrupts(&self) -> bool {
        self.shared.corrupts.load(Ordering::Acquire)
    }

    /// As a new one.
    pub fn mend(&self) {
        self.delay(Duration::ZERO);
        self.lie(false);
        self.corrupt(false);
        self.shared.is_cut.store(false, Ordering::Release);
    }

    /// Passes new connections on to these from now on.
    pub fn aim(&self, targets: Vec<SocketAddr>) {
        *lock(&self.shared.targets) = targets;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.reset();
    }
}

fn accept(client: TcpStream, shared: &Arc<Shared>) {
    if shared.is_cut.load(Ordering::Acquire) || client.set_nonblocking(false).is_err() {
        return;
    }
    let targets = lock(&shared.targets).clone();
    let first = shared.next.fetch_add(1, Ordering::AcqRel) % targets.len().max(1);
    // One that takes no connection is passed over.
    let mut in_turn = targets.iter().cycle().skip(first).take(targets.len());
    let Some(server) = in_turn.find_map(|target| TcpStream::connect(target).ok()) else { return };
    let connection = Arc::new(Connection { ends: [client, server], conversation: Conversation::default() });
    let mut open = lock(&shared.open);
    open.retain(|known| known.strong_count() > 0);
    open.push(Arc::downgrade(&connection));
    for from_client in [true, false] {
        let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
        thread::spawn(move || pass_on(&connection, from_client, &shared));
    }
}

fn pass_on(connection: &Connection, from_client: bool, shared: &Shared) {
    let [client, server] = &connection.ends;
    let (mut from, mut to) = if from_client { (client, server) } else { (server, client) };
    to.set_nodelay(true).ok();
    let (mut chunk, mut held) = (vec![0; 64 << 10], Vec::new());
    while let Ok(read) = from.read(&mut chunk) {
        let delay = shared.delay_ms.load(Ordering::Acquire);
        if delay > 0 {
            thread::sleep(Duration::from_millis(delay));
        }
        held.extend_from_slice(&chunk[..read]);
        let out = if shared.speaks_kafka {
            let mut frames = whole_frames(&mut held);
            for frame in &mut frames {
                if from_client {
                    let corrupts = || shared.corrupts.swap(false, Ordering::AcqRel);
                    connection.conversation.asked(frame, corrupts);
                } else {
                    let lies = || shared.lies.swap(false, Ordering::AcqRel);
                    connection.conversation.answered(frame, OUT_OF_ORDER, lies);
                }
            }
            frames.concat()
        } else {
            std::mem::take(&mut held)
        };
        if read == 0 || to.write_all(&out).is_err() {
            break;
        }
    }
    // The other direction ends, too: neither Kafka's nor our HTTP clients go on with half a connection.
    to.shutdown(Shutdown::Read).ok();
}
