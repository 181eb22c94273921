//! What the pages show is what Weir does: every example is run, every link leads somewhere, and what a page lists is
//! complete.

mod configurations;
mod page;
mod shell;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use serde_json::Value;
use weir::cli::Cli;

use self::page::{Page, ROOT, blocks, pages};
use crate::harness::weir::{KEY, Start, Weir, command};
use crate::harness::{sdks, wait_for};

/// An example that a test here runs by itself.
#[derive(Clone, Copy, Debug)]
struct Example {
    page: &'static str,
    heading: &'static str,
    language: &'static str,
    /// What its text contains, where there are several of one language below the heading.
    with: &'static str,
}

const COMPLETE: Example = example("docs/configuration.md", "A complete example", "toml", "");
const FIRST_CURL: Example = example("README.md", "A first event", "sh", "curl");
const FIRST_NODE: Example = example("README.md", "A first event", "js", "");
const FIRST_PYTHON: Example = example("README.md", "A first event", "python", "");
const TRACK_WITH_CONTRACT: Example = example("docs/events.md", "Routes", "sh", "");
const RECORDS: Example = example("docs/records.md", "The records", "json", "");
const RECORD_OF_IDS: Example = example("docs/records.md", "Ids that are one user's", "json", "");
const TAIL_TO_LOADER: Example = example("docs/records.md", "Loading from the journal", "sh", "--exec");
const LOADER: Example = example("docs/records.md", "Loading from the journal", "sh", "psql");
const SECRET_IN_HEADERS: Example = example("docs/secrets.md", "In headers", "sh", "");
const SECRET_BY_SIGNATURE: Example = example("docs/secrets.md", "By a signature", "python", "");

/// Every example that no test over all examples of its language runs, and some that are run as well.
const EXAMPLES: [Example; 11] = [
    COMPLETE,
    FIRST_CURL,
    FIRST_NODE,
    FIRST_PYTHON,
    TRACK_WITH_CONTRACT,
    RECORDS,
    RECORD_OF_IDS,
    TAIL_TO_LOADER,
    LOADER,
    SECRET_IN_HEADERS,
    SECRET_BY_SIGNATURE,
];

/// The languages whose examples are all run by one test: see below, and `configurations`; `postgresql` by that of the
/// store, which has one; `yaml` by that of `deploy`.
const RUN_AS_A_WHOLE: [&str; 6] = ["toml", "sh", "console", "sql", "postgresql", "yaml"];
/// The languages whose examples are only looked at.
const ONLY_SHOWN: [&str; 2] = ["text", "nginx"];

const fn example(
    page: &'static str,
    heading: &'static str,
    language: &'static str,
    with: &'static str,
) -> Example {
    Example { page, heading, language, with }
}

impl Example {
    fn is(self, block: &page::Block) -> bool {
        (self.page, self.heading, self.language) == (&*block.page, &*block.heading, &*block.language)
            && block.text.contains(self.with)
    }

    /// The one block that it is.
    fn text(self) -> String {
        let found: Vec<_> = blocks().into_iter().filter(|block| self.is(block)).collect();
        let [block] = &found[..] else { panic!("{self:?} is {} blocks", found.len()) };
        block.text.clone()
    }
}

/// The environment variable from which the complete example's publisher takes its secret.
const VARIABLE: &str = "TICKETS_SECRET";
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhlIHJlYWRtZQ==";

/// A Weir with the complete example, but on a journal in a folder of its own, and `changed`.
fn weir(changed: impl Fn(&str) -> String) -> Weir {
    let complete = configurations::complete();
    let without_queue = complete.replace("brokers ", "#brokers ").replace("\"linger.ms\"", "#");
    let local: Vec<&str> = without_queue
        .lines()
        .filter(|line| !["data ", "listen ", "admin "].iter().any(|key| line.starts_with(key)))
        .collect();
    Start::default().config(changed(&local.join("\n"))).env(VARIABLE, SECRET).serve()
}

