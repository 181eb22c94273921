//! The same faults as in `main.rs`, in an order that a seed repeats, until the time is up; then the table.
//! `tests/faults/run` starts it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for developers: what fails is told and counted"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod clients;
mod conversation;
mod damage;
mod dice;
mod faults;
mod ledger;
mod oracle;
mod proxy;
mod reader;
mod stored;
mod table;
mod traffic;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::{Bench, Outcome, Way};
use clap::Parser;
use dice::Dice;
use faults::{ALL, Fault, Run};
use stored::Stored;
use table::Table;

/// Where the table is kept while it grows.
const TABLE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/faults.md");

/// Inflicts all faults, again and again.
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only faults with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    let Arguments { minutes, seed, only } = Arguments::parse();
    let mut dice = Dice::new(seed);
    let (mut bench, mut stored) = (None, None);
    let mut table = Table::new(ALL.iter().map(|fault| fault.name));
    let begun = Instant::now();
    // Each of them once, before any comes again.
    let mut deck = shuffled(&only, |_| 1, &mut dice);
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        if deck.is_empty() {
            deck = shuffled(&only, |fault| fault.weight, &mut dice);
        }
        let Some(index) = deck.pop() else { break };
        let fault = ALL[index];
        let mut choices = dice.split();
        let inflicted = catch_unwind(AssertUnwindSafe(|| match fault.run {
            Run::OnKafka(run) => {
                run(bench.get_or_insert_with(|| Bench::new(Way::Straight, &mut dice)), &mut choices)
            }
            Run::InStore(run) => run(stored.get_or_insert_with(|| Stored::new(&mut dice)), &mut choices),
            Run::OnJournal(run) => run(&mut choices),
        }));
        let outcome = inflicted.unwrap_or_else(|panic| Outcome {
            wrong: vec![panic.downcast_ref::<String>().map_or("a panic", String::as_str).to_owned()],
            ..Outcome::default()
        });
        table.count(index, &outcome);
        let (cycles, _) = table.totals();
        let at = begun.elapsed().as_secs();
        println!("{at} s, cycle {cycles}, {}: {} acknowledged", fault.name, outcome.acknowledged);
        if !outcome.is_good() {
            println!("lost: {:?}\nwrong: {:?}", outcome.lost, outcome.wrong);
            // A bench on which something went wrong is not used again.
            match fault.run {
                Run::OnKafka(_) => bench = None,
                Run::InStore(_) => stored = None,
                Run::OnJournal(_) => {}
            }
        }
        let told = format!("{cycles} cycles in {at} s, seed {seed}\n\n{table}");
        std::fs::write(TABLE, told).expect("the table can be written");
    }
    println!("\n{}", std::fs::read_to_string(TABLE).unwrap_or_default());
    let (_, broken) = table.totals();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every fault so many times, in any order.
fn shuffled(only: &str, times: impl Fn(&Fault) -> usize, dice: &mut Dice) -> Vec<usize> {
    let chosen = ALL.iter().enumerate().filter(|(_, fault)| fault.name.contains(only));
    let mut deck: Vec<usize> =
        chosen.flat_map(|(index, fault)| std::iter::repeat_n(index, times(fault))).collect();
    for last in (1..deck.len()).rev() {
        deck.swap(last, dice.of(0..last + 1));
    }
    deck
}
