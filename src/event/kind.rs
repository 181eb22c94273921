//! The types of call.

use std::borrow::Cow;

use super::rejection::Reason;
use super::value::Value;

/// A RudderStack call type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallType {
    /// Who a user is: becomes a Person.
    Identify,
    /// Which company a user belongs to: becomes a Company and a link.
    Group,
    /// What a user did: becomes an event for each publisher that maps its name.
    Track,
    /// Which page a user looks at: becomes an event for each publisher that maps it.
    Page,
    /// The same of a screen of an app.
    Screen,
    /// That two user ids are one user's, for a store to join them.
    Alias,
    /// The same of any two ids.
    Merge,
    /// Missing, or none of the above.
    Unknown,
}

impl CallType {
    /// Every type, in the order of its discriminant.
    pub const ALL: [CallType; 8] = [
        CallType::Identify,
        CallType::Group,
        CallType::Track,
        CallType::Page,
        CallType::Screen,
        CallType::Alias,
        CallType::Merge,
        CallType::Unknown,
    ];

    /// Its name on the wire, and the `type` label of `weir_events_total`.
    pub fn label(self) -> &'static str {
        match self {
            CallType::Identify => "identify",
            CallType::Group => "group",
            CallType::Track => "track",
            CallType::Page => "page",
            CallType::Screen => "screen",
            CallType::Alias => "alias",
            CallType::Merge => "merge",
            CallType::Unknown => "unknown",
        }
    }

    /// The type that `kind`, the `type` of a call, names in any letter case, as RudderStack compares it.
    ///
    /// # Errors
    /// `type_missing`, `type_unknown`.
    pub fn read(kind: Option<Value<'_>>) -> Result<CallType, Reason> {
        let name = kind.filter(|kind| !kind.is_null()).map_or(Cow::Borrowed(""), Value::text);
        if name.is_empty() {
            return Err(Reason::TypeMissing);
        }
        let mut known = CallType::ALL.into_iter().filter(|call| *call != CallType::Unknown);
        known.find(|call| call.label().eq_ignore_ascii_case(&name)).ok_or(Reason::TypeUnknown)
    }
}
