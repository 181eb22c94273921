//! The views as SQLite has them. They use only what every SQLite since 3.38 has, so that any tool can read them.

use std::fmt::Write;

use crate::store::join::member_links_sql;
use crate::store::registry::{Column, ObjectName};
use crate::store::types::FieldType;

/// The statements that make the view of `object` anew.
pub fn create(object: &ObjectName, columns: &[Column]) -> String {
    let name = quoted(&view_name(object));
    let select = match object.object.as_str() {
        "company_person" => links(&object.tenant),
        "event" => events(&object.tenant),
        _ => rows(object, columns),
    };
    format!("DROP VIEW IF EXISTS {name}; CREATE VIEW {name} AS {select};")
}

/// The name of the view of `object`.
pub fn view_name(object: &ObjectName) -> String {
    format!("{}_{}", object.tenant, object.object).replace('-', "_")
}

fn rows(object: &ObjectName, columns: &[Column]) -> String {
    let mut sql = format!(
        "SELECT id, gsid, key, {} AS created_at, {} AS modified_at, {} AS deleted_at, modified_by",
        time("created_ms"),
        time("modified_ms"),
        time("deleted_ms")
    );
    if object.object == "person" {
        sql.push_str(
            ", (SELECT json_group_array(user_id) FROM (SELECT user_id FROM weir_user u \
             WHERE u.tenant = r.tenant AND u.person = r.key ORDER BY user_id)) AS user_ids",
        );
    }
    for Column { name, field, field_type } in columns {
        // Writing to a string can't fail.
        write!(sql, ", {} AS {}", shown(field, *field_type), quoted(name)).unwrap_or_default();
    }
    let (tenant, name) = (text(&object.tenant), text(&object.object));
    sql.push_str(&format!(" FROM weir_row r WHERE tenant = {tenant} AND object = {name}"));
    if object.object == "company" {
        sql.push_str(
            " AND NOT EXISTS (SELECT 1 FROM weir_alias a WHERE a.tenant = r.tenant AND a.key = r.key)",
        );
    }
    sql
}

/// That a link `l` is shown once, if a person has several to companies that are one now.
const ONCE: &str = "NOT EXISTS (SELECT 1 FROM weir_row o WHERE o.tenant = l.tenant \
    AND o.object = 'company_person' AND o.person = l.person AND o.company = l.company AND o.key < l.key \
    AND o.deleted_ms IS NULL)";

/// The id of the person of a link `m`.
const PERSON_ID: &str = "(SELECT p.id FROM weir_row p WHERE p.tenant = m.tenant AND p.object = 'person' \
    AND p.key = m.person)";

/// The email of that person.
pub(super) const EMAIL: &str = "(SELECT p.fields ->> '$.Email' FROM weir_row p WHERE p.tenant = m.tenant \
    AND p.object = 'person' AND p.key = m.person)";

/// The name of the company of a link `m`.
pub(super) const COMPANY_NAME: &str = "(SELECT c.fields ->> '$.Name' FROM weir_row c WHERE c.tenant = m.tenant \
    AND c.object = 'company' AND c.id = m.company)";

/// The links that no record is of, each once, as the first that was received.
pub(super) fn members(tenant: &str) -> String {
    let all = member_links_sql(&format!("o.tenant = {}", text(tenant)));
    format!(
        "SELECT tenant, person, company, min(created_ms) AS created_ms, created_by FROM ({all}) \
         GROUP BY tenant, person, company"
    )
}

fn links(tenant: &str) -> String {
    let of_record = |part: &str| part.replace("m.", "l.");
    format!(
        "SELECT {} AS person_id, l.fields ->> '$.Email' AS person_email, l.company AS company_id, \
         coalesce({}, l.fields ->> '$.CompanyName') AS company_name, \
         {} AS created_at, {} AS modified_at, l.modified_by FROM weir_row l \
         WHERE l.tenant = {} AND l.object = 'company_person' AND l.deleted_ms IS NULL AND {ONCE} \
         UNION ALL SELECT {PERSON_ID}, {EMAIL}, m.company, {COMPANY_NAME}, {}, {}, m.created_by FROM ({}) m",
        of_record(PERSON_ID),
        of_record(COMPANY_NAME),
        time("l.created_ms"),
        time("l.modified_ms"),
        text(tenant),
        time("m.created_ms"),
        time("m.created_ms"),
        members(tenant)
    )
}

