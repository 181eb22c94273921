//! Puts rejected bytes that took several records together again. The records may be on several partitions, so they
//! arrive in any order.

use std::collections::HashMap;

use super::{Entry, Key, Stored, key};
use crate::queue::reader::ReadRecord;

/// More parts than any body makes: what says so is not Weir's.
const MOST_PARTS: usize = 1 << 16;

/// Events of which not all parts have been read.
#[derive(Default)]
pub(super) struct Parts(HashMap<Key, Gathered>);

/// The first part that came, with its record, and the base64 of each part that has come.
struct Gathered {
    entry: Entry,
    record: ReadRecord,
    texts: Vec<Option<String>>,
}

impl Parts {
    /// Takes a part; gives the event, and the record of the first of its parts, once it is whole.
    pub(super) fn take(
        &mut self,
        mut entry: Entry,
        part: Option<[usize; 2]>,
        record: ReadRecord,
    ) -> Option<(Entry, ReadRecord)> {
        let (Some([part, parts @ ..=MOST_PARTS]), Stored::Bytes { base64, .. }) = (part, &mut entry.event)
        else {
            return Some((entry, record));
        };
        let key = key(&entry.source, &entry.id);
        let text = std::mem::take(base64);
        let gathered =
            self.0.entry(key).or_insert_with(|| Gathered { entry, record, texts: vec![None; parts] });
        *gathered.texts.get_mut(part)? = Some(text);
        if gathered.texts.iter().any(Option::is_none) {
            return None;
        }
        self.0.remove(&key).map(Gathered::joined)
    }

    /// What stayed in parts: the others are gone.
    pub(super) fn incomplete(self) -> impl Iterator<Item = (Key, (Entry, ReadRecord))> {
        self.0.into_iter().map(|(key, gathered)| (key, gathered.joined()))
    }
}

impl Gathered {
    fn joined(mut self) -> (Entry, ReadRecord) {
        if let Stored::Bytes { base64, truncated, .. } = &mut self.entry.event {
            *truncated = self.texts.iter().any(Option::is_none);
            *base64 = self.texts.into_iter().flatten().collect();
        }
        (self.entry, self.record)
    }
}
