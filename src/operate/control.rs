//! How commands ask a running Weir to replay quarantine, or to try again what was set aside: over the Unix socket
//! `DATA/control.sock`, to which only its own user may connect. A connection carries one command, as a line of JSON;
//! the answer is a line for each event, and one at the end.
//!
//! This is not a route of the admin listener, so nothing on the network can ever reach it. Commands are handled one
//! at a time, on a thread of their own.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use serde::{Deserialize, Serialize};

use crate::config::{Config, DataDir};
use crate::intake::app::App;
use crate::operate::in_use::{InUse, SharedInUse};
use crate::operate::quarantine::Place;
use crate::operate::replay::{Order, Replay, Summary, Told};

/// Longest order, in bytes.
const ORDER_BYTES: u64 = 1 << 20;
/// How long the order, or whoever reads the answer, may keep the thread waiting.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_secs(1);
/// Orders that may wait for their turn.
const BACKLOG: i32 = 16;

/// What is asked of a running Weir.
#[derive(Debug, Serialize, Deserialize)]
enum Asked {
    /// Rejected events, mapped once more.
    Replay {
        order: Order,
        /// Where the asking command believes the quarantine to be: Kafka's bootstrap list; none: on the journal.
        brokers: Option<String>,
    },
    /// Another try for what Kafka refused and the spool set aside.
    Retry,
    /// What is in use.
    Configuration,
}

/// A line of the answer.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Told(Told),
    Done(Summary),
    Retrying,
    Configuration(InUse),
    Problem(String),
}

/// Why an order came to nothing, or not to its end: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket is there, and not for us.
    #[error(
        "cannot reach the Weir that uses {data}: {1}; run this command as the same user as Weir",
        data = .0.display()
    )]
    Unreachable(PathBuf, io::Error),
    /// Weir said no.
    #[error("{0}")]
    Refused(String),
    /// It said nothing more.
    #[error(
        "the running Weir went away; what is reported as queued is queued; run the same command again for \
         the rest"
    )]
    Away,
    /// Nobody listens any more to what it says.
    #[error("nobody listens any more")]
    Unheard,
}

impl ControlError {
    fn foreign() -> Self {
        ControlError::Refused(
            "the running Weir has another version; use the command of that version".to_owned(),
        )
    }
}

/// What a Weir that takes orders runs.
pub struct Running {
    /// The configuration that it was started with.
    pub config: Config,
    /// What is in use now.
    pub in_use: SharedInUse,
    /// The gateway; none in a process that only loads.
    pub gateway: Option<Arc<App>>,
}

/// The socket, there while Weir runs.
#[derive(Debug)]
pub struct Control(PathBuf);

