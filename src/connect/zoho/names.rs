//! Names of rows that other rows refer to, where only their ids came along. They are taken from one of the referring
//! rows, read by its id: so they are what its page would show, whatever field of the other module that is.

use std::collections::{HashMap, HashSet};

use super::client::Client;
use super::pages;
use super::plan::{Part, Plan};
use crate::connect::cell::Cell;
use crate::connect::source::{SourceError, SourceRow};

/// Most names that are remembered.
const MOST: usize = 200_000;
/// Most fields of a call, beside `id`.
const FIELDS: usize = 49;

/// A field, what of it, and the id that it has.
type Name = (usize, String);

/// Names that are known by now.
#[derive(Default)]
pub struct Names {
    known: HashMap<Name, Cell>,
}

impl Names {
    /// Fills in the names that are missing in `rows`. A row that has changed since, so that its name can't be known,
    /// is left out: it is newer than any window.
    ///
    /// # Errors
    /// When rows can't be read.
    pub fn fill(
        &mut self,
        client: &mut Client,
        plan: &Plan,
        rows: &mut Vec<SourceRow>,
    ) -> Result<(), SourceError> {
        let named = plan.named();
        if named.is_empty() {
            return Ok(());
        }
        if self.known.len() > MOST {
            self.known.clear();
        }
        let pairs = pairs(plan);
        self.learn(&pairs, rows);
        let mut asked = HashSet::new();
        loop {
            let ids = self.to_ask(&pairs, rows, &mut asked);
            if ids.is_empty() {
                break;
            }
            for named in named.chunks(FIELDS) {
                let fields: Vec<_> = ["id"].iter().chain(named).copied().collect();
                let found = pages::with_ids(client, &plan.module, &fields, &ids)?;
                for record in found.values() {
                    self.learn_all(&pairs, &plan.row(record));
                }
            }
        }
        rows.retain(|row| pairs.iter().all(|pair| self.is_known(*pair, row)));
        for row in rows {
            for pair @ (named, _) in &pairs {
                let name = key(*pair, row).and_then(|key| self.known.get(&key).cloned());
                if let (Some(cell), Some(name)) = (row.cells.get_mut(*named), name) {
                    *cell = name;
                }
            }
        }
        Ok(())
    }

    /// Takes down names that came along.
    fn learn(&mut self, pairs: &[(usize, usize)], rows: &[SourceRow]) {
        for row in rows {
            for pair in pairs {
                let name = row.cells.get(pair.0).cloned().flatten();
                if let (Some(key), Some(name)) = (key(*pair, row), name) {
                    self.known.insert(key, Some(name));
                }
            }
        }
    }

    /// Takes down the names of a row that was read for them: also that there is none.
    fn learn_all(&mut self, pairs: &[(usize, usize)], row: &SourceRow) {
        for pair in pairs {
            if let Some(key) = key(*pair, row) {
                self.known.insert(key, row.cells.get(pair.0).cloned().flatten());
            }
        }
    }

    fn is_known(&self, pair: (usize, usize), row: &SourceRow) -> bool {
        key(pair, row).is_none_or(|key| self.known.contains_key(&key))
    }

    /// One row for each name that is missing, which was not asked before.
    fn to_ask(
        &self,
        pairs: &[(usize, usize)],
        rows: &[SourceRow],
        asked: &mut HashSet<String>,
    ) -> Vec<String> {
        let (mut ids, mut covered) = (Vec::new(), HashSet::new());
        for row in rows {
            let Some(id) = row.id.as_ref().filter(|id| !asked.contains(*id)) else { continue };
            let missing: Vec<_> = pairs
                .iter()
                .filter(|pair| !self.is_known(**pair, row))
                .filter_map(|pair| key(*pair, row))
                .collect();
            if missing.iter().any(|key| !covered.contains(key)) {
                covered.extend(missing);
                asked.insert(id.clone());
                ids.push(id.clone());
            }
        }
        ids
    }
}

/// Columns of names, each with that of its id.
fn pairs(plan: &Plan) -> Vec<(usize, usize)> {
    let named = plan.columns.iter().enumerate().filter(|(_, column)| column.part != Part::Value);
    let id = |field: &str| {
        plan.columns.iter().position(|column| column.part == Part::Value && column.field == field)
    };
    named.filter_map(|(at, column)| Some((at, id(&column.field)?))).collect()
}

fn key((named, id): (usize, usize), row: &SourceRow) -> Option<Name> {
    Some((named, row.cells.get(id)?.clone()?))
}
