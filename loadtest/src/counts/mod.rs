//! `counts`: counts the instructions that an event costs in each part of the request path, and holds them against
//! the stored ones ([`mod@baseline`]). Started by tests/counts/run.

mod baseline;

use std::env::consts::ARCH;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use actix_web::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT,
};

use arc_swap::ArcSwap;
use clap::{Subcommand, ValueEnum};
use data_encoding::BASE64;
use weir::admission::keys::digest;
use weir::admission::rate::{Rate, Rates};
use weir::admission::secrets::Proof;
use weir::config::{Config, Overrides};
use weir::event::envelope::{Batch, Event};
use weir::event::kind::CallType;
use weir::event::scan::Scan;
use weir::event::time::Received;
use weir::http::credentials::presented_key;
use weir::http::proof::shown;
use weir::intake::snapshot::Snapshot;
use weir::observe::metrics::Metrics;
use weir::observe::unverifiable::Unverifiable;
use weir::pipeline;
use weir::pipeline::answer::Answer;
use weir::pipeline::{Call, Rules};
use weir::queue::Queue;
use weir::queue::journal::JournalQueue;
use weir::record::stamp::Stamp;
use weir::record::{Header, Kind, Records};
use weir::setup;
use weir::tenants::{Source, Tenants};

use self::baseline::{ACCEPT, Counts, compare, count, format, parse};
use crate::traffic::{self, Mix, Request, Shape, Tenant};

/// Events of a batch.
const BATCH: u64 = 50;
/// Custom fields of a person and a company.
const FIELDS: usize = 5;
/// More than any record has, in bytes.
const LARGEST: usize = 1 << 20;
/// What limits and reloads may add to a single event, in percent.
const LIMITS_PERCENT: f64 = 2.0;
/// 2026-11-21T12:00:00Z
const RECEIVED_MS: i64 = 1_795_262_400_000;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Counts every case and compares it with the baseline
    Check {
        /// Where baselines lie, one for each processor architecture
        baselines: PathBuf,
    },
    /// Counts every case and stores the counts as the baseline
    Accept {
        /// Where baselines lie, one for each processor architecture
        baselines: PathBuf,
    },
    /// Runs one case: what valgrind looks at
    Run {
        /// Which one
        #[arg(value_enum)]
        case: Case,
        /// How many events
        events: u64,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Case {
    /// The scan of one track call
    Scan,
    /// The scan of a batch of track calls
    ScanBatch,
    /// From the body of an identify call to its record
    Identify,
    /// From the body of a group call to its records
    Group,
    /// From the body of a track call to its record
    Track,
    /// The same of a source with a rate, from what a reload may replace
    Limited,
    /// From a batch of track calls to their records
    Batch,
    /// From a Basic header to the source
    Key,
    /// The headers of a request that shows no secret
    NoSecret,
    /// A record laid out, and read as a queue reads it
    Record,
    /// A record laid out and made durable by the journal, alone in its group
    Journal,
}

/// Does what `command` says.
pub fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Check { baselines } => check(&baseline(&baselines)),
        Command::Accept { baselines } => accept(&baseline(&baselines)),
        Command::Run { case, events } => apart(case, events),
    }
}

/// Runs `case` in a thread of its own, and so on a heap of its own: in the first one, what is left of the command line
/// moves how much looking for memory takes.
fn apart(case: Case, events: u64) -> Result<(), Box<dyn Error>> {
    let run = thread::spawn(move || run_case(case, events).map_err(|error| error.to_string()));
    Ok(run.join().map_err(|_| "the case panicked")??)
}

fn check(baseline: &Path) -> Result<(), Box<dyn Error>> {
    let stored = match fs::read_to_string(baseline) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(writeln!(io::stdout(), "note: no baseline for {ARCH} here: make one with {ACCEPT}")?);
        }
        stored => stored?,
    };
    let stored = parse(&stored).ok_or_else(|| format!("{} can't be read", baseline.display()))?;
    let counts = counted()?;
    let comparison = compare(&counts, &stored);
    write!(io::stdout(), "{}", comparison.table)?;
    if let Some(note) = comparison.note {
        writeln!(io::stdout(), "note: {note}")?;
    }
    if let Some(share) = limits_share(&counts) {
        writeln!(
            io::stdout(),
            "a rate, and that a reload may change it, add {share:.1} % to a single event"
        )?;
        if share > LIMITS_PERCENT {
            return Err(
                format!("that is over {LIMITS_PERCENT} %; see target/counts/limited.callgrind").into()
            );
        }
    }
    comparison.failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// What limits and reloads add to a single event on the journal, in percent: to its key, its way from the body to the