/// Runs `script`, which sends to the address that the pages show, against `weir`; returns what it printed.
fn run(interpreter: &mut Command, script: &str, weir: &Weir) -> String {
    let script = script.replace("http://127.0.0.1:8080", weir.url());
    let output = interpreter.arg(script).env("KEY", KEY).env("SECRET", SECRET).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn interpreter(program: impl AsRef<std::ffi::OsStr>, option: &str) -> Command {
    let mut interpreter = Command::new(program);
    interpreter.arg(option);
    interpreter
}

#[test]
fn no_example_goes_without_a_test_that_runs_it() {
    let blocks = blocks();
    for block in &blocks {
        let language = &*block.language;
        let is_known = RUN_AS_A_WHOLE.contains(&language) || ONLY_SHOWN.contains(&language);
        assert!(is_known || EXAMPLES.iter().any(|example| example.is(block)), "nothing runs {block:?}");
    }
    for example in EXAMPLES {
        example.text();
    }
}

#[test]
fn every_command_on_every_page_is_one_that_weir_understands() {
    let mut understood = 0;
    for block in blocks().iter().filter(|block| ["sh", "console"].contains(&&*block.language)) {
        for command in shell::commands(&block.text.replace("$ ", "")) {
            if let Some(arguments) = shell::arguments_of_weir(&command) {
                let parsed = Cli::try_parse_from(["weir"].into_iter().chain(arguments.iter().map(|a| &**a)));
                parsed.unwrap_or_else(|error| panic!("{block:?}\n{error}"));
                understood += 1;
            }
        }
    }
    assert!(understood >= 20, "only {understood} commands were found");
}

#[test]
fn every_script_that_a_page_calls_is_there() {
    for block in blocks().iter().filter(|block| block.language == "sh") {
        for command in shell::commands(&block.text) {
            let script = &*command[0];
            if ["tests/", "loadtest/"].iter().any(|folder| script.starts_with(folder)) {
                assert!(Path::new(ROOT).join(script).is_file(), "{script} in {block:?}");
            }
        }
    }
}

#[test]
fn every_command_shown_with_its_output_prints_those_lines() {
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_once(" = ").unwrap().0.to_owned()).collect()
    };
    for block in blocks().iter().filter(|block| block.language == "console") {
        let (line, shown) = block.text.split_once('\n').unwrap();
        let [words] = &shell::commands(line.strip_prefix("$ ").unwrap())[..] else { panic!("{line}") };
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let output = command(&arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(names(&String::from_utf8(output.stdout).unwrap()), names(shown), "{block:?}");
    }
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut followed = 0;
    for page in &pages {
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&*link, ""));
            let folder = Path::new(ROOT).join(&page.path);
            let target = if file.is_empty() { folder } else { folder.parent().unwrap().join(file) };
            let target = target.canonicalize().unwrap_or_else(|_| panic!("{link} in {}", page.path));
            if !anchor.is_empty() {
                let is_target = |page: &&Page| target == Path::new(ROOT).join(&page.path);
                let anchors = pages.iter().find(is_target).unwrap().anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{link} in {}: {anchors:?}", page.path);
            }
            followed += 1;
        }
    }
    assert!(followed >= 50, "only {followed} links were found");
}

#[test]
fn every_page_of_the_docs_is_in_their_index() {
    let pages = pages();
    let index = pages.iter().find(|page| page.path == "docs/README.md").unwrap().links();
    for page in &pages {
        if let Some(name) = page.path.strip_prefix("docs/").filter(|name| *name != "README.md") {
            assert!(index.iter().any(|link| link == name), "docs/README.md does not list {name}");
        }
    }
}

