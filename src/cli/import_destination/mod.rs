//! `weir import-destination`: the settings of RudderStack's Gainsight destinations as Weir's configuration.
//! [`export`] finds the settings, [`plan`] decides what they become in Weir, and [`render`] writes that. Only this
//! file reads and writes files. The output contains no secret: keys are hashes, and shared secrets go into files of
//! their own.

mod export;
mod maps;
mod names;
mod plan;
mod render;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::{Failure, print};
use plan::Plan;

/// The arguments of `weir import-destination`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// Export in JSON: a workspace's configuration, a destination, or a destination's settings; - reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder for the shared secrets, one file each [default: the folder of FILE]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// More than any workspace's configuration; what is larger is something else.
const LARGEST: u64 = 64 << 20;

/// Writes the secrets into their files, then the configuration to stdout, then to stderr what it lacks and
/// what to do next.
pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let imported = Imported::of(&args.parse()?).ok_or_else(|| {
        let what = "it contains no Gainsight destination; use rudder-server's workspaceConfig.json, or the \
                    settings of the destination as JSON";
        Failure::Named(format!("{}: {what}", args.shown()))
    })?;
    let folder = args.folder()?;
    keep_secrets(&imported, &folder)?;
    print(&imported.configuration(&folder))?;
    // There is nowhere left to say that stderr is closed.
    drop(io::stderr().lock().write_all(imported.summary().as_bytes()));
    Ok(())
}

/// What an export becomes. No `Debug`: it holds secrets.
pub struct Imported(Plan);

impl Imported {
    /// What becomes of `export`; none where no Gainsight destination is in it.
    pub fn of(export: &Value) -> Option<Self> {
        let destinations = export::destinations(export);
        (!destinations.is_empty()).then(|| Imported(plan::plan(destinations)))
    }

    /// The configuration in TOML, with the secrets in files in `folder`.
    pub fn configuration(&self, folder: &Path) -> String {
        render::render(&self.0, folder)
    }

    /// The secrets, each with its file in `folder`.
    pub fn secrets<'a>(&'a self, folder: &Path) -> impl Iterator<Item = (PathBuf, &'a str)> {
        self.0.publishers.iter().filter_map(move |publisher| {
            Some((render::secret_file(folder, publisher), publisher.secret.as_deref()?))
        })
    }

    /// What the configuration lacks, and what to do next.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        if !self.0.left_out.is_empty() {
            lines.push("left out (the configuration says so in the places concerned):".to_owned());
            lines.extend(self.0.left_out.iter().map(|one| format!("  {}: {}", one.place, one.what)));
        }
        lines.push("next:".to_owned());
        lines.push(
            "  1. save the configuration as Weir's file, and look through what was left out".to_owned(),
        );
        lines.push("  2. weir check --config FILE".to_owned());
        lines.push("  3. start Weir where RudderStack can reach it over HTTPS".to_owned());
        lines.push(
            "  4. in RudderStack, change the destination's domain to Weir's host, and its port if that is not 443"
                .to_owned(),
        );
        lines.join("\n") + "\n"
    }
}

impl ImportArgs {
    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// How the export is called in messages.
    fn shown(&self) -> String {
        if self.is_stdin() { "stdin".to_owned() } else { self.file.display().to_string() }
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = |bytes: &mut Vec<u8>| {
            if self.is_stdin() {
                io::stdin().lock().take(LARGEST + 1).read_to_end(bytes)
            } else {
                File::open(&self.file)?.take(LARGEST + 1).read_to_end(bytes)
            }
        };
        let length = read(&mut bytes)
            .map_err(|error| Failure::Named(format!("cannot read {}: {error}", self.shown())))?;
        if length as u64 > LARGEST {
            let what = "is larger than 64 MiB, so it is hardly an export; export the destination by itself";
            return Err(Failure::Named(format!("{} {what}", self.shown())));
        }
        Ok(bytes)
    }

    fn parse(&self) -> Result<Value, Failure> {
        parse(&self.read()?).map_err(|error| Failure::Named(format!("{} is not JSON: {error}", self.shown())))
    }

    /// Where the secrets go, as a configuration may name it wherever it lies.
    fn folder(&self) -> Result<PathBuf, Failure> {
        let of_file = || if self.is_stdin() { None } else { self.file.parent().map(Path::to_owned) };
        let folder = self.secrets.clone().or_else(of_file).unwrap_or_default();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let made = if self.secrets.is_some() { fs::create_dir_all(&folder) } else { Ok(()) };
        let absolute = made.and_then(|()| folder.canonicalize()).map_err(|error| {
            let what = "name another one with --secrets";
            Failure::Named(format!("cannot keep secrets in {}: {error}; {what}", folder.display()))
        })?;
        if absolute.to_str().is_none() {
            let what = "its name is not UTF-8, which TOML needs; name another one with --secrets";
            return Err(Failure::Named(format!("cannot keep secrets in {}: {what}", absolute.display())));
        }
        Ok(absolute)
    }
}

/// The JSON in `bytes`, which some editors let begin with a byte order mark.
fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// Writes each secret into its file, readable by its owner alone. A file that has the same already stays; one
/// that has another keeps all from being written.
fn keep_secrets(imported: &Imported, folder: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for (path, secret) in imported.secrets(folder) {
        match fs::read(&path) {
            Ok(kept) if kept.trim_ascii_end() == secret.as_bytes() => {}
            Ok(_) => {
                let what = "contains something other than this destination's secret; move it away, or name \
                            another folder with --secrets";
                return Err(Failure::Named(format!("{} {what}", path.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((path, secret)),
            Err(error) => return Err(Failure::Named(format!("cannot read {}: {error}", path.display()))),
        }
    }
    for (path, secret) in missing {
        keep(&path, secret).map_err(|error| {
            let what = "name a writable folder with --secrets";
            Failure::Named(format!("cannot write {}: {error}; {what}", path.display()))
        })?;
    }
    Ok(())
}

/// Whole or not at all.
fn keep(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(format!("{secret}\n").as_bytes()).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}