/// record, and its record on the disk. What HTTP takes is not counted, and would make it less.
fn limits_share(counts: &Counts) -> Option<f64> {
    let of = |case: &str| counts.get(case).map(|count| crate::report::count(*count));
    let added = of("limited")? - of("track")?;
    Some(added / (of("key")? + of("track")? + of("journal")?) * 100.0)
}

fn accept(baseline: &Path) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(baseline, format(&counted()?))?)
}

/// The baseline of this processor's architecture: others have other instructions.
fn baseline(baselines: &Path) -> PathBuf {
    baselines.join(ARCH)
}

fn counted() -> Result<Counts, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let names = Case::value_variants().iter().filter_map(Case::to_possible_value);
    names.map(|name| Ok((name.get_name().to_owned(), count(&program, name.get_name())?))).collect()
}

/// Runs `case` over `events` events. What must be there before the first of them does not count.
fn run_case(case: Case, events: u64) -> Result<(), Box<dyn Error>> {
    let rate = if matches!(case, Case::Limited) { 1_000_000 } else { 0 };
    let tenant = Tenant { prefix: "counts".to_owned(), sources: 1, rows: FIELDS, topics: None, rate };
    let toml = tenant.toml();
    let config = setup::load(Some((Path::new("counts.toml"), &toml)), &Overrides::default())?;
    let tenants = Tenants::from_config(&config);
    let source = tenants.sources.first().ok_or("no source")?;
    match case {
        Case::Scan => {
            let body = String::from_utf8(body(Mix::Track, 1, 0))?;
            for _ in 0..events {
                black_box(Event::read(&mut Scan::new(black_box(&body)))?);
            }
        }
        Case::ScanBatch => {
            let body = String::from_utf8(body(Mix::Track, BATCH, 0))?;
            for _ in 0..events / BATCH {
                black_box(Batch::read(black_box(&body), config.limits.request.events)?);
            }
        }
        Case::Identify => {
            let call = Call::One(CallType::Identify);
            process(&config, (source, None), call, &body(Mix::Mixed, 1, 0), events)?;
        }
        Case::Group => {
            let call = Call::One(CallType::Group);
            process(&config, (source, None), call, &body(Mix::Mixed, 1, 1), events)?;
        }
        Case::Track => {
            let call = Call::One(CallType::Track);
            process(&config, (source, None), call, &body(Mix::Track, 1, 0), events)?;
        }
        Case::Limited => {
            let (metrics, rates, limits) =
                (Metrics::new([])?, Rates::default(), config.limits.request.clone());
            let snapshot = Snapshot::new(Tenants::from_config(&config), limits, LARGEST, &metrics, &rates);
            let current = ArcSwap::from_pointee(snapshot);
            let (call, body) = (Call::One(CallType::Track), body(Mix::Track, 1, 0));
            for _ in 0..events {
                let snapshot = current.load_full();
                let source = snapshot.tenants.sources.first().ok_or("no source")?;
                let rate = snapshot.rate(source).ok_or("no rate")?;
                process(&config, (source, Some(rate)), call, &body, 1)?;
            }
        }
        Case::Batch => {
            let body = body(Mix::Track, BATCH, 0);
            process(&config, (source, None), Call::Batch, &body, events / BATCH)?;
        }
        Case::Key => {
            let user = BASE64.encode(format!("{}:", traffic::key(0).as_str()).as_bytes());
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {user}"))?);
            for _ in 0..events {
                let key = presented_key(black_box(&headers), "").ok_or("no key")?;
                black_box(tenants.keys.get(&digest(&key)).ok_or("an unknown key")?);
            }
        }
        Case::NoSecret => {
            let (metrics, unverifiable) = (Metrics::new([])?, Unverifiable::default());
            let mut headers = HeaderMap::new();
            for (name, value) in [
                (HOST, "127.0.0.1:8080"),
                (USER_AGENT, "weir-loadtest"),
                (CONTENT_TYPE, "application/json"),
                (CONTENT_LENGTH, "955"),
                (AUTHORIZATION, "Basic a2V5Og=="),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            for _ in 0..events {
                let (logs, tenant) = ((&metrics, &unverifiable), &source.tenant.gainsight_id);
                let shown = shown(logs, None, black_box(&headers), tenant, &source.secrets);
                let none = shown.and_then(|shown| shown.proven(&metrics));
                black_box(none.map_err(|_| "a secret is said to be wrong")?);
            }
        }
        Case::Record => {
            for _ in 0..events {
                for record in record(black_box(source)).iter() {
                    black_box((record.key(), record.value()));
                    record.headers().for_each(|header| {
                        black_box(header);
                    });
                }
            }
        }
        Case::Journal => {
            let dir = tempfile::tempdir()?;
            let (topics, metrics) = (&tenants.topics, Metrics::new([])?);
            // In one thread: how long two wait for each other would be counted, too, and no two runs would agree.
            let (journal, mut committer) =
                JournalQueue::open_stepped(dir.path(), &config.queue, topics, &metrics)?;
            for _ in 0..events {
                let mut receipt = pin!(journal.enqueue(record(source))?);
                committer.work();
                match receipt.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(done) => done?,
                    Poll::Pending => return Err("a record did not become durable".into()),
                }
            }
        }
    }
    Ok(())
}

