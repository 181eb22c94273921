//! `DATA/run.json`, by which commands and tests find a running Weir. It exists while Weir is at work.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::Failure;
use crate::config::DataDir;
use crate::system::advice::advice;
use crate::system::disk::{Readers, RealDisk, write_whole};

/// Where Weir listens, as a client on this machine reaches it.
#[derive(Debug)]
pub struct Urls {
    /// For clients: https where nothing speaks plain HTTP. None in a process that only loads.
    pub main: Option<String>,
    /// For clients over TLS, where others come over plain HTTP.
    pub tls: Option<String>,
    /// For operators.
    pub admin: String,
}

/// Where the Weir that works on `data` listens for operators; none where none has said so.
pub fn admin_address(data: &DataDir) -> Option<SocketAddr> {
    let run: serde_json::Value = serde_json::from_slice(&fs::read(data.run_file()).ok()?).ok()?;
    run.get("admin_url")?.as_str()?.strip_prefix("http://")?.parse().ok()
}

/// `{"pid","admin_url"}`, `"url"` where clients may send, and `"tls_url"` where there is one. Removed when dropped.
pub struct RunFile(PathBuf);

impl RunFile {
    /// Removes what a killed process left: whoever waits for this one shall not read that.
    pub fn clear(data: &DataDir) {
        // There is seldom one, and the new one takes its place in any case.
        fs::remove_file(data.run_file()).ok();
    }

    pub fn write(data: &DataDir, urls: &Urls) -> Result<Self, Failure> {
        Self::try_to_write(data, urls).map_err(|error| {
            let (data, advice) = (data.path().display(), advice(&error));
            Failure::Named(format!("cannot write run.json in {data}: {error}; {advice}"))
        })
    }

    fn try_to_write(data: &DataDir, urls: &Urls) -> io::Result<Self> {
        fs::create_dir_all(data.path())?;
        let path = data.run_file();
        let mut run = serde_json::json!({"pid": std::process::id(), "admin_url": urls.admin});
        for (name, url) in [("url", &urls.main), ("tls_url", &urls.tls)] {
            if let (Some(run), Some(url)) = (run.as_object_mut(), url) {
                run.insert(name.to_owned(), url.as_str().into());
            }
        }
        write_whole(&RealDisk, &path, Readers::Unmasked, format!("{run}\n").as_bytes())?;
        Ok(RunFile(path))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(
                %error,
                file = %self.0.display(),
                "cannot remove this file, which says that Weir is running; remove it by hand"
            );
        }
    }
}
