//! What the headers of a Gainsight call say about its event.

use serde::{Deserialize, Serialize};

/// What the headers of an event say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventHead {
    /// `topicName`
    #[serde(rename = "topicName")]
    pub topic: Option<String>,
    /// `eventName`
    #[serde(rename = "eventName")]
    pub name: Option<String>,
    /// `eventVersion`
    #[serde(rename = "eventVersion")]
    pub version: Option<String>,
    /// `contractId`
    #[serde(rename = "contractId")]
    pub contract: Option<String>,
}
