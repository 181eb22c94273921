//! One table of a configuration while it is read: the user's values over those of `default.toml`. It remembers which
//! keys were read, so that any others the user wrote are reported as unknown at the end.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::problems::Problems;
use super::quoting::join;

/// A table and its place. A reader asks for every key it knows, then calls [`Section::finish`].
pub struct Section<'a> {
    path: String,
    given: Option<&'a Table>,
    defaults: Option<&'a Table>,
    asked: Vec<&'static str>,
    problems: &'a mut Problems,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(given: Option<&'a Table>, defaults: &'a Table, problems: &'a mut Problems) -> Self {
        Section { path: String::new(), given, defaults: Some(defaults), asked: Vec::new(), problems }
    }

    /// A table that stands anywhere, without defaults.
    pub fn of(path: String, given: &'a Table, problems: &'a mut Problems) -> Self {
        Section { path, given: Some(given), defaults: None, asked: Vec::new(), problems }
    }

    /// Its place.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was given for `key`, for a reader of its own, with its place.
    pub fn given<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value, String, &mut Problems) -> T,
    ) -> Option<T> {
        self.ask(key);
        let value = self.given.and_then(|table| table.get(key))?;
        Some(read(value, join(&self.path, key), self.problems))
    }

    fn ask(&mut self, key: &'static str) {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
    }

    /// Notes a problem with `key`.
    pub fn problem(&mut self, key: &str, advice: impl Display) {
        self.problems.add(join(&self.path, key), advice);
    }

    /// What `key` holds, else its default. A value that `convert` refuses is a problem, and the default
    /// then stands in for it, so that one mistake makes one line.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        want: impl Display,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        self.ask(key);
        if let Some(value) = self.given.and_then(|table| table.get(key)) {
            match convert(value) {
                Some(converted) => return Some(converted),
                None => self.problem(key, format_args!("must be {want}")),
            }
        }
        self.defaults.and_then(|table| table.get(key)).and_then(convert)
    }

    /// Like [`Section::optional`], but there must be something. After a problem the result is of no
    /// matter, since no configuration comes of it.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        want: impl Display,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let before = self.problems.lines().len();
        let found = self.optional(key, &want, convert);
        if found.is_none() && self.problems.lines().len() == before {
            self.problem(key, format_args!("is missing; it must be {want}"));
        }
        found
    }

    /// A text that is not blank.
    pub fn text(&mut self, key: &'static str) -> String {
        self.required(key, NON_BLANK, |value| value.as_str().and_then(non_blank)).unwrap_or_default()
    }

    /// The same, where nothing is an answer too.
    pub fn optional_text(&mut self, key: &'static str) -> Option<String> {
        self.optional(key, NON_BLANK, |value| value.as_str().and_then(non_blank))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.required(key, "true or false", Value::as_bool).unwrap_or_default()
    }

    /// A whole number within `range`.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> u64 {
        let want = format!("a whole number from {} to {}", range.start(), range.end());
        let convert = |value: &Value| value.as_integer().and_then(|number| u64::try_from(number).ok());
        self.required(key, want, |value| convert(value).filter(|number| range.contains(number)))
            .unwrap_or_default()
    }

    /// One of two words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, words: [(&str, T); 2]) -> T {
        let [first, second] = words;
        let want = format!("\"{}\" or \"{}\"", first.0, second.0);
        let convert = |value: &Value| words.iter().find(|word| value.as_str() == Some(word.0)).copied();
        self.required(key, want, convert).unwrap_or(first).1
    }

    /// One of several words, if there is one.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.given(key, |value, path, problems| {
            let text = value.as_str().unwrap_or_default();
            let known = words.iter().map(|(word, _)| *word);
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
            match (found, nearest(text, known.clone())) {
                (Some(_), _) => {}
                (None, Some(near)) => {
                    problems.add(path, format_args!("must be another word; did you mean {near}?"));
                }
                (None, None) => {
                    let known = known.collect::<Vec<_>>().join(", ");
                    problems.add(path, format_args!("must be one of {known}"));
                }
            }
            found
        })?
    }

    /// A list of texts; each item that `convert` refuses is a problem of its own.
    pub fn list<T>(&mut self, key: &'static str, want: &str, convert: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.items(key, want, |item| item.as_str().and_then(&convert))
    }

    /// A list of anything; each item that `convert` refuses is a problem of its own.
    pub fn items<T>(
        &mut self,
        key: &'static str,
        want: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        let items = self.required(key, "a list", |value| value.as_array().cloned()).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            match convert(item) {
                Some(converted) => found.push(converted),
                None => self
                    .problems
                    .add(format_args!("{}[{index}]", join(&self.path, key)), format_args!("must be {want}")),
            }
        }
        found
    }

    /// A table of free names, each holding one value.
    pub fn values<T>(
        &mut self,
        key: &'static str,
        want: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let table = self.required(key, "a table", |value| value.as_table().cloned()).unwrap_or_default();
        let path = join(&self.path, key);
        let mut found = BTreeMap::new();
        for (name, value) in &table {
            match convert(value) {
                Some(converted) => drop(found.insert(name.clone(), converted)),
                None => self.problems.add(join(&path, name), format_args!("must be {want}")),
            }
        }
        found
    }

    /// The table of `key`, for a reader of its own.
    pub fn section(&mut self, key: &'static str) -> Section<'_> {
        let given = self.given_table(key);
        let defaults = self.defaults.and_then(|table| table.get(key)).and_then(Value::as_table);
        Section { path: join(&self.path, key), given, defaults, asked: Vec::new(), problems: self.problems }
    }

    /// The same, if there is one: its presence alone says something.
    pub fn given_section(&mut self, key: &'static str) -> Option<Section<'_>> {
        let section = self.section(key);
        section.given.is_some().then_some(section)
    }

    /// Every table inside the table of `key`, by name, over the defaults under the name `*`.
    pub fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Section<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let mut found = BTreeMap::new();
        let path = join(&self.path, key);
        let defaults = self.defaults.and_then(|table| table.get(key)).and_then(|table| table.get("*"));
        for (name, value) in self.given_table(key).into_iter().flatten() {
            let path = join(&path, name);
            let Some(given) = value.as_table() else {
                self.problems.add(path, "must be a table");
                continue;
            };
            let section = Section {
                path,
                given: Some(given),
                defaults: defaults.and_then(Value::as_table),
                asked: Vec::new(),
                problems: self.problems,
            };
            found.insert(name.clone(), read(section));
        }
        found
    }

    fn given_table(&mut self, key: &'static str) -> Option<&'a Table> {
        self.ask(key);
        let value = self.given.and_then(|table| table.get(key))?;
        if !value.is_table() {
            self.problem(key, "must be a table");
        }
        value.as_table()
    }

    /// Refuses every key that was not asked for.
    pub fn finish(mut self) {
        for key in self.given.into_iter().flat_map(Table::keys) {
            if self.asked.contains(&key.as_str()) {
                continue;
            } else if let Some(known) = nearest(key, self.asked.iter().copied()) {
                self.problem(key, format_args!("unknown key; did you mean {known}?"));
            } else {
                let known = self.asked.join(", ");
                self.problem(key, format_args!("unknown key; the keys here are {known}"));
            }
        }
    }
}

/// What [`Section::text`] asks for.
pub const NON_BLANK: &str = "a text that is not blank";

/// The text, if there is more to it than blanks.
pub fn non_blank(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// The known name that `name` was probably meant to be: a third of it may be wrong.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let small = name.to_ascii_lowercase();
    known
        .map(|candidate| (strsim::osa_distance(&small, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| distance * 3 <= candidate.len().max(name.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
