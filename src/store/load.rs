//! What a record on the queue asks of the store: the rows that it changes, the event that it adds. Pure: a record that
//! can't be read is told from one that can before any database is asked.

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::row::{Change, RowKey};
use super::stamp::{Stamp, When};
use crate::event::scan::read_value;
use crate::event::traits::Traits;
use crate::event::value::{Shape, Value};
use crate::queue::reader::ReadRecord;
use crate::record::{Header, KEY_SEPARATOR, Kind, derived_id};
use crate::tenants::Merge;

/// Longest key that the indexes of both databases hold, in bytes.
const LONGEST_KEY: usize = 1_000;

/// What one record asks for.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// Id of the tenant.
    pub tenant: &'a str,
    /// What repeats of it have in common.
    pub identity: Identity,
    /// What it says of rows.
    pub rows: Vec<RowLoad<'a>>,
    /// The person that its user is.
    pub user: Option<UserLoad<'a>>,
    /// The company that its user belongs to, where nobody said who that is.
    pub member: Option<MemberLoad<'a>>,
    /// The user id that is another one's, too.
    pub join: Option<JoinLoad<'a>>,
    /// The event that it adds.
    pub event: Option<EventLoad<'a>>,
}

impl Load<'_> {
    /// A user whom it names beside the one that it is about.
    pub fn other_user(&self) -> Option<&str> {
        let member = self.member.as_ref().map(|member| member.user_id);
        member.or_else(|| self.join.as_ref().map(|join| &*join.into))
    }
}

/// 128 bits of the SHA-256 of `ce_source` and `ce_id`.
pub type Identity = [u8; 16];

/// A change of one row.
#[derive(Clone, Debug)]
pub struct RowLoad<'a> {
    /// Which row.
    pub key: RowKey,
    /// Its id, where it is new.
    pub id: String,
    /// What to change.
    pub change: Change<'a>,
}

/// That a user of a sender's app is a person.
#[derive(Clone, Debug)]
pub struct UserLoad<'a> {
    /// The user's id in calls.
    pub user_id: &'a str,
    /// Key of the person, without the tenant.
    pub person: &'a str,
    /// When that was said.
    pub when: When,
    /// When the record was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
}

/// That a user of a sender's app belongs to a company.
#[derive(Clone, Debug)]
pub struct MemberLoad<'a> {
    /// The user's id in calls.
    pub user_id: &'a str,
    /// Id of the company.
    pub company: String,
    /// `ce_source`.
    pub source: &'a str,
    /// When that was said.
    pub when: When,
    /// When the record was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
}

/// That what comes under one user id is of the person of another one.
#[derive(Clone, Debug)]
pub struct JoinLoad<'a> {
    /// The one.
    pub user_id: &'a str,
    /// The other.
    pub into: String,
    /// When that was said.
    pub when: When,
    /// When the record was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
}

/// What is said later of a user has more of it.
pub fn rank(when: When, received_ms: i64, merge: Merge) -> i64 {
    match merge {
        Merge::EventTime => when.rank().0,
        Merge::Arrival => received_ms.saturating_mul(1_000_000),
    }
}

/// An event of a user.
#[derive(Clone, Debug)]
pub struct EventLoad<'a> {
    /// `ce_source`.
    pub source: &'a str,
    /// `ce_id`.
    pub event_id: &'a str,
    /// `ce_topic`.
    pub topic: Option<&'a str>,
    /// `ce_contract`.
    pub contract: Option<&'a str>,
    /// `ce_eventname`.
    pub name: Option<&'a str>,
    /// `ce_eventversion`.
    pub version: Option<&'a str>,
    /// The user's id, or the anonymous one. None where its sender did not say.
    pub user_id: Option<&'a str>,
    /// When it happened.
    pub when: When,
    /// When it was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// JSON as it came.
    pub properties: &'a str,
}

