//! The desk on both databases, and several processes at once, as far as threads with connections of their own are
//! that.

use std::thread;

use weir::connect::credentials::Key;
use weir::connect::desk::chains::Timed;
use weir::connect::desk::credentials::{DeskVault, key_in};
use weir::connect::desk::documents::{Applied, Kind};
use weir::connect::desk::rows::{Batch, RowError};
use weir::connect::desk::runs::{Asked, LEASES, Run, State};
use weir::connect::desk::seen::DeskSeen;
use weir::connect::desk::sent::SentRow;
use weir::connect::desk::spent::{Allowance, DeskMeter};
use weir::connect::desk::{Desk, DeskError, OpenDesk};
use weir::connect::files::seen::Seen;
use weir::connect::meter::Meter;
use weir::connect::source::SourceError;
use weir::connect::vault::Vault;
use weir::queue::subscription::Partition;
use weir::store::RunLoad;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::sqlite::SqliteStore;

use crate::harness::postgres::Database;

/// Runs each case on both databases.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[test] fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("store.sqlite");
                super::$case(std::sync::Arc::new(move || Ok(Box::new(super::SqliteStore::open(&file)?))));
            })*
        }
        mod on_postgres {
            $(#[test] fn $case() {
                let database = super::Database::new();
                let target = super::Target::read(&database.url).unwrap();
                super::$case(std::sync::Arc::new(move || Ok(Box::new(super::PostgresStore::open(&target)?))));
            })*
        }
    };
}

on_both! {
    a_document_is_applied_changed_and_removed_with_what_belongs_to_it
    a_lease_that_was_taken_over_lets_nobody_write
    a_run_that_is_worked_on_is_nobody_elses_and_one_that_has_ended_leaves_no_lease
    a_change_of_a_document_is_seen_by_who_asks_for_the_version
    the_last_runs_of_a_job_are_kept_with_their_errors
    a_run_of_a_file_waits_for_those_before_it
    two_runs_of_one_job_do_not_go_on_at_once
    a_run_is_loaded_once_the_loader_has_counted_what_was_acknowledged
    what_was_sent_is_found_by_id
    a_credential_is_sealed_and_shared
    one_at_a_time_renews_a_token
    credits_are_shared_and_what_others_use_counts_too
    many_at_once_never_spend_more_than_is_weirs
    a_chain_and_a_schedule_are_followed_by_one_of_several
    mended_rows_and_what_was_not_found_are_kept_for_their_job
    files_are_known_by_their_content
}

fn batch(name: &str, records: i64) -> Batch {
    Batch { name: name.to_owned(), records, last_row: records }
}

/// A row that is rejected, at a place of its run.
fn error(row: i64) -> RowError {
    RowError {
        row,
        step: "map".to_owned(),
        code: "type_invalid".to_owned(),
        field: Some("Employees".to_owned()),
        message: "m".to_owned(),
        hint: "h".to_owned(),
        external_id: None,
        source: "[]".to_owned(),
    }
}

fn open(open: &OpenDesk) -> Desk {
    Desk::open(open).unwrap()
}

fn a_document_is_applied_changed_and_removed_with_what_belongs_to_it(place: OpenDesk) {
    let mut desk = open(&place);
    let mut apply = |json: &str| desk.apply(&[(Kind::Connection, "acme", "zoho", json)]).unwrap();
    assert_eq!(apply("{}"), [Applied::Created]);
    assert_eq!(apply("{}"), [Applied::Same]);
    assert_eq!(apply("{\"a\":1}"), [Applied::Changed]);
    desk.apply(&[(Kind::Connection, "other", "zoho", "{}")]).unwrap();
    let of = |desk: &mut Desk, tenant| desk.documents(Kind::Connection, tenant).unwrap().len();
    assert_eq!((of(&mut desk, None), of(&mut desk, Some("acme")), of(&mut desk, Some("no"))), (2, 1, 0));
    assert_eq!(desk.document(Kind::Job, "acme", "zoho").unwrap(), None);
    let key = Key::new(&[1; 32]);
    DeskVault::new(&place, &key, "acme", "zoho").put(&[("token", Some("t"))]).unwrap();
    assert_eq!(desk.credential_names("acme", "zoho").unwrap(), ["token"]);
    assert!(desk.remove(&[(Kind::Connection, "acme", "zoho")]).unwrap());
    assert!(!desk.remove(&[(Kind::Connection, "acme", "zoho")]).unwrap());
    assert_eq!(desk.credential_names("acme", "zoho").unwrap().len(), 0);
    let told: Vec<_> =
        desk.changes(Some("acme"), 10).unwrap().into_iter().map(|change| change.what).collect();
    assert_eq!(told[told.len() - 2..], ["changed", "created"]);
}