impl Control {
    /// Takes orders for what is `running`. Only one Weir may use a data folder: a socket that is there already is one
    /// that a killed process left.
    ///
    /// # Errors
    /// When the socket can't be made.
    pub fn open(running: Running) -> io::Result<Self> {
        let path = running.config.data.control_socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = listen(&path)?;
        let serve = move || {
            for stream in listener.incoming() {
                match stream {
                    // Whoever gave the order learns of it; nobody else is concerned.
                    Ok(stream) => answer(&stream, &running).unwrap_or_default(),
                    // No file handle is left, say: that passes.
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        // No worker: nothing but a connection wakes a thread from `accept`, so it ends with the process.
        std::thread::Builder::new().name("control".to_owned()).spawn(serve)?;
        Ok(Control(path))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If it is gone, all is well.
        fs::remove_file(&self.0).ok();
    }
}

/// For its owner alone from the first moment at which it can be connected to.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

fn answer(stream: &UnixStream, running: &Running) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut asked = String::new();
    BufReader::new(stream).take(ORDER_BYTES).read_line(&mut asked)?;
    let say = |line: &Line| {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        let mut stream = stream;
        stream.write_all(&line)
    };
    let asked = serde_json::from_str(&asked);
    if let Ok(Asked::Configuration) = asked {
        return say(&Line::Configuration(InUse::clone(&running.in_use.load())));
    }
    let Some(app) = &running.gateway else {
        let text = "the Weir running on this data folder only loads (--only); run this command where one takes \
                    events";
        return say(&Line::Problem(text.to_owned()));
    };
    let (order, brokers) = match asked {
        Ok(Asked::Replay { order, brokers }) => (order, brokers),
        Ok(Asked::Retry) if app.queue.retry() => return say(&Line::Retrying),
        Ok(Asked::Retry) => {
            let text = "the Weir running on this data folder has no spool: its journal is the queue";
            return say(&Line::Problem(text.to_owned()));
        }
        Ok(Asked::Configuration) | Err(_) => {
            let text =
                "the running Weir does not understand this command; use the command of its own version";
            return say(&Line::Problem(text.to_owned()));
        }
    };
    replay(app, &running.config, (order, brokers), &say)
}

fn replay(
    app: &App,
    config: &Config,
    (order, brokers): (Order, Option<String>),
    say: &dyn Fn(&Line) -> io::Result<()>,
) -> io::Result<()> {
    let snapshot = app.snapshot();
    let place = Place::of(config, &snapshot.tenants);
    if brokers.as_deref() != place.brokers() {
        let its = place.brokers().map_or("its journal".to_owned(), |brokers| format!("Kafka at {brokers}"));
        return say(&Line::Problem(format!(
            "the Weir running on this data folder has its quarantine on {its}; name that queue, or stop Weir"
        )));
    }
    let dry_run = order.dry_run;
    let queue = (!dry_run).then_some((&*app.queue, &*app.metrics));
    let ends = || app.is_draining();
    let replay = Replay::new(&snapshot.tenants, snapshot.rules, queue, &ends, order);
    let done = replay.run(place, &mut |told| say(&Line::Told(told)).is_ok());
    match done {
        Ok(Summary { queued, ignored, rejected, impossible, already }) => {
            tracing::info!(
                queued,
                ignored,
                rejected,
                impossible,
                already,
                dry_run,
                "replayed from quarantine"
            );
            say(&Line::Done(Summary { queued, ignored, rejected, impossible, already }))
        }
        Err(error) => {
            tracing::warn!(%error, "a replay ended early; the command that requested it knows");
            say(&Line::Problem(error.to_string()))
        }
    }
}

/// Gives `order` to the Weir that runs on `data`, whose quarantine should lie at `place`, and calls `tell` for each
/// event. None: no Weir runs there.
///
/// # Errors
/// When it can't be reached, refuses, or goes away, and when `tell` gives false.
pub fn order(
    data: &DataDir,
    place: &Place,
    order: Order,
    tell: &mut dyn FnMut(Told) -> bool,
) -> Result<Option<Summary>, ControlError> {
    let asked = Asked::Replay { order, brokers: place.brokers().map(str::to_owned) };
    let Some(stream) = ask(data, &asked)? else { return Ok(None) };
    for line in BufReader::new(&stream).lines() {
        match heard(line)? {
            Line::Told(told) => {
                if !tell(told) {
                    return Err(ControlError::Unheard);
                }
            }
            Line::Done(summary) => return Ok(Some(summary)),
            Line::Retrying | Line::Configuration(_) => return Err(ControlError::foreign()),
            Line::Problem(sentence) => return Err(ControlError::Refused(sentence)),
        }
    }
    Err(ControlError::Away)
}

/// Lets the Weir that runs on `data` try again what its spool has set aside. False: none runs there.
///
/// # Errors
/// When it can't be reached, refuses, or goes away.
pub fn retry(data: &DataDir) -> Result<bool, ControlError> {
    let Some(stream) = ask(data, &Asked::Retry)? else { return Ok(false) };
    let line = BufReader::new(&stream).lines().next().ok_or(ControlError::Away)?;
    match heard(line)? {
        Line::Retrying => Ok(true),
        Line::Problem(sentence) => Err(ControlError::Refused(sentence)),
        Line::Told(_) | Line::Done(_) | Line::Configuration(_) => Err(ControlError::foreign()),
    }
}

/// What the Weir that runs on `data` says of its configuration; none where none runs there.
///
/// # Errors
/// When it can't be reached, refuses, or goes away.
pub fn configuration(data: &DataDir) -> Result<Option<InUse>, ControlError> {
    let Some(stream) = ask(data, &Asked::Configuration)? else { return Ok(None) };
    let line = BufReader::new(&stream).lines().next().ok_or(ControlError::Away)?;
    match heard(line)? {
        Line::Configuration(in_use) => Ok(Some(in_use)),
        Line::Problem(sentence) => Err(ControlError::Refused(sentence)),
        Line::Told(_) | Line::Done(_) | Line::Retrying => Err(ControlError::foreign()),
    }
}

/// None: no Weir runs on `data`.
fn ask(data: &DataDir, asked: &Asked) -> Result<Option<UnixStream>, ControlError> {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotFound};
    let stream = match UnixStream::connect(data.control_socket()) {
        Ok(stream) => stream,
        // No socket, one that a killed process left, or a name too long for any.
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | InvalidInput) => return Ok(None),
        Err(error) => return Err(ControlError::Unreachable(data.path().to_owned(), error)),
    };
    let asked = serde_json::to_string(asked).map_err(|_| ControlError::Away)?;
    writeln!(&stream, "{asked}").map_err(|_| ControlError::Away)?;
    Ok(Some(stream))
}

fn heard(line: io::Result<String>) -> Result<Line, ControlError> {
    let line = line.map_err(|_| ControlError::Away)?;
    serde_json::from_str(&line).map_err(|_| ControlError::foreign())
}
