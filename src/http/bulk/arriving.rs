//! A file on its way in: written as it comes, whatever its size, in a bounded part of memory.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream::unfold;
use multer::{Constraints, Multipart, SizeLimit};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::blocking;
use crate::config::RequestLimits;
use crate::connect::uploads::{Incoming as Kept, UploadError, Uploads};
use crate::http::body::{BodyError, Incoming, content_length};
use crate::http::events::{Context, Inbound, content_type};

/// Bytes that are written at once.
const PIECE: usize = 256 << 10;
/// Pieces of the network that may wait for the disk.
const WAITING: usize = 4;
/// Longest id of a job, in bytes.
const LONGEST_ID: u64 = 1_000;
/// What a form may have beside its file, in bytes.
const FORM: u64 = 64 << 10;

/// What has come.
#[derive(Default)]
pub struct Arrived {
    /// The file.
    pub file: Option<Kept>,
    /// What its sender calls it.
    pub name: Option<String>,
    /// For which job it says that it is.
    pub job: Option<String>,
}

/// Why it has not.
pub enum Stopped {
    /// The body does not come as it should.
    Body(BodyError),
    /// It is no form as it should be: a sentence.
    Form(String),
    /// It can't be kept.
    Kept(UploadError),
}

impl From<UploadError> for Stopped {
    fn from(error: UploadError) -> Self {
        Stopped::Kept(error)
    }
}

impl From<multer::Error> for Stopped {
    fn from(error: multer::Error) -> Self {
        Stopped::Form(format!("the form can't be read ({error}); send it as curl -F does"))
    }
}

/// Reads the body of a request into a file.
pub async fn arrive(
    context: Context<'_>,
    uploads: &Arc<Uploads>,
    inbound: Inbound<'_>,
) -> Result<Arrived, Stopped> {
    let (limits, headers) = (&context.snapshot.limits, context.headers);
    if !is_plain_or_gzip(headers) {
        return Err(Stopped::Body(BodyError::UnknownEncoding));
    }
    if content_length(headers).is_some_and(|length| length as u64 > limits.upload_bytes + FORM) {
        return Err(Stopped::Body(BodyError::TooLarge));
    }
    let memory = context.app.budget.lease(PIECE * 2);
    let _memory = memory.ok_or(Stopped::Body(BodyError::NoRoom))?;
    let boundary = content_type(headers).and_then(|kind| multer::parse_boundary(kind).ok());
    let (sender, receiver) = channel(WAITING);
    // Without the check of its framing: while the disk is waited for, more has been read than was taken apart, and who
    // sends has shown a key.
    let incoming = Incoming::new(inbound.payload, None);
    let keep = async {
        match boundary {
            Some(boundary) => form(uploads, receiver, boundary).await,
            None => Ok(Arrived { file: Some(whole(uploads, receiver).await?), ..Arrived::default() }),
        }
    };
    // Both at once: while a piece is written, the next one comes.
    let (passed, kept) = join(pass(incoming, sender, limits), keep).await;
    match (passed, kept) {
        // Nobody takes any more of it: why, the other side tells.
        (Err(None), Err(why)) => Err(why),
        (Err(error), _) => Err(Stopped::Body(error.unwrap_or(BodyError::Unreadable))),
        (Ok(()), kept) => kept,
    }
}

/// Files are kept as they come: gzip is what many of them are anyway.
fn is_plain_or_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    encodings.into_iter().all(|encoding| {
        let encoding = encoding.as_bytes().trim_ascii();
        [&b"identity"[..], b"gzip", b"x-gzip", b""].iter().any(|known| encoding.eq_ignore_ascii_case(known))
    })
}

/// Hands on what comes, as long as it does not pause for long. None as error: nobody takes it any more.
async fn pass(
    mut incoming: Incoming<'_>,
    to: Sender<Bytes>,
    limits: &RequestLimits,
) -> Result<(), Option<BodyError>> {
    let mut bytes = 0_u64;
    loop {
        let piece = match timeout(limits.chunk, incoming.next()).await {
            Err(_) => return Err(Some(BodyError::TooSlow)),
            Ok(None) => return Ok(()),
            Ok(Some(piece)) => piece.map_err(Some)?,
        };
        bytes += piece.len() as u64;
        if bytes > limits.upload_bytes + FORM {
            return Err(Some(BodyError::TooLarge));
        }
        to.send(piece).await.map_err(|_| None)?;
    }
}

/// A body that is the file.
async fn whole(uploads: &Arc<Uploads>, mut pieces: Receiver<Bytes>) -> Result<Kept, Stopped> {
    let mut writing = Writing::begin(uploads).await?;
    while let Some(piece) = pieces.recv().await {
        writing = writing.take(&piece).await?;
    }
    Ok(writing.end().await?)
}

/// A form, of which a part is the file.
async fn form(uploads: &Arc<Uploads>, pieces: Receiver<Bytes>, boundary: String) -> Result<Arrived, Stopped> {
    let pieces = unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece| (Ok::<_, Infallible>(piece), pieces))
    });
    let limits = Constraints::new().size_limit(SizeLimit::new().for_field("jobId", LONGEST_ID));
    let mut parts = Multipart::with_constraints(pieces, boundary, limits);
    let mut arrived = Arrived::default();
    while let Some(mut part) = parts.next_field().await? {
        if part.name() == Some("jobId") {
            arrived.job = Some(part.text().await?.trim().to_owned());
        } else if part.name() == Some("file") || part.file_name().is_some() {
            if arrived.file.is_some() {
                return Err(Stopped::Form("the form has several files; send one at a time".to_owned()));
            }
            arrived.name = part.file_name().map(str::to_owned);
            let mut writing = Writing::begin(uploads).await?;
            while let Some(piece) = part.chunk().await? {
                writing = writing.take(&piece).await?;
            }
            arrived.file = Some(writing.end().await?);
        }
    }
    Ok(arrived)
}

/// A file that is written in large pieces.
struct Writing {
    file: Kept,
    piece: Vec<u8>,
}

impl Writing {
    async fn begin(uploads: &Arc<Uploads>) -> Result<Self, UploadError> {
        let uploads = Arc::clone(uploads);
        let file = blocking(move || uploads.begin()).await?;
        Ok(Writing { file, piece: Vec::new() })
    }

    async fn take(mut self, bytes: &[u8]) -> Result<Self, UploadError> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE { self.write().await } else { Ok(self) }
    }

    async fn write(mut self) -> Result<Self, UploadError> {
        let written = move || {
            self.file.write(&self.piece)?;
            self.piece.clear();
            Ok(self)
        };
        blocking(written).await
    }

    async fn end(self) -> Result<Kept, UploadError> {
        Ok(self.write().await?.file)
    }
}