fn a_lease_that_was_taken_over_lets_nobody_write(place: OpenDesk) {
    let (mut one, mut two) = (open(&place), open(&place));
    let mut run = one.queue_run("acme", "accounts", None, &Asked::default()).unwrap();
    let lease = one.take("run/1", "one", -1).unwrap().unwrap();
    let other = two.take("run/1", "two", 60_000).unwrap().unwrap();
    assert_eq!(one.take("run/1", "one", 60_000).unwrap(), None, "it is held");
    run.state = State::Loading;
    assert_eq!(one.put_run(&lease, &run), Err(DeskError::Overtaken));
    assert_eq!(two.run(&run.id).unwrap().unwrap().state, State::Queued);
    two.put_run(&other, &run).unwrap();
    assert_eq!(two.run(&run.id).unwrap().unwrap().state, State::Loading);
    assert_eq!(two.holder("run/").unwrap().as_deref(), Some("two"));
    two.release(&other).unwrap();
    assert_eq!(two.holder("run/").unwrap(), None);
    assert!(one.take("run/1", "one", 60_000).unwrap().is_some());
}

fn a_run_that_is_worked_on_is_nobody_elses_and_one_that_has_ended_leaves_no_lease(place: OpenDesk) {
    let (mut one, mut two) = (open(&place), open(&place));
    let mut run = one.queue_run("acme", "accounts", None, &Asked::default()).unwrap();
    let name = format!("{LEASES}{}", run.id);
    assert_eq!(two.open_runs().unwrap(), [run.clone()]);
    let old = one.take(&name, "one", 60_000).unwrap().unwrap();
    assert_eq!(two.open_runs().unwrap(), [], "it is worked on");
    one.release(&old).unwrap();
    assert_eq!(two.open_runs().unwrap().len(), 1);
    let lease = two.take(&name, "two", 60_000).unwrap().unwrap();
    (run.state, run.ended_ms) = (State::Success, Some(1));
    two.end_run(&lease, &run, &[]).unwrap();
    let left = two.store().query("SELECT count(*) FROM weir_lease", &[]).unwrap();
    assert_eq!(left[0].int(0), Some(0));
    // Whoever saw it open takes it once more; whoever held it before is none the wiser.
    two.take(&name, "two", 60_000).unwrap().unwrap();
    assert_eq!(one.put_run(&old, &run), Err(DeskError::Overtaken));
}

fn a_change_of_a_document_is_seen_by_who_asks_for_the_version(place: OpenDesk) {
    let mut desk = open(&place);
    let empty = desk.version().unwrap();
    desk.apply(&[(Kind::Job, "acme", "a", "{}"), (Kind::Chain, "acme", "c", "{}")]).unwrap();
    let made = desk.version().unwrap();
    assert_eq!((empty.count, made.count), (0, 2));
    thread::sleep(std::time::Duration::from_millis(5));
    desk.apply(&[(Kind::Job, "acme", "a", "{\"b\":1}"), (Kind::Chain, "acme", "c", "{}")]).unwrap();
    let changed = desk.version().unwrap();
    assert!(changed.count == 2 && changed.changed_ms > made.changed_ms);
    desk.remove(&[(Kind::Chain, "acme", "c")]).unwrap();
    assert_eq!(desk.version().unwrap().count, 1);
}