/// Why a record can't be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no `ce_id` or `ce_source`.
    HeaderMissing,
    /// Its `ce_type` is none that this Weir knows.
    TypeUnknown,
    /// Its key is not what records of its type have.
    KeyInvalid,
    /// Its key is over 1,000 bytes.
    KeyTooLong,
    /// Its value is not what records of its type have.
    ValueInvalid,
    /// The database does not take one of its values.
    ValueRefused,
}

impl Fault {
    /// The `reason` in `weir_failed`.
    pub fn label(self) -> &'static str {
        match self {
            Fault::HeaderMissing => "header_missing",
            Fault::TypeUnknown => "type_unknown",
            Fault::KeyInvalid => "key_invalid",
            Fault::KeyTooLong => "key_too_long",
            Fault::ValueInvalid => "value_invalid",
            Fault::ValueRefused => "value_refused",
        }
    }

    /// What is wrong, and what to do.
    pub fn detail(self) -> &'static str {
        match self {
            Fault::HeaderMissing => {
                "it has no ce_id or ce_source; Weir did not write it, so look at who else writes to its topic"
            }
            Fault::TypeUnknown => {
                "its ce_type is unknown; a newer Weir may have written it: upgrade this one, then retry"
            }
            Fault::KeyInvalid => {
                "its key does not fit its ce_type; Weir did not write it, so look at who else writes to its topic"
            }
            Fault::KeyTooLong => {
                "its key is over 1,000 bytes, which no index holds; shorten the email, name or id where it comes from"
            }
            Fault::ValueInvalid => {
                "its value is not the JSON object that its ce_type has; look at who else writes to its topic"
            }
            Fault::ValueRefused => "the database refuses one of its values; the log has its answer",
        }
    }
}

/// What `record` asks for. None: nothing, since it is not meant for a store.
///
/// # Errors
/// It can't be loaded, whatever the store holds.
pub fn load(record: &ReadRecord) -> Result<Option<Load<'_>>, Fault> {
    let headers = Headers(record);
    let name = headers.get("ce_type").unwrap_or_default();
    let kind = Kind::of_ce_type(name.as_bytes()).ok_or(Fault::TypeUnknown)?;
    if matches!(kind, Kind::Rejected | Kind::Replayed) {
        return Ok(None);
    }
    let source = headers.named(Header::Source).ok_or(Fault::HeaderMissing)?;
    let id = headers.named(Header::Id).ok_or(Fault::HeaderMissing)?;
    let (tenant, key) = tenant_and_key(record, kind, source)?;
    let about = About {
        tenant,
        key,
        value: str::from_utf8(&record.value).map_err(|_| Fault::ValueInvalid)?,
        stamp: Stamp {
            source: Arc::from(source),
            when: When::of(headers.named(Header::Time), record.timestamp_ms),
            is_aside: false,
        },
        received_ms: record.timestamp_ms,
    };
    let mut load = Load {
        tenant,
        identity: identity(source, id),
        rows: Vec::new(),
        user: None,
        member: None,
        join: None,
        event: None,
    };
    match kind {
        Kind::Person => {
            load.rows.push(about.row("person", about.fields()?));
            load.user = about.user(headers.named(Header::UserId));
        }
        Kind::Company => {
            let row = about.row("company", about.fields()?);
            load.member = about.member(headers.named(Header::UserId), (source, &row.id));
            load.rows.push(row);
        }
        Kind::Link => {
            load.rows = about.link()?.into();
            load.user = about.user(headers.named(Header::UserId));
        }
        Kind::Event => load.event = Some(about.event(&headers, id)?),
        Kind::Object => load.rows.push(about.object()?),
        Kind::Deleted => load.rows.push(about.deleted()?),
        Kind::Alias => load.join = about.join()?,
        Kind::Rejected | Kind::Replayed => {}
    }
    Ok(Some(load))
}