/// The body of a request of the load generator.
fn body(mix: Mix, batch: u64, kind: usize) -> Vec<u8> {
    let shape = Shape {
        run: "counts".to_owned(),
        mix,
        batch,
        sources: 1,
        fields: FIELDS,
        people: traffic::PEOPLE,
        topics: None,
        raw: false,
        gzip: false,
    };
    let mut request = Request::all(&shape).swap_remove(kind);
    request.number(1);
    let head = memchr::memmem::find(request.bytes(), b"\r\n\r\n").map_or(0, |end| end + 4);
    request.bytes().get(head..).unwrap_or_default().to_vec()
}

fn process(
    config: &Config,
    (source, rate): (&Source, Option<&Rate>),
    call: Call,
    body: &[u8],
    requests: u64,
) -> Result<(), Box<dyn Error>> {
    let limits = &config.limits.request;
    let (event_bytes, events, depth) = (limits.event_bytes, limits.events, limits.depth);
    let rules = Rules { event_bytes, events, depth, record_bytes: event_bytes };
    for _ in 0..requests {
        let request = pipeline::Request {
            source,
            proof: Proof::NONE,
            path: "/v1",
            traceparent: None,
            content_type: Some("application/json"),
            received: &Received::at(RECEIVED_MS),
            rules: &rules,
            rate,
        };
        let processed = pipeline::process(call, &request, black_box(body));
        if processed.answer != Answer::Ok || processed.records.is_empty() {
            return Err("an event became no record".into());
        }
        black_box(processed);
    }
    Ok(())
}

/// An event's record with all its headers, of about the size that a track call's has.
fn record(source: &Source) -> Records {
    const VALUE: &[u8] = &[b'a'; 512];
    let stamp = Stamp {
        message_id: "counts-0000000000",
        ce_source: &source.ce_source,
        user_id: None,
        time: "2026-11-21T09:00:00.000Z",
        traceparent: None,
        replay_of: None,
    };
    let mut records = Records::new(RECEIVED_MS);
    records.reserve(2 * VALUE.len());
    let (topic, key) = (source.tenant.people, Some([source.tenant.id.as_str(), "u-00000"]));
    let mut stamped = stamp.on(&mut records);
    let mut draft = stamped.draft(Kind::Event, topic, key, ["event.", "tickets"]);
    draft
        .header(Header::Topic, &[b"Ticket Actions"])
        .header(Header::EventName, &[b"Ticket Closed"])
        .header(Header::EventVersion, &[b"1.0.0"])
        .header(Header::Contract, &[b"standard"]);
    draft.value(|out| out.extend_from_slice(VALUE));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs() {
        for case in Case::value_variants() {
            run_case(*case, BATCH).unwrap();
        }
    }

    #[test]
    fn a_processor_without_a_baseline_fails_nothing_and_a_damaged_baseline_does() {
        let baselines = tempfile::tempdir().unwrap();
        let baseline = baseline(baselines.path());
        check(&baseline).unwrap();
        fs::write(&baseline, "scan").unwrap();
        assert!(check(&baseline).unwrap_err().to_string().ends_with("can't be read"));
    }
}
