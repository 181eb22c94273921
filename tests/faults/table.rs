//! The table of a run: a row a fault.

use std::fmt;
use std::time::Duration;

use crate::bench::Outcome;

/// What came of all cycles of a fault.
#[derive(Clone, Debug, Default)]
pub struct Row {
    name: &'static str,
    cycles: u64,
    store_cycles: u64,
    acknowledged: u64,
    lost: u64,
    wrong: u64,
    repeats: u64,
    late: u64,
    ready: Duration,
    delivered: Duration,
}

/// A row a fault.
#[derive(Clone, Debug)]
pub struct Table(Vec<Row>);

impl Table {
    /// With a row for each of `names`.
    pub fn new(names: impl Iterator<Item = &'static str>) -> Self {
        Table(names.map(|name| Row { name, ..Row::default() }).collect())
    }

    /// Counts a cycle of the fault in row `index`.
    pub fn count(&mut self, index: usize, outcome: &Outcome) {
        let Some(row) = self.0.get_mut(index) else { return };
        row.cycles += 1;
        row.store_cycles += u64::from(outcome.has_store);
        row.acknowledged += outcome.acknowledged;
        row.lost += outcome.lost.len() as u64;
        row.wrong += outcome.wrong.len() as u64;
        row.repeats += outcome.repeats;
        row.late += outcome.late;
        row.ready = row.ready.max(outcome.ready);
        row.delivered = row.delivered.max(outcome.delivered);
    }

    /// How many cycles there were, and how many promises were broken.
    pub fn totals(&self) -> (u64, u64) {
        let all = self.all();
        (all.cycles, all.lost + all.wrong)
    }

    fn all(&self) -> Row {
        self.0.iter().fold(Row { name: "**all**", ..Row::default() }, |all, row| Row {
            name: all.name,
            cycles: all.cycles + row.cycles,
            store_cycles: all.store_cycles + row.store_cycles,
            acknowledged: all.acknowledged + row.acknowledged,
            lost: all.lost + row.lost,
            wrong: all.wrong + row.wrong,
            repeats: all.repeats + row.repeats,
            late: all.late + row.late,
            ready: all.ready.max(row.ready),
            delivered: all.delivered.max(row.delivered),
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| fault | cycles | store cycles | acknowledged | lost | wrong | repeats | late \
             | longest to ready | longest to delivered |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for Row { name, cycles, store_cycles, acknowledged, lost, wrong, repeats, late, ready, delivered } in
            self.0.iter().chain([&self.all()])
        {
            let (ready, delivered) = (ready.as_secs_f64(), delivered.as_secs_f64());
            writeln!(
                out,
                "| {name} | {cycles} | {store_cycles} | {acknowledged} | {lost} | {wrong} | {repeats} | {late} \
                 | {ready:.2} s | {delivered:.2} s |"
            )?;
        }
        Ok(())
    }
}
