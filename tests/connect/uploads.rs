//! Files that are sent to the real binary, each for a run of its own.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::wait_until;
use crate::whole::{Set, accounts, counts};

const DOCUMENT: &str = r#"
[connections.sent]
connector = "upload"
name = "What scripts send"
[jobs.staff]
connection = "sent"
name = "Staff to companies"
[jobs.staff.datasets.rows]
object = "*"
fields = ["Id", "Name", "Staff"]
[jobs.staff.destination]
dataset = "rows"
object = "company"
operation = "upsert"
external_id = "Id"
[jobs.staff.destination.fields]
Name = "Name"
Employees = "Staff"
"#;

const ROWS: &str = "Id,Name,Staff\n1,Initech,12\n2,,7\n3,Hooli,30\n";

fn set() -> Set {
    let set = Set::new(accounts(1));
    assert_eq!(set.told(&["job", "apply", "-"], DOCUMENT), "connection sent: created\njob staff: created\n");
    set
}

/// Sends a file as scripts do, with curl: its status and what it prints.
fn curl(set: &Set, target: &str, more: &[&str], body: &[u8]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "-w", "\n%{http_code}"]).args(more).arg(format!("{}{target}", set.weir.url()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who refuses a body early does not read it.
    stdin.write_all(body).unwrap_or_default();
    drop(stdin);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    let (said, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), said.to_owned())
}

/// Posts a file, which is the body.
fn post(set: &Set, target: &str, body: &[u8]) -> (u16, String) {
    let user = format!("{}:", set.weir.key());
    curl(set, target, &["-u", &user, "--data-binary", "@-", "-H", "Content-Type: text/csv"], body)
}

