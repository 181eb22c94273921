//! What a process has used, as Linux tells it in `/proc`.

use std::fs;
use std::io;

/// What a process has used up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, in microseconds; Linux counts in steps of 10,000.
    pub cpu_us: u64,
    /// Resident memory, in bytes.
    pub rss: u64,
    /// The most resident memory it ever had, in bytes.
    pub peak_rss: u64,
}

impl Usage {
    /// What the process `pid` (`"self"`: this one) has used.
    ///
    /// # Errors
    /// When there is no such process, or `/proc` is not Linux's.
    pub fn of(pid: &str) -> io::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let ticks = ticks(&stat).ok_or_else(|| unreadable("stat"))?;
        let size = |key| kilobytes(&status, key).ok_or_else(|| unreadable("status"));
        Ok(Usage {
            cpu_us: ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1),
            rss: size("VmRSS:")? * 1_024,
            peak_rss: size("VmHWM:")? * 1_024,
        })
    }
}

/// User and system time of the threads called `name` of the process `pid`, in microseconds.
///
/// # Errors
/// When there is no such process, or `/proc` is not Linux's.
pub fn thread_cpu_us(pid: &str, name: &str) -> io::Result<u64> {
    let mut spent = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        // It may have ended since.
        let read = |file: &str| fs::read_to_string(thread.join(file)).unwrap_or_default();
        if read("comm").trim_end() == name {
            spent += ticks(&read("stat")).unwrap_or_default();
        }
    }
    Ok(spent * 1_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/<pid>/{file} is not as expected"))
}

/// User and system time: fields 14 and 15. The second field, the command's name, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 41 2 9 9 20 0 3 0 55 1 1";
        assert_eq!(ticks(stat), Some(43));
        assert_eq!(kilobytes("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n", "VmRSS:"), Some(1_024));
    }

    #[test]
    fn this_process_has_used_memory_and_work_shows_as_time() {
        let before = Usage::of("self").unwrap();
        assert!(before.rss > 100_000 && before.peak_rss >= before.rss, "{before:?}");
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while begun.elapsed().as_millis() < 300 {
            sum = std::hint::black_box(sum + 1);
        }
        // Others may have the core for a while, but hardly for nine tenths of the time.
        assert!(Usage::of("self").unwrap().cpu_us >= before.cpu_us + 30_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of("0").is_err());
    }
}
