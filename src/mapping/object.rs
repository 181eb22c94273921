//! How traits fill an object's fields.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::convert;
use super::fields::{CUSTOM_SUFFIX, Convert, Meaning, Table};
use crate::event::json::write_string;
use crate::event::traits::{Traits, few_and_distinct};
use crate::event::value::Value;
use crate::tenants::UnmappedTraits;

/// Rank of a trait that is named like the field itself: after every trait proper.
const LITERAL_RANK: u8 = 100;
/// Rank of a value that the tenant's map put into a standard field: before every trait proper.
const MAPPED_RANK: u8 = 0;

/// A trait's claim to a field; the lowest wins. For a trait proper, it is the place of its source (from 1) and its own
/// place among the field's traits; for any other, a rank and the place of the source.
type Claim = (u8, u8);

/// The value of a standard field, and the claim by which it has it.
#[derive(Clone, Copy, Debug)]
struct Standard<'a> {
    value: Value<'a>,
    claim: Claim,
    convert: Convert,
}

/// The value of a custom field, and the place of the source that it came from.
#[derive(Debug)]
struct Custom<'a> {
    field: Cow<'a, str>,
    value: Value<'a>,
    place: u8,
}

/// An object whose fields are filled from traits.
#[derive(Debug)]
pub struct Object<'a> {
    table: &'static Table,
    standard: Vec<Option<Standard<'a>>>,
    custom: Vec<Custom<'a>>,
    /// Custom traits that no map names.
    pub dropped: u64,
}

impl<'a> Object<'a> {
    /// Fills the fields of `table` from `sources`, of which the first takes precedence.
    pub fn fill(
        table: &'static Table,
        sources: &'a [Traits<'a>],
        map: &'a foldhash::HashMap<String, String>,
        unmapped: UnmappedTraits,
    ) -> Self {
        let mut object =
            Object { table, standard: vec![None; table.fields.len()], custom: Vec::new(), dropped: 0 };
        for (place, traits) in (0_u8..).zip(sources) {
            // A custom trait has the value that the first source with a value gives it.
            let better = sources.iter().take(if traits.is_empty() { 0 } else { place.into() });
            let given: HashSet<&str> = better
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, _)| name.as_ref())
                .collect();
            for (name, value) in traits {
                let meaning = table.meaning(name);
                let mapped = map.get(name.as_ref()).filter(|_| table.is_mappable(name, meaning));
                match meaning {
                    Meaning::Field { index, rank } => {
                        object.offer(index, (place + 1, rank), None, *value);
                        if mapped.is_none() {
                            continue;
                        }
                    }
                    Meaning::Literal { index } if mapped.is_none() => {
                        object.offer(index, (LITERAL_RANK, place), None, *value);
                        continue;
                    }
                    Meaning::Reserved => continue,
                    Meaning::Literal { .. } | Meaning::Custom => {}
                }
                // A value that the map puts into a standard field goes as it came, before that field's own traits.
                let (field, claim, convert) = match mapped {
                    Some(field) => {
                        (Some(Cow::Borrowed(field.as_str())), (MAPPED_RANK, place), Some(Convert::AsIs))
                    }
                    None => (custom_field(name, unmapped), (LITERAL_RANK, place), None),
                };
                if let Some(index) = field.as_deref().and_then(|field| table.index_of(field)) {
                    object.offer(index, claim, convert, *value);
                } else if !value.is_null() && !given.contains(name.as_ref()) {
                    match field {
                        Some(field) => object.custom.push(Custom { field, value: *value, place }),
                        None => object.dropped += 1,
                    }
                }
            }
        }
        object.keep_one_of_each();
        object
    }

    /// Puts `value` into the standard field at `index` unless that has a value with a better claim.
    fn offer(&mut self, index: usize, claim: Claim, convert: Option<Convert>, value: Value<'a>) {
        let Some((slot, field)) = self.standard.get_mut(index).zip(self.table.fields.get(index)) else {
            return;
        };
        let is_given = value.is_given() && !(field.convert == Convert::Email && value.is_blank());
        // Claims are equal if two traits are mapped to one field: the later counts, as in RudderStack.
        if is_given && slot.is_none_or(|standard| claim <= standard.claim) {
            *slot = Some(Standard { value, claim, convert: convert.unwrap_or(field.convert) });
        }
    }

    /// Several traits may lead to one custom field: the last one of the first source counts, as in RudderStack.
    fn keep_one_of_each(&mut self) {
        if few_and_distinct(self.custom.iter().map(|custom| custom.field.as_ref())) {
            return;
        }
        let mut best: HashMap<&str, (u8, usize)> = HashMap::with_capacity(self.custom.len());
        for (index, Custom { field, place, .. }) in self.custom.iter().enumerate() {
            let kept = best.entry(field).or_insert((*place, index));
            if kept.0 == *place {
                kept.1 = index;
            }
        }
        let best: HashSet<usize> = best.into_values().map(|(_, index)| index).collect();
        let mut index = 0..;
        self.custom.retain(|_| index.next().is_some_and(|index| best.contains(&index)));
    }

    /// The value of the standard field `name`.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let index = self.table.index_of(name)?;
        self.standard.get(index)?.map(|standard| standard.value)
    }

    /// Removes the value of the standard field `name`.
    pub fn clear(&mut self, name: &str) {
        if let Some(slot) = self.table.index_of(name).and_then(|index| self.standard.get_mut(index)) {
            *slot = None;
        }
    }

    /// Writes the object as JSON: the standard fields in the table's order, then the custom ones, then `extra`, a name
    /// and its text, which must not repeat a field that has a value.
    pub fn write(&self, out: &mut Vec<u8>, extra: Option<(&str, &str)>) {
        let mut separator = b'{';
        let mut member = |out: &mut Vec<u8>, name: &str| {
            out.push(separator);
            separator = b',';
            write_string(out, name);
            out.push(b':');
        };
        for (field, standard) in self.table.fields.iter().zip(&self.standard) {
            let Some(Standard { value, convert, .. }) = *standard else { continue };
            match convert {
                Convert::Number => {
                    if let Some(number) = convert::number(value) {
                        member(out, field.name);
                        out.extend_from_slice(number.as_bytes());
                    }
                }
                Convert::Text => {
                    member(out, field.name);
                    convert::write_text(out, value);
                }
                Convert::AsIs | Convert::Email => {
                    member(out, field.name);
                    convert::write_as_is(out, value);
                }
            }
        }
        for Custom { field, value, .. } in &self.custom {
            member(out, field);
            convert::write_as_is(out, *value);
        }
        if let Some((name, text)) = extra {
            member(out, name);
            write_string(out, text);
        }
        out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
    }
}