fn the_last_runs_of_a_job_are_kept_with_their_errors(place: OpenDesk) {
    let mut desk = open(&place);
    let other = desk.queue_run("acme", "other", None, &Asked::default()).unwrap();
    let end = |desk: &mut Desk, mut run: Run| {
        let lease = desk.take(&format!("{LEASES}{}", run.id), "me", 60_000).unwrap().unwrap();
        desk.put_errors(&lease, &run.id, &[error(1)]).unwrap();
        (run.state, run.ended_ms) = (State::PartialSuccess, Some(run.created_ms));
        desk.end_run(&lease, &run, &[]).unwrap();
        run.id
    };
    end(&mut desk, other);
    let runs: Vec<String> = (0..203)
        .map(|_| {
            let run = desk.queue_run("acme", "accounts", None, &Asked::default()).unwrap();
            end(&mut desk, run)
        })
        .collect();
    let kept = desk.runs(Some("acme"), Some("accounts"), 1_000).unwrap();
    assert!((200..=201).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().map(|run| run.id.as_str()), runs.get(203 - kept.len()).map(String::as_str));
    let errors = desk.store().query("SELECT count(*) FROM weir_run_error", &[]).unwrap();
    assert_eq!(errors[0].int(0), Some(1 + i64::try_from(kept.len()).unwrap()));
    assert_eq!(desk.runs(Some("acme"), Some("other"), 10).unwrap().len(), 1);
}

fn a_run_of_a_file_waits_for_those_before_it(place: OpenDesk) {
    let mut desk = open(&place);
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let id = desk.new_run_id("staff").unwrap();
            desk.queue_upload(&id, ("acme", "staff"), "a.csv").unwrap();
            thread::sleep(std::time::Duration::from_millis(2));
            id
        })
        .collect();
    let asked = desk.queue_run("acme", "staff", None, &Asked::default()).unwrap();
    assert!(desk.queue_run("acme", "staff", None, &Asked::default()).is_err(), "as ever, one at a time");
    let order = ids.into_iter().chain([asked.id]);
    for id in order {
        let open = desk.open_runs().unwrap();
        assert_eq!(open.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
        let lease = desk.take(&format!("{LEASES}{id}"), "me", 60_000).unwrap().unwrap();
        let ended = Run { state: State::Success, ended_ms: Some(1), ..open[0].clone() };
        desk.end_run(&lease, &ended, &[]).unwrap();
    }
    assert_eq!(desk.open_runs().unwrap(), []);
}

