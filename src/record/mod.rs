//! Records for the queue, laid out once, here only, in one buffer per request.
//!
//! A request's records share a single growing buffer; each record is a handful of spans into it. The queue copies
//! from there straight into librdkafka or into a journal frame, so building a record costs no allocation of its own.
//! Names, keys and headers follow docs/records.md (CloudEvents 1.0, Kafka binding, binary mode).

pub mod stamp;
pub mod topics;

use sha2::{Digest, Sha256};

use self::topics::TopicId;

/// Separates the parts of a record's key: the ASCII unit separator.
pub const KEY_SEPARATOR: u8 = 0x1f;

/// Weir's id of what has `key` in `tenant`. It is derived from the key, so that all who know that agree without a
/// lookup, and has the form of a Gsid (36 characters of 0-9A-Z): a `prefix` of four, and the first 160 bits of the
/// key's SHA-256.
pub fn derived_id(prefix: &str, tenant: &str, key: &str) -> String {
    let digest =
        Sha256::new().chain_update(tenant).chain_update([KEY_SEPARATOR]).chain_update(key).finalize();
    let bits = digest.get(..20).unwrap_or_default();
    format!("{prefix}{}", data_encoding::BASE32HEX_NOPAD.encode(bits))
}

/// What a record is. Decides its `ce_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A Gainsight Person: an upsert by email.
    Person,
    /// The tie between a person and a company.
    Link,
    /// A Gainsight Company: an upsert by name.
    Company,
    /// An Events-Framework event.
    Event,
    /// An event that was taken but could not be mapped, with its reason.
    Rejected,
    /// A note in quarantine: the records of a rejected event are on the queue after all.
    Replayed,
    /// An object of a tenant's own: an upsert by its keys.
    Object,
    /// That a person, a company, a link or an object is gone.
    Deleted,
    /// That two ids of users are one user's.
    Alias,
}

impl Kind {
    /// Every kind, in the order of `index`.
    pub const ALL: [Kind; 9] = [
        Kind::Person,
        Kind::Link,
        Kind::Company,
        Kind::Event,
        Kind::Rejected,
        Kind::Replayed,
        Kind::Object,
        Kind::Deleted,
        Kind::Alias,
    ];

    /// The `ce_type` header.
    pub fn ce_type(self) -> &'static str {
        match self {
            Kind::Person => "weir.person.v1",
            Kind::Link => "weir.person-company.v1",
            Kind::Company => "weir.company.v1",
            Kind::Event => "weir.event.v1",
            Kind::Rejected => "weir.rejected.v1",
            Kind::Replayed => "weir.replayed.v1",
            Kind::Object => "weir.object.v1",
            Kind::Deleted => "weir.deleted.v1",
            Kind::Alias => "weir.user-alias.v1",
        }
    }

    /// The kind whose `ce_type` this is.
    pub fn of_ce_type(name: &[u8]) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.ce_type().as_bytes() == name)
    }

    /// The `record` label of `weir_records_total`.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Person => "person",
            Kind::Link => "link",
            Kind::Company => "company",
            Kind::Event => "event",
            Kind::Rejected => "rejected",
            Kind::Replayed => "replayed",
            Kind::Object => "object",
            Kind::Deleted => "deleted",
            Kind::Alias => "alias",
        }
    }

    /// Position in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A header whose value differs from record to record. Each costs about half a microsecond in librdkafka,
/// so the set is small on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `<messageId>/<which>`; with `ce_source` what readers drop repeats by.
    Id,
    /// `/<tenant>/<source>`.
    Source,
    /// When the event happened, RFC 3339; the receipt where the event brought no time that can be believed.
    Time,
    /// Events-Framework topic, as configured.
    Topic,
    /// Events-Framework event name.
    EventName,
    /// Events-Framework event version.
    EventVersion,
    /// Events-Framework contract.
    Contract,
    /// The derived company id, on a company.
    CompanyId,
    /// The userId of the call, on a person and a link, and on a company that has no link.
    UserId,
    /// W3C trace context of the request that brought the event.
    TraceParent,
    /// The `ce_id` of the rejected event that a replay made the record of; on nothing else.
    ReplayOf,
    /// Why Kafka refuses the record: only on what is set aside for that.
    Refused,
    /// The run of a job that sent the record.
    Run,
    /// The place of its row in that run.
    Row,
    /// The batch with which it was sent: another one after a crash, so that what was loaded is counted once.
    Batch,
}

impl Header {
    const ALL: [Header; 15] = [
        Header::Id,
        Header::Source,
        Header::Time,
        Header::Topic,
        Header::EventName,
        Header::EventVersion,
        Header::Contract,
        Header::CompanyId,
        Header::UserId,
        Header::TraceParent,
        Header::ReplayOf,
        Header::Refused,
        Header::Run,
        Header::Row,
        Header::Batch,
    ];

