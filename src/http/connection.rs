//! A client's connection, with the deadlines that actix-http does not enforce. It times only the first head of a
//! connection, and neither later heads nor what it reads after an early answer. It could time unused connections, but
//! would set a new timer with every request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::places::Place;
use crate::config::{RequestLimits, ServerLimits};
use crate::intake::budget::{Budget, Lease};

/// How long reading goes on after an answer that came before the body's end, so that the client sees it.
pub const LINGER: Duration = Duration::from_secs(2);

/// Bytes of a head that cost nothing: every connection has them. More is taken from the memory for bodies,
/// or thousands of connections with heads that never end would take more than was configured.
const FREE_HEAD: usize = 8_192;

/// Where a connection stands. The handler tells; the stream enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its first head is on the way: actix-http's to time.
    FirstHead,
    /// A request is being handled: the body's reader has its own deadlines.
    Request,
    /// The answer is on its way out.
    Answering,
    /// Between requests.
    Idle,
    /// A later head is on the way.
    Head,
    /// The answer is out, the body still comes in.
    Lingering,
    /// To be closed without another word.
    Aborted,
}

/// Whether a head has come for which there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starved {
    /// It has not.
    No,
    /// The last of it that is taken has just been read.
    Read,
    /// That was not all of the head: the connection ends.
    Looked,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// For a later head.
    header: Duration,
    /// For reading its answer: as long as for sending a body.
    answer: Duration,
    /// Between two requests.
    idle: Duration,
}

impl Within {
    /// As the limits allow.
    pub fn new(server: &ServerLimits, request: &RequestLimits) -> Self {
        Within { header: server.header, answer: request.body, idle: server.idle }
    }
}

/// The state that a connection's stream and its requests' handlers share; both run on one thread.
#[derive(Debug)]
pub struct ConnectionState {
    phase: Cell<Phase>,
    deadline: Cell<Option<Instant>>,
    within: Within,
    place: Rc<Place>,
    budget: Arc<Budget>,
    /// Bytes of the head under way, and of what came along with it.
    head: Cell<usize>,
    /// Bytes that came since a request began.
    body: Cell<usize>,
    lease: RefCell<Option<Lease>>,
    starved: Cell<Starved>,
}

impl ConnectionState {
    /// A head of `size` bytes has been read in full; what came after it is a body, with a lease of its own.
    pub fn request_began(&self, size: impl FnOnce() -> usize) {
        self.enter(Phase::Request, None);
        self.place.busy();
        self.starved.set(Starved::No);
        self.body.set(0);
        let mut lease = self.lease.borrow_mut();
        if lease.take().is_some() {
            *lease = size().checked_sub(FREE_HEAD).and_then(|costly| self.budget.lease(costly));
        }
    }

    /// Bytes that came for the request's body: all but those that came along with its head.
    pub fn body_bytes_read(&self) -> usize {
        self.body.get()
    }

    /// The request is answered. `body_ended` tells whether all of it was read. Says whether the connection may go on:
    /// not if that is in the way, nor if it would have to leave at once for want of places.
    pub fn request_answered(&self, body_ended: bool) -> bool {
        self.head.set(0);
        self.lease.take();
        if body_ended {
            self.enter(Phase::Answering, Some(self.within.answer));
        } else {
            self.enter(Phase::Lingering, Some(LINGER));
        }
        body_ended && !self.place.is_last()
    }

    /// What was written has left. Says whether the connection is now idle.
    fn sent(&self) -> bool {
        let answered = self.phase.get() == Phase::Answering;
        if answered {
            self.enter(Phase::Idle, Some(self.within.idle));
            self.place.idle();
        }
        answered
    }

    /// Closes the connection without an answer: a 408 would make SDKs drop their events.
    pub fn abort(&self) {
        self.enter(Phase::Aborted, Some(Duration::ZERO));
    }

    fn enter(&self, phase: Phase, within: Option<Duration>) {
        self.phase.set(phase);
        self.deadline.set(within.map(|within| Instant::now() + within));
    }