fn two_runs_of_one_job_do_not_go_on_at_once(place: OpenDesk) {
    let asked = Asked { full: true, ..Asked::default() };
    let queued: Vec<_> = thread::scope(|scope| {
        let ask = || open(&place).queue_run("acme", "accounts", None, &asked);
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(queued.iter().filter(|queued| queued.is_ok()).count(), 1, "{queued:?}");
    let mut desk = open(&place);
    desk.queue_run("other", "accounts", None, &asked).unwrap();
    let mut run = queued.into_iter().find_map(Result::ok).unwrap();
    assert_eq!((run.state, &run.asked), (State::Queued, &asked));
    assert!(desk.cancel(&run.id).unwrap() && desk.run(&run.id).unwrap().unwrap().is_cancelled);
    let lease = desk.take("run", "me", 60_000).unwrap().unwrap();
    (run.state, run.ended_ms) = (State::Cancelled, Some(1));
    desk.end_run(&lease, &run, &[("accounts".to_owned(), "2026-01-01T00:00:00Z".to_owned())]).unwrap();
    assert!(!desk.cancel(&run.id).unwrap());
    assert_eq!(desk.cursor("acme", "accounts", "accounts").unwrap().as_deref(), Some("2026-01-01T00:00:00Z"));
    desk.queue_run("acme", "accounts", None, &asked).unwrap();
    assert_eq!(desk.runs(Some("acme"), Some("accounts"), 10).unwrap().len(), 2);
    assert_eq!(desk.open_runs().unwrap().len(), 2);
}

fn a_run_is_loaded_once_the_loader_has_counted_what_was_acknowledged(place: OpenDesk) {
    let mut desk = open(&place);
    let run = desk.queue_run("acme", "accounts", None, &Asked::default()).unwrap();
    let lease = desk.take("run", "me", 60_000).unwrap().unwrap();
    desk.acknowledge(&lease, &run, &batch("a", 3), &[]).unwrap();
    desk.acknowledge(&lease, &run, &batch("b", 1), &[]).unwrap();
    assert_eq!(desk.last_row(&run.id).unwrap(), 3);
    let load = |batch: &str, number, loaded, failed| RunLoad {
        run: run.id.clone(),
        batch: batch.to_owned(),
        partition: Partition { topic: "t".to_owned(), number },
        loaded,
        failed,
        kept_out: 0,
    };
    let mut store = place().unwrap();
    let mut put = |loads: &[RunLoad]| {
        store.begin().unwrap();
        store.put_run_loads(loads).unwrap();
        store.commit().unwrap();
    };
    put(&[load("a", 0, 1, 0), load("killed", 0, 9, 0)]);
    put(&[load("a", 0, 0, 1), load("a", 1, 1, 0)]);
    let loads = desk.loads(&run.id).unwrap();
    assert_eq!((loads.sent, loads.loaded, loads.failed, loads.are_all()), (4, 2, 1, false));
    put(&[load("b", 0, 1, 0)]);
    assert!(desk.loads(&run.id).unwrap().are_all());
    let errors = [error(7), error(9)];
    desk.put_errors(&lease, &run.id, &errors).unwrap();
    desk.put_errors(&lease, &run.id, &errors).unwrap();
    assert_eq!(desk.errors(&run.id, 0, 10).unwrap(), errors);
    assert_eq!(desk.errors(&run.id, 7, 10).unwrap(), errors[1..]);
}

fn what_was_sent_is_found_by_id(place: OpenDesk) {
    let mut desk = open(&place);
    let run = desk.queue_run("acme", "accounts", None, &Asked::default()).unwrap();
    let lease = desk.take("run", "me", 60_000).unwrap().unwrap();
    let sent = |number: u32| SentRow {
        external_id: format!("id{number:04}"),
        key: format!("key{number}"),
        hash: vec![1, 2],
        is_gone: false,
    };
    let rows: Vec<_> = (0..1_234).map(sent).collect();
    desk.acknowledge(&lease, &run, &batch("a", 1_234), &rows).unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.external_id.as_str()).chain(["none"]).collect();
    assert_eq!(desk.sent("acme", "accounts", &ids).unwrap().len(), 1_234);
    assert!(
        desk.sent("acme", "other", &ids).unwrap().is_empty()
            && desk.sent("b", "accounts", &ids).unwrap().is_empty()
    );
    assert_eq!(desk.sent_count("acme", "accounts").unwrap(), 1_234);
    let gone = SentRow { is_gone: true, ..sent(3) };
    desk.acknowledge(&lease, &run, &batch("b", 1), &[gone]).unwrap();
    assert_eq!(desk.sent_count("acme", "accounts").unwrap(), 1_233);
    assert_eq!(desk.sent("acme", "accounts", &["id0002"]).unwrap()["id0002"], sent(2));
    desk.forget_sent("acme", "accounts", &["id0002"]).unwrap();
    assert_eq!(desk.sent("acme", "accounts", &["id0002"]).unwrap()["id0002"].hash, [0_u8; 0]);
}

fn a_credential_is_sealed_and_shared(place: OpenDesk) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.key");
    let key = key_in(&file).unwrap();
    let mut vault = DeskVault::new(&place, &key, "acme", "zoho");
    assert_eq!(vault.get("token").unwrap(), None);
    vault.put(&[("token", Some("secret")), ("other", Some("x"))]).unwrap();
    vault.put(&[("other", None)]).unwrap();
    let mut again = DeskVault::new(&place, &key_in(&file).unwrap(), "acme", "zoho");
    assert_eq!((again.get("token").unwrap().as_deref(), again.get("other").unwrap()), (Some("secret"), None));
    let mut wrong = DeskVault::new(&place, &Key::new(&[9; 32]), "acme", "zoho");
    assert!(matches!(wrong.get("token"), Err(SourceError::Authorize(_))));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&file, "short").unwrap();
    assert!(key_in(&file).unwrap_err().contains("64 hexadecimal digits"));
}

fn one_at_a_time_renews_a_token(place: OpenDesk) {
    let key = Key::new(&[1; 32]);
    // The tables first: twenty that make them would wait for each other.
    open(&place);
    let renew = || {
        let mut vault = DeskVault::new(&place, &key, "acme", "zoho");
        vault.lock().unwrap();
        let number: u32 = vault.get("count").unwrap().map_or(0, |count| count.parse().unwrap());
        vault.put(&[("count", Some(&(number + 1).to_string()))]).unwrap();
        vault.unlock();
    };
    thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(renew))));
    let count = DeskVault::new(&place, &key, "acme", "zoho").get("count").unwrap();
    assert_eq!(count.as_deref(), Some("20"));
}

