//! `weir completions` and `weir man`.

use std::fs;
use std::process::Command;

use crate::harness::weir::command;

fn completions(shell: &str) -> String {
    let output = command(&["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_a_command_and_its_flags_with_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("weir.bash");
    fs::write(&script, completions("bash")).unwrap();
    let complete = |words: &str, last: &str, before: &str| {
        let ask = format!(
            ". {script:?}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _weir weir '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("weir qu", "qu", "weir"), "quarantine");
    assert_eq!(complete("weir tail --rej", "--rej", "tail"), "--rejected");
}

#[test]
fn zsh_and_fish_have_a_script_with_every_command() {
    for shell in ["zsh", "fish"] {
        let script = completions(shell);
        for command in ["serve", "quarantine", "health"] {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn every_command_has_a_man_page_and_a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path();
    assert!(command(&["man"]).arg(pages).status().unwrap().success());
    for page in ["weir.1", "weir-serve.1", "weir-quarantine-replay.1"] {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH ") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let output = command(&["man"]).arg(pages.join("missing")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("name a folder that is there"), "{said}");
}
