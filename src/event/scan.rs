//! One pass over JSON text: checks it byte by byte against RFC 8259 and hands out values as slices of it.
//! Nothing is built and nothing is read twice; who wants a value's members asks while the scan is there.
//!
//! Takes exactly what serde_json takes (a property test says so), at any depth: nesting is counted, for
//! the caller to judge, and never recursed into.

use std::borrow::Cow;

use super::json::unescaped;

/// What was scanned is not JSON, or not of the shape that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct Invalid;

/// How many levels of arrays and objects `text` has, one JSON value and nothing else.
pub fn levels(text: &str) -> Result<usize, Invalid> {
    let (_, levels) = Scan::new(text).measured(|scan| {
        scan.value()?;
        scan.end()
    })?;
    Ok(levels)
}

/// A place in JSON text.
#[derive(Debug)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    /// What closes the arrays and objects that are being passed over; kept to be filled again.
    closers: Vec<u8>,
}

impl<'a> Scan<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Scan { text, at: 0, depth: 0, deepest: 0, closers: Vec::new() }
    }

    /// How many bytes of the text are passed: where it broke, once it did.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What the next value begins with: `{`, `[`, `"`, `t`, `f`, `n`, `-` or a digit, if it is one.
    pub fn next_byte(&mut self) -> Option<u8> {
        self.space();
        self.byte()
    }

    /// Passes over the next value, whatever it is.
    pub fn value(&mut self) -> Result<&'a str, Invalid> {
        self.space();
        let start = self.at;
        match self.byte().ok_or(Invalid)? {
            b'{' | b'[' => self.pass_over()?,
            first => self.scalar(first)?,
        }
        self.since(start)
    }

    /// Walks the next value, an object: `member` is called for each of its members, duplicates included,
    /// with the name, and must take the value. Gives the whole object.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Invalid>,
    ) -> Result<&'a str, Invalid> {
        self.space();
        let start = self.at;
        self.open(b'{')?;
        if self.next_byte() != Some(b'}') {
            loop {
                let name = self.name()?;
                member(self, name)?;
                if self.next_byte() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.close(b'}')?;
        self.since(start)
    }

    /// Walks the next value, an object, for the members called `names`: of each name the first one's value.
    pub fn members_named<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> Result<[Option<&'a str>; N], Invalid> {
        let mut found = [None; N];
        self.members(|scan, name| {
            let value = scan.value()?;
            if let Some((_, first)) = names.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
                first.get_or_insert(value);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Walks the next value, an array: `element` is called at each of its elements and must take it.
    pub fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        self.space();
        self.open(b'[')?;
        if self.next_byte() != Some(b']') {
            loop {
                element(self)?;
                if self.next_byte() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.close(b']')
    }

    /// What `take` returns, and how many levels of arrays and objects the scan went down meanwhile.
    pub fn measured<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<(T, usize), Invalid> {
        let outside = std::mem::replace(&mut self.deepest, self.depth);
        let taken = take(self)?;
        let levels = self.deepest - self.depth;
        self.deepest = self.deepest.max(outside);
        Ok((taken, levels))
    }

    /// Wants nothing but whitespace behind.
    pub fn end(&mut self) -> Result<(), Invalid> {
        if self.next_byte().is_none() { Ok(()) } else { Err(Invalid) }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn since(&self, start: usize) -> Result<&'a str, Invalid> {
        self.text.get(start..self.at).ok_or(Invalid)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn open(&mut self, opener: u8) -> Result<(), Invalid> {
        self.expect(opener)?;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        Ok(())
    }

    fn close(&mut self, closer: u8) -> Result<(), Invalid> {
        self.expect(closer)?;
        self.depth -= 1;
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.byte() != Some(byte) {
            return Err(Invalid);
        }
        self.at += 1;
        Ok(())
    }

    /// A member's name and the colon behind it.
    fn name(&mut self) -> Result<Cow<'a, str>, Invalid> {
        self.space();
        let start = self.at;
        let escaped = self.string()?;
        let raw = self.since(start)?;
        self.space();
        self.expect(b':')?;
        let inner = raw.get(1..raw.len() - 1).ok_or(Invalid)?;
        Ok(if escaped { Cow::Owned(unescaped(raw)) } else { Cow::Borrowed(inner) })
    }

    /// Passes over a value without a look at what it holds, its nesting on a stack of our own.
    fn pass_over(&mut self) -> Result<(), Invalid> {
        self.closers.clear();
        loop {
            // A value begins here.
            let container = match self.byte().ok_or(Invalid)? {
                b'{' => Some((b'{', b'}')),
                b'[' => Some((b'[', b']')),
                first => {
                    self.scalar(first)?;
                    None
                }
            };
            if let Some((opener, closer)) = container {
                self.open(opener)?;
                self.closers.push(closer);
                if self.next_byte() != Some(closer) {
                    if closer == b'}' {
                        self.pass_name()?;
                    }
                    continue;
                }
            }
            // A value has ended, or is about to: with each closer that follows ends another.
            loop {
                let Some(closer) = self.closers.last().copied() else { return Ok(()) };
                if self.next_byte() == Some(b',') {
                    self.at += 1;
                    self.space();
                    if closer == b'}' {
                        self.pass_name()?;
                    }
                    break;
                }
                self.close(closer)?;
                self.closers.pop();
            }
        }
    }

    fn pass_name(&mut self) -> Result<(), Invalid> {
        self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    fn scalar(&mut self, first: u8) -> Result<(), Invalid> {
        match first {
            b'"' => self.string().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Invalid> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Invalid);
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a string; says whether anything in it is escaped.
    fn string(&mut self) -> Result<bool, Invalid> {
        self.expect(b'"')?;
        self.plain_characters();
        if self.byte() != Some(b'"') {
            self.escaped_rest()?;
            return Ok(true);
        }
        self.at += 1;
        Ok(false)
    }

    /// Passes over the rest of a string whose next character is escaped. On its own, because it would
    /// slow down the many strings that have none.
    #[inline(never)]
    fn escaped_rest(&mut self) -> Result<(), Invalid> {
        loop {
            match self.byte().ok_or(Invalid)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                // A control character.
                _ => return Err(Invalid),
            }
            self.plain_characters();
        }
    }

    /// Passes over characters up to a quote, a backslash, a control character or the end.
    fn plain_characters(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (words, tail) = rest.as_chunks::<8>();
        let mut passed = 0;
        for word in words {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += passed + (special.trailing_zeros() / 8) as usize;
                return;
            }
            passed += 8;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
        self.at += passed + tail.iter().position(is_special).unwrap_or(tail.len());
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let length = match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', digits @ ..]
                if digits.iter().take(4).filter(|digit| digit.is_ascii_hexdigit()).count() == 4 =>
            {
                6
            }
            _ => return Err(Invalid),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Invalid> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let leading = self.byte();
        let whole = self.digits();
        if whole == 0 || (whole > 1 && leading == Some(b'0')) {
            return Err(Invalid);
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(Invalid);
            }
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(Invalid);
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }
}

/// Of eight bytes, the high bit of the first that is a quote, a backslash or a control character, and
/// perhaps of some behind it; 0 if none is.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Subtracting borrows from the byte above only where a byte is found, so the lowest find is true.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))) & HIGHS
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    #[test]
    fn a_value_is_the_text_between_the_whitespace_around_it() {
        for value in ["{}", "[ ]", "\"a\\\"\u{e9}\"", "-0.5e+10", "true", "null", r#"{"a":[{"b":[]},1 , 2]}"#]
        {
            let text = format!(" \t\r\n{value}\n");
            let mut scan = Scan::new(&text);
            assert_eq!((scan.value(), scan.end()), (Ok(value), Ok(())));
        }
    }

    #[test]
    fn an_object_is_walked_member_by_member_and_given_whole() {
        let text = r#" {"a" : 1.0, "\u0062":[ ], "a":{"x":[]}, "\ud800":null} ,"#;
        let (mut scan, mut seen) = (Scan::new(text), Vec::new());
        let whole = scan.members(|scan, name| {
            seen.push((name.into_owned(), scan.value()?));
            Ok(())
        });
        assert_eq!(whole, Ok(text.trim_matches([' ', ','])));
        let expected = [("a", "1.0"), ("b", "[ ]"), ("a", r#"{"x":[]}"#), ("\u{fffd}", "null")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(scan.next_byte(), Some(b','));
    }

    #[test]
    fn of_members_asked_for_by_name_the_first_of_each_is_given() {
        let text = r#"{"b":1,"x":{"a":0},"\u0061":[2],"b":3}"#;
        assert_eq!(Scan::new(text).members_named(["a", "b", "c"]), Ok([Some("[2]"), Some("1"), None]));
        for wrong in ["[]", "1", r#"{"a":1"#, r#"{"a" 1}"#] {
            assert_eq!(Scan::new(wrong).members_named(["a"]), Err(Invalid), "{wrong}");
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
            Ok::<_, Invalid>(depths)
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
            fn walk(scan: &mut Scan<'_>) -> Result<(), Invalid> {
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
}
