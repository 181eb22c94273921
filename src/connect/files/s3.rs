//! A bucket of S3, as a place of files. A download that breaks goes on where it was.

mod parts;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::actions::{DeleteObject, GetObject, HeadObject, ListObjectsV2, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

use super::place::{Content, Entry, Place};
use super::seen::digest;
use super::settings;
use crate::connect::source::SourceError;
use crate::connect::vault::Vault;
use crate::system::agent;

/// How long a signed address holds.
const SIGNED: Duration = Duration::from_secs(900);
/// How long an answer may take. A download that takes longer goes on where it was.
const PATIENCE: Duration = Duration::from_secs(120);
/// So often the same is tried while nothing comes of it.
const TRIES: u32 = 4;
/// The most bytes of an answer that is no file.
const MOST: u64 = 16 << 20;

/// The largest file that one call copies.
const MOST_COPIED: u64 = 5 << 30;
/// The size of a part of a larger one.
const PART: u64 = 512 << 20;

/// A bucket.
pub struct S3 {
    connection: Connection,
    vault: Box<dyn Vault>,
    prefix: String,
}

/// What calls are made with. Downloads have one of their own.
#[derive(Clone)]
struct Connection {
    agent: Agent,
    bucket: Bucket,
    credentials: Option<Credentials>,
    /// Waits between tries are so many times this long.
    pause: Duration,
    /// Larger files are copied in parts, of this size.
    most_copied: u64,
    part: u64,
    calls: Arc<AtomicU64>,
}

/// What to send.
#[derive(Clone, Copy)]
enum Send<'a> {
    Get,
    Head,
    Delete,
    Put(&'a [u8]),
    Post(&'a [u8]),
}

impl S3 {
    /// The bucket that `settings` name. `vault` has its `access_key_id` and its `secret_access_key`.
    ///
    /// # Errors
    /// When there can be no such bucket, or no certificates.
    pub fn new(settings: &settings::Bucket, vault: Box<dyn Vault>) -> Result<Self, SourceError> {
        let style = if settings.is_path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = settings.endpoint.parse().ok().and_then(|endpoint| {
            Bucket::new(endpoint, style, settings.bucket.clone(), settings.region.clone()).ok()
        });
        let bucket = bucket.ok_or_else(|| {
            SourceError::Settings(format!(
                "the bucket {} has no address at {}; set path_style to true, or mend endpoint",
                settings.bucket, settings.endpoint
            ))
        })?;
        let agent = agent::new([settings.endpoint.as_str()], PATIENCE).map_err(SourceError::Here)?;
        let connection = Connection {
            agent,
            bucket,
            credentials: None,
            pause: Duration::from_millis(500),
            most_copied: MOST_COPIED,
            part: PART,
            calls: Arc::default(),
        };
        Ok(S3 { connection, vault, prefix: settings.prefix.clone() })
    }

    /// With shorter waits between tries: for tests.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.connection.pause = pause;
        self
    }

    /// With files copied in parts from another size on: for tests.
    #[must_use]
    pub fn with_parts(mut self, most_copied: u64, part: u64) -> Self {
        (self.connection.most_copied, self.connection.part) = (most_copied, part);
        self
    }

    /// What to make calls with.
    fn connection(&mut self) -> Result<&Connection, SourceError> {
        if self.connection.credentials.is_none() {
            let (id, key) = (self.vault.get("access_key_id")?, self.vault.get("secret_access_key")?);
            let (Some(id), Some(key)) = (id, key) else {
                return Err(SourceError::Authorize(format!(
                    "{} has no access_key_id or no secret_access_key yet; give them to `weir connection authorize`",
                    self.about()
                )));
            };
            self.connection.credentials = Some(Credentials::new(id, key));
        }
        Ok(&self.connection)
    }

    /// The key of the file `name`.
    fn key(&self, name: &str) -> Result<String, SourceError> {
        let is_fine = |part: &str| !matches!(part, "" | "." | "..");
        if !name.split('/').all(is_fine) {
            return Err(SourceError::Settings(format!("\"{name}\" is no file in {}", self.about())));
        }
        Ok(format!("{}{name}", self.prefix))
    }
}

impl Place for S3 {
    fn about(&self) -> String {
        format!("the bucket {}", self.connection.bucket.name())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<Entry>, SourceError> {
        let (prefix, folder) = (self.prefix.clone(), folder.to_owned());
        let connection = self.connection()?;
        let (mut files, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut list = ListObjectsV2::new(&connection.bucket, connection.credentials.as_ref());
            list.with_prefix(format!("{prefix}{folder}"));
            list.with_delimiter("/");
            if let Some(token) = token.take() {
                list.with_continuation_token(token);
            }
            let mut response = connection.call(|| list.sign(SIGNED).to_string(), Send::Get, &[])?;
            let text = connection.text(&mut response)?;
            let page = ListObjectsV2::parse_response(&text).map_err(|error| {
                SourceError::Away(format!("{} gives no list: {error}", connection.about()))
            })?;
            let named = page.contents.into_iter().filter_map(|object| {
                let name = object.key.strip_prefix(&prefix)?.to_owned();
                let modified = object.last_modified.and_then(|at| at.parse().ok()).unwrap_or_default();
                Some(entry(name, object.size.unwrap_or_default(), modified, object.etag.as_deref()))
            });
            // A name that ends with a slash is a folder, and others can't be part of an address.
            files.extend(
                named.filter(|file| !file.name.split('/').any(|part| matches!(part, "" | "." | ".."))),
            );
            token = page.next_continuation_token;
            if token.is_none() {
                files.sort_by(|one, other| one.name.cmp(&other.name));
                return Ok(files);
            }
        }
    }

    fn open(&mut self, file: &Entry, offset: u64) -> Result<Content, SourceError> {
        let key = self.key(&file.name)?;
        let connection = self.connection()?.clone();
        let mut download =
            Download { connection, key, file: file.clone(), at: offset, body: None, fruitless: 0 };
        if offset < file.size {
            download.begin()?;
        }
        Ok(Box::new(download))
    }

    fn is_unchanged(&mut self, file: &Entry) -> Result<bool, SourceError> {
        let key = self.key(&file.name)?;
        let connection = self.connection()?;
        let head = HeadObject::new(&connection.bucket, connection.credentials.as_ref(), &key);
        let response = connection.answer(|| head.sign(SIGNED).to_string(), Send::Head, &[])?;
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        match response.status().as_u16() {
            404 => Ok(false),
            200 => Ok(etag.is_some_and(|etag| file.tag == tag(file.size, Some(etag)))),
            _ => connection.refuse(response).map(|()| false),
        }
    }

    fn digest(&mut self, file: &Entry) -> Result<String, SourceError> {
        // That of an object in parts is no digest of its content.
        let etag = file.tag.rsplit('-').next().unwrap_or_default();
        if etag.len() == 32 && file.tag.matches('-').count() == 1 {
            return Ok(format!("md5:{etag}"));
        }
        let content = self.open(file, 0)?;
        digest(content).map_err(|error| failed(&file.name, &error))
    }

    fn rename(&mut self, file: &Entry, to: &str) -> Result<(), SourceError> {
        let (from, to) = (self.key(&file.name)?, self.key(to)?);
        let connection = self.connection()?;
        let path = connection.copied(connection.bucket.object_url(&from).path());
        let etag = file.tag.split_once('-').map_or_else(String::new, |(_, etag)| format!("\"{etag}\""));
        let source = (path.as_str(), etag.as_str());
        let is_copied = if file.size > connection.most_copied {
            parts::copy(connection, source, file.size, &to)?
        } else {
            connection.copy(source, &to)?
        };
        // It is gone, or another file has its name.
        if is_copied && self.is_unchanged(file)? {
            self.remove(&file.name)?;
        }
        Ok(())
    }

    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SourceError> {
        let key = self.key(name)?;
        let connection = self.connection()?;
        let put = PutObject::new(&connection.bucket, connection.credentials.as_ref(), &key);
        connection.call(|| put.sign(SIGNED).to_string(), Send::Put(content), &[]).map(drop)
    }

    fn remove(&mut self, name: &str) -> Result<(), SourceError> {
        let key = self.key(name)?;
        let connection = self.connection()?;
        let delete = DeleteObject::new(&connection.bucket, connection.credentials.as_ref(), &key);
        connection.call(|| delete.sign(SIGNED).to_string(), Send::Delete, &[]).map(drop)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn calls(&mut self) -> u64 {
        self.connection.calls.swap(0, Ordering::Relaxed)
    }
}

impl Connection {
    fn about(&self) -> String {
        format!("the bucket {}", self.bucket.name())
    }

    /// What a copy is made of: the bucket and the key, as they stand in an address.
    fn copied(&self, path: &str) -> String {
        let base = self.bucket.base_url().path();
        let key = path.strip_prefix(base).unwrap_or(path).trim_start_matches('/');
        format!("/{}/{key}", self.bucket.name())
    }

    /// Copies a small file. Returns whether it was still there as it was.
    fn copy(&self, (source, etag): (&str, &str), key: &str) -> Result<bool, SourceError> {
        let headers = [("x-amz-copy-source", source), ("x-amz-copy-source-if-match", etag)];
        let mut copy = PutObject::new(&self.bucket, self.credentials.as_ref(), key);
        headers.iter().for_each(|(name, value)| copy.headers_mut().insert(*name, *value));
        let mut response = self.answer(|| copy.sign(SIGNED).to_string(), Send::Put(&[]), &headers)?;
        match response.status().as_u16() {
            404 if !self.text(&mut response)?.contains("NoSuchBucket") => Ok(false),
            412 => Ok(false),
            200 if !self.text(&mut response)?.contains("<Error>") => Ok(true),
            200 => Err(SourceError::Away(format!("{} can't end the copy of {key} now", self.about()))),
            _ => self.refuse(response).map(|()| false),
        }
    }

    /// A good answer.
    fn call(
        &self,
        url: impl Fn() -> String,
        send: Send<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, SourceError> {
        let response = self.answer(url, send, headers)?;
        if response.status().is_success() {
            return Ok(response);
        }
        self.refuse(response)?;
        Err(SourceError::Away(format!("{} does not answer", self.about())))
    }

    /// An answer, whatever it says, but that it can't be given now.
    fn answer(
        &self,
        url: impl Fn() -> String,
        send: Send<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, SourceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            self.calls.fetch_add(1, Ordering::Relaxed);
            let why = match self.send(&url(), send, headers) {
                Ok(response) if !is_away(response.status().as_u16()) => return Ok(response),
                Ok(response) => format!("it answers with {}", response.status().as_u16()),
                Err(error) => agent::plain(&error),
            };
            if tries >= TRIES {
                return Err(SourceError::Away(format!("{} can't be reached: {why}", self.about())));
            }
            thread::sleep(self.pause * (1 << tries));
        }
    }

    fn send(
        &self,
        url: &str,
        send: Send<'_>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, ureq::Error> {
        let agent = &self.agent;
        match send {
            Send::Get => {
                headers.iter().fold(agent.get(url), |call, (name, value)| call.header(*name, *value)).call()
            }
            Send::Head => agent.head(url).call(),
            Send::Delete => agent.delete(url).call(),
            Send::Post(content) => agent.post(url).send(content),
            Send::Put(content) => headers
                .iter()
                .fold(agent.put(url), |call, (name, value)| call.header(*name, *value))
                .send(content),
        }
    }

    fn text(&self, response: &mut Response<Body>) -> Result<String, SourceError> {
        let text = response.body_mut().with_config().limit(MOST).read_to_string();
        text.map_err(|error| {
            SourceError::Away(format!("the answer of {} breaks off: {}", self.about(), agent::plain(&error)))
        })
    }

    /// What an answer that is no good means.
    fn refuse(&self, mut response: Response<Body>) -> Result<(), SourceError> {
        let status = response.status().as_u16();
        let text = self.text(&mut response).unwrap_or_default();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map_or("", |(code, _)| code);
        let about = self.about();
        Err(match (code, status) {
            ("RequestTimeTooSkewed", _) => {
                SourceError::Here(format!("{about} finds the clock of this machine wrong; set it"))
            }
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken", _)
            | (_, 401) => SourceError::Authorize(format!(
                "{about} does not know these keys ({code}); give new ones to `weir connection authorize`"
            )),
            ("NoSuchBucket", _) => {
                SourceError::Settings(format!("{about} does not exist; mend bucket or region"))
            }
            (_, 301 | 307 | 400) if !code.is_empty() => {
                SourceError::Settings(format!("{about} refuses ({code}); mend region or endpoint"))
            }
            (_, 403) => SourceError::Settings(format!(
                "the keys may not do that in {about} ({code}); let them list, get, put and delete there"
            )),
            _ => SourceError::Away(format!("{about} answers with {status} {code}")),
        })
    }
}

fn is_away(status: u16) -> bool {
    status >= 500 || status == 429 || status == 408
}

fn entry(name: String, size: u64, modified: Timestamp, etag: Option<&str>) -> Entry {
    Entry { name, size, modified, tag: tag(size, etag) }
}

fn tag(size: u64, etag: Option<&str>) -> String {
    format!("{size}-{}", etag.unwrap_or_default().trim_matches('"'))
}

fn failed(name: &str, error: &io::Error) -> SourceError {
    SourceError::Away(format!("{name} can't be read: {error}"))
}

/// A file on its way.
struct Download {
    connection: Connection,
    key: String,
    file: Entry,
    at: u64,
    body: Option<BodyReader<'static>>,
    /// Tries since the last byte came.
    fruitless: u32,
}

impl Download {
    /// Asks for what is left.
    fn begin(&mut self) -> Result<(), SourceError> {
        let connection = &self.connection;
        let range = format!("bytes={}-", self.at);
        let etag = self.file.tag.split_once('-').map_or("", |(_, etag)| etag);
        let etag = format!("\"{etag}\"");
        let headers = [("range", range.as_str()), ("if-match", etag.as_str())];
        let headers = if self.at == 0 { headers.get(1..).unwrap_or_default() } else { &headers[..] };
        let get = GetObject::new(&connection.bucket, connection.credentials.as_ref(), &self.key);
        let response = connection.answer(|| get.sign(SIGNED).to_string(), Send::Get, headers)?;
        match response.status().as_u16() {
            206 => {}
            200 if self.at == 0 => {}
            404 | 412 => {
                return Err(SourceError::Away(format!("{} changed; the next run reads it", self.file.name)));
            }
            200 => {
                return Err(SourceError::Settings(format!(
                    "{} gives no parts of files; its endpoint is no S3",
                    connection.about()
                )));
            }
            _ => return connection.refuse(response),
        }
        self.body = Some(response.into_body().into_with_config().limit(u64::MAX).reader());
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at < self.file.size && !into.is_empty() {
            let read = self.body.as_mut().map(|body| body.read(into));
            match read {
                Some(Ok(read)) if read > 0 => {
                    self.at += read as u64;
                    self.fruitless = 0;
                    return Ok(read);
                }
                // It broke off.
                Some(_) => self.body = None,
                None if self.fruitless < TRIES => {
                    self.fruitless += 1;
                    self.begin().map_err(io::Error::other)?;
                }
                None => {
                    let why = format!("{} breaks off again and again", self.file.name);
                    return Err(io::Error::other(SourceError::Away(why)));
                }
            }
        }
        Ok(0)
    }
}
