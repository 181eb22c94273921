//! What rows are mapped to: an object of a tenant, its fields, and what tells its rows apart. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::ObjectConfig;
use crate::event::key::key;
use crate::event::scan::read_value;
use crate::mapping::company::company_id;
use crate::mapping::person::email_key_of;
use crate::record::{KEY_SEPARATOR, derived_id};
use crate::store::load::LINK;
use crate::store::types::{FieldType, standard_fields};

/// Longest key with its tenant, in bytes: what the store takes.
const LONGEST_KEY: usize = 1_000;
const SEPARATOR: char = KEY_SEPARATOR as char;

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// Companies, by their Name.
    Company,
    /// People, by their Email.
    Person,
    /// Links between them, by Email, and `CompanyId` or `CompanyName`.
    Link,
    /// An object of the tenant's own, by these fields.
    Own(Vec<String>),
}

/// An object of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Id of the tenant.
    pub tenant: String,
    /// As documents name it.
    pub name: String,
    /// What it is.
    pub object: Object,
    /// The types of those fields that have one.
    pub types: BTreeMap<String, FieldType>,
}

/// What tells a row from all others of its object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// As the store has it, without the tenant.
    pub text: String,
    /// Weir's id of the row; of a link, that of its company.
    pub id: String,
}

/// Why a row has no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// This field has no value.
    Missing(String),
    /// The value of this field is no part of a key: what it has to be.
    Invalid(String, &'static str),
    /// It is too long.
    Long(String),
}

impl Target {
    /// The object `name` of a tenant whose objects are declared like this. None: there is no such object.
    pub fn new(tenant: &str, name: &str, declared: &BTreeMap<String, ObjectConfig>) -> Option<Self> {
        let config = declared.get(name);
        let object = match name {
            "company" => Object::Company,
            "person" => Object::Person,
            LINK => Object::Link,
            _ => Object::Own(config.map(|config| config.keys.clone()).filter(|keys| !keys.is_empty())?),
        };
        let mut types: BTreeMap<String, FieldType> =
            standard_fields(name).iter().map(|(field, kind)| ((*field).to_owned(), *kind)).collect();
        for (field, word) in config.into_iter().flat_map(|config| &config.fields) {
            types.extend(FieldType::of_word(word).map(|kind| (field.clone(), kind)));
        }
        Some(Target { tenant: tenant.to_owned(), name: name.to_owned(), object, types })
    }

    /// The fields without which a row has no key: of each list, one.
    pub fn needed(&self) -> Vec<Vec<&str>> {
        match &self.object {
            Object::Company => vec![vec!["Name"]],
            Object::Person => vec![vec!["Email"]],
            Object::Link => vec![vec!["Email"], vec!["CompanyId", "CompanyName"]],
            Object::Own(keys) => keys.iter().map(|key| vec![key.as_str()]).collect(),
        }
    }

    /// The key of a row, as the gateway makes it of the same values.
    ///
    /// # Errors
    /// See [`NoKey`].
    pub fn key(&self, fields: &[(String, String)]) -> Result<Key, NoKey> {
        let text = match &self.object {
            Object::Company => part(fields, "Name")?.into_owned(),
            Object::Person => email(fields)?,
            Object::Link => {
                let company = match part(fields, "CompanyId") {
                    Err(NoKey::Missing(_)) => company_id(&self.tenant, &part(fields, "CompanyName")?),
                    id => id?.into_owned(),
                };
                format!("{}{SEPARATOR}{company}", email(fields)?)
            }
            Object::Own(keys) => {
                let mut text = self.name.clone();
                for key in keys {
                    text.push(SEPARATOR);
                    text.push_str(&part(fields, key)?);
                }
                text
            }
        };
        if self.tenant.len() + 1 + text.len() > LONGEST_KEY {
            let field = self.needed().into_iter().flatten().next().unwrap_or_default();
            return Err(NoKey::Long(field.to_owned()));
        }
        Ok(self.key_of(text))
    }

    /// The key that is this text.
    pub fn key_of(&self, text: String) -> Key {
        let id = match &self.object {
            Object::Company => company_id(&self.tenant, &text),
            Object::Person => derived_id("1P01", &self.tenant, &text),
            Object::Link => text.split_once(SEPARATOR).map_or("", |(_, company)| company).to_owned(),
            Object::Own(_) => derived_id("1P09", &self.tenant, &text),
        };
        Key { text, id }
    }
}