    /// The header of this name on the wire; none for those that are the same in every record of a kind.
    pub fn of_name(name: &str) -> Option<Header> {
        Header::ALL.into_iter().find(|header| header.name() == name)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Header::Id => "ce_id",
            Header::Source => "ce_source",
            Header::Time => "ce_time",
            Header::Topic => "ce_topic",
            Header::EventName => "ce_eventname",
            Header::EventVersion => "ce_eventversion",
            Header::Contract => "ce_contract",
            Header::CompanyId => "ce_companyid",
            Header::UserId => "ce_userid",
            Header::TraceParent => "traceparent",
            Header::ReplayOf => "ce_replayof",
            Header::Refused => "weir_refused",
            Header::Run => "weir_run",
            Header::Row => "weir_row",
            Header::Batch => "weir_batch",
        }
    }
}

/// A stretch of the shared buffer.
type Span = std::ops::Range<usize>;

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    topic: TopicId,
    key: Option<Span>,
    headers: Span,
    value: Span,
}

/// The records of one request, in the order in which readers shall see them.
#[derive(Debug)]
pub struct Records {
    received_ms: i64,
    buf: Vec<u8>,
    headers: Vec<(Header, Span)>,
    entries: Vec<Entry>,
}

/// How many records there are of each kind, in the order of [`Kind::ALL`].
pub type Kinds = [u64; Kind::ALL.len()];

impl Records {
    /// An empty set for a request received at `received_ms` (milliseconds since the Unix epoch).
    pub fn new(received_ms: i64) -> Self {
        Records { received_ms, buf: Vec::new(), headers: Vec::new(), entries: Vec::new() }
    }

    /// Makes room for about `bytes` of records.
    pub fn reserve(&mut self, bytes: usize) {
        self.buf.reserve(bytes);
    }

    /// When the request was received: milliseconds since the Unix epoch, the records' own timestamp.
    pub fn received_ms(&self) -> i64 {
        self.received_ms
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to enqueue.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys, values and header values together, in bytes: what the queue reserves.
    pub fn bytes(&self) -> usize {
        self.buf.len()
    }

    /// Bytes of memory that keys, values and header values take, room to grow included.
    pub fn held(&self) -> usize {
        self.buf.capacity()
    }

    /// Gives back room to grow that is not needed any more: while the set waits to become durable, `bytes`
    /// is what stands for its memory.
    pub fn shrink(&mut self) {
        if self.held() / 2 > self.bytes() {
            self.buf.shrink_to_fit();
        }
    }

    /// Starts a record. It counts once its value is written; a dropped draft leaves no trace.
    pub fn draft(&mut self, kind: Kind, topic: TopicId) -> Draft<'_> {
        let start = (self.buf.len(), self.headers.len());
        Draft { start, kind, topic, key: None, finished: false, records: self }
    }

    /// Adds a record as it was read, its headers those that it once had. None, and nothing is added, where it
    /// is of no kind known.
    pub fn add_read(
        &mut self,
        topic: TopicId,
        key: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        value: &[u8],
    ) -> Option<()> {
        let (_, kind) = headers.iter().find(|(name, _)| *name == "ce_type")?;
        let mut draft = self.draft(Kind::of_ce_type(kind)?, topic);
        if let Some(key) = key {
            draft.key(&[key]);
        }
        for (name, value) in headers {
            if let Some(header) = Header::of_name(name) {
                draft.header(header, &[value]);
            }
        }
        draft.value(|out| out.extend_from_slice(value));
        Some(())
    }

    /// Where the set ends now; `rewind` goes back to it.
    pub fn mark(&self) -> Mark {
        Mark { buf: self.buf.len(), headers: self.headers.len(), entries: self.entries.len() }
    }

    /// Drops every record finished since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.buf.truncate(mark.buf);
        self.headers.truncate(mark.headers);
        self.entries.truncate(mark.entries);
    }

    /// How many records there are of each kind.
    pub fn kinds(&self) -> Kinds {
        // Walked once a request: counting each record as it is written takes more instructions.
        let mut kinds = Kinds::default();
        for entry in &self.entries {
            if let Some(count) = kinds.get_mut(entry.kind.index()) {
                *count += 1;
            }
        }
        kinds
    }

    /// The largest record finished since `mark`, in bytes (key, value and header values).
    pub fn largest_since(&self, mark: Mark) -> usize {
        // A slice, not a skip: it is asked for each event of a request.
        let since = self.entries.get(mark.entries..).unwrap_or_default();
        since.iter().map(|entry| RecordRef { records: self, entry, index: 0 }.bytes()).max().unwrap_or(0)
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> {
        self.entries.iter().enumerate().map(|(index, entry)| RecordRef { records: self, entry, index })
    }

    fn slice(&self, span: &Span) -> &[u8] {
        self.buf.get(span.clone()).unwrap_or_default()
    }
}

