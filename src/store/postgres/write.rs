//! What a batch writes: one statement for all rows, all events, all users, with a column of values in each parameter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::exact::for_jsonb;
use super::rows::Keys;
use super::session::{Parameter, Session};
use crate::queue::subscription::Partition;
use crate::store::load::EventLoad;
use crate::store::row::{Row, RowKey};
use crate::store::{Failed, RunLoad, StoreError, User};

const UPDATE_ROWS: &str = "UPDATE weir_row r SET gsid = n.gsid, fields = n.fields::json, \
    shown = coalesce(n.shown, n.fields)::jsonb, written = n.written, created_ms = n.created_ms, \
    modified_ms = n.modified_ms, modified_by = n.modified_by, deleted_ms = n.deleted_ms \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], \
    $9::bigint[], $10::text[], $11::bigint[], $12::bigint[]) \
    n (tenant, object, key, gsid, fields, shown, written, created_ms, modified_ms, modified_by, deleted_ms, version) \
    WHERE r.tenant = n.tenant AND r.object = n.object AND r.key = n.key AND r.xmin::text::bigint = n.version";

const INSERT_ROWS: &str = "INSERT INTO weir_row (tenant, object, key, gsid, fields, shown, written, created_ms, \
    modified_ms, modified_by, deleted_ms, id, person, company) \
    SELECT tenant, object, key, gsid, fields::json, coalesce(shown, fields)::jsonb, written, created_ms, \
    modified_ms, modified_by, deleted_ms, id, person, company \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], \
    $9::bigint[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[]) \
    n (tenant, object, key, gsid, fields, shown, written, created_ms, modified_ms, modified_by, deleted_ms, id, \
    person, company)";

/// The SQLSTATE of a row whose key is taken.
const IS_THERE: &str = "23505";

const PUT_EVENTS: &str = "INSERT INTO weir_event (tenant, source, event_id, topic, contract, name, version, user_id, \
    time, received_ms, properties) \
    SELECT tenant, source, event_id, topic, contract, name, version, user_id, \
    timestamptz '1970-01-01 00:00:00+00' + us * interval '1 microsecond', received_ms, properties::jsonb \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
    $9::bigint[], $10::bigint[], $11::text[]) \
    n (tenant, source, event_id, topic, contract, name, version, user_id, us, received_ms, properties)";

const PUT_USERS: &str = "INSERT INTO weir_user (tenant, user_id, person, told, rank) \
    SELECT tenant, user_id, person, person, rank FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) \
    n (tenant, user_id, person, rank) \
    ON CONFLICT (tenant, user_id) DO UPDATE SET person = excluded.person, told = excluded.told, rank = excluded.rank \
    WHERE excluded.rank >= weir_user.rank";

const PUT_FAILED: &str = "INSERT INTO weir_failed (loader, tenant, topic, partition, \"offset\", run, reason, detail, \
    record, failed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
    timestamptz '1970-01-01 00:00:00+00' + $10 * interval '1 millisecond')";

