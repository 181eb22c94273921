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

/// User and system time of the process `pid` and of all that it has started, alive or not, in microseconds. Those that
/// its children have started don't count.
///
/// # Errors
/// When there is no such process, or `/proc` is not Linux's.
pub fn family_cpu_us(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let mut spent = times(&stat).ok_or_else(|| unreadable("stat"))?.iter().sum::<u64>();
    for process in fs::read_dir("/proc")? {
        // Most are no processes, and one may have ended since.
        let stat = fs::read_to_string(process?.path().join("stat")).unwrap_or_default();
        if parent(&stat) == Some(pid) {
            spent += ticks(&stat).unwrap_or_default();
        }
    }
    Ok(spent * 1_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/<pid>/{file} is not as expected"))
}

/// User and system time.
fn ticks(stat: &str) -> Option<u64> {
    let [user, system, ..] = times(stat)?;
    Some(user + system)
}

/// User and system time, and those of the children that have ended: fields 14 to 17.
fn times(stat: &str) -> Option<[u64; 4]> {
    let mut fields = behind_the_name(stat)?.skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?, next()?])
}

/// Who started it: field 4.
fn parent(stat: &str) -> Option<u32> {
    behind_the_name(stat)?.nth(1)?.parse().ok()
}

/// The fields from the third on. The second, the command's name, may hold anything.
fn behind_the_name(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
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
        assert_eq!(times(stat), Some([41, 2, 9, 9]));
        assert_eq!(parent(stat), Some(1));
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
    fn a_child_that_has_ended_counts_as_its_parents_family() {
        let spent = || times(&fs::read_to_string("/proc/self/stat").unwrap()).unwrap()[2];
        let (before, family) = (spent(), family_cpu_us(std::process::id()).unwrap());
        while spent() < before + 3 {
            let count_up = ["-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done"];
            assert!(std::process::Command::new("sh").args(count_up).status().unwrap().success());
        }
        assert!(family_cpu_us(std::process::id()).unwrap() >= family + 30_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of("0").is_err());
    }
}
