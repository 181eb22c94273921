//! `settings` of the connections `folder`, `s3` and `upload`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::{Table, Value};

use crate::config::problems::Problems;
use crate::config::section::{NON_BLANK, Section};
use crate::connect::address::{self, ADDRESS};
use crate::connect::cell::CellType;
use crate::connect::document::Connector;

/// How files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The file that says that the others are complete: without it, there is none to read. It is removed with them.
    pub ready: Option<String>,
    /// What stands between values; none: as the first records show.
    pub delimiter: Option<u8>,
    /// What columns hold, where that is not to be guessed.
    pub types: BTreeMap<String, CellType>,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub bucket: String,
    /// What stands before the names of all files, with a slash at its end; or nothing.
    pub prefix: String,
    /// The address of the server.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Whether the bucket stands in the path of an address; else before its host.
    pub is_path_style: bool,
}

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket of S3.
    S3(Bucket),
    /// Where Weir puts what is sent to it.
    Upload,
}

const TYPES: [(&str, CellType); 6] = [
    ("text", CellType::Text),
    ("email", CellType::Email),
    ("number", CellType::Number),
    ("boolean", CellType::Boolean),
    ("date", CellType::Date),
    ("time", CellType::Time),
];

/// Reads `settings`, which stand at `path` of a document. None: the connector reads no files.
///
/// # Errors
/// Every problem, a line each, with its key.
pub fn read(
    connector: Connector,
    settings: &Table,
    path: &str,
) -> Result<Option<(Where, Reading)>, Vec<String>> {
    let mut problems = Problems::default();
    let mut section = Section::of(path.to_owned(), settings, &mut problems);
    let place = match connector {
        Connector::Folder => Where::Folder(folder(&mut section)),
        Connector::S3 => Where::S3(bucket(&mut section)),
        Connector::Upload => Where::Upload,
        Connector::Zoho | Connector::Ecosystems | Connector::Http => return Ok(None),
    };
    if connector == Connector::Upload {
        section.optional("sources", "a list of ids of sources, such as [\"scripts\"]", |value| {
            let ids = value.as_array().filter(|ids| !ids.is_empty())?;
            ids.iter().all(Value::is_str).then_some(())
        });
    }
    let reading = reading(&mut section, connector != Connector::Upload);
    section.finish();
    if problems.is_empty() { Ok(Some((place, reading))) } else { Err(problems.lines().to_vec()) }
}

/// Whether `settings` of a connection `upload` let who has a key of this source send files: all may where they name
/// none.
pub fn may_send(settings: &Table, source: &str) -> bool {
    let named = settings.get("sources").and_then(Value::as_array);
    named.is_none_or(|sources| sources.iter().any(|one| one.as_str() == Some(source)))
}

fn folder(section: &mut Section<'_>) -> PathBuf {
    let absolute = |value: &Value| value.as_str().map(PathBuf::from).filter(|path| path.is_absolute());
    section
        .required("path", "the path of a folder, from the root on: \"/data/in\"", absolute)
        .unwrap_or_default()
}

fn bucket(section: &mut Section<'_>) -> Bucket {
    let name = |value: &Value| value.as_str().filter(|name| is_bucket(name)).map(str::to_owned);
    let bucket = section.required("bucket", "the name of a bucket: 3 to 63 of a-z, 0-9, . and -", name);
    let region = section.optional_text("region").unwrap_or_else(|| "us-east-1".to_owned());
    let endpoint = section.optional("endpoint", ADDRESS, |value| value.as_str().and_then(address::read));
    let flag = section.optional("path_style", "true or false", Value::as_bool);
    let folders = "folders in the bucket, such as \"weir/in\", without \"..\"";
    let prefix = section.optional("prefix", folders, |value| value.as_str().and_then(prefix));
    Bucket {
        // A server of one's own seldom has a name for each bucket.
        is_path_style: flag.unwrap_or(endpoint.is_some()),
        endpoint: endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com")),
        bucket: bucket.unwrap_or_default(),
        prefix: prefix.unwrap_or_default(),
        region,
    }
}

fn is_bucket(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_letter(byte) || byte == b'.' || byte == b'-')
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().next_back().is_some_and(is_letter)
        && !name.contains("..")
}

