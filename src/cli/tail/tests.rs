//! `weir tail` on readers made up here, and on a real journal.

use std::io::Write;
use std::time::Duration;

use clap::Parser;

use super::follow::Sink;
use super::*;
use crate::cli::output;
use crate::queue::line;
use crate::queue::reader::{Next, ReadRecord};
use crate::queue::subscription::{Batch, Most, Position, Subscription};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: TailArgs,
}

fn args(flags: &[&str]) -> TailArgs {
    Command::try_parse_from([&["weir"], flags].concat()).unwrap().args
}

fn record(offset: i64) -> ReadRecord {
    ReadRecord {
        topic: "weir.people".to_owned(),
        partition: 0,
        offset,
        timestamp_ms: 1_767_225_600_123,
        key: Some(b"acme\x1fa@b.c".to_vec()),
        headers: vec![
            ("ce_type".to_owned(), b"weir.person.v1".to_vec()),
            ("ce_id".to_owned(), b"m\xff\x1b[2J/person".to_vec()),
        ],
        value: b"{ \"Email\": \"a@b.c\",\n  \"N\": 12345678901234567890.10 }".to_vec(),
    }
}

/// Yields so many records, waits once, then ends.
struct Few(i64, bool);

impl Reader for Few {
    fn next(&mut self, _: Duration) -> Result<Next, ReadError> {
        if self.0 > 0 {
            self.0 -= 1;
            return Ok(Next::Record(record(self.0)));
        }
        Ok(if std::mem::replace(&mut self.1, true) { Next::End } else { Next::Idle })
    }
}

/// `Few`, and how many were left to read at each commit.
struct Committed {
    few: Unsubscribed<Few>,
    left: Vec<i64>,
}

impl Subscription for Committed {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        self.few.next_batch(most, wait)
    }

    fn seek(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        Ok(Position::default())
    }

    fn commit(&mut self, _: &Position) -> Result<(), ReadError> {
        self.left.push(self.few.0.0);
        Ok(())
    }
}

/// An output that counts its flushes and breaks after so many lines.
struct Output {
    text: String,
    flushed_lines: usize,
    breaks_after: usize,
}

impl Output {
    fn new(breaks_after: usize) -> Self {
        Output { text: String::new(), flushed_lines: 0, breaks_after }
    }

    fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lines() >= self.breaks_after {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines() >= self.breaks_after {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.flushed_lines = self.lines();
        Ok(())
    }
}

impl output::Output for Output {
    fn hand_over(&mut self) -> io::Result<()> {
        self.flush()
    }

