//! The tables: which trait fills which Gainsight field. Source: RudderStack's Gainsight CS page and its
//! transformer's `GainsightIdentify.json` and `GainsightGroup.json` (2026-08).

use std::sync::LazyLock;

use foldhash::HashMap;

/// How a trait's value is converted for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convert {
    /// It stays as it came.
    AsIs,
    /// It stays as it came; a string of blanks counts as missing.
    Email,
    /// A string stays, any other value becomes its JSON as text.
    Text,
    /// A number stays, text that is a number becomes one, `true` becomes 1 and `false` 0; any other value is dropped.
    Number,
}

/// A standard field and the traits that may fill it, best first.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Gainsight's name.
    pub name: &'static str,
    /// Trait names.
    pub traits: &'static [&'static str],
    /// How the value is converted.
    pub convert: Convert,
    /// Whether the tenant's map may send these traits to another field as well.
    pub shared: bool,
}

const fn field(name: &'static str, traits: &'static [&'static str], convert: Convert) -> Field {
    Field { name, traits, convert, shared: false }
}

/// Person fields, in the order in which they are written.
const PERSON_FIELDS: &[Field] = &[
    field("Email", &["email"], Convert::Email),
    field("Name", &["name"], Convert::AsIs),
    field("FirstName", &["firstName", "firstname", "first_name"], Convert::AsIs),
    field("MiddleName", &["middleName", "middle_name"], Convert::AsIs),
    field("LastName", &["lastName", "lastname", "last_name"], Convert::AsIs),
    field("LinkedinUrl", &["linkedinUrl"], Convert::AsIs),
    field("Location", &["location"], Convert::Text),
    field("ExternalRecordID__gc", &["externalRecordId"], Convert::Text),
    field("EmailOptOut", &["emailOptOut"], Convert::AsIs),
    field("DynamicResolutionKey", &["dynamicResolutionKey"], Convert::Text),
    field("Timezone", &["timezone"], Convert::AsIs),
    field("Comments", &["comments"], Convert::Text),
    // RudderStack's page says masterRecordId, its code reads masterRecordID.
    field("MasterRecordID", &["masterRecordID", "masterRecordId"], Convert::AsIs),
    field("MasterAvatarTypeCode", &["masterAvatarTypeCode"], Convert::Number),
];

/// Company fields, in the order in which they are written.
const COMPANY_FIELDS: &[Field] = &[
    field("Name", &["name"], Convert::AsIs),
    field("Employees", &["employees"], Convert::Number),
    field("Arr", &["arr"], Convert::AsIs),
    field("BillingAddress", &["billingAddress"], Convert::Text),
    Field { name: "Summary", traits: &["summary"], convert: Convert::Text, shared: true },
    field("CompanyType", &["companyType"], Convert::AsIs),
    field("Csm", &["csm"], Convert::AsIs),
    field("CustomerlifetimeInMonths", &["customerLifetimeInMonths"], Convert::Number),
    field("Industry", &["industry"], Convert::Text),
    field("LifecycleInWeeks", &["lifecycleInWeeks"], Convert::Number),
    field("ManagedAs", &["managedAs"], Convert::AsIs),
    field("Mrr", &["mrr"], Convert::AsIs),
    field("OriginalContractDate", &["originalContractDate"], Convert::AsIs),
    field("ParentCompany", &["parentCompany"], Convert::AsIs),
    field("RenewalDate", &["renewalDate"], Convert::AsIs),
    field("Stage", &["stage"], Convert::AsIs),
    field("Status", &["status"], Convert::AsIs),
    field("Tags", &["tags"], Convert::AsIs),
    field("TickerSymbol", &["tickerSymbol"], Convert::Text),
    field("Users", &["users"], Convert::Number),
    field("SfdcAccountId", &["sfdcAccountId"], Convert::AsIs),
    Field { name: "IndustryNew", traits: &["industryNew"], convert: Convert::AsIs, shared: true },
];

/// Traits of a person that are never sent: fields that Gainsight sets itself, and names that are not fields.
const PERSON_RESERVED: &[&str] =
    &["ModifiedDate", "CreatedDate", "CreatedBy", "ModifiedBy", "Gsid", "companies", "middlename"];

/// Traits of a company that are never sent.
const COMPANY_RESERVED: &[&str] = &[
    "CreatedDate",
    "CreatedBy",
    "Csat",
    "CurrentScore",
    "Gsid",
    "ModifiedBy",
    "ModifiedDate",
    "Nps",
    "ScorecardId",
    "Trend",
];

/// What a trait's name means to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Fills the field at this index; of several traits the one with the lowest rank counts.
    Field {
        /// Index in `Table::fields`.
        index: usize,
        /// Place among the field's traits.
        rank: u8,
    },
    /// Named like the field at this index: fills it if no trait proper does.
    Literal {
        /// Index in `Table::fields`.
        index: usize,
    },
    /// Never sent.
    Reserved,
    /// The tenant's map decides.
    Custom,
}

/// The standard fields of an object, and what each trait name means to it.
#[derive(Debug)]
pub struct Table {
    /// The fields in the order in which they are written.
    pub fields: &'static [Field],
    meanings: HashMap<&'static str, Meaning>,
    /// Whether its senders name fields instead of traits.
    by_field: bool,
}

