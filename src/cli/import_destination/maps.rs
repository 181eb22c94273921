//! The maps of the settings, row by row: which rows go into Weir's configuration, and why the others don't.

use std::collections::{BTreeMap, BTreeSet};

use super::export::Rows;
use crate::mapping::fields::Table;
use crate::setup::{RowFault, row_fault};
use crate::tenants::EventName;

/// Adds `rows`, trait → field, to `fields` of `object`; gives what could not be added.
pub(super) fn add_fields<'r>(
    rows: &'r Rows,
    fields: &'r mut BTreeMap<String, String>,
    object: (&'r str, &'r Table),
) -> impl Iterator<Item = String> + 'r {
    rows.iter().filter_map(move |(name, field)| {
        let Some(field) = field.as_deref().filter(|field| !field.trim().is_empty()) else {
            return Some(format!("{name:?} names no field"));
        };
        if let Some(fault) = row_fault(name, field, object) {
            let then = match fault {
                RowFault::Field(..) => format!(
                    "; RudderStack goes on sending it as {field:?}, which Weir drops unless a row here maps that name \
                     to such a field"
                ),
                RowFault::Blank | RowFault::Reserved => String::new(),
            };
            return Some(format!("{name:?} = {field:?}: {fault}{then}"));
        }
        match fields.get(name) {
            Some(other) if other != field => {
                Some(format!("{name:?} = {field:?}: another destination of this tenant sends it as {other:?}"))
            }
            _ => {
                fields.insert(name.clone(), field.to_owned());
                None
            }
        }
    })
}

/// The events that have both a name and a version, for RudderStack sends no others; and what is said of those.
pub(super) fn events(names: &Rows, versions: &Rows) -> (BTreeMap<String, EventName>, Vec<String>) {
    let value = |rows: &Rows, event: &str| -> Option<String> {
        let value = rows.get(event)?.as_deref()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let (mut events, mut left_out) = (BTreeMap::new(), Vec::new());
    for event in names.keys().chain(versions.keys()).collect::<BTreeSet<_>>() {
        let missing = match (value(names, event), value(versions, event)) {
            (Some(name), Some(version)) => {
                events.insert(event.clone(), EventName { name, version });
                continue;
            }
            (Some(_), None) => "a version",
            (None, Some(_)) => "a name",
            (None, None) => "a name and a version",
        };
        left_out.push(format!("{event:?} lacks {missing}, and RudderStack sends only events that have both"));
    }
    (events, left_out)
}
