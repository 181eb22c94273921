//! A bucket of S3 as a source: moto's server stands in for it, and a proxy that cuts connections stands before that.

mod moto;

use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use weir::connect::files::place::{Entry, Place};
use weir::connect::files::s3::S3;
use weir::connect::files::seen::SeenHere;
use weir::connect::files::settings::{Bucket, Reading};
use weir::connect::files::source::FileSource;
use weir::connect::source::{Flow, Page, RejectedRow, Source, SourceError, Wanted};
use weir::connect::vault::Vault;

use moto::{Cutting, Moto, answering};

/// Credentials, or none.
struct Keys(bool);

impl Vault for Keys {
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError> {
        Ok(self.0.then(|| format!("test-{field}")))
    }

    fn put(&mut self, _: &[(&str, Option<&str>)]) -> Result<(), SourceError> {
        Ok(())
    }

    fn lock(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn unlock(&mut self) {}
}

fn place(endpoint: &str, bucket: &str, prefix: &str) -> S3 {
    let settings = Bucket {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: endpoint.to_owned(),
        region: "us-east-1".to_owned(),
        is_path_style: true,
    };
    S3::new(&settings, Box::new(Keys(true))).unwrap().with_pause(Duration::from_millis(1))
}

fn source(place: S3) -> FileSource {
    FileSource::new(Box::new(place), Box::new(SeenHere::default()), Reading::default())
}

fn wanted() -> Wanted {
    Wanted {
        object: "*.csv".to_owned(),
        fields: vec!["id".to_owned(), "Name".to_owned()],
        since: Some(Timestamp::default()),
        until: Timestamp::now(),
        filter: None,
        limit: None,
    }
}

/// Pages after `checkpoint`, at most so many.
fn pages(source: &mut FileSource, checkpoint: Option<&str>, most: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut take = |page| {
        pages.push(page);
        Ok(if pages.len() == most { Flow::Enough } else { Flow::More })
    };
    source.read(&wanted(), checkpoint, &mut take).unwrap();
    pages
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.rows).map(|row| row.id.clone().unwrap()).collect()
}

