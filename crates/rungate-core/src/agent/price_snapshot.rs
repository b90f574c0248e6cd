//! Price catalogues that were stored, and which of them is in force. They are the installation's own and belong to no
//! workspace: their workspace id is the nil UUID.
//!
//! A snapshot is kept in two documents, so that a list of snapshots does not read what is in them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::id::{PatId, WorkspaceId};
use crate::time::Timestamp;

/// The workspace id of what belongs to the installation.
pub const INSTALLATION: WorkspaceId = WorkspaceId::new(Uuid::nil());

/// The id of [`ActivePrices`], of which there is one: two nodes that make it at once meet there.
const ACTIVE: Uuid = Uuid::from_u128(0x7275_6e67_6174_6500_7072_6963_6573_0001);

/// What is known of a stored catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceSnapshot {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// The catalogue's own id, which ends in the hash of what is in it; rows name it.
    pub name: String,
    /// Where it came from: an address or the name of a file.
    pub source: String,
    /// How many models it has.
    pub models: u64,
    /// How many of them have a price.
    pub priced: u64,
    /// Who stored it; absent for the one that a build carries.
    pub stored_by: Option<PatId>,
}

/// What is in a stored catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceSnapshotData {
    /// Id (that of its [`PriceSnapshot`]), version, times.
    #[serde(flatten)]
    pub head: Head,
    /// The catalogue's own id.
    pub name: String,
    /// The catalogue as text: compressed, then as base64.
    pub packed: String,
}

/// Which catalogue is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivePrices {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// The id of a stored catalogue; absent: the one that the build carries.
    pub snapshot: Option<String>,
    /// Who chose it.
    pub chosen_by: PatId,
}

impl PriceSnapshot {
    /// Its unique name.
    pub const NAME: &'static str = "name";
}

impl ActivePrices {
    /// The first choice; later ones are the next version of it.
    pub const fn new(snapshot: Option<String>, chosen_by: PatId, now: Timestamp) -> Self {
        Self { head: Head::new(ACTIVE, INSTALLATION, now), snapshot, chosen_by }
    }

    /// Its id.
    pub const fn id() -> Uuid {
        ACTIVE
    }
}

impl Resource for PriceSnapshot {
    const KIND: ResourceKind = ResourceKind::PriceSnapshot;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![(Self::NAME, self.name.clone())]
    }
    fn search_text(&self) -> String {
        format!("{} {}", self.name, self.source)
    }
}

impl Resource for PriceSnapshotData {
    const KIND: ResourceKind = ResourceKind::PriceSnapshotData;
    head!();
}

impl Resource for ActivePrices {
    const KIND: ResourceKind = ResourceKind::ActivePrices;
    head!();
}
