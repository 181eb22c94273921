//! Whether a client wants its event at Gainsight: the `integrations` member, read as RudderStack reads it.

use super::envelope::Event;
use super::scan::Scan;
use super::value::{Shape, Value};

/// RudderStack's name of the destination.
const GAINSIGHT: &str = "Gainsight";

impl Event<'_> {
    /// Whether its `integrations` let it go to Gainsight. A boolean or object for Gainsight overrides `All`, which is
    /// true if it is missing. An `All` that is not a boolean sends nowhere, and neither do `integrations` that are
    /// not an object; but null, and an empty array, which PHP writes for an empty map, count as missing.
    pub fn is_wanted(&self) -> bool {
        self.integrations.is_none_or(|integrations| is_empty(integrations) || is_on(integrations))
    }
}

fn is_on(integrations: Value<'_>) -> bool {
    let Ok([all, gainsight]) = Scan::new(integrations.json()).members_named(["All", GAINSIGHT]) else {
        return false;
    };
    let Some(all) = all.map_or(Some(true), Value::boolean) else { return false };
    match gainsight.map(|gainsight| (gainsight.boolean(), gainsight.shape())) {
        Some((Some(on), _)) => on,
        Some((None, Shape::Object)) => true,
        _ => all,
    }
}

fn is_empty(integrations: Value<'_>) -> bool {
    match integrations.shape() {
        Shape::Null => true,
        Shape::Array => integrations.plain() == "[]",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrations_are_read_as_rudderstack_reads_them() {
        for (raw, expected) in [
            ("{}", true),
            (r#"{"All":true}"#, true),
            (r#"{"All":false}"#, false),
            (r#"{"All":false,"Gainsight":true}"#, true),
            (r#"{"All":false,"Gainsight":{"option":1}}"#, true),
            (r#"{"All":true,"Gainsight":false}"#, false),
            (r#"{"Gainsight":"yes"}"#, true),
            (r#"{"All":false,"Gainsight":1}"#, false),
            (r#"{"gainsight":false}"#, true),
            (r#"{"All":"true","Gainsight":true}"#, false),
            (r#"{"All":null}"#, false),
            (r#"{"All":false,"All":true}"#, false),
            ("null", true),
            ("[]", true),
            ("[ ]", true),
            (r#"{"All":true,"Gainsight":[]}"#, true),
            ("[0]", false),
            ("true", false),
            ("\"\"", false),
        ] {
            let event = format!("{{\"integrations\":{raw}}}");
            let event = Event::read(&mut Scan::new(&event)).unwrap();
            assert_eq!(event.is_wanted(), expected, "{raw}");
        }
        assert!(Event::default().is_wanted());
    }
}
