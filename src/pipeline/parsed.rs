//! A body as far as it is JSON: one event or a batch, before anything is made of it.

use super::Call;
use crate::event::envelope::{Batch, Event};
use crate::event::json::{Shape, shape, trim};
use crate::event::scan::{Invalid, Scan, levels};

/// A body as far as it is JSON.
pub(super) enum Parsed<'t> {
    /// One value.
    One(Result<Single<'t>, Invalid>),
    /// A batch.
    Batch(Result<Batch<'t>, Invalid>),
}

/// What should be a single event.
#[expect(clippy::large_enum_variant, reason = "nearly all are events: a box for each would cost more")]
pub(super) enum Single<'t> {
    /// An object.
    Event(Event<'t>),
    /// Any other JSON value.
    Other(&'t str),
}

impl<'t> Parsed<'t> {
    pub(super) fn read(call: Call, text: &'t str, most: usize) -> Self {
        let raw = trim(text);
        match (call, shape(raw)) {
            (Call::Batch, _) => Parsed::Batch(Batch::read(text, most)),
            (Call::Webhook, Shape::Array) => Parsed::Batch(Batch::read_array(text, most)),
            (_, Shape::Object) => {
                let mut scan = Scan::new(raw);
                let event = Event::read(&mut scan).and_then(|event| scan.end().map(|()| event));
                Parsed::One(event.map(Single::Event))
            }
            _ => Parsed::One(levels(raw).map(|_| Single::Other(raw))),
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
