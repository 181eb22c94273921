//! Drives the connections from one thread, in a closed loop (each connection sends its next request as soon
//! as it has its answer) or in an open one (requests are due at a rate, whether or not answers come).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::acknowledged::Acknowledged;
use crate::connection::{Connection, Pending};
use crate::process::{Usage, thread_cpu_us};
use crate::report::{self, Latency, Report, Sample};
use crate::traffic::{Request, Shape};

/// How long the last answers may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep without looking at the clock; how often a lost connection is tried again.
const LOOK: Duration = Duration::from_millis(50);
/// How often the server's memory is looked at.
const SAMPLE: Duration = Duration::from_secs(1);
/// Longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 120_000_000;
/// Stands for a 200 that was not a plain `ok`.
const NOT_OK: u16 = 299;

/// How to drive.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Connections.
    pub connections: usize,
    /// Requests a second; none: closed loop.
    pub rate: Option<f64>,
    /// Requests at most; with them answered, the run is over.
    pub requests: Option<u64>,
    /// How long a body is held back after its head.
    pub hold: Option<Duration>,
    /// How long connections stay open and unused at the end.
    pub idle: Duration,
    /// What comes before the measured span.
    pub warm: Duration,
    /// The measured span.
    pub measure: Duration,
    /// The server's process, whose use of processor and memory is read.
    pub pid: Option<u32>,
    /// The threads of this name are left out of its use of processor.
    pub without: Option<String>,
}

/// The span that is measured.
struct Span {
    begin: Instant,
    warm: Instant,
    end: Instant,
}

struct Generator<'a> {
    plan: &'a Plan,
    /// Whether any 2xx acknowledges: see `Shape`.
    raw: bool,
    span: Span,
    poll: Poll,
    connections: Vec<Connection>,
    /// Connections that wait for a request to be due. They take turns, as if each had its client.
    idle: VecDeque<usize>,
    /// Bodies that are held back: until when, on which connection, of which request.
    held: VecDeque<(Instant, usize, u64)>,
    /// Connections that broke and could not be made again yet.
    lost: Vec<usize>,
    /// When those are tried again.
    retry: Instant,
    /// Number of the next request.
    next: u64,
    in_flight: usize,
    acknowledged: Acknowledged,
    /// Requests acknowledged within the measured span.
    measured: u64,
    histogram: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    /// Requests that were refused while their bodies were held back.
    refused_unread: u64,
    broken: u64,
    /// The server's memory, second by second of the measured span.
    samples: Vec<Sample>,
}

/// Sends what `shape` says as `plan` says.
///
/// # Errors
/// When the server can't be reached at the start, or the system refuses sockets.
pub fn run(plan: &Plan, shape: &Shape) -> io::Result<(Report, Acknowledged)> {
    let before = usage(plan)?;
    let mut generator = Generator::new(plan, shape)?;
    generator.drive(generator.span.warm)?;
    let (server, own) = (usage(plan)?, Usage::of("self")?);
    let (warm, sent) = (Instant::now(), generator.next);
    generator.measured = 0;
    generator.drive(generator.span.end)?;
    let measured = generator.measured;
    let seconds = warm.elapsed().as_secs_f64();
    let (server_after, own_after) = (usage(plan)?, Usage::of("self")?);
    let sent = generator.next - sent;
    let unsent = generator.give_up_unsent();
    generator.drain()?;
    let after = usage(plan)?;
    std::thread::sleep(plan.idle);
    let events = measured * shape.batch;
    let report = Report {
        connections: plan.connections,
        rate: plan.rate,
        seconds,
        requests_per_second: report::count(measured) / seconds,
        events,
        cpu_us_per_event: plan.pid.map(|_| report::cpu_per(server, server_after, events)),
        own_cpu_us_per_request: report::cpu_per(own, own_after, sent),
        latency_ms: Latency::of(&generator.histogram),
        statuses: generator.statuses,
        refused_unread: generator.refused_unread,
        broken: generator.broken,
        unanswered: u64::try_from(generator.in_flight).unwrap_or(u64::MAX),
        unsent,
        rss_before: before.rss,
        rss_after: after.rss,
        rss_peak: after.peak_rss,
        rss_slope: plan.pid.and_then(|_| report::slope(&generator.samples)),
        ..Report::default()
    };
    Ok((report, generator.acknowledged))
}

fn usage(plan: &Plan) -> io::Result<Usage> {
    let Some(pid) = plan.pid.map(|pid| pid.to_string()) else { return Ok(Usage::default()) };
    let mut usage = Usage::of(&pid)?;
    if let Some(name) = &plan.without {
        usage.cpu_us = usage.cpu_us.saturating_sub(thread_cpu_us(&pid, name)?);
    }
    Ok(usage)
}