#[test]
fn every_metric_and_every_reason_is_described() {
    let page = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let operating = page("docs/operating.md");
    let weir = weir(str::to_owned);
    let (_, metrics) = weir.admin("/metrics");
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE weir_")?.split(' ').next());
    for name in names {
        assert!(operating.contains(&format!("`weir_{name}")), "weir_{name} is not described");
    }
    let help = command(&["quarantine", "list", "-h"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let reasons = help.split("[possible values: ").nth(1).unwrap().split(']').next().unwrap();
    let events = page("docs/events.md");
    for reason in reasons.split(", ") {
        assert!(events.contains(&format!("`{}`", reason.trim())), "{reason} is not described");
    }
}

#[test]
fn a_first_event_arrives_by_curl_and_by_both_sdks() {
    let weir = Weir::demo();
    let key = |example: Example| {
        let text = example.text();
        assert!(text.contains("pgxX…RQy8") || text.contains("THE_KEY"), "{text}");
        text.replace("pgxX…RQy8", weir.key()).replace("THE_KEY", weir.key())
    };
    assert_eq!(run(&mut interpreter("bash", "-c"), &key(FIRST_CURL), &weir), "ok");
    assert_eq!(weir.records().len(), 1);
    run(&mut sdks::interpreter(sdks::Sdk::Node), &key(FIRST_NODE), &weir);
    wait_for("a person and an event", || (weir.records().len() == 3).then_some(()));
    run(&mut sdks::interpreter(sdks::Sdk::Python), &key(FIRST_PYTHON), &weir);
    wait_for("a person", || (weir.records().len() == 4).then_some(()));
    assert_eq!(weir.quarantine(), Vec::<String>::new());
}

#[test]
fn every_query_is_answered() {
    let weir = Start::default().config(crate::harness::weir::config("[store]")).serve();
    let batch = r#"{"batch":[
        {"type":"group","userId":"u","groupId":"g","traits":{"name":"Acme"},"context":{"traits":{"email":"a@x.org"}}},
        {"type":"group","userId":"v","groupId":"h","traits":{"name":"Quiet"},"context":{"traits":{"email":"b@x.org"}}},
        {"type":"track","userId":"u","event":"Ticket Closure"}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
    crate::harness::wait_until("the last event", || {
        weir.metric(r#"weir_load_records_total{loader="store",outcome="loaded",record="event"}"#) == 1.0
    });
    let store = rusqlite::Connection::open(weir.data().join("store.sqlite")).unwrap();
    let queries: Vec<_> = blocks().into_iter().filter(|block| block.language == "sql").collect();
    let answers: Vec<Option<String>> = queries
        .iter()
        .map(|block| {
            let mut query =
                store.prepare(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.text));
            query.query_map([], |row| row.get(0)).unwrap().next().transpose().unwrap()
        })
        .collect();
    assert_eq!(answers, [Some("Quiet".to_owned()), Some("a@x.org".to_owned())]);
}

#[test]
fn the_examples_of_records_are_what_comes_out() {
    let weir = weir(str::to_owned);
    let batch = r#"{"batch":[
        {"type":"identify","userId":"u-ada","messageId":"m-1","timestamp":"2026-11-21T09:00:00.000Z",
         "traits":{"email":"Ada@Example.com","firstName":"Ada","lastName":"Lovelace","plan":"gold","score__gc":97.50}},
        {"type":"group","userId":"u-ada","groupId":"g-1","messageId":"m-2","timestamp":"2026-11-21T09:00:00.000Z",
         "traits":{"name":"Acme GmbH","employees":"250","renewalDate":"2026-12-31","tier":"A"},
         "context":{"traits":{"email":"ada@example.com"}}},
        {"type":"track","userId":"u-ada","event":"Ticket Closure","messageId":"m-3",
         "timestamp":"2026-11-21T09:00:00.000Z",
         "properties":{"ticketId":"T-1","hours":1.50},
         "context":{"externalId":[{"type":"gainsightEventContractId","id":"gold"}]}},
        {"type":"identify","userId":"u-grace","messageId":"m-4","timestamp":"2026-11-21T09:00:00.000Z",
         "traits":{"name":"Grace"}}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).status, 200);
    comes_out(&weir, &RECORDS.text());
}

