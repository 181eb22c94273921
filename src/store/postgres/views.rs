//! The views as PostgreSQL has them: a schema a tenant, a view an object. They are made anew as fields come, beside
//! readers and beside views that others have made of them; what is in the way holds up no loading.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::store::join::member_links_sql;
use crate::store::registry::{Column, ObjectName};
use crate::store::types::FieldType;

/// The longest name that PostgreSQL keeps, in bytes.
const LONGEST: usize = 63;

/// A view that is to be there.
pub(super) struct View {
    /// The name of its schema.
    pub(super) schema: String,
    /// Its own, with its schema, as SQL.
    pub(super) name: String,
    /// What says in the database how it was made: one that has this is as it should be.
    pub(super) comment: String,
    select: String,
}

impl View {
    pub(super) fn of(object: &ObjectName, columns: &[Column]) -> Self {
        let select = match object.object.as_str() {
            "company_person" => links(&object.tenant),
            "event" => events(&object.tenant),
            _ => rows(object, columns),
        };
        let digest = Sha256::digest(&select);
        let hash = HEXLOWER.encode(digest.get(..8).unwrap_or_default());
        let schema = schema(&object.tenant);
        View {
            name: format!("{}.{}", quoted(&schema), quoted(&cut(&object.object.replace('-', "_")))),
            schema,
            comment: format!("Weir makes this view anew as fields come: do not change it ({hash})"),
            select,
        }
    }

    /// Makes it, or adds columns at its end.
    pub(super) fn replace(&self) -> String {
        format!("CREATE OR REPLACE VIEW {} AS {}; {}", self.name, self.select, self.commented())
    }

    /// Drops it and makes it anew, with the rights that it had.
    pub(super) fn recreate(&self, grants: &[String]) -> String {
        let View { name, select, .. } = self;
        let grants: String = grants.iter().map(|grant| format!("; {grant}")).collect();
        format!("DROP VIEW {name}; CREATE VIEW {name} AS {select}; {}{grants}", self.commented())
    }

    fn commented(&self) -> String {
        format!("COMMENT ON VIEW {} IS {}", self.name, text(&self.comment))
    }
}

/// The schema of the views of `tenant`.
pub(super) fn schema(tenant: &str) -> String {
    cut(&format!("weir_{tenant}").replace('-', "_"))
}

/// The name of the view of `object`, with its schema.
pub fn view_name(object: &ObjectName) -> String {
    format!("{}.{}", schema(&object.tenant), cut(&object.object.replace('-', "_")))
}