fn names(files: &[Entry]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

fn text(place: &mut S3, name: &str) -> String {
    let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let file = place.list(&folder).unwrap().into_iter().find(|file| file.name == name).unwrap();
    let mut text = String::new();
    place.open(&file, 0).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn files_of_a_bucket_become_rows_and_go_to_the_archive() {
    let bucket = Moto::bucket("whole");
    bucket.put("in/b.csv", "id,Name\n3,Cee\n");
    bucket.put("in/a b+ä.csv", "id;Name\n1;Ay\nshort\n2;=Bee\n");
    bucket.put("in/below/c.csv", "id,Name\n9,no\n");
    bucket.put("other.csv", "id,Name\n9,no\n");
    let mut source = source(place(&bucket.endpoint, &bucket.name, "in/"));
    assert_eq!(source.test().unwrap(), "the bucket whole has 2 files");
    let read = pages(&mut source, None, usize::MAX);
    assert_eq!(ids(&read), ["a b+ä.csv#2", "a b+ä.csv#4", "b.csv#2"]);
    let mut rejected = source.rejects();
    rejected.push(RejectedRow { id: "a b+ä.csv#4".to_owned(), ..rejected[0].clone() });
    let checkpoint = &read.last().unwrap().checkpoint;
    source.finish("*.csv", checkpoint, &rejected).unwrap();
    source.finish("*.csv", checkpoint, &rejected).unwrap();
    let mut place = place(&bucket.endpoint, &bucket.name, "in/");
    assert_eq!(names(&place.list("").unwrap()), Vec::<&str>::new());
    assert_eq!(names(&place.list("archive/").unwrap()), ["archive/a b+ä.csv", "archive/b.csv"]);
    assert_eq!(text(&mut place, "archive/a b+ä.csv"), "id;Name\n1;Ay\nshort\n2;=Bee\n");
    let errors = text(&mut place, "errors/a b+ä.csv.errors.csv");
    assert!(
        errors.starts_with("id,Name,_row,_step,_code,_field,_message,_hint\nshort,,3,extract,row_invalid,,"),
        "{errors}"
    );
    assert!(errors.contains("\n2,'=Bee,4,"), "{errors}");
    bucket.put("in/again.csv", "id,Name\n3,Cee\n");
    assert_eq!(ids(&pages(&mut source, None, usize::MAX)), Vec::<String>::new());
    assert_eq!(source.notices(), ["again.csv is skipped: b.csv, with the same content, is loaded"]);
    assert!(source.spent().0 > 10);
}

#[test]
fn all_pages_of_a_list_are_read() {
    let bucket = Moto::bucket("many");
    for number in 0..1_003 {
        bucket.put(&format!("f{number:04}.csv"), "x");
    }
    let files = place(&bucket.endpoint, &bucket.name, "").list("").unwrap();
    assert_eq!(files.len(), 1_003);
    assert_eq!((files[0].name.as_str(), files[1_002].name.as_str()), ("f0000.csv", "f1002.csv"));
}

#[test]
fn a_run_goes_on_in_the_middle_of_a_file() {
    let bucket = Moto::bucket("middle");
    let rows: String = (0..5_000).map(|row| format!("{row},name {row}\n")).collect();
    bucket.put("a.csv", &format!("id,Name\n{rows}"));
    let first = pages(&mut source(place(&bucket.endpoint, &bucket.name, "")), None, 2);
    let checkpoint = &first[1].checkpoint;
    let rest = pages(&mut source(place(&bucket.endpoint, &bucket.name, "")), Some(checkpoint), usize::MAX);
    let all = [ids(&first), ids(&rest)].concat();
    assert_eq!(all, (0..5_000).map(|row| format!("a.csv#{}", row + 2)).collect::<Vec<_>>());
    assert_eq!(rest[0].rows[0].cells[0].as_deref(), Some("2000"));
}

#[test]
fn a_download_that_breaks_goes_on_where_it_was() {
    let bucket = Moto::bucket("broken");
    let content: String = (0..60_000).map(|row| format!("{row},name\n")).collect();
    bucket.put("a.csv", &content);
    let cutting = Cutting::new(&bucket.endpoint, 150_000);
    let mut place = place(&cutting.endpoint, &bucket.name, "");
    assert!(content.len() > 3 * 150_000);
    assert!(text(&mut place, "a.csv") == content, "the file is not what was sent");
    assert!(cutting.cuts() >= 3, "{} cuts", cutting.cuts());
}

#[test]
fn a_server_that_never_sends_anything_is_given_up() {
    let bucket = Moto::bucket("never");
    bucket.put("a.csv", "id\n1\n");
    let file = place(&bucket.endpoint, &bucket.name, "").list("").unwrap().remove(0);
    let cutting = Cutting::new(&bucket.endpoint, 0);
    let opened = place(&cutting.endpoint, &bucket.name, "").open(&file, 0);
    assert!(matches!(opened.err(), Some(SourceError::Away(_))));
}

#[test]
fn a_file_that_was_replaced_is_not_taken_for_the_one_that_was_listed() {
    let bucket = Moto::bucket("replaced");
    bucket.put("a.csv", "id,Name\n1,one\n");
    let mut place = place(&bucket.endpoint, &bucket.name, "");
    let file = place.list("").unwrap().remove(0);
    place.put("a.csv", b"id,Name\n2,two\n").unwrap();
    assert!(!place.is_unchanged(&file).unwrap());
    assert!(matches!(place.open(&file, 0).err(), Some(SourceError::Away(_))));
    place.rename(&file, "archive/a.csv").unwrap();
    assert_eq!(names(&place.list("").unwrap()), ["a.csv"], "the new file stays");
    assert_eq!(text(&mut place, "a.csv"), "id,Name\n2,two\n");
}

#[test]
fn a_file_that_came_in_parts_is_known_by_its_content() {
    let bucket = Moto::bucket("parts");
    bucket.put_in_parts("a.csv", "id\n1\n");
    bucket.put_in_parts("b.csv", "id\n1\n");
    let mut place = place(&bucket.endpoint, &bucket.name, "");
    let files = place.list("").unwrap();
    assert!(files[0].tag.ends_with("-1"), "{}", files[0].tag);
    let digests = [0, 1].map(|index: usize| place.digest(&files[index]).unwrap());
    assert!(digests[0].starts_with("sha256:"));
    assert_eq!(digests[0], digests[1]);
    place.rename(&files[0], "archive/a.csv").unwrap();
    assert_eq!(names(&place.list("archive/").unwrap()), ["archive/a.csv"]);
}

#[test]
fn a_file_too_large_for_one_copy_is_copied_in_parts() {
    const PART: u64 = 5 << 20;
    let bucket = Moto::bucket("large");
    let content: String = (0..700_000).map(|row| format!("{row},name\n")).collect();
    assert!(content.len() as u64 > PART);
    bucket.put("a.csv", &content);
    let mut place = place(&bucket.endpoint, &bucket.name, "").with_parts(PART, PART);
    let file = place.list("").unwrap().remove(0);
    place.rename(&file, "archive/a.csv").unwrap();
    assert_eq!(names(&place.list("").unwrap()), Vec::<&str>::new());
    assert!(text(&mut place, "archive/a.csv") == content, "the copy is another one");
    assert!(place.list("archive/").unwrap()[0].tag.ends_with("-2"), "in two parts");
    place.rename(&file, "archive/again.csv").unwrap();
    assert_eq!(names(&place.list("archive/").unwrap()), ["archive/a.csv"], "what is gone is not copied");
}

/// What listing says where the server answers so.
fn refusal(status: &str, code: &str) -> SourceError {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    place(&answering(vec![(status.to_owned(), body)]), "refusing", "").list("").unwrap_err()
}

#[test]
fn each_refusal_says_what_to_do() {
    for (status, code, expected) in [
        (
            "403 Forbidden",
            "InvalidAccessKeyId",
            SourceError::Authorize(
                "the bucket refusing does not know these keys (InvalidAccessKeyId); give new ones to `weir connection \
                 authorize`"
                    .to_owned(),
            ),
        ),
        (
            "403 Forbidden",
            "AccessDenied",
            SourceError::Settings(
                "the keys may not do that in the bucket refusing (AccessDenied); let them list, get, put and delete \
                 there"
                    .to_owned(),
            ),
        ),
        (
            "404 Not Found",
            "NoSuchBucket",
            SourceError::Settings("the bucket refusing does not exist; mend bucket or region".to_owned()),
        ),
        (
            "301 Moved Permanently",
            "PermanentRedirect",
            SourceError::Settings(
                "the bucket refusing refuses (PermanentRedirect); mend region or endpoint".to_owned(),
            ),
        ),
        (
            "403 Forbidden",
            "RequestTimeTooSkewed",
            SourceError::Here("the bucket refusing finds the clock of this machine wrong; set it".to_owned()),
        ),
        (
            "503 Slow Down",
            "SlowDown",
            SourceError::Away("the bucket refusing can't be reached: it answers with 503".to_owned()),
        ),
    ] {
        assert_eq!(refusal(status, code), expected, "{status} {code}");
    }
    let settings = Bucket {
        bucket: "bare".to_owned(),
        endpoint: "http://127.0.0.1:9".to_owned(),
        is_path_style: true,
        ..Bucket::default()
    };
    let mut place = S3::new(&settings, Box::new(Keys(false))).unwrap();
    assert!(matches!(place.list("").unwrap_err(), SourceError::Authorize(_)));
}

#[test]
fn an_answer_that_can_not_be_given_now_is_asked_for_again() {
    let list = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <IsTruncated>false</IsTruncated><Contents><Key>a.csv</Key><Size>3</Size>\
                <LastModified>2026-11-30T08:00:00.000Z</LastModified><ETag>\"x\"</ETag></Contents></ListBucketResult>";
    let slow = ("503 Slow Down".to_owned(), "<Error><Code>SlowDown</Code></Error>".to_owned());
    let endpoint = answering(vec![slow.clone(), slow, ("200 OK".to_owned(), list.to_owned())]);
    let mut place = place(&endpoint, "slow", "");
    assert_eq!(names(&place.list("").unwrap()), ["a.csv"]);
    assert_eq!(place.calls(), 3);
}

#[test]
fn keys_are_signed_for_and_never_sent() {
    let (endpoint, heard) = moto::hearing();
    drop(place(&endpoint, "signed", "in/").list(""));
    let heard = heard.recv().unwrap();
    assert!(
        heard.contains("X-Amz-Signature=") && heard.contains("X-Amz-Credential=test-access_key_id"),
        "{heard}"
    );
    assert!(!heard.contains("test-secret_access_key"), "{heard}");
}
