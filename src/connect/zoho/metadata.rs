//! What an org offers, from its answers about modules and fields. Pure.

use serde::Deserialize;

use crate::connect::cell::CellType;

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// As the API names it.
    pub name: String,
    /// As people there call it.
    pub label: String,
}

/// How a field's values look in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text, a number or a boolean.
    Plain,
    /// A row of another module: `{id, name}`, and of users `{id, name, email}`.
    Row,
    /// Several of the field's choices: an array of texts, in tables with commas between.
    Choices,
    /// Labels: an array of `{id, name}`.
    Tags,
    /// Anything else, kept as JSON.
    Json,
}

/// A field of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As the API names it.
    pub name: String,
    /// As people there call it.
    pub label: String,
    /// What its values are.
    pub kind: CellType,
    /// How they look.
    pub form: Form,
    /// The values that it may have, where those are fixed.
    pub choices: Vec<String>,
    /// Some of them have commas.
    pub has_commas: bool,
    /// Whether what it refers to has an email address: a user.
    pub has_email: bool,
    /// A change of it is no change of its row.
    pub is_unseen: bool,
}

impl Field {
    /// A field of this name and kind.
    pub fn plain(name: &str, kind: CellType) -> Self {
        Field {
            name: name.to_owned(),
            label: name.replace('_', " "),
            kind,
            form: Form::Plain,
            choices: Vec::new(),
            has_commas: false,
            has_email: false,
            is_unseen: false,
        }
    }

    /// Whether COQL selects it, and gives the same values as Get Records.
    pub fn is_in_queries(&self) -> bool {
        matches!(self.form, Form::Plain | Form::Row | Form::Choices)
    }

    /// Whether a table of a bulk read shows the same values: of choices with commas in them it doesn't.
    pub fn is_in_tables(&self) -> bool {
        match self.form {
            Form::Choices => !self.choices.is_empty() && !self.has_commas,
            Form::Plain | Form::Row => true,
            Form::Tags | Form::Json => false,
        }
    }
}

#[derive(Deserialize)]
struct Modules {
    #[serde(default)]
    modules: Vec<ModuleSaid>,
}

#[derive(Deserialize)]
struct ModuleSaid {
    api_name: String,
    plural_label: Option<String>,
    api_supported: Option<bool>,
    viewable: Option<bool>,
    generated_type: Option<String>,
}

/// The modules that can be read.
///
/// # Errors
/// When `body` is not what such an answer is.
pub fn modules(body: &[u8]) -> serde_json::Result<Vec<Module>> {
    let said: Modules = serde_json::from_slice(body)?;
    let readable = said.modules.into_iter().filter(|module| {
        module.api_supported == Some(true)
            && module.viewable != Some(false)
            && module.generated_type.as_deref() != Some("linking")
    });
    Ok(readable
        .map(|module| Module {
            label: module.plural_label.unwrap_or_else(|| module.api_name.clone()),
            name: module.api_name,
        })
        .collect())
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    fields: Vec<FieldSaid>,
}

