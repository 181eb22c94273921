//! Which commit `weir --version` names: what `build.rs` says to Cargo, with git and without.

use std::path::Path;
use std::process::Command;

use super::{file, run};

/// `build.rs` as a program.
struct Script(tempfile::TempDir);

impl Script {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, source) = (folder.path().join("build"), file("build.rs"));
        run("rustc", &["--edition=2024", "-o", program.to_str().unwrap(), source.to_str().unwrap()]);
        Script(folder)
    }

    /// What it says in `folder`: the version, and the files that it has Cargo watch.
    fn run(&self, folder: &Path, profile: &str, commit: Option<&str>) -> (String, Vec<String>) {
        let mut command = Command::new(self.0.path().join("build"));
        command.current_dir(folder).env("PROFILE", profile).env("CARGO_PKG_VERSION", "1.2.3");
        // Of the checkout that these tests run in, if a hook of git's started them.
        command.env_remove("GIT_DIR").env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap());
        match commit {
            Some(commit) => command.env("WEIR_COMMIT", commit),
            None => command.env_remove("WEIR_COMMIT"),
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let after =
            |name: &str| said.lines().filter_map(|line| line.strip_prefix(name).map(str::to_owned)).collect();
        let versions: Vec<String> = after("cargo::rustc-env=WEIR_VERSION=");
        (versions[0].clone(), after("cargo::rerun-if-changed="))
    }
}

/// Runs git in `folder`, as somebody.
fn git(folder: &Path, args: &[&str]) -> String {
    let somebody = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-C"];
    run("git", &[&somebody[..], &[folder.to_str().unwrap()], args].concat()).trim().to_owned()
}

#[test]
fn a_release_names_its_commit_and_is_made_anew_with_the_next_one() {
    let (script, folder) = (Script::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    git(folder, &["init", "--quiet"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    let (version, watched) = script.run(folder, "release", None);
    assert_eq!(version, format!("1.2.3 ({})", git(folder, &["rev-parse", "--short=12", "HEAD"])));
    // A file that is not there would have Cargo build each time.
    assert!(watched.iter().all(|path| folder.join(path).exists() || path == "build.rs"), "{watched:?}");
    let texts =
        || -> Vec<_> { watched.iter().filter_map(|path| std::fs::read(folder.join(path)).ok()).collect() };
    let before = texts();
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "two"]);
    assert!(texts() != before, "no watched file changes with a commit: {watched:?}");
}

#[test]
fn without_git_or_in_a_debug_build_the_version_stands_alone_and_a_named_commit_beats_both() {
    let (script, folder) = (Script::new(), tempfile::tempdir().unwrap());
    let alone = ("1.2.3".to_owned(), vec!["build.rs".to_owned()]);
    assert_eq!(script.run(folder.path(), "release", None), alone);
    assert_eq!(script.run(folder.path(), "release", Some("")), alone);
    assert_eq!(script.run(folder.path(), "release", Some("abc")).0, "1.2.3 (abc)");
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    assert_eq!(script.run(folder.path(), "debug", None), alone);
    // Unpacked in somebody else's repository.
    let inner = folder.path().join("weir");
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(script.run(&inner, "release", None), alone);
}