fn value<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let value = fields.iter().find(|(field, _)| field == name).map(|(_, json)| json.as_str());
    value.filter(|json| *json != "null")
}

/// The value of a field as part of a key.
fn part<'f>(fields: &'f [(String, String)], name: &str) -> Result<Cow<'f, str>, NoKey> {
    let missing = || NoKey::Missing(name.to_owned());
    let json = value(fields, name).ok_or_else(missing)?;
    let undecodable = || NoKey::Invalid(name.to_owned(), "a text without characters that can't be decoded");
    let (value, _) = read_value(json).map_err(|_| undecodable())?;
    let part = key(value).map_err(|_| undecodable())?;
    if part.is_empty() { Err(missing()) } else { Ok(part) }
}

fn email(fields: &[(String, String)]) -> Result<String, NoKey> {
    let email = part(fields, "Email")?;
    email_key_of(&email)
        .ok_or_else(|| NoKey::Invalid("Email".to_owned(), "an email address, such as ada@acme.com"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        let keys = vec!["Id".to_owned(), "Year".to_owned()];
        let own = ObjectConfig { keys, fields: BTreeMap::from([("Year".to_owned(), "number".to_owned())]) };
        Target::new("acme", name, &BTreeMap::from([("deal__gc".to_owned(), own)])).unwrap()
    }

    fn key(name: &str, fields: &[(&str, &str)]) -> Result<Key, NoKey> {
        let owned = |(field, json): &(&str, &str)| ((*field).to_owned(), (*json).to_owned());
        target(name).key(&fields.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn keys_are_those_that_the_gateway_makes_of_the_same_values() {
        let company = key("company", &[("Name", "\" Acme\u{a0}\"")]).unwrap();
        assert_eq!(
            (company.text.as_str(), company.id.as_str()),
            ("Acme", company_id("acme", "Acme").as_str())
        );
        let person = key("person", &[("Email", "\"Ada@Acme.com\"")]).unwrap();
        assert_eq!(person.text, "ada@acme.com");
        assert_eq!(person.id, derived_id("1P01", "acme", "ada@acme.com"));
        let by_name = key("company_person", &[("Email", "\"a@b.c\""), ("CompanyName", "\"Acme\"")]).unwrap();
        assert_eq!(by_name.text, format!("a@b.c\u{1f}{}", company.id));
        let by_id = [("Email", "\"a@b.c\""), ("CompanyName", "\"Acme\""), ("CompanyId", "\"1P02X\"")];
        assert_eq!(key("company_person", &by_id).unwrap().text, "a@b.c\u{1f}1P02X");
        let own = key("deal__gc", &[("Id", "\"7\""), ("Year", "2026.0")]).unwrap();
        assert_eq!(own.text, "deal__gc\u{1f}7\u{1f}2026");
        assert_eq!(own.id, derived_id("1P09", "acme", "deal__gc\u{1f}7\u{1f}2026"));
    }

    #[test]
    fn a_row_without_a_key_says_which_field_it_lacks() {
        let missing = |field: &str| Err(NoKey::Missing(field.to_owned()));
        assert_eq!(key("company", &[("Name", "null")]), missing("Name"));
        assert_eq!(key("company", &[("Name", "\"\u{200b}\"")]), missing("Name"));
        assert_eq!(key("company_person", &[("Email", "\"a@b.c\"")]), missing("CompanyName"));
        assert_eq!(key("deal__gc", &[("Id", "\"7\"")]), missing("Year"));
        assert!(matches!(key("person", &[("Email", "\"ada\"")]), Err(NoKey::Invalid(..))));
        assert!(matches!(key("company", &[("Name", "\"a\u{fffd}\"")]), Err(NoKey::Invalid(..))));
        let long = format!("\"{}\"", "x".repeat(996));
        assert_eq!(key("company", &[("Name", &long)]), Err(NoKey::Long("Name".to_owned())));
        assert!(Target::new("acme", "deals", &BTreeMap::new()).is_none());
    }
}