fn prefix(text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    if text.is_empty() {
        return Some(String::new());
    }
    let is_fine = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_fine.then(|| format!("{text}/"))
}

fn reading(section: &mut Section<'_>, has_place: bool) -> Reading {
    let ready = if has_place {
        section.optional("ready", "the name of a file, such as \"_READY\"", |value| {
            value
                .as_str()
                .filter(|name| !name.is_empty() && !name.contains(['/', '*', '?']))
                .map(str::to_owned)
        })
    } else {
        None
    };
    let delimiter =
        section.optional("delimiter", "\",\", \";\", \"|\" or \"tab\"", |value| match value.as_str()? {
            "," => Some(b','),
            ";" => Some(b';'),
            "|" => Some(b'|'),
            "tab" | "\t" => Some(b'\t'),
            _ => None,
        });
    let words = TYPES.map(|(word, _)| word).join(", ");
    let types = section.given("types", |value, path, problems| {
        let mut found = BTreeMap::new();
        for (column, word) in value.as_table().into_iter().flatten() {
            let kind = TYPES.iter().find(|(known, _)| word.as_str() == Some(known));
            match kind {
                Some((_, kind)) => drop(found.insert(column.clone(), *kind)),
                None => problems
                    .add(crate::config::quoting::join(&path, column), format_args!("must be one of {words}")),
            }
        }
        if !value.is_table() {
            problems
                .add(path, format_args!("must be a table of columns: {NON_BLANK} for each, one of {words}"));
        }
        found
    });
    Reading { ready, delimiter, types: types.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(connector: Connector, text: &str) -> Result<Option<(Where, Reading)>, Vec<String>> {
        read(connector, &text.parse().unwrap(), "s")
    }

    #[test]
    fn a_bucket_is_where_its_region_is_or_where_the_endpoint_says() {
        let Ok(Some((Where::S3(bucket), _))) =
            settings(Connector::S3, "bucket = \"acme-in\"\nregion = \"eu-west-1\"")
        else {
            panic!()
        };
        assert_eq!(bucket.endpoint, "https://s3.eu-west-1.amazonaws.com");
        assert!(!bucket.is_path_style);
        let own = "bucket = \"acme-in\"\nendpoint = \"http://127.0.0.1:9/\"\nprefix = \"/weir/in/\"";
        let Ok(Some((Where::S3(bucket), _))) = settings(Connector::S3, own) else { panic!() };
        assert_eq!(
            (&*bucket.endpoint, &*bucket.prefix, bucket.is_path_style),
            ("http://127.0.0.1:9", "weir/in/", true)
        );
    }

    #[test]
    fn how_files_are_read_may_be_said() {
        let text = "path = \"/in\"\nready = \"_READY\"\ndelimiter = \"tab\"\ntypes = { Version = \"text\" }";
        let (place, reading) = settings(Connector::Folder, text).unwrap().unwrap();
        assert_eq!(place, Where::Folder("/in".into()));
        assert_eq!((reading.ready.as_deref(), reading.delimiter), (Some("_READY"), Some(b'\t')));
        assert_eq!(reading.types["Version"], CellType::Text);
    }

    #[test]
    fn all_problems_come_at_once_each_with_its_key() {
        let text = "pth = \"in\"\ndelimiter = \":\"\ntypes = { A = \"txt\" }\nready = \"a/b\"";
        assert_eq!(
            settings(Connector::Folder, text).unwrap_err(),
            [
                "s.path: is missing; it must be the path of a folder, from the root on: \"/data/in\"",
                "s.ready: must be the name of a file, such as \"_READY\"",
                "s.delimiter: must be \",\", \";\", \"|\" or \"tab\"",
                "s.types.A: must be one of text, email, number, boolean, date, time",
                "s.pth: unknown key; did you mean path?",
            ]
        );
        let text = "bucket = \"A\"\nendpoint = \"http://s3.example\"\nprefix = \"a/../b\"";
        assert_eq!(settings(Connector::S3, text).unwrap_err().len(), 3);
        assert_eq!(settings(Connector::Upload, "ready = \"x\"\nsources = [1]").unwrap_err().len(), 2);
        assert_eq!(settings(Connector::Zoho, ""), Ok(None));
    }
}