fn credits_are_shared_and_what_others_use_counts_too(place: OpenDesk) {
    let allowance = Allowance { org: "eu/acme".to_owned(), credits_per_day: 100, reserve: 0.2 };
    let (mut one, mut two) =
        (DeskMeter::new(&place, allowance.clone()), DeskMeter::new(&place, allowance.clone()));
    one.spend(50).unwrap();
    two.spend(20).unwrap();
    let refused = one.spend(11).unwrap_err();
    let SourceError::Budget { until, why } = &refused else { panic!("{refused}") };
    assert!(why.contains("80 of 100 in any 24 hours"), "{why}");
    let hours = until.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((23..=24).contains(&hours), "{until}");
    one.spend(10).unwrap();
    assert_eq!(open(&place).credits_left(&allowance).unwrap(), 0);
    let mut far = DeskMeter::new(&place, Allowance { credits_per_day: 1_000, ..allowance.clone() });
    far.left(400).unwrap();
    // 600 were used in all.
    assert_eq!(open(&place).credits_left(&Allowance { credits_per_day: 1_000, ..allowance }).unwrap(), 200);
    assert!(matches!(far.spend(900), Err(SourceError::Settings(_))));
}

fn many_at_once_never_spend_more_than_is_weirs(place: OpenDesk) {
    open(&place);
    let allowance = Allowance { org: "eu/acme".to_owned(), credits_per_day: 100, reserve: 0.2 };
    let spend = || DeskMeter::new(&place, allowance.clone()).spend(10).is_ok();
    let spent = thread::scope(|scope| {
        let spending: Vec<_> = (0..12).map(|_| scope.spawn(spend)).collect();
        spending.into_iter().map(|spent| spent.join().unwrap()).filter(|spent| *spent).count()
    });
    assert_eq!(spent, 8);
}

fn a_chain_and_a_schedule_are_followed_by_one_of_several(place: OpenDesk) {
    let mut desk = open(&place);
    let chain = desk.queue_chain("acme", "nightly", "{}").unwrap();
    assert!(matches!(desk.queue_chain("acme", "nightly", "{}"), Err(DeskError::Refused(_))));
    let run = desk.queue_run("acme", "accounts", Some(&chain.id), &Asked::default()).unwrap();
    desk.queue_run("acme", "other", None, &Asked::default()).unwrap();
    assert_eq!(desk.runs_of_chain(&chain.id).unwrap(), [run]);
    assert_eq!(desk.open_chains().unwrap(), std::slice::from_ref(&chain));
    desk.end_chain(&chain.id, State::PartialSuccess).unwrap();
    let ended = desk.chain_run(&chain.id).unwrap().unwrap();
    assert_eq!((ended.state.as_str(), ended.ended_ms.is_some()), ("partial_success", true));
    assert!(desk.open_chains().unwrap().is_empty());
    desk.queue_chain("acme", "nightly", "{}").unwrap();
    let whose = ("acme", Timed::Chain, "nightly");
    assert_eq!(desk.followed(whose).unwrap(), None);
    let followed: Vec<_> = thread::scope(|scope| {
        let follow = || open(&place).follow(whose, None, 1_000).unwrap();
        let following: Vec<_> = (0..4).map(|_| scope.spawn(follow)).collect();
        following.into_iter().map(|followed| followed.join().unwrap()).collect()
    });
    assert_eq!(followed.iter().filter(|followed| **followed).count(), 1);
    assert!(
        !desk.follow(whose, Some(999), 2_000).unwrap() && desk.follow(whose, Some(1_000), 2_000).unwrap()
    );
    assert_eq!(desk.followed(whose).unwrap(), Some(2_000));
    let apply = |desk: &mut Desk, more: &str| {
        let json = format!("{{\"chains\":{{\"nightly\":{{{more}}}}}}}");
        desk.apply(&[(Kind::Chain, "acme", "nightly", &json)]).unwrap();
        desk.followed(whose).unwrap()
    };
    assert_eq!(apply(&mut desk, "\"schedule\":1"), None, "it is another chain now");
    desk.follow(whose, None, 3_000).unwrap();
    assert_eq!(apply(&mut desk, "\"schedule\":1,\"jobs\":[]"), Some(3_000), "at the same times");
    assert_eq!(apply(&mut desk, "\"schedule\":2"), None, "at other times");
    desk.follow(whose, None, 4_000).unwrap();
    desk.remove(&[(Kind::Chain, "acme", "nightly")]).unwrap();
    assert_eq!(desk.followed(whose).unwrap(), None, "it is gone");
    let present = ("jobs/", "jobs/me");
    desk.take_again(present, "me", 60_000).unwrap();
    desk.take_again(("jobs/", "jobs/gone"), "gone", -2 * 86_400_000).unwrap();
    desk.take_again(present, "me", 60_000).unwrap();
    let names = desk.store().query("SELECT name FROM weir_lease WHERE name LIKE 'jobs/%'", &[]).unwrap();
    assert_eq!(names.iter().map(|row| row.string(0)).collect::<Vec<_>>(), ["jobs/me"], "a day is enough");
    assert_eq!(desk.holder("jobs/").unwrap().as_deref(), Some("me"));
}