/// What all rows have, a column each.
struct Columns<'a> {
    keys: Keys<'a>,
    gsids: Vec<Option<&'a str>>,
    fields: Vec<String>,
    /// None: as the fields are.
    shown: Vec<Option<String>>,
    written: Vec<String>,
    created: Vec<i64>,
    modified: Vec<i64>,
    by: Vec<&'a str>,
    deleted: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a (&'a RowKey, &'a Row)]) -> Self {
        let keys = Keys::of(rows.iter().map(|(key, _)| *key));
        let rows = || rows.iter().map(|(_, row)| *row);
        let fields: Vec<String> = rows().map(Row::fields_json).collect();
        let shown = fields.iter().map(|json| match for_jsonb(json) {
            Cow::Borrowed(_) => None,
            Cow::Owned(shown) => Some(shown),
        });
        Columns {
            keys,
            gsids: rows().map(|row| row.gsid.as_deref()).collect(),
            shown: shown.collect(),
            fields,
            written: rows().map(Row::written_json).collect(),
            created: rows().map(|row| row.created_ms).collect(),
            modified: rows().map(|row| row.modified_ms).collect(),
            by: rows().map(|row| &*row.modified_by).collect(),
            deleted: rows().map(|row| row.deleted_ms).collect(),
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut parameters = self.keys.parameters().to_vec();
        parameters.extend([
            (&self.gsids as _, Type::TEXT_ARRAY),
            (&self.fields as _, Type::TEXT_ARRAY),
            (&self.shown as _, Type::TEXT_ARRAY),
            (&self.written as _, Type::TEXT_ARRAY),
            (&self.created as _, Type::INT8_ARRAY),
            (&self.modified as _, Type::INT8_ARRAY),
            (&self.by as _, Type::TEXT_ARRAY),
            (&self.deleted as _, Type::INT8_ARRAY),
        ] as [Parameter<'_>; 8]);
        parameters
    }
}

/// Writes rows that are there, in the order in which they are given. What identifies them stays as it is, and so do
/// their indexes. False where others have written one since its version.
pub(super) fn update_rows(
    session: &mut Session,
    rows: &[&(&RowKey, &Row)],
    versions: &[i64],
) -> Result<bool, StoreError> {
    let columns = Columns::of(rows);
    let mut parameters = columns.parameters();
    parameters.push((&versions, Type::INT8_ARRAY));
    let written = session.execute(UPDATE_ROWS, &parameters)?;
    Ok(u64::try_from(rows.len()) == Ok(written))
}

/// Writes new rows, in the order in which they are given. False where some are there by now.
pub(super) fn insert_rows(session: &mut Session, rows: &[&(&RowKey, &Row)]) -> Result<bool, StoreError> {
    let columns = Columns::of(rows);
    let ids: Vec<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
    let links: Vec<_> = rows.iter().map(|(key, _)| key.link()).collect();
    let persons: Vec<Option<&str>> = links.iter().map(|link| link.map(|(person, _)| person)).collect();
    let companies: Vec<Option<&str>> = links.iter().map(|link| link.map(|(_, company)| company)).collect();
    let mut parameters = columns.parameters();
    parameters.extend([
        (&ids as _, Type::TEXT_ARRAY),
        (&persons as _, Type::TEXT_ARRAY),
        (&companies as _, Type::TEXT_ARRAY),
    ] as [Parameter<'_>; 3]);
    Ok(session.execute_unless(IS_THERE, INSERT_ROWS, &parameters)?.is_some())
}

pub(super) fn put_users(session: &mut Session, users: &[User]) -> Result<(), StoreError> {
    // One statement writes no row twice: of what is said of a user, the last of the highest rank stays.
    let mut said: BTreeMap<(&str, &str), &User> = BTreeMap::new();
    for user in users {
        let known = said.entry((&user.tenant, &user.user_id)).or_insert(user);
        if user.rank >= known.rank {
            *known = user;
        }
    }
    let texts = |of: fn(&User) -> &str| said.values().map(|user| of(user)).collect::<Vec<&str>>();
    let (tenants, ids) = (texts(|user| &user.tenant), texts(|user| &user.user_id));
    let persons = texts(|user| &user.person);
    let ranks: Vec<i64> = said.values().map(|user| user.rank).collect();
    session.execute(
        PUT_USERS,
        &[
            (&tenants, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&persons, Type::TEXT_ARRAY),
            (&ranks, Type::INT8_ARRAY),
        ],
    )?;
    Ok(())
}

pub(super) fn put_events(session: &mut Session, events: &[(&str, &EventLoad<'_>)]) -> Result<(), StoreError> {
    let tenants: Vec<&str> = events.iter().map(|(tenant, _)| *tenant).collect();
    let (mut sources, mut ids, mut optional) = (Vec::new(), Vec::new(), [const { Vec::new() }; 5]);
    let (mut times, mut received, mut properties) = (Vec::new(), Vec::new(), Vec::new());
    for (_, event) in events {
        sources.push(event.source);
        ids.push(event.event_id);
        let given = [event.topic, event.contract, event.name, event.version, event.user_id];
        optional.iter_mut().zip(given).for_each(|(column, value)| column.push(value));
        times.push(event.when.ns.div_euclid(1_000));
        received.push(event.received_ms);
        properties.push(for_jsonb(event.properties));
    }
    let [topics, contracts, names, versions, users] = &optional;
    session.execute(
        PUT_EVENTS,
        &[
            (&tenants, Type::TEXT_ARRAY),
            (&sources, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (topics, Type::TEXT_ARRAY),
            (contracts, Type::TEXT_ARRAY),
            (names, Type::TEXT_ARRAY),
            (versions, Type::TEXT_ARRAY),
            (users, Type::TEXT_ARRAY),
            (&times, Type::INT8_ARRAY),
            (&received, Type::INT8_ARRAY),
            (&properties, Type::TEXT_ARRAY),
        ],
    )?;
    Ok(())
}

pub(super) fn put_failed(session: &mut Session, failed: &Failed) -> Result<(), StoreError> {
    // A failure that can't be filed would hold up all behind it.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let (tenant, run) = (failed.tenant.as_deref().map(clean), failed.run.as_deref().map(clean));
    session.execute(
        PUT_FAILED,
        &[
            (&failed.loader, Type::TEXT),
            (&tenant, Type::TEXT),
            (&failed.partition.topic, Type::TEXT),
            (&failed.partition.number, Type::INT4),
            (&failed.offset, Type::INT8),
            (&run, Type::TEXT),
            (&failed.reason, Type::TEXT),
            (&clean(&failed.detail), Type::TEXT),
            (&clean(&failed.record), Type::TEXT),
            (&failed.failed_ms, Type::INT8),
        ],
    )?;
    Ok(())
}

/// Adds to what became of a run's records.
pub(super) fn put_run_load(session: &mut Session, load: &RunLoad) -> Result<(), StoreError> {
    let RunLoad { run, batch, partition: Partition { topic, number }, loaded, failed, kept_out } = load;
    session.execute(
        "INSERT INTO weir_run_load AS l (run, batch, topic, partition, loaded, failed, kept_out) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run, batch, topic, partition) DO UPDATE SET \
         loaded = l.loaded + excluded.loaded, failed = l.failed + excluded.failed, \
         kept_out = l.kept_out + excluded.kept_out",
        &[
            (run, Type::TEXT),
            (batch, Type::TEXT),
            (topic, Type::TEXT),
            (number, Type::INT4),
            (loaded, Type::INT8),
            (failed, Type::INT8),
            (kept_out, Type::INT8),
        ],
    )?;
    Ok(())
}