/// A place in `Records` to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    buf: usize,
    headers: usize,
    entries: usize,
}

/// A record being written: key, then headers, then value.
#[derive(Debug)]
pub struct Draft<'a> {
    records: &'a mut Records,
    start: (usize, usize),
    kind: Kind,
    topic: TopicId,
    key: Option<Span>,
    finished: bool,
}

impl Draft<'_> {
    /// Writes the key's parts, joined by `KEY_SEPARATOR`.
    pub fn key(&mut self, parts: &[&[u8]]) -> &mut Self {
        let start = self.records.buf.len();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                self.records.buf.push(KEY_SEPARATOR);
            }
            self.records.buf.extend_from_slice(part);
        }
        self.key = Some(start..self.records.buf.len());
        self
    }

    /// Writes a header; its value is the parts, one after the other.
    pub fn header(&mut self, header: Header, parts: &[&[u8]]) -> &mut Self {
        let start = self.records.buf.len();
        for part in parts {
            self.records.buf.extend_from_slice(part);
        }
        self.records.headers.push((header, start..self.records.buf.len()));
        self
    }

    /// Writes the value (strict JSON) with `write` and closes the record.
    pub fn value(mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.records.buf.len();
        write(&mut self.records.buf);
        let entry = Entry {
            kind: self.kind,
            topic: self.topic,
            key: self.key.take(),
            headers: self.start.1..self.records.headers.len(),
            value: start..self.records.buf.len(),
        };
        self.records.entries.push(entry);
        self.finished = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.records.buf.truncate(self.start.0);
            self.records.headers.truncate(self.start.1);
        }
    }
}

/// One finished record.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    records: &'a Records,
    entry: &'a Entry,
    index: usize,
}

impl<'a> RecordRef<'a> {
    /// Its place in the set.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.entry.kind
    }

    /// When its request was received: milliseconds since the Unix epoch.
    pub fn received_ms(&self) -> i64 {
        self.records.received_ms
    }

    /// Where it goes.
    pub fn topic(&self) -> TopicId {
        self.entry.topic
    }

    /// Its key; none for what stands in quarantine.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.entry.key.as_ref().map(|span| self.records.slice(span))
    }

    /// Its value: strict JSON.
    pub fn value(&self) -> &'a [u8] {
        self.records.slice(&self.entry.value)
    }

    /// All its headers with their values, the constant ones included.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> + Clone + use<'a> {
        let records = self.records;
        let own = records.headers.get(self.entry.headers.clone()).unwrap_or_default();
        let constant: [(&'static str, &'static [u8]); 3] = [
            ("ce_specversion", b"1.0"),
            ("ce_type", self.entry.kind.ce_type().as_bytes()),
            ("content-type", b"application/json"),
        ];
        constant.into_iter().chain(own.iter().map(move |(header, span)| (header.name(), records.slice(span))))
    }

    /// Key, value and own header values together, in bytes.
    pub fn bytes(&self) -> usize {
        let own = self.records.headers.get(self.entry.headers.clone()).unwrap_or_default();
        let headers: usize = own.iter().map(|(_, span)| span.len()).sum();
        self.entry.key.as_ref().map_or(0, Span::len) + self.entry.value.len() + headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicId {
        TopicId::of("weir.people")
    }

    #[test]
    fn a_record_gives_back_its_key_headers_and_value() {
        let mut records = Records::new(7);
        let mut draft = records.draft(Kind::Person, topic());
        draft.key(&[b"acme", b"a@b.c"]).header(Header::Id, &[b"m1", b"/", b"person"]);
        draft.value(|out| out.extend_from_slice(b"{\"Email\":\"a@b.c\"}"));

        let record = records.iter().next().unwrap();
        assert_eq!(record.key(), Some(&b"acme\x1fa@b.c"[..]));
        assert_eq!(record.value(), b"{\"Email\":\"a@b.c\"}");
        let headers: Vec<_> = record.headers().collect();
        assert_eq!(
            headers,
            [
                ("ce_specversion", &b"1.0"[..]),
                ("ce_type", b"weir.person.v1"),
                ("content-type", b"application/json"),
                ("ce_id", b"m1/person"),
            ]
        );
        assert_eq!(records.received_ms(), 7);
    }

    #[test]
    fn a_dropped_draft_and_a_rewind_leave_no_trace() {
        let mut records = Records::new(0);
        records.draft(Kind::Event, topic()).header(Header::Id, &[b"x"]);
        assert_eq!((records.len(), records.bytes()), (0, 0));

        let mark = records.mark();
        records.draft(Kind::Event, topic()).value(|out| out.extend_from_slice(b"{}"));
        assert_eq!(records.largest_since(mark), 2);
        records.rewind(mark);
        assert!(records.is_empty());
        assert_eq!(records.bytes(), 0);
    }
}