#[derive(Deserialize)]
struct FieldSaid {
    api_name: String,
    #[serde(alias = "display_label")]
    field_label: Option<String>,
    data_type: String,
    json_type: Option<String>,
    visible: Option<bool>,
    virtual_field: Option<bool>,
    view_type: Option<ViewType>,
    #[serde(default)]
    pick_list_values: Vec<Choice>,
    formula: Option<serde_json::Value>,
    rollup_summary: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ViewType {
    view: Option<bool>,
}

#[derive(Deserialize)]
struct Choice {
    actual_value: Option<String>,
    display_value: Option<String>,
}

/// Fields that are listed but can't be selected with others: their rows are read by another way, or are a module of
/// their own.
const NOT_SELECTED: [(&str, &str); 2] = [("Cases", "Comments"), ("Invoices", "Invoiced_Items")];

/// The fields of `module` that somebody sees. `id` is always the first.
///
/// # Errors
/// When `body` is not what such an answer is.
pub fn fields(module: &str, body: &[u8]) -> serde_json::Result<Vec<Field>> {
    let said: Fields = serde_json::from_slice(body)?;
    let shown = said.fields.into_iter().filter(|field| {
        field.visible != Some(false)
            && field.virtual_field != Some(true)
            && field.view_type.as_ref().is_none_or(|view| view.view != Some(false))
            && field.api_name != "id"
    });
    let fields = shown.map(|said| {
        let mut field = said.read();
        if NOT_SELECTED.contains(&(module, field.name.as_str())) {
            field.form = Form::Json;
        }
        field
    });
    Ok([Field::plain("id", CellType::Text)].into_iter().chain(fields).collect())
}

impl FieldSaid {
    fn read(self) -> Field {
        let (kind, form) = kind(&self.data_type, self.json_type.as_deref().unwrap_or_default());
        let is_worked_out = |value: &Option<serde_json::Value>| {
            value.as_ref().is_some_and(|value| value.as_object().is_some_and(|value| !value.is_empty()))
        };
        let has_comma = |word: &Option<String>| word.as_ref().is_some_and(|word| word.contains(','));
        let choices = &self.pick_list_values;
        let has_commas = choices.iter().any(|c| has_comma(&c.actual_value) || has_comma(&c.display_value));
        Field {
            has_commas,
            is_unseen: matches!(&*self.data_type, "formula" | "rollup_summary")
                || is_worked_out(&self.formula)
                || is_worked_out(&self.rollup_summary),
            has_email: matches!(&*self.data_type, "ownerlookup" | "userlookup"),
            label: self.field_label.unwrap_or_else(|| self.api_name.clone()),
            choices: self
                .pick_list_values
                .into_iter()
                .filter_map(|choice| choice.actual_value.or(choice.display_value))
                .filter(|choice| choice != "-None-")
                .collect(),
            name: self.api_name,
            kind,
            form,
        }
    }
}

fn kind(data_type: &str, json_type: &str) -> (CellType, Form) {
    match (data_type, json_type) {
        ("lookup" | "ownerlookup" | "userlookup", _) => (CellType::Text, Form::Row),
        ("multiselectpicklist", _) => (CellType::List, Form::Choices),
        ("text" | "tag", "jsonarray") => (CellType::List, Form::Tags),
        (_, "jsonarray") => (CellType::List, Form::Json),
        ("fileupload" | "imageupload" | "multiselectlookup" | "multiuserlookup" | "subform", _) => {
            (CellType::List, Form::Json)
        }
        (_, "jsonobject") => (CellType::Text, Form::Json),
        ("email", _) => (CellType::Email, Form::Plain),
        ("boolean", _) => (CellType::Boolean, Form::Plain),
        ("date", _) => (CellType::Date, Form::Plain),
        ("datetime", _) => (CellType::Time, Form::Plain),
        ("integer" | "bigint" | "long" | "double" | "decimal" | "percent" | "currency", _) => {
            (CellType::Number, Form::Plain)
        }
        // A formula, or what a rollup counts, is what its JSON is.
        ("formula" | "rollup_summary", "double" | "integer") => (CellType::Number, Form::Plain),
        ("formula" | "rollup_summary", "boolean") => (CellType::Boolean, Form::Plain),
        _ => (CellType::Text, Form::Plain),
    }
}

/// The fields of users, which no answer lists.
pub fn user_fields() -> Vec<Field> {
    let text = [
        "id",
        "first_name",
        "last_name",
        "full_name",
        "alias",
        "status",
        "phone",
        "mobile",
        "fax",
        "website",
    ]
    .map(|name| Field::plain(name, CellType::Text));
    let more = [
        "street",
        "city",
        "state",
        "zip",
        "country",
        "country_locale",
        "language",
        "locale",
        "time_zone",
        "time_format",
        "date_format",
        "dob",
        "signature",
        "zuid",
        "type__s",
    ]
    .map(|name| Field::plain(name, CellType::Text));
    let rows = [
        ("role", false),
        ("profile", false),
        ("Reporting_To", true),
        ("created_by", true),
        ("Modified_By", true),
    ]
    .map(|(name, has_email)| Field { form: Form::Row, has_email, ..Field::plain(name, CellType::Text) });
    let others = [
        Field::plain("email", CellType::Email),
        Field::plain("confirm", CellType::Boolean),
        Field { is_unseen: true, ..Field::plain("Isonline", CellType::Boolean) },
        Field::plain("created_time", CellType::Time),
        Field::plain("Modified_Time", CellType::Time),
    ];
    text.into_iter().chain(others).chain(rows).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_without_an_api_and_those_that_only_link_are_not_offered() {
        let body = br#"{"modules":[{"api_name":"Accounts","plural_label":"Companies","api_supported":true},
            {"api_name":"Feeds","api_supported":false},{"api_name":"A_X_B","api_supported":true,
             "generated_type":"linking"},{"api_name":"Deals","api_supported":true,"generated_type":"default"}]}"#;
        let found: Vec<_> = modules(body).unwrap().into_iter().map(|m| (m.name, m.label)).collect();
        let expected = [("Accounts", "Companies"), ("Deals", "Deals")];
        assert_eq!(found, expected.map(|(name, label)| (name.to_owned(), label.to_owned())));
    }

    #[test]
    fn types_of_fields_say_how_their_values_look() {
        let body = br#"{"fields":[
            {"api_name":"Account_Name","field_label":"Account","data_type":"text","json_type":"string"},
            {"api_name":"Owner","data_type":"ownerlookup","json_type":"jsonobject"},
            {"api_name":"Parent_Account","data_type":"lookup","json_type":"jsonobject"},
            {"api_name":"Regions","data_type":"multiselectpicklist","json_type":"jsonarray",
             "pick_list_values":[{"actual_value":"EU","display_value":"Europe"},{"actual_value":"a,b"}]},
            {"api_name":"Tag","data_type":"text","json_type":"jsonarray"},
            {"api_name":"Score","data_type":"formula","json_type":"double","formula":{"return_type":"double"}},
            {"api_name":"Sum","data_type":"rollup_summary","json_type":"integer"},
            {"api_name":"Hidden","data_type":"text","visible":false},
            {"api_name":"Virtual","data_type":"text","virtual_field":true},
            {"api_name":"Only_Made","data_type":"text","view_type":{"view":false}},
            {"api_name":"Lines","data_type":"subform","json_type":"jsonarray"},
            {"api_name":"Closing_Date","data_type":"date","json_type":"string"}]}"#;
        let found = fields("Accounts", body).unwrap();
        let names: Vec<_> = found.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "id",
                "Account_Name",
                "Owner",
                "Parent_Account",
                "Regions",
                "Tag",
                "Score",
                "Sum",
                "Lines",
                "Closing_Date"
            ]
        );
        let of = |name: &str| found.iter().find(|field| field.name == name).unwrap();
        assert!(of("Owner").has_email && !of("Parent_Account").has_email);
        assert_eq!((of("Owner").form, of("Tag").form, of("Lines").form), (Form::Row, Form::Tags, Form::Json));
        assert!(of("Score").is_unseen && of("Sum").is_unseen && !of("Account_Name").is_unseen);
        assert_eq!((of("Score").kind, of("Closing_Date").kind), (CellType::Number, CellType::Date));
        assert!(of("Regions").is_in_queries() && !of("Regions").is_in_tables(), "a choice has a comma");
        assert!(!of("Tag").is_in_queries() && of("Owner").is_in_tables());
    }

    #[test]
    fn a_name_of_users_is_listed_once() {
        let mut names: Vec<_> = user_fields().into_iter().map(|field| field.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
