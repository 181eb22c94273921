//! What jobs may write, by tenant. Pure.

use std::collections::BTreeMap;

use crate::config::ObjectConfig;
use crate::connect::mapping::target::{Object, Target};
use crate::record::topics::TopicId;
use crate::store::load::LINK;

/// What jobs may write of a tenant.
#[derive(Clone, Debug)]
pub struct TenantTargets {
    /// Where people and links go.
    pub people: TopicId,
    /// Where companies go.
    pub companies: TopicId,
    /// Where objects of its own go.
    pub own: TopicId,
    /// The objects that it declares.
    pub objects: BTreeMap<String, ObjectConfig>,
}

/// By id of the tenant.
pub type Targets = BTreeMap<String, TenantTargets>;

impl TenantTargets {
    /// Where the records of an object go.
    pub fn topic(&self, target: &Target) -> TopicId {
        match target.object {
            Object::Company => self.companies,
            Object::Person | Object::Link => self.people,
            Object::Own(_) => self.own,
        }
    }

    /// The object of this name.
    ///
    /// # Errors
    /// When there is none: a sentence without a subject.
    pub fn target(&self, tenant: &str, object: &str) -> Result<Target, String> {
        Target::new(tenant, object, &self.objects).ok_or_else(|| {
            let own = self.objects.iter().filter(|(_, config)| !config.keys.is_empty());
            let own = own.map(|(name, _)| name.as_str());
            let known = ["company", "person", LINK].into_iter().chain(own).collect::<Vec<_>>().join(", ");
            format!(
                "is no object of {tenant}, which has {known}; declare it in the configuration, as \
                 [tenants.{tenant}.objects.{object}] with its keys"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_nobody_declared_is_none() {
        let topic = TopicId::of("weir.companies");
        let deal = ObjectConfig { keys: vec!["Id__gc".to_owned()], ..ObjectConfig::default() };
        let targets = TenantTargets {
            people: topic,
            companies: topic,
            own: topic,
            objects: BTreeMap::from([("deal__gc".to_owned(), deal)]),
        };
        assert!(targets.target("acme", "deal__gc").is_ok());
        let error = targets.target("acme", "case__gc").unwrap_err();
        assert!(error.contains("company, person, company_person, deal__gc"), "{error}");
    }
}
