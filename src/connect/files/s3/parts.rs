//! Copies of files that are too large for one call: in parts, which the server puts together.

use rusty_s3::actions::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, S3Action, UploadPart,
};
use ureq::Body;
use ureq::http::Response;

use super::{Connection, SIGNED, Send};
use crate::connect::source::SourceError;

/// Copies `source`, of `size` bytes and with `etag`, to `key`. Returns whether it was still there as it was.
pub(super) fn copy(
    connection: &Connection,
    (source, etag): (&str, &str),
    size: u64,
    key: &str,
) -> Result<bool, SourceError> {
    let (bucket, credentials) = (&connection.bucket, connection.credentials.as_ref());
    let create = CreateMultipartUpload::new(bucket, credentials, key);
    let mut created = connection.call(|| create.sign(SIGNED).to_string(), Send::Post(&[]), &[])?;
    let created = CreateMultipartUpload::parse_response(&connection.text(&mut created)?)
        .map_err(|error| SourceError::Away(format!("{} begins no copy: {error}", connection.about())))?;
    let id = created.upload_id();
    let copied = parts(connection, (source, etag), size, (key, id));
    let etags = match copied {
        Ok(Some(etags)) => etags,
        // What is left half done costs space there.
        not_copied => {
            let abort = AbortMultipartUpload::new(bucket, credentials, key, id);
            drop(connection.call(|| abort.sign(SIGNED).to_string(), Send::Delete, &[]));
            return not_copied.map(|_| false);
        }
    };
    let complete =
        || CompleteMultipartUpload::new(bucket, credentials, key, id, etags.iter().map(String::as_str));
    let body = complete().body();
    let mut done =
        connection.call(|| complete().sign(SIGNED).to_string(), Send::Post(body.as_bytes()), &[])?;
    if connection.text(&mut done)?.contains("<Error>") {
        return Err(SourceError::Away(format!("{} can't end the copy of {key} now", connection.about())));
    }
    Ok(true)
}

/// Copies each part. None: the source is not there as it was.
fn parts(
    connection: &Connection,
    (source, etag): (&str, &str),
    size: u64,
    (key, id): (&str, &str),
) -> Result<Option<Vec<String>>, SourceError> {
    let (mut etags, mut from) = (Vec::new(), 0);
    while from < size {
        let to = size.min(from + connection.part);
        let range = format!("bytes={from}-{}", to - 1);
        let headers = [
            ("x-amz-copy-source", source),
            ("x-amz-copy-source-if-match", etag),
            ("x-amz-copy-source-range", range.as_str()),
        ];
        let number = u16::try_from(etags.len() + 1)
            .map_err(|_| SourceError::Settings(format!("{key} is too large to be copied")))?;
        let (bucket, credentials) = (&connection.bucket, connection.credentials.as_ref());
        let mut part = UploadPart::new(bucket, credentials, key, number, id);
        headers.iter().for_each(|(name, value)| part.headers_mut().insert(*name, *value));
        let mut response = connection.answer(|| part.sign(SIGNED).to_string(), Send::Put(&[]), &headers)?;
        match response.status().as_u16() {
            404 | 412 => return Ok(None),
            200 => etags.push(etag_in(connection, &mut response)?),
            _ => return connection.refuse(response).map(|()| None),
        }
        from = to;
    }
    Ok(Some(etags))
}

/// What the part is known by.
fn etag_in(connection: &Connection, response: &mut Response<Body>) -> Result<String, SourceError> {
    let text = connection.text(response)?;
    let etag = text.split_once("<ETag>").and_then(|(_, rest)| rest.split_once("</ETag>"));
    let etag = etag.map(|(etag, _)| etag.replace("&quot;", "\"").replace("&#34;", "\""));
    etag.ok_or_else(|| SourceError::Away(format!("{} can't copy a part now", connection.about())))
}
