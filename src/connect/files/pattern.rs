//! Patterns of files: `contacts_*.csv`, where `*` is any text and `?` one character. A folder may stand before it.

use crate::connect::source::SourceError;

/// Folders that are Weir's own, in every place.
pub const ARCHIVE: &str = "archive/";
/// Where rejected rows go.
pub const ERRORS: &str = "errors/";

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The folder, with a slash at its end, or nothing.
    pub folder: String,
    name: Vec<char>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn read(text: &str) -> Result<Self, SourceError> {
        let refuse = |why: &str| Err(SourceError::Settings(format!("the pattern of files \"{text}\" {why}")));
        let (folder, name) = match text.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), text),
        };
        if name.trim().is_empty() {
            return refuse("names no file; write one such as \"contacts_*.csv\"");
        }
        if folder.contains(['*', '?']) {
            return refuse("has * or ? in a folder; write them in the name of the file alone");
        }
        if folder.split('/').rev().skip(1).any(|part| matches!(part, "" | "." | ".."))
            || text.contains(['\\', '\0'])
            || name == ".."
        {
            return refuse("leads out of its place; write a name, or folders and a name, without \"..\"");
        }
        if folder.starts_with(ARCHIVE) || folder.starts_with(ERRORS) {
            return refuse("leads into a folder in which Weir puts what is done; name another one");
        }
        Ok(Pattern { folder, name: name.chars().collect() })
    }

    /// Whether the file `name`, with its folder, is one of them. Hidden files and drafts are none.
    pub fn matches(&self, name: &str) -> bool {
        let Some(name) = name.strip_prefix(&self.folder) else { return false };
        let is_draft =
            name.starts_with('.') || [".part", ".tmp", ".new"].iter().any(|end| name.ends_with(end));
        !is_draft && !name.contains('/') && matches(&self.name, &name.chars().collect::<Vec<_>>())
    }
}

/// Whether all of `name` is what `pattern` says. Takes no longer than the product of their lengths.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut star) = ((0, 0), None);
    loop {
        match (pattern.get(at.0), name.get(at.1)) {
            (Some('*'), _) => {
                star = Some((at.0 + 1, at.1));
                at.0 += 1;
            }
            (Some('?'), Some(_)) => at = (at.0 + 1, at.1 + 1),
            (Some(wanted), Some(letter)) if wanted == letter => at = (at.0 + 1, at.1 + 1),
            (None, None) => return true,
            // The last star takes one letter more.
            _ => match star {
                Some((after, from)) if from < name.len() => {
                    star = Some((after, from + 1));
                    at = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
}

/// A pattern for files that are called like `name` but for numbers in it: dates, counters.
pub fn like(name: &str) -> String {
    let mut pattern = String::new();
    for letter in name.chars() {
        let letter = if letter.is_ascii_digit() { '*' } else { letter };
        let is_date = pattern.ends_with("*-") || pattern.ends_with("*_");
        if letter == '*' && is_date {
            pattern.pop();
        }
        if letter != '*' || !pattern.ends_with('*') {
            pattern.push(letter);
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_names_in_its_folder_alone() {
        for (pattern, name, is_match) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("*", "a", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("A.csv", "a.csv", false),
            ("*.csv", "daily/a.csv", false),
            ("daily/*.csv", "daily/a.csv", true),
            ("daily/*.csv", "daily/old/a.csv", false),
            ("*.csv", ".hidden.csv", false),
            ("*", "a.csv.part", false),
            ("Größe_?.csv", "Größe_ß.csv", true),
        ] {
            assert_eq!(Pattern::read(pattern).unwrap().matches(name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_that_leads_elsewhere_is_refused() {
        for pattern in [
            "",
            "a/",
            "../a.csv",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "./a",
            "..",
            "a\\b",
            "*/a.csv",
            "archive/*.csv",
            "errors/a",
        ] {
            assert!(Pattern::read(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn names_that_differ_in_numbers_are_alike() {
        assert_eq!(like("contacts_2026-11-30.csv"), "contacts_*.csv");
        assert_eq!(like("orders-17.tsv.gz"), "orders-*.tsv.gz");
        assert_eq!(like("plain.csv"), "plain.csv");
        assert_eq!(like("20261130_a.csv"), "*_a.csv");
    }

    proptest! {
        #[test]
        fn stars_match_as_if_every_way_were_tried(pattern in "[ab?*]{0,8}", name in "[ab]{0,8}") {
            fn slow(pattern: &[char], name: &[char]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some(('*', rest)) => (0..=name.len()).any(|from| slow(rest, &name[from..])),
                    Some((wanted, rest)) => name
                        .split_first()
                        .is_some_and(|(letter, name)| (*wanted == '?' || wanted == letter) && slow(rest, name)),
                }
            }
            let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), slow(&pattern, &name));
        }

        #[test]
        fn a_name_is_like_itself(name in "[a-z0-9_-]{1,12}\\.csv") {
            prop_assert!(Pattern::read(&like(&name)).unwrap().matches(&name), "{}", like(&name));
        }
    }
}
