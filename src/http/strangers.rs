//! What a sender is told whose key no source has.

use super::address;
use super::events::Context;
use crate::config::UnknownKey;
use crate::observe::unavailable::Cause;
use crate::pipeline::answer::Answer;

/// The answer to a key that no source has. Unless such keys are to come again, it counts against their address, which
/// may present only so many; a key that is known is never asked for its address.
pub(super) fn unknown_key(context: Context<'_>) -> Answer {
    let rules = &context.snapshot.limits.strangers;
    if rules.unknown_key == UnknownKey::Retry {
        context.app.count_unavailable(Cause::UnknownKey);
        return Answer::KeyNotYetKnown;
    }
    let Some(peer) = context.peer.filter(|_| rules.failed_keys > 0) else { return Answer::UnknownKey };
    let address = address::client(peer, &rules.trusted_proxies, context.headers);
    match context.app.failed_keys.count(address, rules.failed_keys) {
        Ok(()) => Answer::UnknownKey,
        Err(over) => {
            context.app.metrics.http.failed_keys_refused.inc();
            tracing::debug!(%address, "too many unknown keys");
            over.into()
        }
    }
}
