//! The rejected events: kept on the queue with their reason, ready for replay.

use sha2::{Digest, Sha256};

use crate::event::head::EventHead;
use crate::event::json::write_string;
use crate::event::rejection::Rejection;
use crate::event::value::Value;
use crate::record::Kind;
use crate::record::stamp::Stamped;
use crate::record::topics::TopicId;

/// Most bytes of a rejected body that are kept where it can't be kept as JSON.
pub const KEPT_BYTES: usize = 65_536;

/// What the first and the last of parts have beside what one record has, at the longest: their size is reckoned
/// with it.
const PART: &str = ".9999999";
const MOST_PARTS: &str = ",\"truncated\":false,\"part\":9999999,\"parts\":9999999";

/// How a rejected event is kept.
#[derive(Clone, Copy, Debug)]
pub enum Kept<'a> {
    /// JSON, as it came.
    Event(Value<'a>),
    /// What can't be kept as JSON: not JSON, too large, or too deep for a reader's parser. The first bytes are enough
    /// to see what it was.
    Bytes(&'a [u8]),
    /// Bytes that may hold many events, and so are kept to the last, in as many records as that takes.
    Whole(&'a [u8]),
}

/// A rejected event on its way into quarantine.
#[derive(Clone, Debug)]
pub struct Rejected<'a> {
    /// Its place in the request.
    pub index: usize,
    /// Why.
    pub rejection: Rejection,
    /// What is kept of it.
    pub kept: Kept<'a>,
}

/// Where the rejected events of a request go, and what is said of each.
#[derive(Clone, Copy, Debug)]
pub struct Quarantine<'a> {
    /// The topic.
    pub topic: TopicId,
    /// Most bytes of a record.
    pub most: usize,
    /// The path's pattern.
    pub path: &'a str,
    /// What the request's headers say of its event, where they say what it is.
    pub head: Option<&'a EventHead>,
}

impl Rejected<'_> {
    /// Writes the record: what does not fit whole is kept in part, or in parts.
    pub fn write(&self, quarantine: Quarantine<'_>, stamped: &mut Stamped<'_>) {
        let mark = stamped.records.mark();
        let bytes = match self.kept {
            Kept::Event(event) => event.json().as_bytes(),
            Kept::Bytes(bytes) => bytes,
            Kept::Whole(bytes) => return self.write_parts(bytes, quarantine, stamped),
        };
        let begin = self.begin(quarantine);
        let (mut whole, mut part) = (true, KEPT_BYTES.min(bytes.len()));
        // As JSON; else its first bytes; else as many of them as the second attempt shows to fit.
        for _ in 0..3 {
            stamped.records.rewind(mark);
            let draft = stamped.draft(Kind::Rejected, quarantine.topic, None, ["rejected", ""]);
            draft.value(|out| match self.kept {
                Kept::Event(event) if whole => write_event(out, &begin, event),
                _ => write_bytes(out, &begin, bytes, part),
            });
            let over = stamped.records.largest_since(mark).saturating_sub(quarantine.most);
            if over == 0 {
                return;
            }
            if !whole || !matches!(self.kept, Kept::Event(_)) {
                part = part.saturating_sub(over.div_ceil(4) * 3);
            }
            whole = false;
        }
        if quarantine.head.is_some() {
            // What its headers said takes more than a record may: no event of any publisher is called so.
            stamped.records.rewind(mark);
            self.write(Quarantine { head: None, ..quarantine }, stamped);
        }
    }

    /// Writes `bytes` whole, in records of at most [`Quarantine::most`] bytes: `<id>/rejected`, then `<id>/rejected.1`
    /// and so on.
    fn write_parts(&self, bytes: &[u8], quarantine: Quarantine<'_>, stamped: &mut Stamped<'_>) {
        let (mark, measured) = (stamped.records.mark(), measured(bytes));
        let begin = self.begin(quarantine);
        stamped.draft(Kind::Rejected, quarantine.topic, None, ["rejected", PART]).value(|out| {
            write_base64(out, &begin, &[], &format!("{measured}{MOST_PARTS}"));
        });
        let frame = stamped.records.largest_since(mark);
        stamped.records.rewind(mark);
        // Of a multiple of three bytes, so that the parts' base64 is that of the whole.
        let room = quarantine.most.saturating_sub(frame) / 4 * 3;
        let parts = bytes.chunks(room.max(3)).len().max(1);
        let mut left = bytes;
        for part in 0..parts {
            let (kept, behind) = left.split_at_checked(room.max(3)).unwrap_or((left, &[]));
            left = behind;
            let which = if part == 0 { String::new() } else { format!(".{part}") };
            let mut rest = format!("{measured},\"truncated\":false");
            if parts > 1 {
                rest.push_str(&format!(",\"part\":{part},\"parts\":{parts}"));
            }
            let draft = stamped.draft(Kind::Rejected, quarantine.topic, None, ["rejected", &which]);
            draft.value(|out| write_base64(out, &begin, kept, &rest));
        }
    }

    /// What every value begins with.
    fn begin(&self, Quarantine { path, head, .. }: Quarantine<'_>) -> Vec<u8> {
        let mut out = b"{\"reason\":".to_vec();
        write_string(&mut out, self.rejection.reason.label());
        out.extend_from_slice(b",\"detail\":");
        write_string(&mut out, &self.rejection.detail);
        out.extend_from_slice(format!(",\"index\":{},\"path\":", self.index).as_bytes());
        write_string(&mut out, path);
        // Texts alone can always be written.
        if let Some(Ok(head)) = head.map(serde_json::to_vec) {
            out.extend_from_slice(b",\"headers\":");
            out.extend_from_slice(&head);
        }
        out
    }
}

fn write_event(out: &mut Vec<u8>, begin: &[u8], event: Value<'_>) {
    out.extend_from_slice(begin);
    out.extend_from_slice(b",\"event\":");
    out.extend_from_slice(event.strict().as_bytes());
    out.push(b'}');
}

/// Writes the first `most` of `bytes`.
fn write_bytes(out: &mut Vec<u8>, begin: &[u8], bytes: &[u8], most: usize) {
    let kept = bytes.get(..most).unwrap_or(bytes);
    let rest = format!("{},\"truncated\":{}", measured(bytes), kept.len() < bytes.len());
    write_base64(out, begin, kept, &rest);
}

fn write_base64(out: &mut Vec<u8>, begin: &[u8], kept: &[u8], rest: &str) {
    out.extend_from_slice(begin);
    out.extend_from_slice(b",\"event_base64\":\"");
    out.extend_from_slice(data_encoding::BASE64.encode(kept).as_bytes());
    out.push(b'"');
    out.extend_from_slice(rest.as_bytes());
    out.push(b'}');
}

/// How many `bytes` there are, and which, as members of JSON.
fn measured(bytes: &[u8]) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
    format!(",\"bytes\":{},\"sha256\":\"{digest}\"", bytes.len())
}