/// The tenant of a record, and its key there. Only events may have none: their senders need not say whom they are
/// about.
fn tenant_and_key<'a>(
    record: &'a ReadRecord,
    kind: Kind,
    source: &'a str,
) -> Result<(&'a str, &'a str), Fault> {
    let Some(key) = &record.key else {
        let tenant = source.split('/').nth(1).filter(|tenant| !tenant.is_empty() && kind == Kind::Event);
        return tenant.map(|tenant| (tenant, "")).ok_or(Fault::KeyInvalid);
    };
    if key.len() > LONGEST_KEY {
        return Err(Fault::KeyTooLong);
    }
    let key = str::from_utf8(key).map_err(|_| Fault::KeyInvalid)?;
    key.split_once(SEPARATOR)
        .filter(|(tenant, key)| !tenant.is_empty() && !key.is_empty())
        .ok_or(Fault::KeyInvalid)
}

/// The object of links.
pub const LINK: &str = "company_person";

const SEPARATOR: char = KEY_SEPARATOR as char;

fn identity(source: &str, id: &str) -> Identity {
    let digest = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let mut identity = Identity::default();
    identity.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
    identity
}

/// A record's headers as text.
struct Headers<'a>(&'a ReadRecord);

impl<'a> Headers<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        str::from_utf8(self.0.header(name)?).ok()
    }

    fn named(&self, header: Header) -> Option<&'a str> {
        self.get(header.name())
    }
}

/// What all records of rows have.
struct About<'a> {
    tenant: &'a str,
    key: &'a str,
    value: &'a str,
    stamp: Stamp,
    received_ms: i64,
}

type Fields<'a> = Vec<(Cow<'a, str>, &'a str)>;

