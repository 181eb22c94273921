//! Names of tables and columns in SQLite, whatever fields are called. Pure.

use std::collections::BTreeSet;

use crate::store::types::distinct;

/// `name` as SQL has it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `name`, or one like it that SQLite takes for another than those of `taken`: it knows no letter case, and no NUL.
pub fn free(name: &str, taken: &[&str]) -> String {
    let is_taken = |name: &str| taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
    distinct(name.replace('\0', "\u{fffd}"), is_taken)
}

/// The same for each of `names`, none of which is like another.
pub fn all_free<'n>(names: impl Iterator<Item = &'n str>, taken: &[&str]) -> Vec<String> {
    let mut taken: BTreeSet<String> = taken.iter().map(|name| name.to_ascii_lowercase()).collect();
    let free = |name: &str| {
        let name =
            distinct(name.replace('\0', "\u{fffd}"), |name| taken.contains(&name.to_ascii_lowercase()));
        taken.insert(name.to_ascii_lowercase());
        name
    };
    names.map(free).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_names_make_different_columns() {
        let names = ["Name", "NAME", "name_2", "_row", "a\"b", "Größe", "", "a\0"];
        let made = all_free(names.into_iter(), &["_row"]);
        assert_eq!(made, ["Name", "NAME_2", "name_2_2", "_row_2", "a\"b", "Größe", "", "a\u{fffd}"]);
        assert_eq!(free("data_A", &["data_a"]), "data_A_2");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
