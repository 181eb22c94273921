//! Hands what records say of companies that are part of others on to those.

use std::collections::{BTreeSet, HashMap};

use super::kept_out::Read;
use crate::store::load::{Load, RowLoad};
use crate::store::merge::{Alias, OWN_FIELD};
use crate::store::row::{Change, RowKey};
use crate::store::{Store, StoreError};

/// Adds to each of `reads` what it is to change of the company that its own is part of.
pub(super) fn hand_on(store: &mut dyn Store, reads: &mut [Read<'_>]) -> Result<(), StoreError> {
    let companies: BTreeSet<RowKey> =
        reads.iter().filter_map(Read::load).filter_map(company).map(|row| row.key.clone()).collect();
    if companies.is_empty() {
        return Ok(());
    }
    let found = store.aliases(&companies.iter().collect::<Vec<_>>())?;
    let aliases: HashMap<&RowKey, &Alias> = found.iter().map(|alias| (&alias.key, alias)).collect();
    for read in reads {
        let Read::Load(load) = read else { continue };
        let whole = company(load).and_then(|row| Some(of_whole(row, aliases.get(&row.key)?)));
        load.rows.extend(whole);
    }
    Ok(())
}

/// What `load` says of a company that is there: that a part is gone is nothing to the whole.
fn company<'l, 'a>(load: &'l Load<'a>) -> Option<&'l RowLoad<'a>> {
    load.rows.iter().find(|row| row.key.object == "company" && !row.change.deletes)
}

fn of_whole<'a>(part: &RowLoad<'a>, alias: &Alias) -> RowLoad<'a> {
    let fields = part.change.fields.iter().filter(|(name, _)| name != OWN_FIELD).cloned().collect();
    RowLoad {
        key: alias.into.clone(),
        id: alias.into_id.clone(),
        change: Change { fields, ..part.change.clone() },
    }
}