/// The field of a custom trait that no map names: its own name if that ends in the suffix, or with the suffix appended
/// if the tenant wants that. None for a name with nothing before the suffix.
fn custom_field(name: &str, unmapped: UnmappedTraits) -> Option<Cow<'_, str>> {
    match name.strip_suffix(CUSTOM_SUFFIX) {
        Some(stem) => (!stem.trim().is_empty()).then_some(Cow::Borrowed(name)),
        None if unmapped == UnmappedTraits::Drop || name.trim().is_empty() => None,
        None => Some(Cow::Owned(format!("{name}{CUSTOM_SUFFIX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Event;
    use crate::event::scan::Scan;
    use crate::mapping::fields::PERSON;

    fn person(event: &str, map: &[(&str, &str)], unmapped: UnmappedTraits) -> (String, u64) {
        let event = Event::read(&mut Scan::new(event)).unwrap();
        let map = map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let sources = [Traits::read(event.traits), Traits::read(event.context_traits)];
        let object = Object::fill(&PERSON, &sources, &map, unmapped);
        let mut out = Vec::new();
        object.write(&mut out, None);
        (String::from_utf8(out).unwrap(), object.dropped)
    }

    #[test]
    fn root_traits_come_before_context_traits_for_fixed_and_custom_fields() {
        let event = r#"{"traits":{"email":"r@x","score__gc":1,"plan":null},
            "context":{"traits":{"email":"c@x","score__gc":2,"plan":"p","timezone":"UTC"}}}"#;
        let (json, _) = person(event, &[("plan", "Plan__gc")], UnmappedTraits::Drop);
        assert_eq!(json, r#"{"Email":"r@x","Timezone":"UTC","score__gc":1,"Plan__gc":"p"}"#);
    }

    #[test]
    fn a_null_or_empty_value_at_root_falls_through_to_context() {
        let event = r#"{"traits":{"email":"  ","firstName":null,"lastName":""},
            "context":{"traits":{"email":"c@x","first_name":"F","lastname":"L"}}}"#;
        let (json, _) = person(event, &[], UnmappedTraits::Drop);
        assert_eq!(json, r#"{"Email":"c@x","FirstName":"F","LastName":"L"}"#);
    }

    #[test]
    fn a_trait_named_like_a_field_fills_it_only_where_the_trait_proper_is_absent() {
        let both =
            r#"{"traits":{"Email":"upper@x","Location":"L"},"context":{"traits":{"email":"lower@x"}}}"#;
        let (json, _) = person(both, &[], UnmappedTraits::Drop);
        assert_eq!(json, r#"{"Email":"lower@x","Location":"L"}"#);
        let mapped =
            person(r#"{"traits":{"Location":"L"}}"#, &[("Location", "Place__gc")], UnmappedTraits::Drop);
        assert_eq!(mapped.0, r#"{"Place__gc":"L"}"#);
    }

    #[test]
    fn unmapped_traits_are_dropped_and_counted_or_suffixed() {
        let event = r#"{"traits":{"a":1,"b":null,"Gsid":"x","companies":[],"middlename":"lost"}}"#;
        assert_eq!(person(event, &[], UnmappedTraits::Drop), ("{}".to_owned(), 1));
        assert_eq!(person(event, &[], UnmappedTraits::Suffix), (r#"{"a__gc":1}"#.to_owned(), 0));
    }

    #[test]
    fn two_traits_that_lead_to_one_field_leave_the_later() {
        let map = [("a", "X__gc"), ("b", "X__gc"), ("nick", "Name")];
        let event = r#"{"traits":{"a":1,"b":2,"name":"N","nick":"K","X__gc":3,"a":9}}"#;
        assert_eq!(person(event, &map, UnmappedTraits::Drop).0, r#"{"Name":"K","X__gc":3}"#);
    }

    #[test]
    fn of_two_traits_mapped_to_a_standard_field_the_later_counts() {
        let map = [("nick", "Name"), ("alias", "Name")];
        let event = r#"{"traits":{"nick":"first","alias":"second","name":"N"}}"#;
        assert_eq!(person(event, &map, UnmappedTraits::Drop).0, r#"{"Name":"second"}"#);
    }

    #[test]
    fn of_two_traits_that_lead_to_one_field_the_one_at_root_counts() {
        let map = [("a", "X__gc"), ("b", "X__gc"), ("nick", "Name"), ("alias", "Name")];
        let event = r#"{"traits":{"a":1,"nick":"root"},
            "context":{"traits":{"b":2,"X__gc":3,"alias":"context","name":"N"}}}"#;
        assert_eq!(person(event, &map, UnmappedTraits::Drop).0, r#"{"Name":"root","X__gc":1}"#);
    }

    #[test]
    fn what_is_not_given_never_takes_a_standard_fields_place() {
        let map = [("mail", "Email"), ("nick", "Name")];
        let event =
            r#"{"traits":{"email":"a@x","mail":"  ","name":"N","nick":"\u0000","timezone":"\u0000"}}"#;
        assert_eq!(person(event, &map, UnmappedTraits::Drop).0, r#"{"Email":"a@x","Name":"N"}"#);
    }

    #[test]
    fn a_blank_at_root_that_is_mapped_to_a_standard_field_falls_through_to_context() {
        let event = r#"{"traits":{"mail":" "},"context":{"traits":{"mail":"c@x"}}}"#;
        assert_eq!(person(event, &[("mail", "Email")], UnmappedTraits::Drop).0, r#"{"Email":"c@x"}"#);
    }

    #[test]
    fn a_suffixed_trait_that_turns_out_a_standard_field_yields_to_the_trait_proper() {
        let event = r#"{"traits":{"externalRecordId":1,"ExternalRecordID":2}}"#;
        assert_eq!(person(event, &[], UnmappedTraits::Suffix).0, r#"{"ExternalRecordID__gc":"1"}"#);
    }

    #[test]
    fn a_name_that_is_nothing_but_the_suffix_is_no_field() {
        let event = r#"{"traits":{"":1," ":2,"__gc":3}}"#;
        assert_eq!(person(event, &[], UnmappedTraits::Suffix), ("{}".to_owned(), 3));
    }

    #[test]
    fn values_are_converted_as_rudderstack_does() {
        let event = r#"{"traits":{"location":{ "city": "B" },"comments":12.0,"emailOptOut":"false",
            "masterAvatarTypeCode":"0x10","linkedinUrl":{"u":1},"externalRecordId":false}}"#;
        let expected = concat!(
            r#"{"LinkedinUrl":{"u":1},"Location":"{\"city\":\"B\"}","ExternalRecordID__gc":"false","#,
            r#""EmailOptOut":"false","Comments":"12.0","MasterAvatarTypeCode":16}"#
        );
        assert_eq!(person(event, &[], UnmappedTraits::Drop).0, expected);
        let dropped = person(r#"{"traits":{"masterAvatarTypeCode":"abc"}}"#, &[], UnmappedTraits::Drop);
        assert_eq!(dropped.0, "{}");
    }
}