fn queued(set: &Set, target: &str, body: &[u8]) -> String {
    let (status, said) = post(set, target, body);
    assert_eq!(status, 202, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((said["state"].as_str(), said["bytes"].as_u64()), (Some("queued"), Some(body.len() as u64)));
    said["run"].as_str().unwrap().to_owned()
}

/// The run, once it has ended, as its sender is told.
fn ended(set: &Set, run: &str) -> Value {
    let ask = || -> Value {
        let user = format!("{}:", set.weir.key());
        let (status, said) = curl(set, &format!("/v1/bulk/{run}"), &["-u", &user], b"");
        assert_eq!(status, 200, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    wait_until("the run has ended", || !ask()["ended_at"].is_null());
    ask()
}

#[test]
fn a_file_that_is_sent_is_loaded_by_a_run_of_its_own_and_its_bad_row_comes_back() {
    let set = set();
    let run = queued(&set, "/v1/bulk/staff?file=../staff.csv", ROWS.as_bytes());
    let ended_run = ended(&set, &run);
    assert_eq!(
        (ended_run["state"].as_str(), counts(&ended_run)),
        (Some("partial_success"), [3, 3, 0, 1, 2, 0]),
        "{ended_run}"
    );
    assert_eq!(ended_run["file"], "staff.csv");
    assert_eq!(set.ask("SELECT name, employees FROM acme_company ORDER BY 1"), ["Hooli|30", "Initech|12"]);
    let errors = set.told(&["activity", "errors", &run], "");
    assert!(errors.contains("key_missing"), "{errors}");
    let mended = set.weir.data().join("mended.csv");
    std::fs::write(&mended, errors.replace("2,,7", "2,Mended,7")).unwrap();
    let again = set.json(&["job", "retry", &run, "--file", mended.to_str().unwrap(), "--wait"]);
    assert_eq!((again["state"].as_str(), counts(&again)), (Some("success"), [1, 1, 0, 0, 1, 0]), "{again}");
    // The same content is known; gzip and tabs are read, whatever they are called.
    let same = ended(&set, &queued(&set, "/v1/bulk/staff", ROWS.as_bytes()));
    assert_eq!((same["state"].as_str(), counts(&same)), (Some("success"), [0; 6]), "{same}");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"Id\tName\tStaff\n3\tHooli\t31\n").unwrap();
    let other = ended(&set, &queued(&set, "/v1/bulk/staff", &gzip.finish().unwrap()));
    assert_eq!((other["state"].as_str(), counts(&other)), (Some("success"), [1, 1, 0, 0, 1, 0]), "{other}");
    assert_eq!(set.ask("SELECT employees FROM acme_company WHERE name = 'Hooli'"), ["31"]);
    let preview = set.told(&["job", "preview", "staff"], "");
    assert!(preview.contains("same    3"), "by the last file: {preview}");
}

#[test]
fn a_row_that_is_too_short_comes_back_with_its_values_and_only_a_whole_file_is_taken_again() {
    let set = set();
    let run = queued(&set, "/v1/bulk/staff", b"Id,Name,Staff\n1,Initech,12\n4,Short\n");
    assert_eq!(ended(&set, &run)["state"], "partial_success");
    let errors = set.told(&["activity", "errors", &run], "");
    assert!(errors.starts_with("Id,Name,Staff,_row,") && errors.contains("\n4,Short,,"), "{errors}");
    let file = set.weir.data().join("mended.csv");
    let retry = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = set.run(&["job", "retry", &run, "--file", file.to_str().unwrap(), "--wait"], "");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (text, why) in [("foo,bar\n1,2\n", "it has no column Id"), ("Id,Name,Staff\n4,Short\n", "line 2: ")] {
        let (code, said) = retry(text);
        assert!(code != Some(0) && said.contains(why), "{said}");
    }
    let output = set.run(&["job", "retry", &run], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("send them with --file"), "{said}");
    assert_eq!(retry(&errors.replace("4,Short,,", "4,Short,9,")).0, Some(0));
    assert_eq!(set.ask("SELECT employees FROM acme_company WHERE name = 'Short'"), ["9"]);
}

#[test]
fn a_file_under_a_name_that_its_job_does_not_read_is_refused() {
    let set = set();
    let named = DOCUMENT.replace("jobs.staff", "jobs.named").replace("\"*\"", "\"staff-*.csv\"");
    set.told(&["job", "apply", "-"], &named);
    let (status, said) = post(&set, "/v1/bulk/named?file=other.csv", ROWS.as_bytes());
    assert_eq!(
        (status, said.as_str()),
        (
            404,
            "the job named reads files called staff-*.csv, and this one is called other.csv; send it under such a \
             name\n"
        )
    );
    let run = queued(&set, "/v1/bulk/named?file=staff-1.csv", ROWS.as_bytes());
    assert_eq!(ended(&set, &run)["loaded"], 2);
}

#[test]
fn who_is_wrong_about_a_file_is_told_what_to_do_and_nothing_is_kept() {
    let set = set();
    let key = set.weir.key().to_owned();
    let user = format!("{key}:");
    let data = ["--data-binary", "@-"];
    for (target, more, status, says) in [
        ("/v1/bulk/staff", &[][..], 401, "failed to read writekey from header\n"),
        ("/v1/bulk/staff", &["-u", "wrong:"], 401, "invalid write key\n"),
        ("/v1/bulk/none", &["-u", &user], 404, "there is no job none; see `weir job list`\n"),
        (
            "/v1/bulk/accounts",
            &["-u", &user],
            404,
            "the job accounts takes no files; give it a connection with",
        ),
        (
            "/v1/bulk/staff",
            &["-u", &user, "-H", "Content-Encoding: br"],
            415,
            "content encoding not supported\n",
        ),
    ] {
        let (found, said) = curl(&set, target, &[more, &data].concat(), ROWS.as_bytes());
        assert!(found == status && said.starts_with(says), "{target} {more:?}: {found} {said}");
    }
    let (status, said) = post(&set, "/v1/bulk/staff", b"");
    assert_eq!((status, said.contains("no file came")), (400, true), "{said}");
    let form = ["-u", &user, "-F", "file=@-", "-F", "other=@-"];
    let (status, said) = curl(&set, "/v1/bulk/staff", &form, ROWS.as_bytes());
    assert_eq!((status, said.as_str()), (400, "the form has several files; send one at a time\n"));
    let (status, said) = curl(&set, "/v1/bulk/no-such-run", &["-u", &user], b"");
    assert_eq!((status, said.contains("no such run")), (404, true), "{said}");
    let other =
        DOCUMENT.replace("name = \"What scripts send\"", "name = \"S\"\nsettings.sources = [\"scripts\"]");
    set.told(&["job", "apply", "-"], &other);
    let (status, said) = post(&set, "/v1/bulk/staff", ROWS.as_bytes());
    assert_eq!((status, said.contains("takes no files from the source web")), (403, true), "{said}");
    set.told(&["job", "apply", "-"], DOCUMENT);
    // Larger than allowed, and not announced.
    set.reload("[limits]\nupload_bytes = 100_000\n");
    let large = vec![b'x'; 400_000];
    let chunked = ["-u", &user, "--data-binary", "@-", "-H", "Transfer-Encoding: chunked"];
    for more in [&chunked[..], &["-u", &user, "-F", "file=@-"]] {
        let (status, said) = curl(&set, "/v1/bulk/staff", more, &large);
        assert_eq!((status, said.as_str()), (413, "request size exceeds max limit\n"), "{more:?}");
    }
    assert_eq!(set.ask("SELECT count(*) FROM weir_run"), ["0"]);
    let left = std::fs::read_dir(set.weir.data().join("uploads/incoming")).unwrap().count();
    assert_eq!(left, 0);
    let run = set.run(&["job", "run", "staff", "--wait"], "");
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("no file was sent yet; send one with POST /v1/bulk/{job}"), "{said}");
    assert_eq!(set.told(&["connection", "test", "sent"], "").lines().count(), 1);
}

#[test]
fn scripts_for_gainsights_bulk_api_are_answered_as_there() {
    let set = set();
    let key = format!("accessKey: {}", set.weir.key());
    let import = "/v1.0/admin/connector/job/bulkimport";
    // The id of the job may come behind the file.
    let form = ["-H", &key, "-F", "file=@-;filename=a.csv", "-F", "jobId=staff"];
    let (status, said) = curl(&set, import, &form, ROWS.as_bytes());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["result"], &said["errorCode"]), (200, &json!(true), &Value::Null), "{said}");
    let id = said["data"]["statusId"].as_str().unwrap();
    let ask = || -> Value {
        let (status, said) = curl(&set, &format!("{import}/status/{id}"), &["-H", &key], b"");
        assert_eq!(status, 200, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    wait_until("the import is complete", || {
        let told = ask();
        let word = told["data"]["status"].as_str().unwrap();
        assert!(["INIT", "IN_PROGRESS", "COMPLETED"].contains(&word), "{told}");
        word == "COMPLETED"
    });
    let told = ask();
    let counts = ["totalCount", "successCount", "failedCount"].map(|name| told["data"][name].as_u64());
    assert_eq!(counts, [Some(3), Some(2), Some(1)], "{told}");
    for (target, more, status, code) in [
        (
            import.to_owned(),
            &["-H", "accessKey: wrong", "-F", "file=@-", "-F", "jobId=staff"][..],
            401,
            "GS_APIG_2401",
        ),
        (import.to_owned(), &["-H", &key, "-F", "file=@-", "-F", "jobId=none"], 404, "GSOBJ_1023"),
        (import.to_owned(), &["-H", &key, "-F", "file=@-"], 400, "GSOBJ_1008"),
        (import.to_owned(), &["-H", &key, "-F", "jobId=staff"], 400, "GS_7571"),
        (format!("{import}/status/none"), &["-H", &key], 404, "GSOBJ_1023"),
    ] {
        let (found, said) = curl(&set, &target, more, ROWS.as_bytes());
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((found, said["errorCode"].as_str()), (status, Some(code)), "{more:?} {said}");
        assert_eq!(said["result"], false);
    }
}

#[test]
fn files_of_one_job_that_come_together_are_loaded_one_after_another_and_outlive_a_kill() {
    let mut set = set();
    let files: Vec<String> = (0..6)
        .map(|file| format!("Id,Name,Staff\n1,Initech,{file}\n{},Company {file},1\n", file + 10))
        .collect();
    let runs: Vec<String> = thread::scope(|scope| {
        let set = &set;
        let sending: Vec<_> = files
            .iter()
            .map(|file| scope.spawn(move || queued(set, "/v1/bulk/staff?file=a.csv", file.as_bytes())))
            .collect();
        sending.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    set.restart();
    for run in &runs {
        let ended = ended(&set, run);
        assert_eq!((ended["state"].as_str(), counts(&ended)[0]), (Some("success"), 2), "{ended}");
    }
    let names = "SELECT count(DISTINCT name) FROM acme_company WHERE name LIKE 'Company %'";
    assert_eq!(set.ask(names), ["6"]);
    // The last run decides: never did two of them go on at once.
    let order = "SELECT group_concat(ended_ms >= created_ms) FROM weir_run WHERE job = 'staff'";
    assert_eq!(set.ask(order), ["1,1,1,1,1,1"]);
    let overlap = "SELECT count(*) FROM weir_run AS a JOIN weir_run AS b ON a.id < b.id AND a.job = b.job \
                   AND a.started_ms < b.ended_ms AND b.started_ms < a.ended_ms WHERE a.job = 'staff'";
    assert_eq!(set.ask(overlap), ["0"]);
}

#[test]
fn files_of_a_job_that_was_deleted_and_of_no_run_are_removed() {
    let mut set = set();
    let kept = queued(&set, "/v1/bulk/staff", b"Id,Name,Staff\n1,Initech,2\n");
    ended(&set, &kept);
    let job = set.weir.data().join("uploads/acme/staff");
    let [lost, coming] = ["staff-of-a-crash", "staff-of-this-moment"].map(|run| {
        std::fs::create_dir(job.join(run)).unwrap();
        job.join(run)
    });
    let hours_ago = SystemTime::now() - Duration::from_secs(2 * 3_600);
    std::fs::File::open(&lost).unwrap().set_modified(hours_ago).unwrap();
    set.restart();
    wait_until("the lost file is removed", || !lost.exists());
    assert!(job.join(&kept).exists() && coming.exists());
    set.told(&["job", "delete", "staff"], "");
    set.restart();
    wait_until("the job's file is removed", || !job.join(&kept).exists());
    assert!(coming.exists(), "its run may be just about to be asked for");
}
