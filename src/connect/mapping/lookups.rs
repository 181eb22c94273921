//! What is asked of the rows that a target has already.

/// Why rows can't be looked up: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Rows that a run does not bring itself, as a store has them.
pub trait Lookups {
    /// The ids of the rows of `object` whose `fields` have these values, for each of `values`: all, or the smallest of
    /// them and another one. A text is compared without blanks around it, an email in small letters. A row that is
    /// marked as deleted is none.
    ///
    /// # Errors
    /// The store can't be asked.
    fn ids(
        &mut self,
        object: &str,
        fields: &[&str],
        values: &[Vec<String>],
    ) -> Result<Vec<Vec<String>>, LookupError>;

    /// For each external id of the job's rows, the key (without the tenant) of the row that is known by it: such a row
    /// keeps its key, also where its name or its email is another one now. Not asked where the key is looked up.
    ///
    /// # Errors
    /// The store can't be asked.
    fn keys(&mut self, external_ids: &[String]) -> Result<Vec<Option<String>>, LookupError> {
        Ok(vec![None; external_ids.len()])
    }
}

/// A target that has no rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Lookups for Nothing {
    fn ids(&mut self, _: &str, _: &[&str], values: &[Vec<String>]) -> Result<Vec<Vec<String>>, LookupError> {
        Ok(vec![Vec::new(); values.len()])
    }
}