#[test]
fn the_example_of_ids_that_are_one_users_is_what_comes_out() {
    let weir = weir(|complete| format!("{complete}\n[store]\n"));
    let alias = r#"{"type":"alias","userId":"u-ada","previousId":"phone-1","messageId":"m-5",
        "timestamp":"2026-11-21T09:00:00.000Z"}"#;
    assert_eq!(weir.post("/v1/alias", alias).brief(), (200, "ok"));
    comes_out(&weir, &RECORD_OF_IDS.text());
}

/// The records of `weir` are those that a page shows as `records`, but for the time of receipt.
fn comes_out(weir: &Weir, records: &str) {
    let output = command(&["tail", "--json", "--until-end", "--data"]).arg(weir.data()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    // The page breaks the lines, and indents what belongs to one.
    let shown: String = records.lines().fold(String::new(), |shown, line| match line.strip_prefix(' ') {
        Some(rest) => shown + rest.trim_start(),
        None => shown + "\n" + line,
    });
    let received = |line: &str| serde_json::from_str::<Value>(line).unwrap()["received"].to_string();
    let printed = printed.replace(
        &received(printed.lines().next().unwrap()),
        &received(shown.trim_start().lines().next().unwrap()),
    );
    assert_eq!(printed.trim_end(), shown.trim_start());
    for line in printed.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_track_call_that_names_its_contract_goes_there() {
    let weir = weir(str::to_owned);
    assert_eq!(run(&mut interpreter("bash", "-c"), &TRACK_WITH_CONTRACT.text(), &weir), "ok");
    let topics: Vec<String> = weir.records().into_iter().map(|record| record.topic).collect();
    assert_eq!(topics, ["weir.events.ticket-actions.gold"]);
}

#[test]
fn the_loader_gets_its_batch_and_says_that_it_is_loaded() {
    let weir = weir(str::to_owned);
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#).brief(),
        (200, "ok")
    );
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("load.sh", &LOADER.text());
    // It notes what it was asked, and takes the records.
    script("psql", "#!/bin/sh\nprintf '%s\\n' \"$@\" >asked\ncat >loaded\n");
    let weir_is_in = Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().display();
    let tail = TAIL_TO_LOADER.text();
    let line = format!("PATH='{}:{weir_is_in}':\"$PATH\"; {tail} --until-end", folder.path().display());
    for records in [1, 0] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env("DB", "crm").env("WEIR_DATA", weir.data()).current_dir(&folder);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let noted = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(noted("loaded").lines().count(), records);
        if records > 0 {
            let copy = r"\copy staging (record) from stdin csv quote e'\x01' delimiter e'\x02'";
            assert_eq!(noted("asked"), format!("crm\n-c\n{copy}\n"));
            fs::remove_file(folder.path().join("loaded")).unwrap();
        }
    }
}

#[test]
fn both_ways_to_show_a_secret_work_as_they_are_shown() {
    let weir = weir(|text| {
        let required = text.replace("require_secret = false", "require_secret = true");
        required
            .lines()
            .filter(|line| !line.starts_with("gainsight_tenant_id"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let refused = weir.post("/v1/track", r#"{"userId":"ada","event":"Ticket Closure"}"#);
    assert!(refused.text().contains("secret_missing"), "{refused:?}");
    assert_eq!(run(&mut interpreter("bash", "-c"), &SECRET_IN_HEADERS.text(), &weir), "ok");
    assert_eq!(run(&mut interpreter("python3", "-c"), &SECRET_BY_SIGNATURE.text(), &weir), "ok");
    assert_eq!(weir.quarantine(), ["secret_missing"]);
    assert_eq!(weir.records().len(), 3);
}
