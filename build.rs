//! Has a release say in `weir --version` which commit it was made of. `WEIR_COMMIT` names it where there is no git, as
//! in a container; without either, the version stands alone.
//!
//! Only a release looks at git: a debug build would be made anew after each commit.
#![expect(clippy::disallowed_methods, reason = "Cargo speaks by the environment")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WEIR_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let named = env::var("WEIR_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    let version = match named.or_else(of_git) {
        Some(commit) => format!("{version} ({})", commit.trim()),
        None => version,
    };
    println!("cargo::rustc-env=WEIR_VERSION={version}");
}

fn of_git() -> Option<String> {
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return None;
    }
    // Of this package, not of a repository that it is unpacked in.
    let root = git(&["rev-parse", "--show-prefix"])?;
    if !root.is_empty() {
        return None;
    }
    // HEAD changes with another branch, and its log and the branch with a commit. Cargo would build anew each time if
    // one of them were named that is not there.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for file in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists());
        if let Some(path) = path {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
