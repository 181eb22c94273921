//! `[connections.<id>]`.

use toml::Table;

/// What a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connector {
    /// Zoho CRM.
    Zoho,
    /// Ecosystems, value management.
    Ecosystems,
    /// Any API that gives JSON over HTTP.
    Http,
    /// A bucket of S3.
    S3,
    /// A folder of this machine.
    Folder,
    /// Files that are sent to Weir.
    Upload,
}

impl Connector {
    /// As documents name them.
    pub const WORDS: [(&'static str, Connector); 6] = [
        ("zoho", Connector::Zoho),
        ("ecosystems", Connector::Ecosystems),
        ("http", Connector::Http),
        ("s3", Connector::S3),
        ("folder", Connector::Folder),
        ("upload", Connector::Upload),
    ];

    /// Whether rows come from files, each of which is read once.
    pub fn reads_files(self) -> bool {
        matches!(self, Connector::Folder | Connector::S3 | Connector::Upload)
    }

    /// As documents name it.
    pub fn word(self) -> &'static str {
        Connector::WORDS.iter().find(|(_, connector)| *connector == self).map_or("", |(word, _)| word)
    }
}

/// A way into one org of another system.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its id, within its tenant.
    pub id: String,
    /// Id of its tenant.
    pub tenant: String,
    /// What it leads to.
    pub connector: Connector,
    /// As people call it.
    pub name: String,
    /// What its connector wants to know. Never a secret.
    pub settings: Table,
}
