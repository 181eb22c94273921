//! Whether a client wants its event at Gainsight: the `integrations` member, read as RudderStack reads it.

use crate::event::compact::compact;
use crate::event::json::{Shape, shape};
use crate::event::scan::Scan;

/// RudderStack's name of the destination.
const GAINSIGHT: &str = "Gainsight";

/// Whether `integrations` lets the event through: a boolean or object for Gainsight beats `All`, which is
/// true unless it says otherwise. An `All` that is no boolean, like `integrations` that is no object, sends
/// nowhere; but null and an empty array, which PHP makes of a map that is empty, say nothing.
pub fn wanted(integrations: Option<&str>) -> bool {
    let Some(raw) = integrations.filter(|raw| !says_nothing(raw)) else { return true };
    let Ok([all, gainsight]) = Scan::new(raw).members_named(["All", GAINSIGHT]) else { return false };
    let all = match all {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return false,
    };
    match gainsight.map(|raw| (shape(raw), raw)) {
        Some((Shape::Boolean, raw)) => raw == "true",
        Some((Shape::Object, _)) => true,
        _ => all,
    }
}

fn says_nothing(raw: &str) -> bool {
    match shape(raw) {
        Shape::Null => true,
        Shape::Array => compact(raw) == "[]",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::wanted;

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
            assert_eq!(wanted(Some(raw)), expected, "{raw}");
        }
        assert!(wanted(None));
    }
}