    fn until_taken(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Prints so many records; gives how many were left to read at each commit.
fn run(records: i64, flags: &[&str], out: &mut Output) -> (Vec<i64>, Result<(), TailError>) {
    let args = args(flags);
    let mut few = Committed { few: Unsubscribed(Few(records, false)), left: Vec::new() };
    let ended = follow(&mut few, args.max, &mut Printer::new(out, args.json));
    (few.left, ended)
}

fn printed(flags: &[&str], records: i64) -> String {
    let mut out = Output::new(usize::MAX);
    run(records, flags, &mut out).1.unwrap();
    out.text
}

#[test]
fn a_record_is_one_line_of_json_with_its_numbers_untouched() {
    assert_eq!(
        printed(&["--json"], 1),
        concat!(
            r#"{"topic":"weir.people","partition":0,"offset":0,"received":1767225600123,"key":"acme\u001fa@b.c","#,
            r#""headers":{"ce_type":"weir.person.v1","ce_id":"m"#,
            "\u{fffd}",
            r#"\u001b[2J/person"},"value":{"Email":"a@b.c","N":12345678901234567890.10}}"#,
            "\n"
        )
    );
}

#[test]
fn what_is_missing_is_null_and_what_is_not_json_is_a_string() {
    let line = |key: Option<Vec<u8>>, value: &[u8]| {
        let mut out = Vec::new();
        line::write(&ReadRecord { key, value: value.to_vec(), headers: Vec::new(), ..record(9) }, &mut out);
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()
    };
    let without = line(None, b"");
    assert!(without["key"].is_null() && without["value"].is_null());
    assert_eq!(line(Some(Vec::new()), b"{\"a\"")["value"], "{\"a\"");
    assert_eq!(line(Some(Vec::new()), b"1")["key"], "", "an empty key is a key");
}

#[test]
fn people_get_the_key_readable_and_no_control_characters() {
    let text = printed(&[], 1);
    assert_eq!(
        text,
        "2026-01-01T00:00:00.123Z  weir.people  0:0\n  weir.person.v1  m\u{fffd}\u{fffd}[2J/person\n  \
         key    acme␟a@b.c\n  value  {\"Email\":\"a@b.c\",\"N\":12345678901234567890.10}\n"
    );
}

#[test]
fn it_stops_after_max_records() {
    assert_eq!(printed(&["--json", "--max", "2"], 5).lines().count(), 2);
    assert_eq!(printed(&["--json", "--max", "0"], 5), "");
}

#[test]
fn it_commits_only_what_was_flushed_before_waits_and_every_thousand_records() {
    let mut out = Output::new(usize::MAX);
    assert_eq!(run(2_500, &["--json"], &mut out).0, [1_500, 500, 0, 0]);
    assert_eq!((out.lines(), out.flushed_lines), (2_500, 2_500));

    let mut out = Output::new(usize::MAX);
    let (left, _) = run(9, &["--json", "--max", "3"], &mut out);
    assert_eq!((left.last(), out.flushed_lines), (Some(&6), 3));
}

#[test]
fn a_broken_pipe_is_a_failure_without_a_further_commit() {
    let is_broken = |ended| match ended {
        Err(TailError::Output(error)) => error.kind() == io::ErrorKind::BrokenPipe,
        _ => false,
    };
    let (left, ended) = run(2_500, &["--json"], &mut Output::new(1_200));
    assert!(is_broken(ended));
    assert_eq!(left, [1_500]);

    let (left, in_flush) = run(3, &["--json"], &mut Output::new(3));
    assert!(is_broken(in_flush));
    assert_eq!(left, [0; 0], "a commit of what was not flushed");
}

#[test]
fn flags_that_need_or_exclude_each_other_are_usage_errors() {
    for flags in [
        &["--commit"][..],
        &["--consumer", "loader"],
        &["--exec", "cat"],
        &["--consumer", "loader", "--exec", "cat", "--commit"],
        &["--consumer", "loader", "--exec", " "],
        &["--consumer", "loader", "--exec", "cat", "--batch", "0"],
        &["--consumer", "loader", "--commit", "--batch", "5"],
        &["--data", "d", "--brokers", "b"],
        &["--from", "middle"],
    ] {
        let error = Command::try_parse_from([&["weir"], flags].concat()).err().unwrap();
        assert_eq!(error.exit_code(), 2, "{flags:?}");
    }
    for how in [&["--commit"][..], &["--exec", "cat"]] {
        let both = args(&[&["--brokers", "b", "--consumer", "c"], how].concat());
        assert!(matches!(check_kafka(&both), Err(TailError::Usage(text)) if text.contains("consumer group")));
    }
    assert!(check_kafka(&args(&["--brokers", "b"])).is_ok());
}

#[test]
fn a_batch_takes_no_more_records_than_it_may_and_none_once_it_has_eight_mebibytes() {
    let full = |most, bytes: usize| {
        let large = ReadRecord { value: vec![b'1'; bytes], ..record(0) };
        let mut exec = Exec::new("true", "loader", most, Stop::default());
        (1..).find(|_| exec.take(&large).unwrap()).unwrap()
    };
    assert_eq!(full(3, 10), 3);
    assert_eq!(full(1_000, 1 << 20), 8);
    assert_eq!(full(1_000, 9 << 20), 1, "a record is never cut");
}

#[test]
fn a_command_that_can_not_be_started_is_told_with_its_batch() {
    let mut exec = Exec::new("load\0", "crm", 5, Stop::default());
    (3..5).for_each(|offset| assert!(!exec.take(&record(offset)).unwrap()));
    let told = exec.settle().unwrap_err().to_string();
    assert!(told.starts_with("the command could not be started ("), "{told}");
    let rest =
        "), so its batch (offsets 3 to 4) is not committed; the next run of consumer crm begins with it";
    assert!(told.ends_with(rest), "{told}");
}

mod journal {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::config::{Ack, QueueConfig, WhenFull};
    use crate::observe::metrics::Metrics;
    use crate::queue::Queue;
    use crate::queue::journal::JournalQueue;
    use crate::record::topics::{TopicId, Topics};
    use crate::record::{Kind, Records};

    fn write(dir: &Path, values: &[&str]) {
        let config = QueueConfig {
            brokers: None,
            create_topics: false,
            ack: Ack::Kafka,
            journal_bytes: 1 << 30,
            free_bytes: 0,
            when_full: WhenFull::Refuse,
            kafka: Default::default(),
        };
        let metrics = Arc::new(Metrics::new([]).unwrap());
        let queue = JournalQueue::open(dir, &config, &Topics::default(), metrics).unwrap();
        let mut records = Records::new(0);
        for value in values {
            let draft = records.draft(Kind::Person, TopicId::of("weir.people"));
            draft.value(|out| out.extend_from_slice(value.as_bytes()));
        }
        queue.enqueue(records).unwrap();
        assert_eq!(queue.close(Instant::now() + Duration::from_secs(180)), 0);
    }

    fn tail(dir: &Path, flags: &[&str], out: &mut Output) -> Result<(), TailError> {
        on_journal(dir, &args(&[&["--json", "--until-end"], flags].concat()), out)
    }

    fn values(dir: &Path, flags: &[&str]) -> Vec<i64> {
        let mut out = Output::new(usize::MAX);
        tail(dir, flags, &mut out).unwrap();
        let value =
            |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_i64().unwrap();
        out.text.lines().map(value).collect()
    }

    #[test]
    fn a_consumer_gets_what_it_has_not_printed_yet() {
        let data = tempfile::TempDir::new().unwrap();
        let dir = data.path().join("journal");
        write(&dir, &["0", "1", "2"]);
        let loader = ["--consumer", "loader", "--commit"];
        assert_eq!(values(&dir, &[&loader[..], &["--max", "2"]].concat()), [0, 1]);
        write(&dir, &["3"]);
        let told = tail(&dir, &loader, &mut Output::new(0)).unwrap_err().to_string();
        assert_eq!(told, "nobody reads stdout any more; the next run of consumer loader begins at offset 2");
        assert_eq!(values(&dir, &loader), [2, 3], "what a broken pipe swallowed was not committed");
        assert!(values(&dir, &loader).is_empty());
        assert_eq!(values(&dir, &[]), [0, 1, 2, 3], "others are not touched");
    }

    #[test]
    fn a_new_consumer_may_begin_at_the_end() {
        let data = tempfile::TempDir::new().unwrap();
        let dir = data.path().join("journal");
        write(&dir, &["0"]);
        let loader = ["--consumer", "loader", "--commit", "--from", "end"];
        assert!(values(&dir, &loader).is_empty());
        write(&dir, &["1"]);
        assert_eq!(values(&dir, &loader), [1]);
    }

    #[test]
    fn without_a_journal_the_error_says_what_to_do() {
        let data = tempfile::TempDir::new().unwrap();
        for flags in [&[][..], &["--consumer", "loader", "--commit"]] {
            let error = tail(&data.path().join("journal"), flags, &mut Output::new(0)).unwrap_err();
            assert!(error.to_string().contains("weir serve"), "{error}");
        }
    }
}
