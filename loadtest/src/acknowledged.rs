//! Which events were answered 200: what the generator promises to `verify`, in a file of ranges.
//!
//! The first line is JSON (`{"run":"…","mix":"track","batch":1}`), each further line a range of event
//! numbers, `first-last`, both of them acknowledged like all between.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::traffic::Mix;

/// What the numbers stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Event `n` has the message id `<run>-<n>`, n in ten digits.
    pub run: String,
    /// Which calls they are.
    pub mix: Mix,
    /// Events a request.
    pub batch: u64,
}

/// A set of requests by number, a bit each.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    words: Vec<u64>,
}

impl Acknowledged {
    /// Request `number` was answered 200.
    pub fn insert(&mut self, number: u64) {
        let Ok(word) = usize::try_from(number / 64) else { return };
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (number % 64);
        }
    }

    /// Number of requests.
    #[cfg(test)]
    pub fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Runs of consecutive requests: first and last, in order.
    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (word, base) in self.words.iter().zip((0..).step_by(64)) {
            for number in (0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| base + bit) {
                match runs.last_mut() {
                    Some((_, last)) if *last + 1 == number => *last = number,
                    _ => runs.push((number, number)),
                }
            }
        }
        runs
    }

    /// Writes the file: the numbers of events, `run.batch` for each request.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(&self, run: &Run, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, run)?;
        writeln!(out)?;
        for (first, last) in self.runs() {
            writeln!(out, "{}-{}", first * run.batch, (last + 1) * run.batch - 1)?;
        }
        out.flush()
    }
}

/// Reads such a file: the run, and the ranges of event numbers, both ends included.
///
/// # Errors
/// When `input` fails or is no such file.
pub fn read(input: &mut dyn BufRead) -> io::Result<(Run, Vec<(u64, u64)>)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no file of acknowledged events");
    let mut lines = input.lines();
    let run = serde_json::from_str(&lines.next().ok_or_else(wrong)??).map_err(|_| wrong())?;
    let mut ranges = Vec::new();
    for line in lines {
        let line = line?;
        let (first, last) = line.split_once('-').ok_or_else(wrong)?;
        ranges.push((first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?));
    }
    Ok((run, ranges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_events_come_back_as_they_were_acknowledged() {
        let mut acknowledged = Acknowledged::default();
        for number in [64, 0, 1, 63, 2, 200, 64] {
            acknowledged.insert(number);
        }
        assert_eq!(acknowledged.len(), 6);
        let run = Run { run: "r1".to_owned(), mix: Mix::Mixed, batch: 50 };
        let mut file = Vec::new();
        acknowledged.write(&run, &mut file).unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert_eq!(text, "{\"run\":\"r1\",\"mix\":\"mixed\",\"batch\":50}\n0-149\n3150-3249\n10000-10049\n");
        assert_eq!(
            read(&mut file.as_slice()).unwrap(),
            (run, vec![(0, 149), (3_150, 3_249), (10_000, 10_049)])
        );
    }

    #[test]
    fn another_file_is_refused() {
        assert!(read(&mut &b""[..]).is_err());
        assert!(read(&mut &b"{\"run\":\"r\",\"mix\":\"track\",\"batch\":1}\n1-x\n"[..]).is_err());
    }
}
