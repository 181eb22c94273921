//! What a start finds: which keys have records in the spool, and which topics were in trouble.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Forwarder;
use crate::queue::kafka::{Class, Outlet};
use crate::queue::reader::{Next, Reader};

impl<O: Outlet> Forwarder<O> {
    /// Counts what is held, so that only its keys wait. Where that comes to no end, all wait until nothing is held.
    pub(super) fn learn(&mut self) {
        let Some(mut reader) = self.at_start.take() else { return };
        let (mut records, mut is_whole) = (0, false);
        // Long reading must not hold up the way out.
        while !is_whole && !self.held.forwarder.is_stopped() {
            match reader.next(Duration::ZERO) {
                Ok(Next::Record(record)) => {
                    self.held.lines.hold(record.key.as_deref());
                    records += 1;
                }
                Ok(Next::Idle | Next::End) => is_whole = true,
                Err(error) => {
                    tracing::error!(
                        %error,
                        "cannot count the spool, so all records go through it until it is empty; `weir spool \
                         verify` shows what is damaged"
                    );
                    break;
                }
            }
        }
        match self.aside.topics() {
            // Whatever their reason: nothing newer may get past them before they were tried again.
            Ok(topics) => topics.iter().for_each(|topic| {
                self.held.troubled.add(topic, Class::Topic.into());
            }),
            Err(error) => tracing::error!(
                %error,
                "cannot read what was set aside, so newer records may overtake it; `weir spool verify` shows \
                 what is damaged"
            ),
        }
        self.held.count(|now| now + records);
        if is_whole {
            self.held.lines.learned();
        }
        if records > 0 && !self.held.is_logged.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                records,
                "the spool holds records of the last run; they go to Kafka as soon as it accepts them"
            );
        }
    }
}