fn events(tenant: &str) -> String {
    format!(
        "SELECT e.source, e.event_id, e.topic, e.contract, e.name, e.version, e.user_id, \
         (SELECT id FROM weir_row p WHERE p.tenant = e.tenant AND p.object = 'person' AND p.key = u.person) \
         AS person_id, \
         (SELECT CASE WHEN count(DISTINCT company) = 1 THEN max(company) END FROM (\
         SELECT l.company FROM weir_row l WHERE l.tenant = e.tenant AND l.object = 'company_person' \
         AND l.person = u.person AND l.deleted_ms IS NULL UNION ALL SELECT company FROM ({}))) AS company_id, \
         e.time, {} AS received_at, e.properties \
         FROM weir_event e LEFT JOIN weir_user u ON u.tenant = e.tenant AND u.user_id = e.user_id \
         WHERE e.tenant = {}",
        member_links_sql("o.tenant = e.tenant AND o.person = u.person"),
        time("e.received_ms"),
        text(tenant)
    )
}

/// Milliseconds since the Unix epoch as text.
fn time(column: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')")
}

/// A field's value as its column shows it: NULL where it does not fit.
fn shown(field: &str, field_type: FieldType) -> String {
    let (json, plain, kind) = parts(field);
    match field_type {
        FieldType::Text => {
            format!("CASE {kind} WHEN 'text' THEN {plain} WHEN 'null' THEN NULL ELSE {json} END")
        }
        FieldType::Json => format!("CASE {kind} WHEN 'null' THEN NULL ELSE {json} END"),
        FieldType::Boolean => format!(
            "CASE {kind} WHEN 'true' THEN 1 WHEN 'false' THEN 0 WHEN 'text' THEN \
             CASE lower(trim({plain})) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END END"
        ),
        FieldType::Number => {
            let (of_number, of_text) = (number(&json), number(&format!("trim({plain})")));
            format!(
                "CASE WHEN {kind} IN ('integer', 'real') THEN {of_number} \
                 WHEN {kind} = 'text' AND {} THEN {of_text} END",
                is_number(&format!("trim({plain})"))
            )
        }
        FieldType::Date => {
            let plain = format!("trim({plain})");
            format!(
                "CASE WHEN {kind} = 'text' AND {plain} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' \
                 AND date({plain}) IS NOT NULL AND date(substr({plain}, 1, 10)) = substr({plain}, 1, 10) \
                 THEN substr({plain}, 1, 10) END"
            )
        }
        FieldType::DateTime => {
            let plain = format!("trim({plain})");
            format!(
                "CASE WHEN {kind} = 'text' AND {plain} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' \
                 AND date(substr({plain}, 1, 10)) = substr({plain}, 1, 10) \
                 THEN strftime('%Y-%m-%dT%H:%M:%fZ', {plain}) END"
            )
        }
    }
}

/// How the view finds a field's value as JSON, as SQL has it, and what kind of JSON it is.
fn parts(field: &str) -> (String, String, String) {
    if field.contains(['"', '\\']) {
        // Old versions of SQLite take no path with such a name for one, and would refuse the whole view.
        let part =
            |column: &str| format!("(SELECT {column} FROM json_each(fields) WHERE key = {})", text(field));
        let json = part("CASE WHEN type IN ('true', 'false') THEN type ELSE value || '' END");
        return (json, part("value"), part("type"));
    }
    let path = text(&format!("$.\"{field}\""));
    (format!("(fields -> {path})"), format!("(fields ->> {path})"), format!("json_type(fields, {path})"))
}

/// The number that the text `digits` is: an INTEGER where that holds it, a REAL where the double is the same number,
/// else the digits themselves.
fn number(digits: &str) -> String {
    let double = format!("CAST({digits} AS REAL)");
    let mantissa = format!("substr({digits}, 1, instr(lower({digits}) || 'e', 'e') - 1)");
    let significant = format!("trim(replace(replace({mantissa}, '.', ''), '-', ''), '0')");
    // Beyond a double it would be infinite, and below the least one nothing.
    let is_in_range = format!("abs({double}) < 1e999 AND ({double} <> 0 OR {significant} = '')");
    let is_same = format!(
        "(length({significant}) <= 15 OR {digits} IN (printf('%!.16g', {double}), printf('%!.17g', {double})))"
    );
    format!(
        "CASE WHEN CAST({digits} AS INTEGER) || '' = {digits} THEN CAST({digits} AS INTEGER) \
         WHEN {is_in_range} AND {is_same} THEN {double} ELSE {digits} END"
    )
}

/// Whether a text is a number as JSON has them.
fn is_number(plain: &str) -> String {
    format!("json_valid({plain}) AND json_type({plain}) IN ('integer', 'real')")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
