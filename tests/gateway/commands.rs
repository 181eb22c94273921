//! The commands as a shell sees them: what goes to stdout and stderr, and the exit codes.
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use sha2::{Digest, Sha256};

use crate::harness::weir::command as weir;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("weir.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn key_prints_a_key_and_its_hash_that_a_source_can_list() {
    let output = weir(&["key"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let lines: toml::Table = stdout(&output).parse().unwrap();
    let (key, hash) = (lines["key"].as_str().unwrap(), lines["hash"].as_str().unwrap());
    assert_eq!(hash, format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(key))));
    assert_ne!(stdout(&output), stdout(&weir(&["key"]).output().unwrap()));

    let folder = tempfile::tempdir().unwrap();
    let text = format!("[tenants.a]\n[sources.s]\ntenant = 'a'\nkeys = ['{hash}']\n");
    assert!(weir(&["check", "--config", &written(folder.path(), &text)]).output().unwrap().status.success());
}

#[test]
fn secret_prints_a_secret_that_a_publisher_can_list() {
    let output = weir(&["secret"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let lines: toml::Table = stdout(&output).parse().unwrap();
    let secret = lines["secret"].as_str().unwrap();
    let key = data_encoding::BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes());
    assert_eq!((key.unwrap().len(), lines.len()), (32, 1));
    assert_ne!(stdout(&output), stdout(&weir(&["secret"]).output().unwrap()));

    let folder = tempfile::tempdir().unwrap();
    let text = "[tenants.a]\ntopic_prefix = 'a.'\n[publishers.p]\ntenant = 'a'\ntopic = 'T'\n\
         secrets = [{ env = 'OF_P' }]\nrequire_secret = true\n";
    let path = written(folder.path(), text);
    let check = |secret: &str| weir(&["check", "--config", &path]).env("OF_P", secret).output().unwrap();
    let report = stdout(&check(secret));
    assert!(
        report.starts_with("configuration is valid\n") && !report.contains("publishers.p.secrets"),
        "{report}"
    );
    let weak = stdout(&check("canary"));
    assert!(
        weak.contains("warning: publishers.p.secrets[0]: has fewer than 16 bytes")
            && !weak.contains("canary"),
        "{weak}"
    );
    let empty = check("");
    assert_eq!(empty.status.code(), Some(1));
    assert_eq!(
        stderr(&empty),
        "publishers.p.secrets[0]: its environment variable is empty; put the secret there\n"
    );
    // What checks no secret needs none.
    let tail = weir(&["tail", "--config", &path]).env("WEIR_DATA", folder.path()).output().unwrap();
    assert!(stderr(&tail).contains("there is no journal in"), "{}", stderr(&tail));
}

#[test]
fn check_tells_every_problem_on_stderr_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "listn = 1\n[limits]\ndepth = 0\n");
    let output = weir(&["check", "--config", &path]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let told = stderr(&output);
    assert!(told.lines().any(|line| line.starts_with("listn: ")), "{told}");
    assert!(told.lines().any(|line| line.starts_with("limits.depth: ")), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn check_of_a_valid_configuration_ends_with_0_and_writes_nothing_but_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = weir(&["check"]).env("WEIR_DATA", &data).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let report = stdout(&output);
    assert_eq!(report.lines().next(), Some("configuration is valid"));
    assert!(report.contains(data.join("journal").to_str().unwrap()), "{report}");
    assert!(!data.exists());
}

#[test]
fn flags_beat_the_environment_and_the_environment_beats_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "[queue]\nbrokers = 'file:1'");
    let queue = |args: &[&str], brokers: &str| {
        let mut command = weir(&["check"]);
        let output =
            command.args(args).env("WEIR_CONFIG", &path).env("WEIR_BROKERS", brokers).output().unwrap();
        stdout(&output).lines().find(|line| line.starts_with("queue: ")).unwrap().to_owned()
    };
    assert_eq!(queue(&["--brokers", "flag:1"], "env:1"), "queue: Kafka at flag:1");
    assert_eq!(queue(&[], "env:1"), "queue: Kafka at env:1");
    assert_eq!(queue(&[], ""), "queue: Kafka at file:1");
}

