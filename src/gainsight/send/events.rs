//! The next call about an event.

use super::{Said, Sender, Step};
use crate::gainsight::answer::hint;
use crate::gainsight::event::{publisher, send};
use crate::gainsight::outbox::Event;
use crate::store::StoreError;

const EVENT: &str = "event";

impl Sender<'_> {
    /// Sends the event that has waited longest. So those of one user go out in their order. One that is refused is
    /// filed, and holds up none.
    pub(super) fn events(&mut self, now_ms: i64) -> Result<Step, StoreError> {
        if self.rests(EVENT, now_ms) {
            return Ok(Step::Idle);
        }
        let Some(event) = self.outbox.next_event()? else { return Ok(Step::Idle) };
        let settings = self.settings;
        let by = publisher(&event).and_then(|id| settings.publishers.get(id));
        let Some(by) = by else {
            let detail = "the publisher of this event is no longer configured, or has no secret, without which \
                          Gainsight takes no event; add it, then retry";
            self.give_up_event(&event, "publisher_unknown", detail.to_owned(), now_ms)?;
            return Ok(Step::Done);
        };
        let call = send(&event, by, &settings.tenant_id, settings.id_field.as_deref());
        match self.call(&call, now_ms)?.map(Said::done) {
            Ok(Err(refusal)) => {
                let detail = format!("an event: Gainsight says {}; {}", refusal.code, hint(&refusal.code));
                self.give_up_event(&event, &refusal.code, detail, now_ms)?;
                Ok(Step::Done)
            }
            Ok(Ok(_)) => {
                self.outbox.transact(|changes| changes.remove_event(&event).map(drop))?;
                Ok(Step::Done)
            }
            Err(Step::Closed(why)) => {
                self.rest(EVENT, &why, now_ms);
                Ok(Step::Done)
            }
            Err(step) => Ok(step),
        }
    }

    fn give_up_event(
        &mut self,
        event: &Event,
        code: &str,
        detail: String,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.outbox.transact(|changes| changes.fail_event(event, (code, detail), now_ms))
    }
}
