//! The data directory, and where everything in it lies.

use std::path::{Path, PathBuf};

/// A data directory. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The data directory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DataDir(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The journal, where it is the queue.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// What is held for Kafka.
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// The store in the file `file`, which may be relative.
    pub fn store(&self, file: &Path) -> PathBuf {
        self.0.join(file)
    }

    /// What waits to go to the org `name` of Gainsight.
    pub fn outbox(&self, name: &str) -> PathBuf {
        self.0.join("gainsight").join(format!("{name}.sqlite"))
    }

    /// What credentials of connections are sealed with, where the configuration names nothing else.
    pub fn credentials_key(&self) -> PathBuf {
        self.0.join("credentials.key")
    }

    /// What runs of jobs have read.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// What was sent to Weir for jobs.
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    /// The socket over which a running Weir takes orders.
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Where a running Weir listens.
    pub fn run_file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// What a first start made up.
    pub fn first_start(&self) -> PathBuf {
        self.0.join("first-start.json")
    }
}

/// Where the rejected events of `journal` go before their segment does: beside it.
pub fn archive(journal: &Path) -> PathBuf {
    journal.with_file_name("quarantine")
}

/// Where the records of `spool` lie that Kafka refuses for good: in it.
pub fn aside(spool: &Path) -> PathBuf {
    spool.join("aside")
}
