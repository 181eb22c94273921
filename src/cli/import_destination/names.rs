//! Names: ids made from what people called things, and names on the queue for topics that yield none.

use std::collections::{HashMap, HashSet};

use super::plan::Publisher;
use crate::setup::slug;

/// The longest id.
const LONGEST_ID: usize = 64;
/// The longest slug of a topic that makes a name on the queue: what RudderStack lets a topic have.
const LONGEST_TOPIC: usize = 100;
/// The longest slug of a contract. With such a prefix, topic and contract Kafka's limit is kept.
const LONGEST_CONTRACT: usize = 64;

/// Whether `contract` makes a part of a name on the queue.
pub(super) fn is_nameable(contract: &str) -> bool {
    (1..=LONGEST_CONTRACT).contains(&slug(contract).len())
}

/// The names on the queue that are taken, and whose they are.
#[derive(Default)]
pub(super) struct Claims(HashMap<String, Owner>);

/// Tenant, topic, contract.
type Owner = (String, String, Option<String>);

impl Claims {
    /// Takes the names of `publisher`. Returns the first of them where it is not the one that Weir makes of the
    /// topic: because nothing can be made of that, or because it is another's.
    pub fn add(&mut self, prefix: &str, publisher: &Publisher) -> Option<String> {
        let stem = slug(&publisher.topic);
        let made = (1..=LONGEST_TOPIC).contains(&stem.len()).then(|| format!("{prefix}events.{stem}"));
        let own = (1_usize..).map(|number| format!("{prefix}events.{}", numbered(&publisher.id, number)));
        let free = made.iter().cloned().chain(own).find(|base| {
            names(base, publisher)
                .iter()
                .all(|(name, owner)| self.0.get(name).is_none_or(|other| other == owner))
        })?;
        self.0.extend(names(&free, publisher));
        (made.as_ref() != Some(&free)).then_some(free)
    }
}

/// The names of `publisher` that begin with `base`, and whose they then are.
fn names(base: &str, publisher: &Publisher) -> Vec<(String, Owner)> {
    let owner =
        |contract: Option<&String>| (publisher.tenant.clone(), publisher.topic.clone(), contract.cloned());
    let contract = publisher.contract.as_ref();
    let narrowed = contract.map(|one| (format!("{base}.{}", slug(one)), owner(contract)));
    [(base.to_owned(), owner(None))].into_iter().chain(narrowed).collect()
}

/// Whose `host` is, where it is one of Gainsight's own: `acme` of `acme.gainsightcloud.com`.
pub(super) fn organisation(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let bare = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next().unwrap_or_default();
    bare.strip_suffix(".gainsightcloud.com").unwrap_or_default().to_owned()
}

/// Ids of one name space.
#[derive(Default)]
pub(super) struct Ids(HashSet<String>);

impl Ids {
    /// Those that are left without `taken`.
    pub fn without(taken: impl Iterator<Item = String>) -> Self {
        Ids(taken.collect())
    }

    /// An id after the first of `names` of which one can be made, with a number where another has it.
    pub fn make(&mut self, names: &[&str]) -> String {
        // Room for the number.
        let stem = |name: &&str| slug(name).chars().take(LONGEST_ID - 12).collect::<String>();
        let stem = names.iter().map(stem).find(|stem| !stem.is_empty()).unwrap_or_default();
        let mut candidates = (1_usize..).map(|number| numbered(&stem, number));
        let id = candidates.find(|id| !self.0.contains(id)).unwrap_or_default();
        self.0.insert(id.clone());
        id
    }
}

/// `stem`, and from the second on its number.
fn numbered(stem: &str, number: usize) -> String {
    if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") }
}
