//! Expressions over the letters of conditions: `A AND (B OR C)`. Pure.
//!
//! AND binds closer than OR. Letters, AND and OR may be small. Without an expression, all conditions hold.

use std::collections::BTreeSet;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A condition.
    Letter(char),
    /// All of them hold. Of none: true.
    All(Vec<Expression>),
    /// One of them does.
    Any(Vec<Expression>),
}

/// Deepest nesting of brackets.
const DEEPEST: usize = 20;

impl Expression {
    /// Reads an expression over `letters`, each of which it must use.
    ///
    /// # Errors
    /// A sentence without a subject that says what to do.
    pub fn read(text: &str, letters: &BTreeSet<char>) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens: &tokens, depth: 0 };
        let expression = reader.any()?;
        if let Some(token) = reader.tokens.first() {
            return Err(format!("has {} where AND, OR or the end is expected", token.name()));
        }
        let used = expression.letters();
        if let Some(unknown) = used.difference(letters).next() {
            return Err(format!(
                "names {unknown}, which is no condition; add it to conditions, or remove it"
            ));
        }
        if let Some(unused) = letters.difference(&used).next() {
            return Err(format!("does not use the condition {unused}; use it, or remove the condition"));
        }
        Ok(expression)
    }

    /// All of `letters` hold.
    pub fn all(letters: &BTreeSet<char>) -> Self {
        Expression::All(letters.iter().copied().map(Expression::Letter).collect())
    }

    /// The conditions that it names.
    pub fn letters(&self) -> BTreeSet<char> {
        match self {
            Expression::Letter(letter) => BTreeSet::from([*letter]),
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().flat_map(Expression::letters).collect()
            }
        }
    }

    /// Whether it holds where `holds` says which conditions do.
    pub fn holds(&self, holds: &impl Fn(char) -> bool) -> bool {
        match self {
            Expression::Letter(letter) => holds(*letter),
            Expression::All(parts) => parts.iter().all(|part| part.holds(holds)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(holds)),
        }
    }

    /// As SQL, with the SQL of each condition.
    pub fn sql(&self, condition: &impl Fn(char) -> String) -> String {
        let join = |parts: &[Expression], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| part.sql(condition)).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Expression::Letter(letter) => condition(*letter),
            Expression::All(parts) if parts.is_empty() => "true".to_owned(),
            Expression::All(parts) => join(parts, " AND "),
            Expression::Any(parts) => join(parts, " OR "),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Letter(char),
    And,
    Or,
    Open,
    Close,
}

impl Token {
    fn name(self) -> String {
        match self {
            Token::Letter(letter) => letter.to_string(),
            Token::And => "AND".to_owned(),
            Token::Or => "OR".to_owned(),
            Token::Open => "(".to_owned(),
            Token::Close => ")".to_owned(),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(word_end);
        let (token, behind) = match (first, word.to_ascii_uppercase().as_str()) {
            ('(', _) => (Token::Open, rest.get(1..).unwrap_or_default()),
            (')', _) => (Token::Close, rest.get(1..).unwrap_or_default()),
            (_, "AND") => (Token::And, behind),
            (_, "OR") => (Token::Or, behind),
            (letter, word) if word.len() == 1 => (Token::Letter(letter.to_ascii_uppercase()), behind),
            (other, "") => {
                return Err(format!("contains {other}; write letters of conditions, AND, OR and brackets"));
            }
            (_, word) => return Err(format!("contains {word}; a condition is one letter")),
        };
        tokens.push(token);
        rest = behind.trim_start();
    }
    Ok(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, wanted: Token) -> bool {
        match self.tokens.split_first() {
            Some((token, rest)) if *token == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.all()?];
        while self.take(Token::Or) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.one()?];
        while self.take(Token::And) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self) -> Result<Expression, String> {
        match self.tokens.split_first() {
            Some((Token::Letter(letter), rest)) => {
                self.tokens = rest;
                Ok(Expression::Letter(*letter))
            }
            Some((Token::Open, rest)) if self.depth < DEEPEST => {
                self.tokens = rest;
                self.depth += 1;
                let inside = self.any()?;
                self.depth -= 1;
                if !self.take(Token::Close) {
                    return Err("has a bracket that is not closed; close it".to_owned());
                }
                Ok(inside)
            }
            Some((Token::Open, _)) => {
                Err(format!("has more than {DEEPEST} brackets in each other; write it flatter"))
            }
            Some((token, _)) => Err(format!("has {} where a condition is expected", token.name())),
            None => Err("ends where a condition is expected".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, letters: &str) -> Result<Expression, String> {
        Expression::read(text, &letters.chars().collect())
    }

    #[test]
    fn and_binds_closer_than_or() {
        let holds = |text: &str, true_ones: &'static str| {
            read(text, "ABC").unwrap().holds(&|letter| true_ones.contains(letter))
        };
        assert!(holds("A OR B AND C", "A"));
        assert!(!holds("(A OR B) AND C", "A"));
        assert!(holds("a and (b or c)", "AC"), "small letters will do");
        assert_eq!(
            read("A AND (B OR C)", "ABC").unwrap().sql(&|letter| format!("{letter}?")),
            "(A? AND (B? OR C?))"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (text, letters, told) in [
            ("A AND", "A", "ends where a condition"),
            ("A B", "AB", "has B where AND, OR or the end"),
            ("(A", "A", "bracket that is not closed"),
            ("A)", "A", "has ) where"),
            ("A AND D", "A", "names D, which is no condition"),
            ("A", "AB", "does not use the condition B"),
            ("A && B", "AB", "contains &"),
            ("AB", "AB", "contains AB; a condition is one letter"),
            ("", "A", "ends where"),
        ] {
            let said = read(text, letters).unwrap_err();
            assert!(said.contains(told), "{text:?}: {said}");
        }
        let deep = format!("{}A{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(read(&deep, "A").is_err());
    }

    fn expressions() -> impl Strategy<Value = Expression> {
        let letter = prop::sample::select(vec!['A', 'B', 'C', 'D']).prop_map(Expression::Letter);
        letter.prop_recursive(4, 24, 4, |inner| {
            let parts = prop::collection::vec(inner, 2..4);
            prop_oneof![parts.clone().prop_map(Expression::All), parts.prop_map(Expression::Any)]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_means_the_same(expression in expressions(), truths: [bool; 4]) {
            let text = expression.sql(&|letter| letter.to_string());
            let back = Expression::read(&text, &expression.letters()).unwrap();
            let holds = |letter: char| truths[usize::from(letter as u8 - b'A')];
            prop_assert_eq!(back.holds(&holds), expression.holds(&holds));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,60}") {
            drop(read(&text, "AB"));
        }
    }
}
