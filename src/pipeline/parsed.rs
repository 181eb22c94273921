//! A body, as far as it is JSON: one event or a batch, before it is mapped.

use super::Call;
use crate::event::envelope::{Batch, Event};
use crate::event::json::trim;
use crate::event::kind::CallType;
use crate::event::scan::{NotJson, Scan, read_value};
use crate::event::value::{Shape, Value};

/// A body as far as it is JSON.
pub(super) enum Parsed<'t> {
    /// One value.
    One(Result<Single<'t>, NotJson>),
    /// A batch.
    Batch(Result<Batch<'t>, NotJson>),
}

/// What should be a single event.
#[expect(clippy::large_enum_variant, reason = "nearly all are events: a box for each would cost more")]
pub(super) enum Single<'t> {
    /// An object.
    Event(Event<'t>),
    /// Any other JSON value.
    Other(Value<'t>),
}

impl Single<'_> {
    /// Its own type, if it says one.
    pub(super) fn call_type(&self) -> Option<CallType> {
        match self {
            Single::Event(event) => event.call_type().ok(),
            Single::Other(_) => None,
        }
    }
}

impl<'t> Parsed<'t> {
    pub(super) fn read(call: Call, text: &'t str, most: usize) -> Self {
        let trimmed = trim(text);
        match (call, Shape::of(trimmed)) {
            (Call::Batch | Call::Import, _) => Parsed::Batch(Batch::read(text, most)),
            (Call::Webhook, Shape::Array) => Parsed::Batch(Batch::read_array(text, most)),
            (_, Shape::Object) => {
                let mut scan = Scan::new(trimmed);
                let event = Event::read(&mut scan).and_then(|event| scan.end().map(|()| event));
                Parsed::One(event.map(Single::Event))
            }
            _ => Parsed::One(read_value(trimmed).map(|(value, _)| Single::Other(value))),
        }
    }

    /// Whether there is anything to take.
    pub(super) fn is_read(&self) -> bool {
        match self {
            Parsed::One(event) => event.is_ok(),
            Parsed::Batch(batch) => batch.is_ok(),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        match self {
            Parsed::One(event) => event.is_ok(),
            Parsed::Batch(batch) => batch.as_ref().is_ok_and(|batch| batch.broken.is_none()),
        }
    }
}