#[test]
fn a_file_that_cannot_be_read_is_one_sentence() {
    for args in [["check", "--config", "/no/such.toml"], ["serve", "--config", "/no/such.toml"]] {
        let output = weir(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(told.starts_with("cannot read the configuration file /no/such.toml: "), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_told_with_its_line_and_one_with_a_mark_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8]| {
        let path = folder.path().join("weir.toml");
        fs::write(&path, bytes).unwrap();
        weir(&["check", "--config", path.to_str().unwrap()]).output().unwrap()
    };
    for (bytes, line) in [(&b"listen = ':0'\ndata = '\xe4'\n"[..], 2), (b"\xff\xfel\0i\0", 1)] {
        let output = check(bytes);
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(
            told.contains(&format!("weir.toml: line {line} is not UTF-8")) && told.lines().count() == 1,
            "{told}"
        );
    }
    assert!(check(b"\xef\xbb\xbflisten = ':0'\r\n").status.success());
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["check", "--fly"][..],
        &["key", "extra"],
        &["secret", "extra"],
        &["import-destination"],
        &["--listen", "nowhere"],
    ] {
        assert_eq!(weir(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn an_address_that_can_only_mean_one_is_taken_and_any_other_is_told_what_to_write() {
    for listen in ["localhost:0", ":0", "*:0"] {
        let output = weir(&["check", "--listen", listen, "--admin", listen]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let output = weir(&["check"]).env("WEIR_LISTEN", listen).env("WEIR_ADMIN", listen).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    for flag in ["--listen", "--admin"] {
        let output = weir(&["serve", flag, "8080"]).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(flag) && told.contains("write 127.0.0.1:8080 for this machine only"), "{told}");
    }
    for variable in ["WEIR_LISTEN", "WEIR_ADMIN"] {
        let output = weir(&["serve"]).env(variable, "http://[::1]:80").output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains(&format!("{variable} must be an address, not a URL; write [::1]:80 ")),
            "{told}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "listen = '0.0.0.0'\nadmin = 9464\n");
    let output = weir(&["check", "--config", &path, "--brokers", "kafka"]).output().unwrap();
    assert_eq!(
        stderr(&output),
        "listen: names no port; write 0.0.0.0:8080, say\nadmin: names no address; write 127.0.0.1:9464 for this \
         machine only, or 0.0.0.0:9464 for everybody who can reach it\nqueue.brokers: \"kafka\" has no port; write \
         kafka:9092, if Kafka listens where it usually does\n"
    );
}

#[test]
fn check_warns_of_a_disk_that_lacks_room_and_of_a_data_folder_that_can_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let warnings = |queue: &str, data: &Path| {
        let path = written(folder.path(), &format!("[queue]\n{queue}"));
        let output = weir(&["check", "--config", &path]).env("WEIR_DATA", data).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    // More than any disk has.
    let data = folder.path().join("data");
    let report = warnings("free_bytes = 1_000_000_000_000_000", &data);
    assert!(report.contains("\nwarning: queue.free_bytes: the disk of "), "{report}");
    assert!(
        report.contains("every request gets 503") && report.contains(folder.path().to_str().unwrap()),
        "{report}"
    );
    let report = warnings("free_bytes = 0\njournal_bytes = 1_000_000_000_000_000", &data);
    assert!(report.contains("\nwarning: queue.journal_bytes: the journal may hold "), "{report}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let report = warnings("free_bytes = 0", &file.join("data"));
    assert!(
        report.contains("\nwarning: data: ") && report.contains("a file is where a folder should be"),
        "{report}"
    );
    assert!(!data.exists());
}

#[test]
fn check_prints_the_defaults_and_they_pass_its_own_check() {
    let output = weir(&["check", "--defaults"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(stdout(&output), weir::config::DEFAULTS);
}

#[test]
fn an_export_that_says_nothing_of_gainsight_is_one_sentence_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let large = folder.path().join("large.json");
    fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    for (path, told) in [
        (file("none.json", r#"{"sources":[]}"#), "it contains no Gainsight destination"),
        (file("not.json", "sources:"), "is not JSON"),
        (large.to_str().unwrap().to_owned(), "is larger than 64 MiB"),
        (folder.path().join("away.json").to_str().unwrap().to_owned(), "cannot read "),
        (folder.path().to_str().unwrap().to_owned(), "cannot read "),
    ] {
        let output = weir(&["import-destination", &path]).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()), "{path}");
        let line = stderr(&output);
        assert!(line.contains(told) && line.contains(&path) && line.lines().count() == 1, "{line}");
    }
}

#[test]
fn a_secret_is_not_written_over_another_and_may_go_to_another_folder() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let export = folder.path().join("destination.json");
    let settings = r#"{"accessKey":"key","sharedSecret":"canary-2","tenantId":"t","topicName":"Tickets"}"#;
    fs::write(&export, settings).unwrap();
    let kept = folder.path().join("tickets.secret");
    fs::write(&kept, "canary-1").unwrap();
    let import = ["import-destination", export.to_str().unwrap()];
    let output = weir(&import).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let told = stderr(&output);
    assert!(told.contains(kept.to_str().unwrap()) && !told.contains("canary"), "{told}");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "canary-1");

    let mut elsewhere = weir(&import);
    elsewhere.args(["--secrets", other.path().to_str().unwrap()]);
    for _ in 0..2 {
        let output = elsewhere.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::read_to_string(other.path().join("tickets.secret")).unwrap(), "canary-2\n");
    }
}

#[test]
fn an_export_on_stdin_leaves_its_secrets_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    fs::write(&export, r#"{"sharedSecret":"of-the-export","tenantId":"t","topicName":"Tickets"}"#).unwrap();
    let mut command = weir(&["import-destination", "-"]);
    let stdin = fs::File::open(&export).unwrap();
    let output = command.stdin(stdin).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let kept = folder.path().canonicalize().unwrap().join("tickets.secret");
    assert!(stdout(&output).contains(&format!("secrets = [{{ file = {kept:?} }}]")), "{output:?}");
    assert!(kept.exists());
}

#[test]
fn output_that_nobody_reads_is_a_sentence_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("destination.json");
    fs::write(&export, r#"{"accessKey":"key","sharedSecret":"s","tenantId":"t","topicName":"T"}"#).unwrap();
    let import = ["import-destination", export.to_str().unwrap()];
    for args in
        [&["check"][..], &["check", "--defaults"], &["key"], &["secret"], &["completions", "bash"], &import]
    {
        let (_, unread) = std::io::pipe().unwrap();
        let child = weir(args).stdout(unread).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let told = "nobody reads stdout any more: some of the output may be lost\n";
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), told), "{args:?}");
    }
}

#[test]
fn a_gateway_serves_though_nobody_reads_how_to_try_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, unread) = std::io::pipe().unwrap();
    let mut serve = weir(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let serve = serve.env("WEIR_DATA", folder.path()).stdout(unread).stderr(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told = log.find(|line| line.contains("can't be printed")).unwrap();
    assert!(told.contains("first-start.json"), "{told}");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(log.any(|line| line.contains("stopped: every acknowledged record is durable")));
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_version_is_that_of_the_crate() {
    let output = weir(&["--version"]).output().unwrap();
    // Of a release, the commit stands behind it.
    let said = stdout(&output);
    assert_eq!(said.trim_end().split(" (").next(), Some(concat!("weir ", env!("CARGO_PKG_VERSION"))));
}

/// Every variable that a command reads, as its help names them.
fn variables() -> BTreeSet<String> {
    let help = |args: &[&str]| stdout(&weir(args).output().unwrap());
    let commands: Vec<String> = help(&["help"])
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert!(commands.contains(&"serve".to_owned()), "{commands:?}");
    let texts = commands.iter().map(|command| help(&["help", command]));
    texts
        .flat_map(|text| {
            let named =
                text.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap().to_owned());
            named.collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_variable_that_a_command_reads_is_one_that_the_tests_take_away() {
    let variables = variables();
    for name in ["WEIR_CONFIG", "WEIR_DATA", "WEIR_LISTEN", "WEIR_ADMIN", "WEIR_BROKERS", "WEIR_LOG"] {
        assert!(variables.contains(name), "{name} is not in {variables:?}");
    }
    assert!(variables.iter().all(|name| name.starts_with("WEIR_")), "{variables:?}");
}

#[test]
fn variables_that_are_set_but_empty_count_as_not_set() {
    let empty: Vec<_> = variables().into_iter().map(|name| (name, "")).collect();
    let check = weir(&["check"]).envs(empty.clone()).output().unwrap();
    assert!(check.status.success(), "{}", stderr(&check));
    assert!(stdout(&check).contains("./weir-data/journal"), "{}", stdout(&check));
    let folder = tempfile::tempdir().unwrap();
    let tail = weir(&["tail"]).envs(empty).current_dir(folder.path()).output().unwrap();
    assert_eq!(tail.status.code(), Some(1));
    assert!(stderr(&tail).contains("there is no journal in ./weir-data/journal"), "{}", stderr(&tail));
}