fn mended_rows_and_what_was_not_found_are_kept_for_their_job(place: OpenDesk) {
    let mut desk = open(&place);
    let run = desk.queue_run("acme", "people", None, &Asked::default()).unwrap();
    let lease = desk.take("run", "me", 60_000).unwrap().unwrap();
    let ended = Run { state: State::Failed, ended_ms: Some(1), ..run };
    desk.end_run(&lease, &ended, &[]).unwrap();
    let row = |mail: &str| vec![("Mail".to_owned(), Some(mail.to_owned())), ("Name".to_owned(), None)];
    let rows = [row("Ada_x@x.org"), row("bob@x.org")];
    let mended = desk.queue_mended(&ended, &rows).unwrap();
    assert_eq!((mended.asked.from_file, mended.asked.retries.as_deref()), (true, Some(ended.id.as_str())));
    assert_eq!(desk.mended(&mended.id).unwrap(), rows);
    let lease = desk.take("run", "me", 60_000).unwrap().unwrap();
    let unfound = [("1", true), ("2", true), ("1", false), ("3", false)];
    let unfound = unfound.map(|(id, is_unfound)| (id.to_owned(), is_unfound));
    desk.note_unfound(&lease, ("acme", "people"), &unfound[..2]).unwrap();
    desk.note_unfound(&lease, ("acme", "people"), &unfound[1..]).unwrap();
    assert_eq!(desk.unfound("acme", "people").unwrap(), ["2"]);
    assert!(desk.unfound("acme", "other").unwrap().is_empty());
    let sent = |id: &str, key: &str| SentRow {
        external_id: id.to_owned(),
        key: key.to_owned(),
        hash: vec![1],
        is_gone: false,
    };
    let links = [sent("1", "ada_x@x.org"), sent("2", "ada_x@x.org\u{1f}1P02"), sent("3", "adaXx@x.org")];
    desk.acknowledge(&lease, &mended, &batch("a", 3), &links).unwrap();
    assert_eq!(desk.forget_person("acme", "ada_x@x.org").unwrap(), 3, "a row, a link, and what was mended");
    assert_eq!(desk.sent_count("acme", "people").unwrap(), 1, "an underscore is no wildcard");
    assert_eq!(desk.mended(&mended.id).unwrap(), [row("bob@x.org")]);
    assert_eq!(desk.ended_runs("acme").unwrap(), [desk.run(&ended.id).unwrap().unwrap()]);
}

fn files_are_known_by_their_content(place: OpenDesk) {
    let mut seen = DeskSeen::new(&place, "acme", "drop");
    assert_eq!(seen.file("sha256:1").unwrap(), None);
    seen.note("sha256:1", "a.csv").unwrap();
    seen.note("sha256:1", "b.csv").unwrap();
    assert_eq!(DeskSeen::new(&place, "acme", "drop").file("sha256:1").unwrap().as_deref(), Some("a.csv"));
    assert_eq!(DeskSeen::new(&place, "acme", "other").file("sha256:1").unwrap(), None);
}