impl<'a> About<'a> {
    /// The members of the value.
    fn fields(&self) -> Result<Fields<'a>, Fault> {
        let value = object(self.value)?;
        Ok((&Traits::read(Some(value)))
            .into_iter()
            .map(|(name, value)| (name.clone(), value.json()))
            .collect())
    }

    fn row(&self, object: &str, fields: Fields<'a>) -> RowLoad<'a> {
        self.row_of(object, self.key.to_owned(), fields)
    }

    fn row_of(&self, object: &str, key: String, fields: Fields<'a>) -> RowLoad<'a> {
        let prefix = match object {
            "person" => "1P01",
            "company" => "1P02",
            _ => "1P09",
        };
        RowLoad {
            id: derived_id(prefix, self.tenant, &key),
            key: RowKey { tenant: self.tenant.to_owned(), object: object.to_owned(), key },
            change: Change {
                fields,
                stamp: self.stamp.clone(),
                received_ms: self.received_ms,
                deletes: false,
            },
        }
    }

    /// A link, and its person, who may be unknown yet.
    fn link(&self) -> Result<[RowLoad<'a>; 2], Fault> {
        let fields = self.fields()?;
        let text = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, json)| *json);
        let company = text("CompanyId").and_then(|json| read_value(json).ok()).ok_or(Fault::ValueInvalid)?;
        let company = company.0.string().filter(|id| !id.is_empty()).ok_or(Fault::ValueInvalid)?;
        let email = fields.iter().find(|(field, _)| field == "Email").cloned().ok_or(Fault::ValueInvalid)?;
        let link = self.row_of(LINK, format!("{}{SEPARATOR}{company}", self.key), fields);
        let mut person = self.row("person", vec![email]);
        person.change.stamp.is_aside = true;
        Ok([person, link])
    }

    /// An object of the tenant's own: `{"object","keys","fields"}`. Its keys are fields as well.
    fn object(&self) -> Result<RowLoad<'a>, Fault> {
        let value = Traits::read(Some(object(self.value)?));
        let name = value.get("object").and_then(Value::string).ok_or(Fault::ValueInvalid)?;
        let part = |name: &str| {
            value.get(name).filter(|part| part.shape() == Shape::Object).map(|part| Traits::read(Some(part)))
        };
        let (keys, fields) = part("keys").zip(part("fields")).ok_or(Fault::ValueInvalid)?;
        self.is_key_of(&name).then_some(()).ok_or(Fault::KeyInvalid)?;
        let others = (&fields).into_iter().filter(|(name, _)| keys.get(name).is_none());
        let fields =
            (&keys).into_iter().chain(others).map(|(name, value)| (name.clone(), value.json())).collect();
        Ok(self.row(&name, fields))
    }

    /// Whether its key is that of an object of the tenant's own with this name.
    fn is_key_of(&self, name: &str) -> bool {
        let is_standard = matches!(name, "person" | "company" | LINK | "event");
        !is_standard && self.key.strip_prefix(name).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// That a row is gone: `{"object","keys"}`, under the key of what is gone.
    fn deleted(&self) -> Result<RowLoad<'a>, Fault> {
        let value = Traits::read(Some(object(self.value)?));
        let name = value.get("object").and_then(Value::string).ok_or(Fault::ValueInvalid)?;
        let mut row = match name.as_ref() {
            LINK => {
                let keys = value.get("keys").map(|keys| Traits::read(Some(keys)));
                let company = keys.and_then(|keys| keys.get("CompanyId")).and_then(Value::string);
                let company = company.filter(|id| !id.is_empty()).ok_or(Fault::ValueInvalid)?;
                self.row_of(LINK, format!("{}{SEPARATOR}{company}", self.key), Vec::new())
            }
            "person" | "company" => self.row(&name, Vec::new()),
            own => {
                self.is_key_of(own).then_some(()).ok_or(Fault::KeyInvalid)?;
                self.row(own, Vec::new())
            }
        };
        row.change.deletes = true;
        Ok(row)
    }

    fn user(&self, user_id: Option<&'a str>) -> Option<UserLoad<'a>> {
        let user_id = user_id.filter(|id| !id.is_empty() && id.len() <= LONGEST_KEY)?;
        Some(UserLoad { user_id, person: self.key, when: self.stamp.when, received_ms: self.received_ms })
    }

    fn member(&self, user_id: Option<&'a str>, (source, company): (&'a str, &str)) -> Option<MemberLoad<'a>> {
        let user_id = user_id.filter(|id| !id.is_empty() && id.len() <= LONGEST_KEY)?;
        let (when, received_ms) = (self.stamp.when, self.received_ms);
        Some(MemberLoad { user_id, company: company.to_owned(), source, when, received_ms })
    }

    /// What an alias joins: `{"previousId","userId"}`. None where both are one.
    fn join(&self) -> Result<Option<JoinLoad<'a>>, Fault> {
        let value = Traits::read(Some(object(self.value)?));
        let into = value.get("userId").and_then(Value::string).filter(|id| !id.is_empty());
        let into = into.ok_or(Fault::ValueInvalid)?.into_owned();
        if into.len() > LONGEST_KEY {
            return Err(Fault::KeyTooLong);
        }
        let (when, received_ms) = (self.stamp.when, self.received_ms);
        Ok((into != self.key).then_some(JoinLoad { user_id: self.key, into, when, received_ms }))
    }

    fn event(&self, headers: &Headers<'a>, id: &'a str) -> Result<EventLoad<'a>, Fault> {
        object(self.value)?;
        Ok(EventLoad {
            source: headers.named(Header::Source).unwrap_or_default(),
            event_id: id,
            topic: headers.named(Header::Topic),
            contract: headers.named(Header::Contract),
            name: headers.named(Header::EventName),
            version: headers.named(Header::EventVersion),
            user_id: Some(self.key).filter(|key| !key.is_empty()),
            when: self.stamp.when,
            received_ms: self.received_ms,
            properties: self.value,
        })
    }
}

fn object(json: &str) -> Result<Value<'_>, Fault> {
    let (value, _) = read_value(json).map_err(|_| Fault::ValueInvalid)?;
    (value.shape() == Shape::Object).then_some(value).ok_or(Fault::ValueInvalid)
}
