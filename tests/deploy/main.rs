//! `deploy/`, run as far as a machine without a container engine and without a cluster allows: the alerts and the
//! dashboard in a real Prometheus that scrapes real Weirs, and the faults that the alerts are for.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod alerts;
mod chart;
mod container;
mod pages;
mod prometheus;
mod service;
mod site;
mod tools;
mod version;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a file of the repository says.
fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `program` prints, which must succeed.
fn run(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> String {
    let mut command = Command::new(&program);
    let output = command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap_or_else(|error| panic!("{:?}: {error}", program.as_ref()));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{:?} {args:?}: {said}", program.as_ref());
    said
}
