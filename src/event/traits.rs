//! The members of a traits object. The first of duplicate names counts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::scan::Scan;
use super::value::Value;

/// The name and the value of a trait.
pub type Trait<'a> = (Cow<'a, str>, Value<'a>);

/// The members of a traits object, each name once, in order.
#[derive(Debug)]
pub struct Traits<'a>(Vec<Trait<'a>>);

/// How many traits are read before their list grows: most objects have no more.
const USUAL: usize = 16;
/// Up to this many names, comparing each with each is cheaper than hashing them.
const FEW_NAMES: usize = 24;

impl<'a> Traits<'a> {
    /// The members of `value`: none unless it is an object.
    pub fn read(value: Option<Value<'a>>) -> Self {
        let mut traits = Vec::new();
        let read = value.map(|value| {
            Scan::new(value.json()).members(|scan, name| {
                if traits.is_empty() {
                    traits.reserve(USUAL);
                }
                traits.push((name, scan.value()?));
                Ok(())
            })
        });
        if !matches!(read, Some(Ok(_))) {
            traits.clear();
        }
        keep_first(&mut traits);
        Traits(traits)
    }

    /// The value of the trait `name`.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'t, 'a> IntoIterator for &'t Traits<'a> {
    type Item = &'t Trait<'a>;
    type IntoIter = std::slice::Iter<'t, Trait<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Drops later duplicates.
fn keep_first(traits: &mut Vec<Trait<'_>>) {
    if few_and_distinct(traits.iter().map(|(name, _)| name.as_ref())) {
        return;
    }
    let mut seen = HashSet::with_capacity(traits.len());
    let first: Vec<bool> = traits.iter().map(|(name, _)| seen.insert(name.as_ref())).collect();
    let mut first = first.into_iter();
    traits.retain(|_| first.next().unwrap_or(true));
}

/// Whether `names` are few and all different. That is nearly always so, and shown without building a set; the
/// thousands of names that an attacker may send are not compared.
pub fn few_and_distinct<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone) -> bool {
    let is_new = |(at, name)| names.clone().take(at).all(|earlier| earlier != name);
    names.len() <= FEW_NAMES && names.clone().enumerate().all(is_new)
}

#[cfg(test)]
mod tests {
    use super::super::scan::read_value;
    use super::*;

    fn read(json: &str) -> Vec<(String, &str)> {
        let (value, _) = read_value(json).unwrap();
        let traits = Traits::read(Some(value));
        traits.into_iter().map(|(name, value)| (name.to_string(), value.json())).collect()
    }

    #[test]
    fn the_first_of_duplicate_names_counts() {
        assert_eq!(read(r#"{"x":1,"x":2,"y":3}"#), [("x".to_owned(), "1"), ("y".to_owned(), "3")]);
    }

    #[test]
    fn a_trait_is_found_by_its_decoded_name() {
        let (value, _) = read_value(r#"{"a":1,"\u0062":2}"#).unwrap();
        let traits = Traits::read(Some(value));
        assert_eq!(traits.get("b").map(Value::json), Some("2"));
        assert_eq!(traits.get("c"), None);
    }

    #[test]
    fn many_duplicates_are_dropped_too() {
        let members: Vec<String> = (0..5_000).map(|i| format!("\"k{}\":{i}", i % 100)).collect();
        let json = format!("{{{}}}", members.join(","));
        let traits = read(&json);
        assert_eq!(traits.len(), 100);
        assert_eq!(traits.last(), Some(&("k99".to_owned(), "99")));
    }

    #[test]
    fn what_is_no_object_has_no_traits() {
        for json in ["[1]", "\"text\"", "null", "{}"] {
            assert!(read(json).is_empty(), "{json}");
        }
        assert!(Traits::read(None).is_empty());
    }
}
