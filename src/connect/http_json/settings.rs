//! `settings` of a connection `http`: the description of an API.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::paging::Style;
use super::values::Path;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::{NON_BLANK, Section, nearest, non_blank};
use crate::connect::address::{self, ADDRESS};
use crate::connect::cell::CellType;
use crate::connect::reading::is_secret;

/// An API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// What stands before the paths of all objects.
    pub base_url: String,
    /// The header in which the token goes.
    pub auth_header: String,
    /// What stands before the token in it, if anything.
    pub auth_scheme: String,
    /// Its objects, by name.
    pub objects: BTreeMap<String, Object>,
}

/// An object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path behind `base_url`.
    pub path: String,
    /// Where an answer has the list of records.
    pub records: Path,
    /// The fields that identify a record together.
    pub id: Vec<String>,
    /// Where a record has its time of change.
    pub modified: Option<Path>,
    /// The parameter that asks for what was changed since then, and how it is written.
    pub since: Option<(String, TimeForm)>,
    /// How pages follow each other.
    pub paging: Style,
    /// The parameter for the size of a page, and that size.
    pub size: Option<(String, u64)>,
    /// Where an answer says whether there are more pages.
    pub more: Option<Path>,
    /// Parameters that are always there.
    pub parameters: BTreeMap<String, String>,
    /// Fields by name: where a record has them, and what they hold.
    pub fields: BTreeMap<String, (Path, CellType)>,
}

/// How a time is written in a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// `2026-11-30T08:00:00Z`.
    Rfc3339,
    /// `2026-11-30`.
    Date,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

const TIME_FORMS: [(&str, TimeForm); 4] = [
    ("rfc3339", TimeForm::Rfc3339),
    ("date", TimeForm::Date),
    ("seconds", TimeForm::Seconds),
    ("milliseconds", TimeForm::Milliseconds),
];

const TYPES: [(&str, CellType); 7] = [
    ("text", CellType::Text),
    ("email", CellType::Email),
    ("number", CellType::Number),
    ("boolean", CellType::Boolean),
    ("date", CellType::Date),
    ("time", CellType::Time),
    ("list", CellType::List),
];

#[derive(Clone, Copy, PartialEq)]
enum Word {
    None,
    Page,
    Offset,
    Cursor,
    NextUrl,
    LinkHeader,
}

const STYLES: [(&str, Word); 6] = [
    ("none", Word::None),
    ("page", Word::Page),
    ("offset", Word::Offset),
    ("cursor", Word::Cursor),
    ("next_url", Word::NextUrl),
    ("link_header", Word::LinkHeader),
];

/// The largest page that is asked for.
const LARGEST_PAGE: u64 = 10_000;

/// Reads `settings`, which stand at `path` of a document.
///
/// # Errors
/// Every problem, a line each, with its key.
pub fn read(settings: &Table, path: &str) -> Result<Api, Vec<String>> {
    let mut problems = Problems::default();
    let mut section = Section::of(path.to_owned(), settings, &mut problems);
    let url = |value: &Value| value.as_str().and_then(address::read);
    let header = |value: &Value| value.as_str().filter(|name| is_header(name)).map(str::to_owned);
    let scheme = |value: &Value| value.as_str().filter(|word| is_word(word)).map(str::to_owned);
    let api = Api {
        base_url: section.required("base_url", ADDRESS, url).unwrap_or_default(),
        auth_header: section
            .optional("auth_header", "the name of a header", header)
            .unwrap_or_else(|| "Authorization".to_owned()),
        auth_scheme: section
            .optional("auth_scheme", "a word that stands before the token, or \"\"", scheme)
            .unwrap_or_else(|| "Bearer".to_owned()),
        objects: section.each("objects", object),
    };
    if api.objects.is_empty() && section.given("objects", |value, _, _| value.is_table()) != Some(false) {
        section.problem("objects", "is missing; describe at least one object");
    }
    section.finish();
    if problems.is_empty() { Ok(api) } else { Err(problems.lines().to_vec()) }
}

fn is_header(name: &str) -> bool {
    const OWN: [&str; 6] =
        ["host", "content-length", "connection", "transfer-encoding", "accept", "user-agent"];
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(is_letter) && !OWN.contains(&name.to_ascii_lowercase().as_str())
}

fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_graphic())
}

