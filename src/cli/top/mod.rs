//! `weir top`: one screen that shows how a running Weir is doing, again and again: whether it is ready and what is
//! wrong, events a second, why some are refused, how full the queue is and how far loaders are behind.
//!
//! [`samples`] reads the metrics that the running Weir serves, [`frame`] makes a page of two looks at them; this file
//! looks, and draws.

mod frame;
mod samples;

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::termios::tcgetwinsize;

use self::frame::{Change, Look};
use self::samples::Samples;
use super::admin;
use super::flags::DataFlags;
use super::output::Stdout;
use super::tail::stop::Stop;
use super::{Failure, print};
use crate::config::DataDir;

/// How long after one look the next is due.
const EVERY: Duration = Duration::from_secs(1);
/// How soon a signal is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// Another page of the terminal, which leaves alone what stood there; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The arguments of `weir top`.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    #[command(flatten)]
    data: DataFlags,
    /// Print one page and end: the rates of one second
    #[arg(long)]
    once: bool,
}

/// Shows pages until a signal comes.
pub(super) fn run(args: &TopArgs) -> Result<(), Failure> {
    let data = args.data.folder()?;
    let first = look(&data)?;
    if args.once {
        thread::sleep(EVERY);
        return print(&(page(&first, &look(&data)?).join("\n") + "\n"));
    }
    let stop = Stop::new().map_err(|error| Failure::Named(format!("can't wait for signals: {error}")))?;
    let mut screen = Stdout::new();
    draw(&mut screen, ENTER)?;
    let shown = show(&data, first, &stop, &mut screen);
    // Whatever happened: the terminal is its user's again.
    draw(&mut screen, LEAVE)?;
    shown
}

fn show(data: &DataDir, first: Looked, stop: &Stop, screen: &mut Stdout) -> Result<(), Failure> {
    let (mut before, mut due) = (first, Instant::now());
    loop {
        due += EVERY;
        while Instant::now() < due {
            if stop.signal().is_some() {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        let lines = match look(data) {
            Ok(now) => {
                let lines = page(&before, &now);
                before = now;
                lines
            }
            // It may just be restarting.
            Err(failure) => vec![failure.to_string()],
        };
        draw(screen, &drawn(&lines, size()))?;
    }
}

fn draw(screen: &mut Stdout, text: &str) -> Result<(), Failure> {
    screen.write_all(text.as_bytes()).and_then(|()| screen.flush()).map_err(Failure::Output)
}

/// A look, when it was taken and where.
struct Looked {
    at: Instant,
    admin: SocketAddr,
    look: Look,
}

/// Looks at the Weir on `data`, wherever it is reached now.
fn look(data: &DataDir) -> Result<Looked, Failure> {
    let admin = admin::address(data)?;
    let is_ready = admin::get(admin, "/readyz")?.status == 200;
    let samples = Samples::read(&admin::get(admin, "/metrics")?.body);
    Ok(Looked { at: Instant::now(), admin, look: Look { is_ready, samples } })
}

fn page(before: &Looked, now: &Looked) -> Vec<String> {
    let took = now.at.saturating_duration_since(before.at);
    Change { before: &before.look, now: &now.look, took }.page(&format!("http://{}", now.admin))
}

/// Rows and columns of the terminal; as many as there are where stdout is none.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    size.map_or((usize::MAX, usize::MAX), |size| (size.ws_row.into(), size.ws_col.into()))
}

/// What draws `lines` over what is there, as far as they fit.
fn drawn(lines: &[String], (rows, columns): (usize, usize)) -> String {
    let fitting = lines.iter().take(rows).map(|line| line.chars().take(columns).collect::<String>());
    let fitting: Vec<String> = fitting.map(|line| line + "\x1b[K").collect();
    // No line end behind the last one: it would scroll the first away.
    format!("\x1b[H{}\x1b[J", fitting.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_and_nothing_scrolls() {
        let lines = ["first one", "second", "third"].map(str::to_owned);
        assert_eq!(drawn(&lines, (2, 5)), "\x1b[Hfirst\x1b[K\nsecon\x1b[K\x1b[J");
    }
}
