//! What a scan accepts, and what it returns.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// How many levels `text` has, if it is JSON.
pub(in crate::event) fn levels(text: &str) -> Result<usize, NotJson> {
    read_value(text).map(|(_, levels)| levels)
}

#[test]
fn a_value_is_the_text_between_the_whitespace_around_it() {
    for value in ["{}", "[ ]", "\"a\\\"\u{e9}\"", "-0.5e+10", "true", "null", r#"{"a":[{"b":[]},1 , 2]}"#] {
        let text = format!(" \t\r\n{value}\n");
        let mut scan = Scan::new(&text);
        assert_eq!((scan.value(), scan.end()), (Ok(Value::new(value)), Ok(())));
    }
}

#[test]
fn an_object_is_walked_member_by_member_and_given_whole() {
    let text = r#" {"a" : 1.0, "\u0062":[ ], "a":{"x":[]}, "\ud800":null} ,"#;
    let (mut scan, mut seen) = (Scan::new(text), Vec::new());
    let whole = scan.members(|scan, name| {
        seen.push((name.into_owned(), scan.value()?.json()));
        Ok(())
    });
    assert_eq!(whole, Ok(Value::new(text.trim_matches([' ', ',']))));
    let expected = [("a", "1.0"), ("b", "[ ]"), ("a", r#"{"x":[]}"#), ("\u{fffd}", "null")];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(scan.next_byte(), Some(b','));
}

#[test]
fn of_members_asked_for_by_name_the_first_of_each_is_given() {
    let text = r#"{"b":1,"x":{"a":0},"\u0061":[2],"b":3}"#;
    let found = Scan::new(text).members_named(["a", "b", "c"]);
    assert_eq!(found, Ok([Some(Value::new("[2]")), Some(Value::new("1")), None]));
    for wrong in ["[]", "1", r#"{"a":1"#, r#"{"a" 1}"#] {
        assert_eq!(Scan::new(wrong).members_named(["a"]), Err(NotJson), "{wrong}");
    }
}

#[test]
fn depth_is_that_of_what_was_measured() {
    let depth = |text: &str| {
        let mut depths = Vec::new();
        let (_, all) = Scan::new(text).measured(|scan| {
            scan.elements(|scan| {
                depths.push(scan.measured(Scan::value)?.1);
                Ok(())
            })
        })?;
        assert_eq!(all, depths.iter().max().map_or(0, |deepest| deepest + 1));
        Ok::<_, NotJson>(depths)
    };
    assert_eq!(depth(r#"[{"a":[1]},"[[[[",[[[]],[]],0,{}]"#), Ok(vec![2, 0, 3, 0, 1]));
}

#[test]
fn no_nesting_is_too_deep_to_pass_over() {
    let deep = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(levels(&deep), Ok(1_000_000));
}

/// Text that is JSON, or nearly.
pub(in crate::event) fn nearly_json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?[0-9.eE+-]{1,6}",
        "(true|false|null|nul|True|NaN)",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"[a-z\\\\\"/u0-9é\u{1}\u{7f}]{0,20}\"",
    ];
    let tree = scalar.prop_recursive(6, 40, 5, |inner| {
        let space = "[ \t\n\r]{0,2}";
        prop_oneof![
            prop::collection::vec((inner.clone(), space), 0..5).prop_map(|elements| {
                let elements: Vec<String> =
                    elements.into_iter().map(|(element, space)| space + &element).collect();
                format!("[{}]", elements.join(","))
            }),
            prop::collection::vec((any::<String>(), inner, space), 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value, space)| {
                        format!("{space}{}{space}:{value}{space}", serde_json::to_string(&name).unwrap())
                    })
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    // One character gone, put in, or changed makes the hard cases.
    (tree, any::<prop::sample::Index>(), prop_oneof![Just(None), ".".prop_map(Some)], 0..4_u8).prop_map(
        |(text, at, put, what)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            if what == 1 {
                characters.remove(at);
            }
            if let Some(put) = put.filter(|_| what == 2) {
                characters.splice(at..at, put.chars());
            }
            characters.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn what_is_taken_is_what_serde_json_takes(text in prop_oneof![nearly_json(), "[\\[\\]{}\",:0-9 ]{0,12}"]) {
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(levels(&text).is_ok(), expected, "{:?}", text);
    }

    #[test]
    fn walking_finds_what_passing_over_finds(text in nearly_json()) {
        /// Walks all the way down.
        fn walk(scan: &mut Scan<'_>) -> Result<(), NotJson> {
            match scan.next_byte() {
                Some(b'{') => scan.members(|scan, _| walk(scan)).map(|_| ()),
                Some(b'[') => scan.elements(walk),
                _ => scan.value().map(|_| ()),
            }
        }
        let walked = Scan::new(&text).measured(|scan| {
            walk(scan)?;
            scan.end()
        });
        prop_assert_eq!(walked.map(|(_, levels)| levels), levels(&text));
    }

    #[test]
    fn the_first_special_byte_is_found(bytes in any::<[u8; 8]>()) {
        let special = special_bytes(u64::from_le_bytes(bytes));
        let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
        prop_assert_eq!((special != 0).then(|| (special.trailing_zeros() / 8) as usize), first);
    }
}