    /// These `bytes` came: of a body, or of a head, perhaps one for which there is no memory.
    fn arrived(&self, bytes: &[u8]) {
        match self.phase.get() {
            Phase::Request => return self.body.set(self.body.get() + bytes.len()),
            Phase::FirstHead | Phase::Head => {}
            Phase::Answering | Phase::Idle => {
                // Line ends before a head are no part of it.
                if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                    self.enter(Phase::Head, Some(self.within.header));
                    self.place.busy();
                }
            }
            Phase::Lingering | Phase::Aborted => return,
        }
        let head = self.head.get() + bytes.len();
        self.head.set(head);
        let Some(costly) = head.checked_sub(FREE_HEAD) else { return };
        let mut lease = self.lease.borrow_mut();
        let room = match lease.as_mut() {
            Some(lease) => lease.grow_to(costly),
            None => {
                *lease = self.budget.lease(costly);
                lease.is_some()
            }
        };
        if !room {
            self.starved.set(Starved::Read);
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// A stream, TCP or TLS, that ends when its connection is late.
#[derive(Debug)]
pub struct Connection<S> {
    io: S,
    state: Rc<ConnectionState>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    /// Wraps `io`, which holds `place`; large heads take from `budget`.
    pub fn new(io: S, place: Rc<Place>, within: Within, budget: Arc<Budget>) -> Self {
        let state = ConnectionState {
            phase: Cell::new(Phase::FirstHead),
            deadline: Cell::new(None),
            within,
            place,
            budget,
            head: Cell::new(0),
            body: Cell::new(0),
            lease: RefCell::new(None),
            starved: Cell::new(Starved::No),
        };
        Connection { io, state: Rc::new(state), timer: None }
    }

    /// What its requests' handlers share with it.
    pub fn state(&self) -> Rc<ConnectionState> {
        Rc::clone(&self.state)
    }

    /// Ready once the deadline has passed. The timer is rarely set: an earlier one fires first and is then
    /// set anew, so that a busy connection does not touch the timer with every request.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.state.deadline.get() {
            if self.state.is_late() {
                return Poll::Ready(());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    /// Says that nothing more will come, as far as the client takes it at once: TLS tells an end from a cut by that.
    fn end(&mut self, context: &mut Context<'_>) -> io::Error {
        drop(Pin::new(&mut self.io).poll_shutdown(context));
        io::Error::new(io::ErrorKind::TimedOut, "the client was too slow")
    }
}

/// Has the connection looked at once more after this turn of a handler: only a stream that is polled
/// notices a new phase or deadline.
pub async fn next_turn() {
    poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::Ready(())
    })
    .await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match this.state.phase.get() {
            Phase::Aborted => return Poll::Ready(Err(this.end(context))),
            // A client that never stops sending must not read on for ever.
            Phase::Lingering if this.state.is_late() => return Poll::Ready(Err(this.end(context))),
            _ => {}
        }
        match this.state.starved.get() {
            Starved::No => {}
            // What was read may hold the whole head: a request can be told to come again, so it is looked at
            // before any more is read.
            Starved::Read => {
                this.state.starved.set(Starved::Looked);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Starved::Looked => return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into())),
        }
        match Pin::new(&mut this.io).poll_read(context, buffer) {
            Poll::Ready(result) => {
                this.state.arrived(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(result)
            }
            Poll::Pending if this.state.place.must_leave(context) => Poll::Ready(Err(this.end(context))),
            Poll::Pending => this.poll_late(context).map(|()| Err(this.end(context))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_flush(context))?;
        // Nothing reads any more until more comes, or a timer fires: this is the last chance to set it.
        if this.state.sent() && this.poll_late(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::places::Places;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Reads from a connection in `phase`, late if `late`, to which the client has just sent a byte.
    async fn read_in(phase: Phase, late: bool) -> io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (io, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        io.readable().await.unwrap();
        let long = Duration::from_secs(60);
        let within = Within { header: long, answer: long, idle: long };
        let place = Places::of_this_worker(10).take();
        let mut connection = Connection::new(io, place, within, Budget::new(0));
        let within = if late { Duration::ZERO } else { Duration::from_secs(60) };
        connection.state.enter(phase, Some(within));
        connection.read(&mut [0; 8]).await
    }

    #[test]
    fn a_late_connection_reads_no_more_even_from_a_client_that_never_stops_sending() {
        actix_rt::System::new().block_on(async {
            assert_eq!(read_in(Phase::Lingering, false).await.unwrap(), 1);
            assert_eq!(read_in(Phase::Lingering, true).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(read_in(Phase::Aborted, false).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            // What has come by now is not late.
            assert_eq!(read_in(Phase::Idle, true).await.unwrap(), 1);
        });
    }

    #[test]
    fn a_connection_is_idle_and_may_be_closed_for_another_only_once_its_answer_has_left() {
        actix_rt::System::new().block_on(async {
            let places = Places::of_this_worker(2);
            let long = Duration::from_secs(60);
            let within = Within { header: long, answer: long, idle: long };
            let (_client, io) = tokio::io::duplex(8);
            let mut connection = Connection::new(io, places.take(), within, Budget::new(0));
            let state = connection.state();
            state.request_began(|| 0);
            assert!(state.request_answered(true), "there is a place");
            let other = places.take();
            let mut byte = [0; 1];
            poll_fn(|context| {
                let read = Pin::new(&mut connection).poll_read(context, &mut ReadBuf::new(&mut byte));
                assert!(read.is_pending(), "{read:?}");
                Poll::Ready(())
            })
            .await;
            connection.flush().await.unwrap();
            assert_eq!(connection.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(other);
        });
    }
}