fn object(mut section: Section<'_>) -> Object {
    let page_size =
        section.optional("page_size", format_args!("a whole number from 1 to {LARGEST_PAGE}"), |value| {
            value
                .as_integer()
                .and_then(|size| u64::try_from(size).ok())
                .filter(|size| (1..=LARGEST_PAGE).contains(size))
        });
    let path = |value: &Value| value.as_str().filter(|path| is_path(path)).map(str::to_owned);
    let form = section.word("since_format", &TIME_FORMS).unwrap_or(TimeForm::Rfc3339);
    let (paging, size, more) = section.given_section("paging").map(paging).unwrap_or_default();
    let object = Object {
        path: section.required("path", "a path such as \"/v1/items\"", path).unwrap_or_default(),
        records: dotted(&mut section, "records").unwrap_or_default(),
        modified: dotted(&mut section, "modified"),
        since: section.optional_text("since").map(|parameter| (parameter, form)),
        size: size.zip(Some(page_size.unwrap_or(200))),
        paging,
        more,
        parameters: section.given("parameters", parameters).unwrap_or_default(),
        fields: section.given("fields", fields).unwrap_or_default(),
        id: section.given("id", id).unwrap_or_default(),
    };
    if page_size.is_some() && object.size.is_none() {
        section.problem("page_size", "says nothing without paging.size_parameter; name that, or remove it");
    }
    for key in ["fields", "id"] {
        if section.given(key, |_, _, _| ()).is_none() {
            section.problem(key, "is missing; name the fields of a record, and those that identify it");
        }
    }
    for name in &object.id {
        if !object.fields.contains_key(name) {
            let near = nearest(name, object.fields.keys().map(String::as_str));
            let hint =
                near.map_or_else(|| "name one of fields".to_owned(), |near| format!("did you mean {near}?"));
            section.problem("id", format_args!("there is no field {name}; {hint}"));
        }
    }
    section.finish();
    object
}

fn is_path(path: &str) -> bool {
    let is_part = |part: &str| part != ".." && part != ".";
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\<>\"".contains(&byte))
        && path.split('/').all(is_part)
}

fn dotted(section: &mut Section<'_>, key: &'static str) -> Option<Path> {
    section.optional(key, "a path such as \"result.items\"", |value| value.as_str().and_then(Path::read))
}

/// How pages follow each other, the parameter for their size, and where an answer says that there are more.
fn paging(mut section: Section<'_>) -> (Style, Option<String>, Option<Path>) {
    let words = STYLES.map(|(word, _)| word).join(", ");
    if section.given("style", |_, _, _| ()).is_none() {
        section.problem("style", format_args!("is missing; it must be one of {words}"));
    }
    let word = section.word("style", &STYLES);
    let (parameter, next) = (section.optional_text("parameter"), dotted(&mut section, "next"));
    let first = section.optional("first", "0 or 1", |value| {
        value.as_integer().filter(|first| (0..=1).contains(first)).and_then(|first| u64::try_from(first).ok())
    });
    let (size, more) = (section.optional_text("size_parameter"), dotted(&mut section, "more"));
    let needs = |needed: &[Word]| word.is_some_and(|word| needed.contains(&word));
    for (key, is_given, is_needed, is_allowed) in [
        ("parameter", parameter.is_some(), needs(&[Word::Page, Word::Offset, Word::Cursor]), false),
        ("next", next.is_some(), needs(&[Word::Cursor, Word::NextUrl]), false),
        ("first", first.is_some(), false, needs(&[Word::Page])),
    ] {
        if is_needed && !is_given {
            section.problem(key, "is missing; this style of paging needs it");
        } else if is_given && word.is_some() && !is_needed && !is_allowed {
            section.problem(key, "says nothing in this style of paging; remove it");
        }
    }
    section.finish();
    let (parameter, next) = (parameter.unwrap_or_default(), next.unwrap_or_default());
    let style = match word {
        None | Some(Word::None) => Style::None,
        Some(Word::Page) => Style::Page { parameter, first: first.unwrap_or(1) },
        Some(Word::Offset) => Style::Offset { parameter },
        Some(Word::Cursor) => Style::Cursor { parameter, next },
        Some(Word::NextUrl) => Style::NextUrl { next },
        Some(Word::LinkHeader) => Style::LinkHeader,
    };
    (style, size, more)
}

fn parameters(value: &Value, path: String, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in value.as_table().into_iter().flatten() {
        match value {
            _ if is_secret(name) => {
                problems.add(
                    join(&path, name),
                    "would be a secret, which no document contains; it goes in auth_header",
                );
            }
            Value::String(text) => drop(found.insert(name.clone(), text.clone())),
            Value::Integer(number) => drop(found.insert(name.clone(), number.to_string())),
            Value::Boolean(flag) => drop(found.insert(name.clone(), flag.to_string())),
            _ => problems.add(join(&path, name), "must be a text, a whole number, true or false"),
        }
    }
    if !value.is_table() {
        problems.add(path, "must be a table: { name = \"value\" }");
    }
    found
}

fn id(value: &Value, path: String, problems: &mut Problems) -> Vec<String> {
    let text = |value: &Value| value.as_str().and_then(non_blank);
    let names: Option<Vec<String>> = match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(text).collect(),
        value => text(value).map(|name| vec![name]),
    };
    if names.is_none() {
        problems.add(path, "must be the name of a field, or a list of such names");
    }
    names.unwrap_or_default()
}