fn rows(object: &ObjectName, columns: &[Column]) -> String {
    let mut sql =
        "SELECT id, gsid, key, weir_time(created_ms) AS created_at, weir_time(modified_ms) AS modified_at, \
                   weir_time(deleted_ms) AS deleted_at, modified_by"
            .to_owned();
    if object.object == "person" {
        sql.push_str(
            ", (SELECT coalesce(jsonb_agg(u.user_id ORDER BY u.user_id), '[]') FROM weir_user u \
             WHERE u.tenant = r.tenant AND u.person = r.key) AS user_ids",
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
pub(super) const EMAIL: &str = "(SELECT p.shown ->> 'Email' FROM weir_row p WHERE p.tenant = m.tenant \
    AND p.object = 'person' AND p.key = m.person)";

/// The name of the company of a link `m`.
pub(super) const COMPANY_NAME: &str = "(SELECT c.shown ->> 'Name' FROM weir_row c WHERE c.tenant = m.tenant \
    AND c.object = 'company' AND c.id = m.company LIMIT 1)";

/// The links that no record is of, each once, as the first that was received.
pub(super) fn members(tenant: &str) -> String {
    let all = member_links_sql(&format!("o.tenant = {}", text(tenant)));
    format!(
        "SELECT DISTINCT ON (person, company) * FROM ({all}) a ORDER BY person, company, created_ms, created_by"
    )
}

fn links(tenant: &str) -> String {
    let of_record = |part: &str| part.replace("m.", "l.");
    format!(
        "SELECT {} AS person_id, l.shown ->> 'Email' AS person_email, l.company AS company_id, \
         coalesce({}, l.shown ->> 'CompanyName') AS company_name, \
         weir_time(l.created_ms) AS created_at, weir_time(l.modified_ms) AS modified_at, l.modified_by FROM weir_row l \
         WHERE l.tenant = {} AND l.object = 'company_person' AND l.deleted_ms IS NULL AND {ONCE} \
         UNION ALL SELECT {PERSON_ID}, {EMAIL}, m.company, {COMPANY_NAME}, weir_time(m.created_ms), \
         weir_time(m.created_ms), m.created_by FROM ({}) m",
        of_record(PERSON_ID),
        of_record(COMPANY_NAME),
        text(tenant),
        members(tenant)
    )
}

fn events(tenant: &str) -> String {
    format!(
        "SELECT e.source, e.event_id, e.topic, e.contract, e.name, e.version, e.user_id, \
         (SELECT p.id FROM weir_row p WHERE p.tenant = e.tenant AND p.object = 'person' AND p.key = u.person) \
         AS person_id, \
         (SELECT CASE WHEN count(DISTINCT company) = 1 THEN max(company) END FROM (\
         SELECT l.company FROM weir_row l WHERE l.tenant = e.tenant AND l.object = 'company_person' \
         AND l.person = u.person AND l.deleted_ms IS NULL UNION ALL SELECT company FROM ({}) a) c) AS company_id, \
         e.time, weir_time(e.received_ms) AS received_at, e.properties \
         FROM weir_event e LEFT JOIN weir_user u ON u.tenant = e.tenant AND u.user_id = e.user_id \
         WHERE e.tenant = {}",
        member_links_sql("o.tenant = e.tenant AND o.person = u.person"),
        text(tenant)
    )
}

/// A field's value as its column shows it: NULL where it does not fit.
fn shown(field: &str, field_type: FieldType) -> String {
    let name = text(field);
    match field_type {
        FieldType::Text => format!("weir_text(shown -> {name}, fields, {name})"),
        FieldType::Json => format!("weir_json(shown -> {name})"),
        FieldType::Boolean => format!("weir_boolean(shown -> {name})"),
        FieldType::Number => format!("weir_number(shown -> {name})"),
        FieldType::Date => format!("weir_date(shown -> {name})"),
        FieldType::DateTime => format!("weir_datetime(shown -> {name})"),
    }
}

/// `name` as far as PostgreSQL keeps it.
fn cut(name: &str) -> String {
    name.get(..name.floor_char_boundary(LONGEST)).unwrap_or(name).to_owned()
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_named_as_postgresql_keeps_names() {
        let name = |tenant: &str, object: &str| {
            view_name(&ObjectName { tenant: tenant.to_owned(), object: object.to_owned() })
        };
        assert_eq!(name("acme-eu", "deal__gc"), "weir_acme_eu.deal__gc");
        assert_eq!(name(&"t".repeat(64), "person").len(), 63 + ".person".len());
        assert_eq!(cut(&"é".repeat(32)), "é".repeat(31));
    }

    #[test]
    fn names_and_values_cannot_leave_their_quotes() {
        let object = ObjectName { tenant: "acme".to_owned(), object: "it's\"".to_owned() };
        let columns =
            [Column { name: "a\"b".to_owned(), field: "a'b\\".to_owned(), field_type: FieldType::Text }];
        let sql = View::of(&object, &columns).replace();
        assert!(sql.starts_with(r#"CREATE OR REPLACE VIEW "weir_acme"."it's""" AS SELECT"#));
        assert!(sql.contains(r#"weir_text(shown -> 'a''b\', fields, 'a''b\') AS "a""b""#));
        assert!(sql.contains("object = 'it''s\"';"));
    }
}
