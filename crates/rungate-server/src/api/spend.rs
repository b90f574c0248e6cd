//! What agents, keys and members have spent, from the log's totals.

use std::collections::HashMap;

use rungate_core::exchange::Dimension;
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;

use super::view::SpentView;
use crate::services::Services;

/// What each entity of one dimension has spent; unknown when the log is away, which must not hide the resources.
pub struct Spend(Option<HashMap<String, NanoUsd>>);

impl Spend {
    /// Of every entity, since the first day of the log.
    pub async fn of_all(services: &Services, workspace: WorkspaceId, dimension: Dimension) -> Self {
        let (from, to) = (Timestamp::default().day(), services.clock.now().day().plus(1));
        match services.log.totals(workspace, dimension, from, to).await {
            Ok(totals) => {
                Self(Some(totals.into_iter().map(|(entity, totals)| (entity, totals.cost)).collect()))
            }
            Err(error) => {
                tracing::warn!(%error, "spending is answered as unknown: the log is away");
                Self(None)
            }
        }
    }

    /// Of one entity, since it was made.
    pub async fn of_one(
        services: &Services,
        workspace: WorkspaceId,
        dimension: Dimension,
        entity: &str,
        since: Timestamp,
    ) -> Self {
        let (from, to) = (since.day(), services.clock.now().day().plus(1));
        match services.log.entity_totals(workspace, dimension, entity, from, to).await {
            Ok(totals) => Self(Some(HashMap::from([(entity.to_owned(), totals.cost)]))),
            Err(error) => {
                tracing::warn!(%error, "spending is answered as unknown: the log is away");
                Self(None)
            }
        }
    }

    /// What a new entity has spent.
    pub fn nothing() -> Self {
        Self(Some(HashMap::new()))
    }

    /// What `entity` has spent.
    pub fn view(&self, entity: &str) -> SpentView {
        let spent = self.0.as_ref().map(|spent| spent.get(entity).copied().unwrap_or(NanoUsd::ZERO));
        spent.into()
    }
}
