//! A JSON value as a slice of the text that it stands in: its shape, its text, and how RudderStack judges it.
//!
//! A number stays text, so none is too large and none loses digits.

use std::borrow::Cow;

use super::characters::is_blank;
use super::json::{compact, strict, unescape};

/// A valid JSON value, without whitespace around it. Values come from a [`Scan`](super::scan::Scan), which has
/// checked them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(&'a str);

/// The shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
    /// Everything else.
    Number,
}

impl Shape {
    /// The shape of the value that `json` begins with, if it begins with one.
    pub fn of(json: &str) -> Shape {
        match json.as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::String,
            Some(b't' | b'f') => Shape::Boolean,
            Some(b'n') => Shape::Null,
            _ => Shape::Number,
        }
    }
}

impl<'a> Value<'a> {
    /// `null`
    pub const NULL: Value<'static> = Value("null");

    /// The value `json`, which a scan has found valid.
    pub(super) fn new(json: &'a str) -> Self {
        Value(json)
    }

    /// Its JSON, as it came.
    pub fn json(self) -> &'a str {
        self.0
    }

    /// Its JSON, as strict JSON: see [`strict`].
    pub fn strict(self) -> Cow<'a, str> {
        strict(self.0)
    }

    /// Its shape.
    pub fn shape(self) -> Shape {
        Shape::of(self.0)
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0.starts_with('n')
    }

    /// The text of a string, where lone surrogates become U+FFFD and `\u0000` is removed; of any other value its JSON.
    pub fn text(self) -> Cow<'a, str> {
        let Some(inner) = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Cow::Borrowed(self.0);
        };
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Cow::Borrowed(inner);
        }
        Cow::Owned(unescape(self.0))
    }

    /// The text of a string; none for any other value.
    pub fn string(self) -> Option<Cow<'a, str>> {
        (self.shape() == Shape::String).then(|| self.text())
    }

    /// What a boolean says; none for any other value.
    pub fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Its text, or for an object or array its strict JSON without insignificant whitespace. Like everything on the
    /// queue it holds neither lone surrogates nor `\u0000`.
    pub fn plain(self) -> Cow<'a, str> {
        match self.shape() {
            Shape::Object | Shape::Array => Cow::Owned(compact(&self.strict())),
            Shape::String | Shape::Number | Shape::Boolean | Shape::Null => self.text(),
        }
    }

    /// Whether RudderStack would send it in a standard field: it is neither null nor the empty string, nor a string
    /// that is empty once `\u0000` is removed.
    pub fn is_given(self) -> bool {
        !self.is_null() && !self.is_empty_string()
    }

    /// Whether JavaScript calls it false: what RudderStack's required fields must not be.
    pub fn is_falsy(self) -> bool {
        match self.shape() {
            Shape::Null => true,
            Shape::Boolean => self.0 == "false",
            Shape::String => self.is_empty_string(),
            Shape::Number => is_zero(self.0),
            Shape::Object | Shape::Array => false,
        }
    }

    /// Whether it is a string in which nothing can be seen.
    pub fn is_blank(self) -> bool {
        self.shape() == Shape::String && self.text().chars().all(is_blank)
    }

    fn is_empty_string(self) -> bool {
        self.0 == "\"\"" || (self.0.starts_with("\"\\u0000") && self.text().is_empty())
    }
}

impl Default for Value<'_> {
    fn default() -> Self {
        Value::NULL
    }
}

fn is_zero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::super::json::write_string;
    use super::super::scan::read_value;
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> Cow<'_, str> {
        Value::new(json).text()
    }

    #[test]
    fn text_is_decoded_and_made_safe() {
        assert_eq!(text(r#""plain""#), "plain");
        assert_eq!(text(r#""a\u00e9\n\"\\""#), "a\u{e9}\n\"\\");
        assert_eq!(text(r#""x\ud800y\udc00z""#), "x\u{fffd}y\u{fffd}z");
        assert_eq!(text(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(text(r#""a\u0000b""#), "ab");
        assert_eq!(text("12.50"), "12.50");
    }

    #[test]
    fn a_values_plain_text_is_its_own_or_its_json() {
        let plain = |json| Value::new(json).plain();
        assert_eq!(plain(r#""a\u0041""#), "aA");
        assert_eq!(plain("12.50"), "12.50");
        assert_eq!(plain(r#"{ "a" : [1.0, "x y\u0000\ud800"] }"#), r#"{"a":[1.0,"x y\ufffd"]}"#);
    }

    #[test]
    fn falsy_is_what_javascript_calls_false() {
        for json in ["null", "false", "0", "-0", "0.0", "0e5", "\"\"", "\"\\u0000\""] {
            assert!(Value::new(json).is_falsy(), "{json}");
        }
        for json in ["true", "1", "0.1", "\"0\"", "\" \"", "[]", "{}", "1e-9"] {
            assert!(!Value::new(json).is_falsy(), "{json}");
        }
    }

    #[test]
    fn blanks_and_what_is_drawn_as_nothing_are_blank() {
        for json in ["\"\"", "\" \\t\"", "\"\\u200b\"", "\"\u{3164}\"", "\"\\u0000\""] {
            assert!(Value::new(json).is_blank(), "{json}");
        }
        for json in ["\"x\"", "\" . \"", "0", "null", "[]", "\"\u{fffd}\""] {
            assert!(!Value::new(json).is_blank(), "{json}");
        }
    }

    /// Any string, written as JSON with any mix of escapes, among them lone surrogates.
    fn json_string() -> impl Strategy<Value = String> {
        let unit = prop_oneof![
            any::<char>().prop_map(|c| serde_json::to_string(&c).unwrap().trim_matches('"').to_owned()),
            any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
            (0xd800_u16..0xe000).prop_map(|unit| format!("\\u{unit:04X}")),
            Just("\\\\".to_owned()),
            Just("\\u0000".to_owned()),
            Just("\\\"".to_owned()),
        ];
        prop::collection::vec(unit, 0..12).prop_map(|units| format!("\"{}\"", units.concat()))
    }

    proptest! {
        #[test]
        fn strict_json_parses_strictly_and_means_the_same(json in json_string()) {
            let read = read_value(&json);
            prop_assume!(read.is_ok());
            let (value, _) = read.unwrap();
            let parsed: String = serde_json::from_str(&value.strict()).unwrap();
            prop_assert_eq!(parsed, value.text().into_owned());
        }

        #[test]
        fn no_text_makes_a_panic(json in ".*") {
            let value = Value::new(&json);
            std::hint::black_box((value.text(), value.strict(), value.plain(), value.is_falsy(), value.is_blank()));
        }

        #[test]
        fn a_serialised_string_is_read_back(text in any::<String>()) {
            let mut json = Vec::new();
            write_string(&mut json, &text);
            let (value, _) = read_value(std::str::from_utf8(&json).unwrap()).unwrap();
            prop_assert_eq!(value.text(), text.replace('\0', ""));
        }
    }
}