fn fields(value: &Value, path: String, problems: &mut Problems) -> BTreeMap<String, (Path, CellType)> {
    const FIELD: &str = "must be a path such as \"owner.name\", or { path = \"…\", type = \"number\" }";
    let mut found = BTreeMap::new();
    let table = value.as_table().filter(|table| !table.is_empty());
    if table.is_none() {
        problems.add(&path, "must be a table of fields: { Name = \"owner.name\" }");
    }
    for (name, value) in table.into_iter().flatten() {
        let at = join(&path, name);
        let field = match value {
            Value::String(text) => Path::read(text)
                .filter(|field| *field != Path::default())
                .map(|field| (field, CellType::Text)),
            Value::Table(table) => {
                let mut section = Section::of(at.clone(), table, problems);
                let want = format!("a path; {NON_BLANK}");
                let field = section.required("path", want, |value| {
                    value.as_str().and_then(non_blank).and_then(|text| Path::read(&text))
                });
                let kind = section.word("type", &TYPES).unwrap_or(CellType::Text);
                section.finish();
                found.extend(field.map(|field| (name.clone(), (field, kind))));
                continue;
            }
            _ => None,
        };
        match field {
            Some(field) => drop(found.insert(name.clone(), field)),
            None => problems.add(at, FIELD),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        base_url = "https://api.example.com/v1/"
        auth_header = "X-Api-Key"
        auth_scheme = ""
        [objects.items]
        path = "/items"
        records = "result.items"
        id = ["Id", "Part"]
        modified = "meta.updated"
        since = "updated_since"
        since_format = "milliseconds"
        page_size = 50
        parameters = { expand = "owner", all = true }
        paging = { style = "cursor", parameter = "after", next = "meta.next", size_parameter = "limit", more = "more" }
        [objects.items.fields]
        Id = "id"
        Part = "part"
        "Owner name" = "owner.name"
        Total = { path = "total", type = "number" }
    "#;

    fn problems(text: &str) -> Vec<String> {
        read(&text.parse().unwrap(), "s").err().unwrap_or_default()
    }

    #[test]
    fn a_description_says_all_that_is_to_be_known() {
        let api = read(&WHOLE.parse().unwrap(), "s").unwrap();
        assert_eq!(
            (&*api.base_url, &*api.auth_header, &*api.auth_scheme),
            ("https://api.example.com/v1", "X-Api-Key", "")
        );
        let items = &api.objects["items"];
        assert_eq!(items.since, Some(("updated_since".to_owned(), TimeForm::Milliseconds)));
        assert_eq!(items.size, Some(("limit".to_owned(), 50)));
        let next = Path::read("meta.next").unwrap();
        assert_eq!(items.paging, Style::Cursor { parameter: "after".to_owned(), next });
        assert_eq!(items.parameters["all"], "true");
        assert_eq!(items.fields["Total"], (Path::read("total").unwrap(), CellType::Number));
        assert_eq!(items.fields["Owner name"].1, CellType::Text);
    }

    #[test]
    fn each_mistake_is_named_with_its_key() {
        for (part, instead, expected) in [
            (
                "https://api",
                "http://api",
                "s.base_url: must be an address that begins with https://, or with http:// and a \
              loopback address",
            ),
            ("\"X-Api-Key\"", "\"Host\"", "s.auth_header: must be the name of a header"),
            (
                "path = \"/items\"",
                "path = \"/../items\"",
                "s.objects.items.path: must be a path such as \"/v1/items\"",
            ),
            (
                "[\"Id\", \"Part\"]",
                "[\"Id\", \"Prt\"]",
                "s.objects.items.id: there is no field Prt; did you mean Part?",
            ),
            (
                "\"cursor\"",
                "\"curser\"",
                "s.objects.items.paging.style: must be another word; did you mean cursor?",
            ),
            (
                ", next = \"meta.next\"",
                "",
                "s.objects.items.paging.next: is missing; this style of paging needs it",
            ),
            (
                "more = \"more\"",
                "first = 0",
                "s.objects.items.paging.first: says nothing in this style of paging; \
              remove it",
            ),
            (
                ", size_parameter = \"limit\"",
                "",
                "s.objects.items.page_size: says nothing without paging.size_parameter; \
              name that, or remove it",
            ),
            (
                "\"milliseconds\"",
                "\"ms\"",
                "s.objects.items.since_format: must be one of rfc3339, date, seconds, \
              milliseconds",
            ),
            (
                "type = \"number\"",
                "type = \"numbr\"",
                "s.objects.items.fields.Total.type: must be another word; did you \
              mean number?",
            ),
            (
                "\"owner.name\"",
                "\"owner..name\"",
                "s.objects.items.fields.\"Owner name\": must be a path such as \
              \"owner.name\", or { path = \"…\", type = \"number\" }",
            ),
            ("modified =", "modifed =", "s.objects.items.modifed: unknown key; did you mean modified?"),
        ] {
            assert!(WHOLE.contains(part), "{part}");
            assert_eq!(problems(&WHOLE.replacen(part, instead, 1)), [expected], "{part} -> {instead}");
        }
        assert_eq!(
            problems(""),
            [
                "s.base_url: is missing; it must be an address that begins with https://, or with http:// and a \
                 loopback address",
                "s.objects: is missing; describe at least one object",
            ]
        );
    }
}
