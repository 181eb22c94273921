//! The tools that `tests/deploy/prepare` has installed, and files in YAML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::{file, run};

/// Where the tools are. A tool that can't be installed fails its test.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        run(file("tests/deploy/prepare"), &[]);
        let cache = std::env::var_os("WEIR_CACHE").map_or_else(|| file(".cache"), PathBuf::from);
        cache.join("deploy").canonicalize().unwrap()
    })
}

/// A tool made with Go: `helm`, `compose` or `dashboard`.
pub fn go_tool(name: &str) -> PathBuf {
    cache().join("bin").join(name)
}

/// A tool for Python, or Python itself.
pub fn python_tool(name: &str) -> PathBuf {
    cache().join("python/bin").join(name)
}

/// The documents of a YAML file.
pub fn yaml(path: &Path) -> Vec<Value> {
    let script = "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let printed = run(python_tool("python"), &["-c", script, path.to_str().unwrap()]);
    let documents: Vec<Value> = serde_json::from_str(&printed).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// What `weir check` says of the configuration `toml`, which has to be valid. `paths` are those of the installed Weir,
/// each with what lies there.
pub fn check(toml: &str, paths: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut toml = toml.to_owned();
    for (index, (path, content)) in paths.iter().enumerate() {
        let own = folder.path().join(index.to_string());
        fs::write(&own, content).unwrap();
        assert!(toml.contains(path), "{path} is not in {toml}");
        toml = toml.replace(path, own.to_str().unwrap());
    }
    let config = folder.path().join("weir.toml");
    fs::write(&config, toml).unwrap();
    let mut command: Command = crate::harness::weir::command(&["check", "--config"]);
    let output = command.arg(&config).env("WEIR_DATA", folder.path().join("data")).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}