impl<'a> Generator<'a> {
    fn new(plan: &'a Plan, shape: &Shape) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(plan.connections);
        for index in 0..plan.connections {
            let requests = Request::all(shape);
            let mut connection = Connection::open(plan.address, requests)?;
            poll.registry().register(&mut connection.stream, Token(index), both())?;
            connections.push(connection);
        }
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3).map_err(io::Error::other)?;
        let begin = Instant::now();
        let warm = begin + plan.warm;
        Ok(Generator {
            plan,
            raw: shape.raw,
            span: Span { begin, warm, end: warm + plan.measure },
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            held: VecDeque::new(),
            lost: Vec::new(),
            retry: begin,
            next: 0,
            in_flight: 0,
            acknowledged: Acknowledged::default(),
            measured: 0,
            histogram,
            statuses: BTreeMap::new(),
            refused_unread: 0,
            broken: 0,
            samples: Vec::new(),
        })
    }

    /// Sends and receives until `until`.
    fn drive(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut room = vec![0; 64 << 10];
        loop {
            let now = Instant::now();
            if now >= until || self.is_done() {
                return Ok(());
            }
            self.sample(now)?;
            self.find_lost(now)?;
            let pause = self.send_bodies(now)?.min(self.send_due(now)?).min(until - now);
            self.receive(&mut events, &mut room, pause)?;
        }
    }

    /// Whether all requests that there may be were answered.
    fn is_done(&self) -> bool {
        self.in_flight == 0 && !self.may_send(self.next)
    }

    /// Whether there may be a request `number`.
    fn may_send(&self, number: u64) -> bool {
        self.plan.requests.is_none_or(|most| number < most)
    }

    /// Looks at the server's memory, once a second of the measured span.
    fn sample(&mut self, now: Instant) -> io::Result<()> {
        let Some(since) = now.checked_duration_since(self.span.warm) else { return Ok(()) };
        if self.samples.last().is_none_or(|last| since >= last.at + SAMPLE) {
            self.samples.push(Sample { at: since, rss: usage(self.plan)?.rss });
        }
        Ok(())
    }

    /// Sends the bodies that were held back long enough, and tells how long no other will be.
    fn send_bodies(&mut self, now: Instant) -> io::Result<Duration> {
        while let Some((due, index, number)) = self.held.front().copied() {
            if due > now {
                return Ok(due - now);
            }
            self.held.pop_front();
            let Some(connection) = self.connections.get_mut(index) else { continue };
            // It may have been refused by now.
            let waits = connection.pending.is_some_and(|pending| pending.number == number);
            if waits && connection.send_body().is_err() {
                self.mend(index)?;
            }
        }
        Ok(LOOK)
    }

    /// Waits for what is on its way.
    fn drain(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(1_024);
        let mut room = vec![0; 64 << 10];
        while self.in_flight > 0 && Instant::now() < deadline {
            let pause = self.send_bodies(Instant::now())?;
            self.receive(&mut events, &mut room, pause)?;
        }
        Ok(())
    }

    /// Sends what is due on idle connections, and tells how long nothing more will be.
    fn send_due(&mut self, now: Instant) -> io::Result<Duration> {
        while !self.idle.is_empty() && self.may_send(self.next) {
            let intended = match self.due(self.next) {
                Some(due) if due > now => return Ok((due - now).min(LOOK)),
                Some(due) => due,
                None => Instant::now(),
            };
            let Some(index) = self.idle.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(index) else { break };
            let pending = Pending { number: self.next, intended };
            self.next += 1;
            self.in_flight += 1;
            if let Some(hold) = self.plan.hold {
                self.held.push_back((Instant::now() + hold, index, pending.number));
            }
            if connection.send(pending, self.plan.hold.is_some()).is_err() {
                self.mend(index)?;
            }
        }
        Ok(LOOK)
    }

    /// When request `number` is due; none in a closed loop.
    fn due(&self, number: u64) -> Option<Instant> {
        let rate = self.plan.rate?;
        Some(self.span.begin + Duration::from_secs_f64(report::count(number) / rate))
    }

    fn receive(&mut self, events: &mut Events, room: &mut [u8], pause: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(pause)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            let Token(index) = event.token();
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if event.is_writable() && connection.write().is_err() {
                self.mend(index)?;
                continue;
            }
            if !event.is_readable() {
                continue;
            }
            match connection.read(room) {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    let Some(pending) = connection.pending.take() else {
                        // An answer to nothing: nothing on this connection can be trusted.
                        self.mend(index)?;
                        continue;
                    };
                    self.in_flight -= 1;
                    let ok = if self.raw { (200..300).contains(&answer.status) } else { answer.ok };
                    let status = if answer.status == 200 && !ok { NOT_OK } else { answer.status };
                    *self.statuses.entry(status).or_default() += 1;
                    self.refused_unread += u64::from(connection.holds_body());
                    if ok {
                        self.acknowledged.insert(pending.number);
                        self.measured += 1;
                    }
                    self.took(pending.intended, Instant::now());
                    if answer.closes {
                        self.mend(index)?;
                    } else {
                        self.idle.push_back(index);
                    }
                }
                Err(_) => self.mend(index)?,
            }
        }
        Ok(())
    }

    /// Counts one latency, if it belongs to the measured span.
    fn took(&mut self, intended: Instant, now: Instant) {
        if intended >= self.span.warm && intended < self.span.end {
            let microseconds = now.saturating_duration_since(intended).as_micros();
            self.histogram.saturating_record(u64::try_from(microseconds).unwrap_or(u64::MAX));
        }
    }

    /// Makes a connection anew. A request that was on its way stays unacknowledged.
    fn mend(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        if connection.pending.take().is_some() {
            self.in_flight -= 1;
            self.broken += 1;
        }
        if connection.reopen(self.plan.address).is_ok() {
            self.poll.registry().register(&mut connection.stream, Token(index), both())?;
            self.idle.push_back(index);
        } else {
            self.lost.push(index);
        }
        Ok(())
    }

    /// Tries lost connections again, from time to time.
    fn find_lost(&mut self, now: Instant) -> io::Result<()> {
        if self.lost.is_empty() || now < self.retry {
            return Ok(());
        }
        self.retry = now + LOOK;
        for index in std::mem::take(&mut self.lost) {
            self.mend(index)?;
        }
        Ok(())
    }

    /// Counts the requests that were due by the end and found no connection.
    fn give_up_unsent(&mut self) -> u64 {
        let mut unsent = 0;
        while self.may_send(self.next + unsent) {
            let Some(due) = self.due(self.next + unsent).filter(|due| *due < self.span.end) else { break };
            unsent += 1;
            self.took(due, self.span.end);
        }
        unsent
    }
}

fn both() -> Interest {
    Interest::READABLE.add(Interest::WRITABLE)
}