impl Table {
    fn new(fields: &'static [Field], reserved: &'static [&'static str]) -> Self {
        let mut meanings: HashMap<_, _> = reserved.iter().map(|name| (*name, Meaning::Reserved)).collect();
        for (index, field) in fields.iter().enumerate() {
            meanings.insert(field.name, Meaning::Literal { index });
            for (rank, name) in (0..).zip(field.traits) {
                meanings.insert(*name, Meaning::Field { index, rank });
            }
        }
        Table { fields, meanings, by_field: false }
    }

    /// For senders that use Gainsight's own names: they name the fields, and no map sends a field elsewhere, not even
    /// a custom one.
    fn by_field(fields: &'static [Field], reserved: &'static [&'static str]) -> Self {
        let named = fields.iter().enumerate();
        let named = named.map(|(index, field)| (field.name, Meaning::Field { index, rank: 0 }));
        let reserved = reserved.iter().map(|name| (*name, Meaning::Reserved));
        Table { fields, meanings: named.chain(reserved).collect(), by_field: true }
    }

    /// What the trait `name` means.
    pub fn meaning(&self, name: &str) -> Meaning {
        self.meanings.get(name).copied().unwrap_or(Meaning::Custom)
    }

    /// Whether a tenant's map may send the trait `name`, which has this `meaning`, to another field.
    pub fn is_mappable(&self, name: &str, meaning: Meaning) -> bool {
        match meaning {
            Meaning::Field { index, .. } => {
                !self.by_field && self.fields.get(index).is_some_and(|field| field.shared)
            }
            Meaning::Reserved => false,
            Meaning::Literal { .. } => true,
            Meaning::Custom => !(self.by_field && name.ends_with(CUSTOM_SUFFIX)),
        }
    }

    /// The index of the standard field `name`.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        match self.meanings.get(name) {
            Some(Meaning::Literal { index }) => Some(*index),
            Some(Meaning::Field { index, .. }) if self.by_field => Some(*index),
            _ => None,
        }
    }
}

/// Suffix of custom fields.
pub const CUSTOM_SUFFIX: &str = "__gc";

/// The Person object.
pub static PERSON: LazyLock<Table> = LazyLock::new(|| Table::new(PERSON_FIELDS, PERSON_RESERVED));

/// The Company object.
pub static COMPANY: LazyLock<Table> = LazyLock::new(|| Table::new(COMPANY_FIELDS, COMPANY_RESERVED));

/// The Person object, for senders that name fields.
pub static PERSON_BY_FIELD: LazyLock<Table> =
    LazyLock::new(|| Table::by_field(PERSON_FIELDS, PERSON_RESERVED));

/// The Company object, for senders that name fields.
pub static COMPANY_BY_FIELD: LazyLock<Table> =
    LazyLock::new(|| Table::by_field(COMPANY_FIELDS, COMPANY_RESERVED));

#[cfg(test)]
mod tests {
    use super::*;

    /// RudderStack's page, row by row: field, trait.
    const PERSON_PAGE: &str = "Email email, Name name, FirstName firstName, MiddleName middleName, \
        LastName lastName, LinkedinUrl linkedinUrl, Location location, ExternalRecordID__gc externalRecordId, \
        EmailOptOut emailOptOut, DynamicResolutionKey dynamicResolutionKey, Comments comments, \
        Timezone timezone, MasterRecordID masterRecordId, MasterAvatarTypeCode masterAvatarTypeCode";
    const COMPANY_PAGE: &str = "Name name, Employees employees, Arr arr, BillingAddress billingAddress, \
        Summary summary, Csm csm, CustomerlifetimeInMonths customerLifetimeInMonths, Industry industry, \
        LifecycleInWeeks lifecycleInWeeks, ManagedAs managedAs, Mrr mrr, \
        OriginalContractDate originalContractDate, ParentCompany parentCompany, RenewalDate renewalDate, \
        Stage stage, Status status, Tags tags, TickerSymbol tickerSymbol, Users users, \
        SfdcAccountId sfdcAccountId, IndustryNew industryNew, CompanyType companyType";

    #[test]
    fn every_row_of_rudderstacks_page_is_mapped() {
        for (table, page, rows) in [(&*PERSON, PERSON_PAGE, 14), (&*COMPANY, COMPANY_PAGE, 22)] {
            let mut count = 0;
            for row in page.split(", ") {
                let (field, from) = row.trim().split_once(' ').unwrap();
                let index = table.index_of(field).unwrap_or_else(|| panic!("no field {field}"));
                assert!(
                    matches!(table.meaning(from), Meaning::Field { index: i, .. } if i == index),
                    "{row}"
                );
                assert_eq!(table.meaning(field), Meaning::Literal { index }, "{row}");
                count += 1;
            }
            assert_eq!((count, table.fields.len()), (rows, rows));
        }
    }

    #[test]
    fn who_names_fields_names_every_one_and_no_trait() {
        for (table, by_trait) in [(&*PERSON_BY_FIELD, &*PERSON), (&*COMPANY_BY_FIELD, &*COMPANY)] {
            for (index, field) in by_trait.fields.iter().enumerate() {
                assert_eq!(table.meaning(field.name), Meaning::Field { index, rank: 0 });
                assert_eq!(table.index_of(field.name), Some(index));
                assert!(!table.is_mappable(field.name, table.meaning(field.name)), "{}", field.name);
                for name in field.traits {
                    assert_eq!(
                        (table.meaning(name), table.index_of(name)),
                        (Meaning::Custom, None),
                        "{name}"
                    );
                }
            }
            assert!(!table.is_mappable("Plan__gc", table.meaning("Plan__gc")));
            assert!(table.is_mappable("plan", table.meaning("plan")));
        }
    }

    #[test]
    fn system_fields_are_reserved() {
        for name in ["Gsid", "CreatedDate", "CreatedBy", "ModifiedBy", "ModifiedDate"] {
            for table in [&*PERSON, &*PERSON_BY_FIELD, &*COMPANY, &*COMPANY_BY_FIELD] {
                assert_eq!(table.meaning(name), Meaning::Reserved);
            }
        }
        assert_eq!(PERSON.meaning("companies"), Meaning::Reserved);
        assert_eq!(PERSON.meaning("plan"), Meaning::Custom);
    }
}
