//! Which ids are one user's, and who belongs to which company, in SQLite.

use rusqlite::{OptionalExtension, params};

use super::{SqliteStore, views};
use crate::store::StoreError;
use crate::store::join::{Join, Joins, Known, Member, MemberLink, UserKey};

impl Joins for SqliteStore {
    fn hold_joins(&mut self, _: bool) -> Result<(), StoreError> {
        // Whoever writes is alone in any case.
        Ok(())
    }

    fn joins(&mut self, users: &[&UserKey]) -> Result<Vec<Join>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT user_id, into_id, rank FROM weir_join WHERE tenant = ?1 AND user_id = ?2 \
                 UNION SELECT user_id, into_id, rank FROM weir_join WHERE tenant = ?1 AND into_id = ?2",
            )?;
            let mut found = Vec::new();
            for UserKey { tenant, user_id } in users {
                let join = |row: &rusqlite::Row<'_>| {
                    let user = UserKey { tenant: tenant.clone(), user_id: row.get(0)? };
                    Ok(Join { user, into: row.get(1)?, rank: row.get(2)? })
                };
                found.extend(statement.query_and_then([tenant, user_id], join)?);
            }
            found.into_iter().collect()
        })
    }

    fn put_joins(&mut self, joins: &[Join]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_join (tenant, user_id, into_id, rank) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (tenant, user_id) DO UPDATE SET into_id = excluded.into_id, rank = excluded.rank \
                 WHERE excluded.rank >= rank",
            )?;
            joins.iter().try_for_each(|Join { user, into, rank }| {
                statement.execute(params![user.tenant, user.user_id, into, rank]).map(drop)
            })
        })
    }

    fn users(&mut self, users: &[&UserKey]) -> Result<Vec<Known>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT person, told, rank FROM weir_user WHERE tenant = ?1 AND user_id = ?2",
            )?;
            let mut found = Vec::new();
            for user in users {
                let known = statement.query_row([&user.tenant, &user.user_id], |row| {
                    let (told, rank): (Option<String>, i64) = (row.get(1)?, row.get(2)?);
                    let told = told.map(|person| (person, rank));
                    Ok(Known { user: (*user).clone(), person: row.get(0)?, told })
                });
                found.extend(known.optional()?);
            }
            Ok(found)
        })
    }

    fn put_owners(&mut self, owners: &[(&UserKey, Option<&str>)]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut put = connection.prepare_cached(
                "INSERT INTO weir_user (tenant, user_id, person, rank) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (tenant, user_id) DO UPDATE SET person = excluded.person",
            )?;
            let mut remove =
                connection.prepare_cached("DELETE FROM weir_user WHERE tenant = ?1 AND user_id = ?2")?;
            for (UserKey { tenant, user_id }, person) in owners {
                match person {
                    Some(person) => put.execute(params![tenant, user_id, person, i64::MIN])?,
                    None => remove.execute([tenant, user_id])?,
                };
            }
            Ok(())
        })
    }

    fn put_members(&mut self, members: &[Member]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_member (tenant, user_id, company, created_ms, created_by, told_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant, user_id, company) DO UPDATE SET \
                 created_by = CASE WHEN excluded.created_ms < created_ms THEN excluded.created_by \
                 ELSE created_by END, created_ms = min(created_ms, excluded.created_ms), \
                 told_ms = max(told_ms, excluded.told_ms)",
            )?;
            members.iter().try_for_each(|Member { user, company, created_ms, created_by, told_ms }| {
                let UserKey { tenant, user_id } = user;
                statement
                    .execute(params![tenant, user_id, company, created_ms, created_by, told_ms])
                    .map(drop)
            })
        })
    }

    fn member_links(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<MemberLink>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT {} AS email, m.company, {} FROM ({}) m WHERE email IS NOT NULL \
                 AND (?1 IS NULL OR m.person = ?1) AND (?2 IS NULL OR m.company = ?2) ORDER BY m.person, m.company",
                views::EMAIL,
                views::COMPANY_NAME,
                views::members(tenant)
            ))?;
            let links = statement.query_map([person, company], |row| {
                Ok(MemberLink { email: row.get(0)?, company: row.get(1)?, company_name: row.get(2)? })
            })?;
            links.collect()
        })
    }
}
