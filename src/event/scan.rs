//! One pass over JSON text: checks it byte by byte against RFC 8259 and returns values as slices of it.
//! Nothing is built and nothing is read twice; a caller that wants a value's members asks for them while the scan
//! is there.
//!
//! Accepts exactly what serde_json accepts (a property test checks that), at any depth: nesting is counted, so that
//! the caller can judge it, and never recursed into.

use std::borrow::Cow;

use super::json::unescape;
use super::value::Value;

/// What was scanned is not JSON, or doesn't have the expected shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct NotJson;

/// Reads `text`, which is one JSON value and nothing else, and counts its levels of arrays and objects.
///
/// # Errors
/// It is not JSON.
pub fn read_value(text: &str) -> Result<(Value<'_>, usize), NotJson> {
    Scan::new(text).measured(|scan| {
        let value = scan.value()?;
        scan.end().map(|()| value)
    })
}

/// A position in JSON text.
#[derive(Debug)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    /// What closes the arrays and objects that are being skipped; kept, so that its memory is used again.
    closers: Vec<u8>,
}

impl<'a> Scan<'a> {
    /// A scan that begins at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Scan { text, at: 0, depth: 0, deepest: 0, closers: Vec::new() }
    }

    /// How many bytes of the text have been scanned: after an error, where the text breaks.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What the next value begins with: `{`, `[`, `"`, `t`, `f`, `n`, `-` or a digit, if it is one.
    pub fn next_byte(&mut self) -> Option<u8> {
        self.space();
        self.byte()
    }

    /// Scans the next value, whatever it is.
    ///
    /// # Errors
    /// There is none, or it is not JSON.
    pub fn value(&mut self) -> Result<Value<'a>, NotJson> {
        self.space();
        let start = self.at;
        match self.byte().ok_or(NotJson)? {
            b'{' | b'[' => self.skip()?,
            first => self.scalar(first)?,
        }
        self.since(start).map(Value::new)
    }

    /// Walks the next value, an object, and returns it: `member` is called with the name of each of its members,
    /// duplicates included, and must scan the value.
    ///
    /// # Errors
    /// It is not JSON, or not an object; or `member` failed.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), NotJson>,
    ) -> Result<Value<'a>, NotJson> {
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
        self.since(start).map(Value::new)
    }

    /// Walks the next value, an object, for its members of these `names`, and returns the first value of each.
    ///
    /// # Errors
    /// It is not JSON, or not an object.
    pub fn members_named<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> Result<[Option<Value<'a>>; N], NotJson> {
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

    /// Walks the next value, an array: `element` is called at each of its elements and must scan it.
    ///
    /// # Errors
    /// It is not JSON, or not an array; or `element` failed.
    pub fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
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

    /// Returns what `take` returns, and how many levels of arrays and objects the scan descended meanwhile.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn measured<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, NotJson>,
    ) -> Result<(T, usize), NotJson> {
        let outside = std::mem::replace(&mut self.deepest, self.depth);
        let taken = take(self)?;
        let levels = self.deepest - self.depth;
        self.deepest = self.deepest.max(outside);
        Ok((taken, levels))
    }

    /// Checks that only whitespace is left.
    ///
    /// # Errors
    /// Something else follows.
    pub fn end(&mut self) -> Result<(), NotJson> {
        if self.next_byte().is_none() { Ok(()) } else { Err(NotJson) }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn since(&self, start: usize) -> Result<&'a str, NotJson> {
        self.text.get(start..self.at).ok_or(NotJson)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn open(&mut self, opener: u8) -> Result<(), NotJson> {
        self.expect(opener)?;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        Ok(())
    }

    fn close(&mut self, closer: u8) -> Result<(), NotJson> {
        self.expect(closer)?;
        self.depth -= 1;
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.byte() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Scans a member's name and the colon after it.
    fn name(&mut self) -> Result<Cow<'a, str>, NotJson> {
        self.space();
        let start = self.at;
        let escaped = self.string()?;
        let end = self.at;
        self.space();
        self.expect(b':')?;
        if escaped {
            return self.text.get(start..end).map(unescape).map(Cow::Owned).ok_or(NotJson);
        }
        self.text.get(start + 1..end - 1).map(Cow::Borrowed).ok_or(NotJson)
    }

    /// Skips a value without looking at what it holds. Its nesting is kept on a stack of its own, so that no depth
    /// overflows the thread's.
    fn skip(&mut self) -> Result<(), NotJson> {
        self.closers.clear();
        loop {
            // A value begins here.
            let container = match self.byte().ok_or(NotJson)? {
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
                        self.skip_name()?;
                    }
                    continue;
                }
            }
            // A value has ended, or is about to end; each closer that follows ends another.
            loop {
                let Some(closer) = self.closers.last().copied() else { return Ok(()) };
                if self.next_byte() == Some(b',') {
                    self.at += 1;
                    self.space();
                    if closer == b'}' {
                        self.skip_name()?;
                    }
                    break;
                }
                self.close(closer)?;
                self.closers.pop();
            }
        }
    }

    fn skip_name(&mut self) -> Result<(), NotJson> {
        self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    fn scalar(&mut self, first: u8) -> Result<(), NotJson> {
        match first {
            b'"' => self.string().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    /// Skips a string, and returns whether anything in it is escaped.
    fn string(&mut self) -> Result<bool, NotJson> {
        self.expect(b'"')?;
        self.plain_characters();
        if self.byte() != Some(b'"') {
            self.escaped_rest()?;
            return Ok(true);
        }
        self.at += 1;
        Ok(false)
    }

    /// Skips the rest of a string whose next character is escaped. A function of its own, because it would slow down
    /// the many strings without escapes.
    #[inline(never)]
    fn escaped_rest(&mut self) -> Result<(), NotJson> {
        loop {
            match self.byte().ok_or(NotJson)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                // A control character.
                _ => return Err(NotJson),
            }
            self.plain_characters();
        }
    }

    /// Skips characters up to a quote, a backslash, a control character or the end.
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

    fn escape(&mut self) -> Result<(), NotJson> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let length = match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', digits @ ..]
                if digits.iter().take(4).filter(|digit| digit.is_ascii_hexdigit()).count() == 4 =>
            {
                6
            }
            _ => return Err(NotJson),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let leading = self.byte();
        let whole = self.digits();
        if whole == 0 || (whole > 1 && leading == Some(b'0')) {
            return Err(NotJson);
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(NotJson);
            }
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(NotJson);
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

/// Of eight bytes, the high bit of the first that is a quote, a backslash or a control character, and perhaps of some
/// after it; 0 if there is none.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Subtracting borrows from the next byte only where a byte is found, so the lowest one found is right.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))) & HIGHS
}

#[cfg(test)]
pub(super) mod tests;
