//! The types of fields: what a column of a view is, and what a name of it is.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Any text.
    Text,
    /// A number of any size.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    DateTime,
    /// Any JSON.
    Json,
}

impl FieldType {
    /// The words of a configuration, and what they mean here.
    pub const WORDS: [(&str, FieldType); 13] = [
        ("string", FieldType::Text),
        ("number", FieldType::Number),
        ("boolean", FieldType::Boolean),
        ("date", FieldType::Date),
        ("datetime", FieldType::DateTime),
        ("currency", FieldType::Number),
        ("percentage", FieldType::Number),
        ("email", FieldType::Text),
        ("url", FieldType::Text),
        ("picklist", FieldType::Text),
        ("multi_picklist", FieldType::Json),
        ("gsid", FieldType::Text),
        ("json", FieldType::Json),
    ];

    /// What `word` means; none where it is no type.
    pub fn of_word(word: &str) -> Option<FieldType> {
        FieldType::WORDS.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
    }
}

/// The standard fields of people, in the order of their columns. Source: Gainsight's objects, as docs/records.md lists
/// them.
const PERSON: &[(&str, FieldType)] = &[
    ("Email", FieldType::Text),
    ("Name", FieldType::Text),
    ("FirstName", FieldType::Text),
    ("MiddleName", FieldType::Text),
    ("LastName", FieldType::Text),
    ("LinkedinUrl", FieldType::Text),
    ("Location", FieldType::Text),
    ("ExternalRecordID__gc", FieldType::Text),
    ("EmailOptOut", FieldType::Boolean),
    ("DynamicResolutionKey", FieldType::Text),
    ("Timezone", FieldType::Text),
    ("Comments", FieldType::Text),
    ("MasterRecordID", FieldType::Text),
    ("MasterAvatarTypeCode", FieldType::Number),
];

/// The standard fields of companies.
const COMPANY: &[(&str, FieldType)] = &[
    ("Name", FieldType::Text),
    ("Employees", FieldType::Number),
    ("Arr", FieldType::Number),
    ("BillingAddress", FieldType::Text),
    ("Summary", FieldType::Text),
    ("CompanyType", FieldType::Text),
    ("Csm", FieldType::Text),
    ("CustomerlifetimeInMonths", FieldType::Number),
    ("Industry", FieldType::Text),
    ("LifecycleInWeeks", FieldType::Number),
    ("ManagedAs", FieldType::Text),
    ("Mrr", FieldType::Number),
    ("OriginalContractDate", FieldType::Date),
    ("ParentCompany", FieldType::Text),
    ("RenewalDate", FieldType::Date),
    ("Stage", FieldType::Text),
    ("Status", FieldType::Text),
    ("Tags", FieldType::Text),
    ("TickerSymbol", FieldType::Text),
    ("Users", FieldType::Number),
    ("SfdcAccountId", FieldType::Text),
    ("IndustryNew", FieldType::Text),
];

/// The standard fields of an object, in the order of their columns.
pub fn standard_fields(object: &str) -> &'static [(&'static str, FieldType)] {
    match object {
        "person" => PERSON,
        "company" => COMPANY,
        _ => &[],
    }
}

/// Most digits of a number that counts as one.
const MOST_DIGITS: usize = 400;

/// Whether the JSON number `number`, written out without an exponent, has more digits than any column should show.
pub fn is_long_number(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (whole, fraction) = (whole.trim_start_matches('-').len(), fraction.len());
    // What is no number of 32 bits is more than enough.
    let exponent: i32 = exponent.parse().unwrap_or(i32::MAX);
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    let digits = if exponent < 0 {
        whole.saturating_sub(shift).max(1).saturating_add(fraction.saturating_add(shift))
    } else {
        whole.saturating_add(shift).saturating_add(fraction.saturating_sub(shift))
    };
    digits > MOST_DIGITS
}

/// Longest name of a column, in bytes: PostgreSQL cuts at 63, and a number may follow.
const LONGEST_NAME: usize = 60;

/// `field` as the name of a column, in snake case. Another field's name may give the same.
pub fn column_name(field: &str) -> String {
    let mut name = String::with_capacity(field.len() + 4);
    let characters: Vec<char> = field.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied();
        let after = characters.get(at + 1).copied();
        let begins_word = character.is_ascii_uppercase()
            && match before {
                Some(before) if before.is_ascii_uppercase() => {
                    after.is_some_and(|after| after.is_ascii_lowercase())
                }
                Some(before) => before.is_ascii_alphanumeric(),
                None => false,
            };
        if begins_word {
            name.push('_');
        }
        name.push(if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' });
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if name.is_empty() {
        name.push('_');
    }
    name.truncate(LONGEST_NAME);
    name
}

/// `name`, or with the lowest number behind it that none of `taken` has.
pub fn distinct<'n>(name: String, taken: impl Fn(&str) -> bool + 'n) -> String {
    if !taken(&name) {
        return name;
    }
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    numbered.into_iter().find(|name| !taken(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fields;

    #[test]
    fn names_are_in_snake_case() {
        for (field, column) in [
            ("OriginalContractDate", "original_contract_date"),
            ("Plan__gc", "plan__gc"),
            ("ExternalRecordID__gc", "external_record_id__gc"),
            ("MasterRecordID", "master_record_id"),
            ("CustomerlifetimeInMonths", "customerlifetime_in_months"),
            ("SfdcAccountId", "sfdc_account_id"),
            ("HTTPServer", "http_server"),
            ("v2Score", "v2_score"),
            ("3rd", "_3rd"),
            ("Straße", "stra_e"),
            ("a b-c.d", "a_b_c_d"),
            ("", "_"),
        ] {
            assert_eq!(column_name(field), column, "{field}");
        }
        assert_eq!(column_name(&"x".repeat(99)).len(), 60);
    }

    #[test]
    fn a_number_is_long_by_its_digits_written_out() {
        for number in ["0", "1e3", "-1.10", "1e399", "1e-399", "12345678901234567890123", &"9".repeat(400)] {
            assert!(!is_long_number(number), "{number}");
        }
        for number in ["1e400", "-1E+400", "1e-400", "1e99999999999", "1.5e9999", &"9".repeat(401)] {
            assert!(is_long_number(number), "{number}");
        }
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let taken = ["a", "a_2"];
        assert_eq!(distinct("a".to_owned(), |name| taken.contains(&name)), "a_3");
        assert_eq!(distinct("b".to_owned(), |name| taken.contains(&name)), "b");
    }

    #[test]
    fn every_field_that_the_gateway_writes_is_a_standard_one() {
        for (object, table) in [("person", &*fields::PERSON), ("company", &*fields::COMPANY)] {
            let written: Vec<_> = table.fields.iter().map(|field| field.name).collect();
            let standard: Vec<_> = standard_fields(object).iter().map(|(name, _)| *name).collect();
            assert_eq!(standard, written);
        }
    }
}
