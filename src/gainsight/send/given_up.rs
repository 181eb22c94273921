//! What can't be sent of a row, and is filed: by the org's metadata, or by what Gainsight says.

use super::Sender;
use crate::gainsight::UnknownFields;
use crate::gainsight::answer::{Fault, hint};
use crate::gainsight::fields::Misfit;
use crate::gainsight::outbox::Due;
use crate::gainsight::values::Values;
use crate::store::StoreError;

/// A row that Gainsight does not take as a whole, or a field of it.
pub(super) struct GivenUp {
    /// None: all that was not sent.
    field: Option<String>,
    code: String,
    detail: String,
}

impl GivenUp {
    /// A row as a whole.
    pub fn whole(code: &str, detail: String) -> Self {
        GivenUp { field: None, code: code.to_owned(), detail }
    }
}

/// What is wrong, and what to do about it.
pub(super) fn why(misfit: Misfit) -> String {
    let (wrong, hint) = (misfit.to_string(), hint(misfit.code()));
    if hint.starts_with(&wrong) { hint.to_owned() } else { format!("{wrong}; {hint}") }
}

impl Sender<'_> {
    /// The values of `due` as the org's fields want them, and what of them is given up.
    pub(super) fn fit(&mut self, due: &Due) -> (Values, Vec<GivenUp>) {
        let object = &due.object;
        let (mut fitted, mut given_up) = (Values::default(), Vec::new());
        let Some(fields) = self.fields.get(object) else { return (due.unsent.clone(), given_up) };
        for (field, json) in due.unsent.iter() {
            match fields.fit(field, json) {
                Ok(json) => fitted.set(field, json),
                Err(Misfit::Unknown) if self.settings.unknown_fields == UnknownFields::Drop => {
                    if self.told.insert((object.clone(), field.to_owned())) {
                        tracing::warn!(
                            loader = self.settings.loader,
                            "the {object} object of this org has no field {field}, so its values are left out; make it \
                             in Gainsight (Administration, Data Management), where Weir looks again within the hour, \
                             or map the trait to another field"
                        );
                    }
                }
                Err(misfit) => {
                    let code = misfit.code();
                    let detail = format!("{field} of a {object}: {}", why(misfit));
                    // Without one that the org lacks, the row is not wanted.
                    let field = (misfit != Misfit::Unknown).then(|| field.to_owned());
                    given_up.push(GivenUp { field, code: code.to_owned(), detail });
                }
            }
        }
        // Once the row is filed, none of its fields need be.
        if let Some(at) = given_up.iter().position(|given_up| given_up.field.is_none()) {
            given_up = vec![given_up.swap_remove(at)];
        }
        (fitted, given_up)
    }

    /// Files what is `given_up` of `due`, which then is not due for that any more.
    pub(super) fn give_up(&mut self, due: &Due, given_up: GivenUp, now_ms: i64) -> Result<(), StoreError> {
        let GivenUp { field, code, detail } = given_up;
        let what = field.as_deref().unwrap_or("whole rows");
        if self.told.insert((due.object.clone(), format!("{what} {code}"))) {
            tracing::warn!(
                loader = self.settings.loader,
                "{detail}. It is filed as failed, like others with this fault: `weir store failed list --loader {}` \
                 has all",
                self.settings.loader
            );
        }
        let values = match field.and_then(|field| Some((due.unsent.get(&field)?.to_owned(), field))) {
            Some((json, field)) => {
                let mut values = Values::default();
                values.set(&field, json);
                values
            }
            None => due.unsent.clone(),
        };
        self.outbox.transact(|changes| changes.fail(due, &values, (&code, detail), now_ms))
    }

    /// Gives up what Gainsight refuses of rows. Rows without faults stay as they are.
    pub(super) fn refused(
        &mut self,
        rows: &[&Due],
        entries: Vec<Vec<Fault>>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        for (due, faults) in rows.iter().zip(entries) {
            let of_field =
                |fault: &Fault| fault.field.clone().filter(|field| due.unsent.get(field).is_some());
            // One that names no field that was sent is about the row.
            let whole = faults.iter().position(|fault| of_field(fault).is_none());
            let faults = match whole {
                Some(at) => faults.get(at..=at).unwrap_or_default(),
                None => &faults,
            };
            for fault in faults {
                let (field, code) = (of_field(fault), fault.code.clone());
                let what = field.as_ref().map_or_else(String::new, |field| format!("{field} of "));
                let detail = format!("{what}a {}: Gainsight says {code}; {}", due.object, hint(&code));
                self.give_up(due, GivenUp { field, code, detail }, now_ms)?;
            }
        }
        Ok(())
    }
}
