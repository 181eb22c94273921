//! What a batch writes: one statement for all rows, all events, all users, with a column of values in each parameter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::exact::for_jsonb;
use super::rows::Keys;
use super::session::Session;
use crate::store::load::EventLoad;
use crate::store::row::{Row, RowKey};
use crate::store::{Failed, StoreError, User};

const PUT_ROWS: &str = "INSERT INTO weir_row (tenant, object, key, id, gsid, fields, shown, written, created_ms, \
    modified_ms, modified_by, deleted_ms, person, company) \
    SELECT tenant, object, key, id, gsid, fields::json, coalesce(shown, fields)::jsonb, written, created_ms, \
    modified_ms, modified_by, deleted_ms, person, company \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
    $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::text[]) \
    n (tenant, object, key, id, gsid, fields, shown, written, created_ms, modified_ms, modified_by, deleted_ms, \
    person, company) \
    ON CONFLICT (tenant, object, key) DO UPDATE SET id = excluded.id, gsid = excluded.gsid, \
    fields = excluded.fields, shown = excluded.shown, written = excluded.written, created_ms = excluded.created_ms, \
    modified_ms = excluded.modified_ms, modified_by = excluded.modified_by, deleted_ms = excluded.deleted_ms, \
    person = excluded.person, company = excluded.company";

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

pub(super) fn put_rows(session: &mut Session, rows: &[(&RowKey, &Row)]) -> Result<(), StoreError> {
    let Keys { tenants, objects, keys } = Keys::of(rows.iter().map(|(key, _)| *key));
    let texts = |of: fn(&Row) -> String| rows.iter().map(|(_, row)| of(row)).collect::<Vec<String>>();
    let (fields, written) = (texts(Row::fields_json), texts(Row::written_json));
    // None: as the fields are.
    let shown: Vec<Option<String>> = fields
        .iter()
        .map(|json| match for_jsonb(json) {
            Cow::Borrowed(_) => None,
            Cow::Owned(shown) => Some(shown),
        })
        .collect();
    let ids: Vec<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
    let gsids: Vec<Option<&str>> = rows.iter().map(|(_, row)| row.gsid.as_deref()).collect();
    let by: Vec<&str> = rows.iter().map(|(_, row)| &*row.modified_by).collect();
    let created: Vec<i64> = rows.iter().map(|(_, row)| row.created_ms).collect();
    let modified: Vec<i64> = rows.iter().map(|(_, row)| row.modified_ms).collect();
    let deleted: Vec<Option<i64>> = rows.iter().map(|(_, row)| row.deleted_ms).collect();
    let links: Vec<_> = rows.iter().map(|(key, _)| key.link()).collect();
    let persons: Vec<Option<&str>> = links.iter().map(|link| link.map(|(person, _)| person)).collect();
    let companies: Vec<Option<&str>> = links.iter().map(|link| link.map(|(_, company)| company)).collect();
    session.execute(
        PUT_ROWS,
        &[
            (&tenants, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&gsids, Type::TEXT_ARRAY),
            (&fields, Type::TEXT_ARRAY),
            (&shown, Type::TEXT_ARRAY),
            (&written, Type::TEXT_ARRAY),
            (&created, Type::INT8_ARRAY),
            (&modified, Type::INT8_ARRAY),
            (&by, Type::TEXT_ARRAY),
            (&deleted, Type::INT8_ARRAY),
            (&persons, Type::TEXT_ARRAY),
            (&companies, Type::TEXT_ARRAY),
        ],
    )?;
    Ok(())
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
