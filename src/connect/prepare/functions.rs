//! What SQLite asks Weir while it prepares: orders that are not those of texts, and the functions of formulas.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use super::formula::apply;
use crate::connect::cell;
use crate::connect::decimal;
use crate::connect::document::Function;

/// -1, 0 or 1, as two numbers compare; null where one is none.
pub const NUMBER_ORDER: &str = "weir_number_order";
/// The same of days and moments.
pub const TIME_ORDER: &str = "weir_time_order";
/// Whether a list has one of the values of a JSON array.
pub const HAS_ONE: &str = "weir_has_one";
/// What a text is as the value of a field.
pub const AS_CELL: &str = "weir_cell";

/// What SQL calls the function of formulas.
pub fn name(function: Function) -> String {
    let word = Function::WORDS.iter().find(|(_, known, _, _)| *known == function);
    format!("weir_{}", word.map_or("", |(word, ..)| word))
}

/// Makes them known to `connection`.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(NUMBER_ORDER, 2, pure, |context| {
        Ok(both(context)?.and_then(|(one, other)| decimal::compare(one, other)).map(number))
    })?;
    connection.create_scalar_function(TIME_ORDER, 2, pure, |context| {
        let order = |(one, other)| Some(cell::as_time(one)?.cmp(&cell::as_time(other)?));
        Ok(both(context)?.and_then(order).map(number))
    })?;
    connection.create_scalar_function(HAS_ONE, 2, pure, |context| {
        Ok(both(context)?.map(|(list, values)| has_one(list, values)))
    })?;
    connection
        .create_scalar_function(AS_CELL, 1, pure, |context| Ok(text(context, 0)?.and_then(cell::text)))?;
    for (_, function, _, _) in Function::WORDS {
        connection.create_scalar_function(name(function).as_str(), -1, pure, move |context| {
            let args = (0..context.len()).map(|at| text(context, at)).collect::<Result<Vec<_>, _>>()?;
            Ok(apply(function, &args).map(Cow::into_owned))
        })?;
    }
    Ok(())
}

fn text<'c>(context: &'c Context<'_>, at: usize) -> rusqlite::Result<Option<&'c str>> {
    match context.get_raw(at) {
        ValueRef::Null => Ok(None),
        value => Ok(Some(value.as_str()?)),
    }
}

fn both<'c>(context: &'c Context<'_>) -> rusqlite::Result<Option<(&'c str, &'c str)>> {
    Ok(text(context, 0)?.zip(text(context, 1)?))
}

fn number(order: Ordering) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(order as i64))
}

/// Whether one of the values of the JSON array `list` is one of those of `values`.
pub fn has_one(list: &str, values: &str) -> bool {
    let values: BTreeSet<String> = serde_json::from_str(values).unwrap_or_default();
    items(list).iter().any(|item| values.contains(item))
}

/// The values of a list as texts. What is no list is one value.
pub fn items(list: &str) -> Vec<String> {
    let Ok(items) = serde_json::from_str::<Vec<serde_json::Value>>(list) else {
        return vec![list.to_owned()];
    };
    let text = |item: serde_json::Value| match item {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    items.into_iter().map(text).collect()
}
