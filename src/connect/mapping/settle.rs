//! The rows of a run against each other: one of each key stays, and those that others refer to come first.

use rusqlite::{Connection, OptionalExtension};

use super::row::{Code, Reject};
use super::target::Target;
use crate::connect::staging::{StagingError, WORK};

/// Most rows that refer to one another in a chain and still come in order.
const DEEPEST: i64 = 100;

/// Rejects all but one row of each key, and works out in what order rows come. Returns whether it is another than that
/// of their places.
pub fn settle(target: &Target, connection: &Connection) -> Result<bool, StagingError> {
    let field = target.needed().into_iter().flatten().next().unwrap_or_default();
    let hint = "remove one of both where they come from, or map a field that tells them apart";
    one_of_each(connection, "key", ("key", field, hint))?;
    let hint =
        "remove one of both where they come from, or take a field that tells them apart as external_id";
    one_of_each(connection, "external", ("external_id", field, hint))?;
    let refers = format!("SELECT 1 FROM {WORK}.mapped WHERE refers IS NOT NULL LIMIT 1");
    if connection.query_row(&refers, [], |_| Ok(())).optional()?.is_none() {
        return Ok(false);
    }
    connection.execute_batch(&format!("CREATE INDEX {WORK}.mapped_by_depth ON mapped (depth)"))?;
    let deeper = format!(
        "UPDATE {WORK}.mapped SET depth = ?1 WHERE depth = ?1 - 1 AND refers <> id AND refers IN (
             SELECT id FROM {WORK}.mapped WHERE depth = ?1 - 1 AND reject IS NULL)"
    );
    for depth in 1..=DEEPEST {
        if connection.execute(&deeper, [depth])? == 0 {
            return Ok(depth > 1);
        }
    }
    Ok(true)
}

/// Rejects all rows that have one value of a column, but the one that was changed last.
fn one_of_each(
    connection: &Connection,
    column: &str,
    (what, field, hint): (&str, &str, &str),
) -> Result<(), StagingError> {
    let reject = Reject {
        code: Code::DuplicateKey,
        field: field.to_owned(),
        message: String::new(),
        hint: hint.to_owned(),
    };
    let reject = serde_json::to_string(&reject).unwrap_or_default();
    let index = format!("CREATE INDEX {WORK}.mapped_by_{column} ON mapped ({column}) WHERE reject IS NULL");
    connection.execute_batch(&index)?;
    // Without its Z, a time is before the same time with a fraction; a row without one is the oldest.
    connection.execute(
        &format!(
            "UPDATE {WORK}.mapped SET reject = json_set(?1, '$.message',
                 printf('row %d of the run has the same {what}, and was changed later', same.newest))
             FROM (
                 SELECT place, first_value(place) OVER (
                     PARTITION BY {column} ORDER BY rtrim(modified, 'Z') DESC, place DESC) AS newest
                 FROM {WORK}.mapped WHERE reject IS NULL AND {column} IN (
                     SELECT {column} FROM {WORK}.mapped WHERE reject IS NULL AND {column} IS NOT NULL
                     GROUP BY {column} HAVING count(*) > 1)
             ) AS same
             WHERE mapped.place = same.place AND same.newest <> same.place"
        ),
        [reject],
    )?;
    Ok(())
}
