//! `weir top`: how a running Weir is doing, as a page of text and on a terminal.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::wait_until;
use crate::harness::weir::{Weir, command};

#[test]
fn one_page_tells_of_events_their_refusals_the_queue_and_the_loader() {
    let weir = Weir::demo();
    let identify = r#"{"userId":"u","traits":{"email":"a@x.org"}}"#;
    assert_eq!(weir.post("/v1/identify", identify).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/identify", r#"{"userId":"u"}"#).status, 200);
    let output = command(&["top", "--once", "--data"]).arg(weir.data()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let page = String::from_utf8(output.stdout).unwrap();
    for part in [
        ": ready\n",
        "\nevents/s ",
        "\ndemo ",
        "\nquarantined   email_missing ",
        "\njournal ",
        "\nloader store ",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    assert!(!page.contains('\x1b'), "{page}");
    let nobody = tempfile::tempdir().unwrap();
    let output = command(&["top", "--once", "--data"]).arg(nobody.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("no Weir is running on"), "{said}");
}

/// `script` runs it on a pseudo-terminal, and passes on what is typed.
#[test]
fn on_a_terminal_pages_follow_each_other_until_ctrl_c_and_leave_nothing_behind() {
    let weir = Weir::demo();
    let folder = tempfile::tempdir().unwrap();
    let typescript = folder.path().join("typescript");
    let line = format!(
        "stty rows 6 cols 40; exec {} top --data '{}'",
        env!("CARGO_BIN_EXE_weir"),
        weir.data().display()
    );
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &line])
        .arg(&typescript)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let shown = || std::fs::read_to_string(&typescript).unwrap_or_default();
    wait_until("two pages", || shown().matches("\x1b[H").count() >= 2);
    script.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert!(script.wait().unwrap().success());
    let shown = shown();
    let page = shown.split("\x1b[H").nth(1).unwrap();
    let lines: Vec<&str> = page.split("\x1b[J").next().unwrap().split("\r\n").collect();
    assert!(
        lines.len() <= 6 && lines.iter().all(|line| line.chars().count() <= 40 + "\x1b[K".len()),
        "{lines:?}"
    );
    assert!(shown.contains("\x1b[?1049h") && shown.contains("\x1b[?25h\x1b[?1049l"), "{shown:?}");
}
