//! How much waits, and what that means.

use rusqlite::Connection;

use super::Outbox;
use crate::gainsight::window::Windows;
use crate::gainsight::{Records, Settings};
use crate::store::StoreError;
use crate::store::load::LINK;

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Companies.
    pub companies: u64,
    /// People.
    pub people: u64,
    /// Links whose company Gainsight has.
    pub links: u64,
    /// Links whose company Gainsight does not have yet.
    pub links_without_company: u64,
    /// Records of objects of the tenant's own, and goals.
    pub objects: u64,
    /// Events.
    pub events: u64,
    /// What could not be sent and stands in `weir_failed`.
    pub failed: u64,
    /// Calls that all of that needs, as it stands.
    pub calls_needed: u64,
}

/// How long what waits will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Calls of a day at most.
    pub day_carries: u32,
    /// Calls that are needed for what waits.
    pub calls_needed: u64,
    /// Seconds until the last of them may be made. None: over a month.
    pub drains_in_s: Option<u64>,
}

impl Waiting {
    /// What they are, and how many wait.
    pub fn of_each(&self) -> [(&'static str, u64); 5] {
        [
            ("company", self.companies),
            ("person", self.people),
            ("link", self.links + self.links_without_company),
            ("object", self.objects),
            ("event", self.events),
        ]
    }

    /// When it will be gone if nothing comes after it and Gainsight takes all calls.
    pub fn forecast(&self, windows: &Windows, of_events: Option<&Windows>, now: i64) -> Forecast {
        let Waiting { calls_needed, events, .. } = *self;
        let Some(of_events) = of_events else {
            let (day_carries, drains_in_s) = (windows.day_carries(), windows.drains_in(calls_needed, now));
            return Forecast { day_carries, calls_needed, drains_in_s };
        };
        let others = windows.drains_in(calls_needed.saturating_sub(events), now);
        let both = others.zip(of_events.drains_in(events, now));
        let day_carries = windows.day_carries().saturating_add(of_events.day_carries());
        Forecast { day_carries, calls_needed, drains_in_s: both.map(|(others, events)| others.max(events)) }
    }
}

/// Links that are due; `c` is their company, if Gainsight has it.
const LINKS: &str = "FROM gainsight_due d JOIN weir_row l USING (tenant, object, key) LEFT JOIN weir_row c ON \
    c.tenant = l.tenant AND c.id = l.company AND c.object = 'company' AND c.gsid IS NOT NULL \
    WHERE d.object = 'company_person'";

impl Outbox {
    /// How much waits of what `settings` send.
    ///
    /// # Errors
    /// The outbox's.
    pub fn waiting(&self, settings: &Settings) -> Result<Waiting, StoreError> {
        let sends = |records| settings.records.contains(&records);
        self.store.run(|connection| {
            let mut waiting = Waiting::default();
            for keyed in settings.keyed() {
                let (new, known) = keyed_due(connection, keyed.object())?;
                let of = if keyed.object() == "company" { &mut waiting.companies } else { &mut waiting.objects };
                *of += new + known;
                let calls = |rows: u64| rows.div_ceil(keyed.most().into());
                // New ones are asked for first.
                waiting.calls_needed += 2 * calls(new) + calls(known);
            }
            let due = |object: &str| {
                count(connection, "SELECT count(*) FROM gainsight_due WHERE object = ?1", [object])
            };
            if sends(Records::Person) {
                waiting.people = due("person")?;
            }
            if sends(Records::Link) {
                waiting.links = count(connection, &format!("SELECT count(*) {LINKS} AND c.gsid IS NOT NULL"), [])?;
                waiting.links_without_company = due(LINK)?.saturating_sub(waiting.links);
                // Others go out with their person.
                let alone = format!(
                    "SELECT count(DISTINCT l.person) {LINKS} AND c.gsid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \
                     gainsight_due p WHERE p.tenant = l.tenant AND p.object = 'person' AND p.key = l.person)"
                );
                waiting.calls_needed += count(connection, &alone, [])?;
            }
            if sends(Records::Event) {
                waiting.events = count(connection, "SELECT count(*) FROM weir_event", [])?;
            }
            waiting.calls_needed += waiting.people + waiting.events;
            waiting.failed = count(connection, "SELECT count(*) FROM weir_failed", [])?;
            Ok(waiting)
        })
    }
}

/// Rows that are due: those that Gainsight is not known to have, and the others.
fn keyed_due(connection: &Connection, object: &str) -> rusqlite::Result<(u64, u64)> {
    let rows = "SELECT count(*) FROM gainsight_due JOIN weir_row USING (tenant, object, key) \
                WHERE object = ?1 AND gsid";
    Ok((
        count(connection, &format!("{rows} IS NULL"), [object])?,
        count(connection, &format!("{rows} IS NOT NULL"), [object])?,
    ))
}

fn count(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<u64> {
    connection.query_row(sql, parameters, |row| row.get::<_, u32>(0)).map(u64::from)
}
