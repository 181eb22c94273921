//! Which ids are one user's, and who belongs to which company, in PostgreSQL.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::session::Parameter;
use super::{PostgresStore, views};
use crate::store::StoreError;
use crate::store::join::{Join, Joins, Known, Member, MemberLink, UserKey};

/// The keys of users, a column each.
struct Users<'a> {
    tenants: Vec<&'a str>,
    ids: Vec<&'a str>,
}

impl<'a> Users<'a> {
    fn of(users: impl Iterator<Item = &'a UserKey>) -> Self {
        let (tenants, ids) = users.map(|user| (user.tenant.as_str(), user.user_id.as_str())).unzip();
        Users { tenants, ids }
    }

    fn parameters(&self) -> [Parameter<'_>; 2] {
        [(&self.tenants, Type::TEXT_ARRAY), (&self.ids, Type::TEXT_ARRAY)]
    }
}

impl Joins for PostgresStore {
    fn hold_joins(&mut self, is_alone: bool) -> Result<(), StoreError> {
        let mode = if is_alone { "EXCLUSIVE" } else { "SHARE" };
        self.session.batch(&format!("LOCK TABLE weir_join IN {mode} MODE"))
    }

    fn joins(&mut self, users: &[&UserKey]) -> Result<Vec<Join>, StoreError> {
        const GIVEN: &str = "(SELECT * FROM unnest($1::text[], $2::text[]))";
        let rows = self.session.query(
            &format!(
                "SELECT tenant, user_id, into_id, rank FROM weir_join WHERE (tenant, user_id) IN {GIVEN} \
                 UNION SELECT tenant, user_id, into_id, rank FROM weir_join WHERE (tenant, into_id) IN {GIVEN}"
            ),
            &Users::of(users.iter().copied()).parameters(),
        )?;
        let join = |row: &tokio_postgres::Row| {
            let user = UserKey { tenant: row.get(0), user_id: row.get(1) };
            Join { user, into: row.get(2), rank: row.get(3) }
        };
        Ok(rows.iter().map(join).collect())
    }

    fn put_joins(&mut self, joins: &[Join]) -> Result<(), StoreError> {
        // One statement writes no row twice: of what is said of an id, the last of the highest rank stays.
        let mut said: BTreeMap<&UserKey, &Join> = BTreeMap::new();
        for join in joins {
            let known = said.entry(&join.user).or_insert(join);
            if join.rank >= known.rank {
                *known = join;
            }
        }
        if said.is_empty() {
            return Ok(());
        }
        let users = Users::of(said.keys().copied());
        let [tenants, ids] = users.parameters();
        let into: Vec<&str> = said.values().map(|join| join.into.as_str()).collect();
        let ranks: Vec<i64> = said.values().map(|join| join.rank).collect();
        self.session.execute(
            "INSERT INTO weir_join (tenant, user_id, into_id, rank) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) \
             ON CONFLICT (tenant, user_id) DO UPDATE SET into_id = excluded.into_id, rank = excluded.rank \
             WHERE excluded.rank >= weir_join.rank",
            &[tenants, ids, (&into, Type::TEXT_ARRAY), (&ranks, Type::INT8_ARRAY)],
        )?;
        Ok(())
    }

    fn users(&mut self, users: &[&UserKey]) -> Result<Vec<Known>, StoreError> {
        let rows = self.session.query(
            "SELECT tenant, user_id, person, told, rank FROM weir_user \
             WHERE (tenant, user_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
            &Users::of(users.iter().copied()).parameters(),
        )?;
        let known = |row: &tokio_postgres::Row| Known {
            user: UserKey { tenant: row.get(0), user_id: row.get(1) },
            person: row.get(2),
            told: row.get::<_, Option<String>>(3).map(|person| (person, row.get(4))),
        };
        Ok(rows.iter().map(known).collect())
    }

    fn put_owners(&mut self, owners: &[(&UserKey, Option<&str>)]) -> Result<(), StoreError> {
        let (owned, free): (Vec<_>, Vec<_>) = owners.iter().partition(|(_, person)| person.is_some());
        if !owned.is_empty() {
            let users = Users::of(owned.iter().map(|(user, _)| *user));
            let [tenants, ids] = users.parameters();
            let persons: Vec<Option<&str>> = owned.iter().map(|(_, person)| *person).collect();
            self.session.execute(
                "INSERT INTO weir_user (tenant, user_id, person, rank) \
                 SELECT tenant, user_id, person, $4 FROM unnest($1::text[], $2::text[], $3::text[]) \
                 n (tenant, user_id, person) ON CONFLICT (tenant, user_id) DO UPDATE SET person = excluded.person",
                &[tenants, ids, (&persons, Type::TEXT_ARRAY), (&i64::MIN, Type::INT8)],
            )?;
        }
        if !free.is_empty() {
            self.session.execute(
                "DELETE FROM weir_user WHERE (tenant, user_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
                &Users::of(free.iter().map(|(user, _)| *user)).parameters(),
            )?;
        }
        Ok(())
    }

    fn put_members(&mut self, members: &[Member]) -> Result<(), StoreError> {
        if members.is_empty() {
            return Ok(());
        }
        let users = Users::of(members.iter().map(|member| &member.user));
        let [tenants, ids] = users.parameters();
        let companies: Vec<&str> = members.iter().map(|member| member.company.as_str()).collect();
        let by: Vec<&str> = members.iter().map(|member| member.created_by.as_str()).collect();
        let created: Vec<i64> = members.iter().map(|member| member.created_ms).collect();
        let told: Vec<i64> = members.iter().map(|member| member.told_ms).collect();
        self.session.execute(
            "INSERT INTO weir_member AS m (tenant, user_id, company, created_ms, created_by, told_ms) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[]) \
             ON CONFLICT (tenant, user_id, company) DO UPDATE SET \
             created_by = CASE WHEN excluded.created_ms < m.created_ms THEN excluded.created_by \
             ELSE m.created_by END, created_ms = least(m.created_ms, excluded.created_ms), \
             told_ms = greatest(m.told_ms, excluded.told_ms)",
            &[
                tenants,
                ids,
                (&companies, Type::TEXT_ARRAY),
                (&created, Type::INT8_ARRAY),
                (&by, Type::TEXT_ARRAY),
                (&told, Type::INT8_ARRAY),
            ],
        )?;
        Ok(())
    }

    fn member_links(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<MemberLink>, StoreError> {
        let rows = self.session.query(
            &format!(
                "SELECT * FROM (SELECT {} AS email, m.company, {} AS name, m.person FROM ({}) m) l \
                 WHERE email IS NOT NULL AND ($1 IS NULL OR person = $1) AND ($2 IS NULL OR company = $2) \
                 ORDER BY person, company",
                views::EMAIL,
                views::COMPANY_NAME,
                views::members(tenant)
            ),
            &[(&person, Type::TEXT), (&company, Type::TEXT)],
        )?;
        let link = |row: &tokio_postgres::Row| MemberLink {
            email: row.get(0),
            company: row.get(1),
            company_name: row.get(2),
        };
        Ok(rows.iter().map(link).collect())
    }
}
