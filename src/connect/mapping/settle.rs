//! The rows of a run against each other: one of each key stays, and those that others refer to come first.

use rusqlite::{Connection, OptionalExtension};

use super::row::{Code, Reject};
use super::target::Target;
use crate::connect::staging::{StagingError, WORK};

/// Most rows that refer to one another in a chain and still come in order.
const DEEPEST: i64 = 100;

/// Rejects all but one row of each key, and works out in what order rows come.
pub fn settle(target: &Target, connection: &Connection) -> Result<(), StagingError> {
    let reject = Reject {
        code: Code::DuplicateKey,
        field: target.needed().into_iter().flatten().next().unwrap_or_default().to_owned(),
        message: String::new(),
        hint: "remove one of both where they come from, or map a field that tells them apart".to_owned(),
    };
    let reject = serde_json::to_string(&reject).unwrap_or_default();
    connection
        .execute_batch(&format!("CREATE INDEX {WORK}.mapped_by_key ON mapped (key) WHERE reject IS NULL"))?;
    // Without its Z, a time is before the same time with a fraction; a row without one is the oldest.
    connection.execute(
        &format!(
            "UPDATE {WORK}.mapped SET reject = json_set(?1, '$.message',
                 printf('row %d of the run has the same key, and was changed later', same.newest))
             FROM (
                 SELECT place, first_value(place) OVER (
                     PARTITION BY key ORDER BY rtrim(modified, 'Z') DESC, place DESC) AS newest
                 FROM {WORK}.mapped WHERE reject IS NULL AND key IN (
                     SELECT key FROM {WORK}.mapped WHERE reject IS NULL GROUP BY key HAVING count(*) > 1)
             ) AS same
             WHERE mapped.place = same.place AND same.newest <> same.place"
        ),
        [reject],
    )?;
    let refers = format!("SELECT 1 FROM {WORK}.mapped WHERE refers IS NOT NULL LIMIT 1");
    if connection.query_row(&refers, [], |_| Ok(())).optional()?.is_none() {
        return Ok(());
    }
    connection.execute_batch(&format!("CREATE INDEX {WORK}.mapped_by_depth ON mapped (depth)"))?;
    let deeper = format!(
        "UPDATE {WORK}.mapped SET depth = ?1 WHERE depth = ?1 - 1 AND refers <> id AND refers IN (
             SELECT id FROM {WORK}.mapped WHERE depth = ?1 - 1 AND reject IS NULL)"
    );
    for depth in 1..=DEEPEST {
        if connection.execute(&deeper, [depth])? == 0 {
            break;
        }
    }
    Ok(())
}
