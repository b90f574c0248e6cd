//! What agents, keys and members have spent, from the log's roll-ups.

use std::collections::HashMap;

use rungate_core::exchange::{Dimension, Group, RollupOf, RollupQuery, RollupRow};
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;

use super::view::SpentView;
use crate::services::Services;

/// What each entity of one dimension has spent; unknown when the log is away, which must not hide the resources.
pub struct Spend(Option<HashMap<String, NanoUsd>>);

impl Spend {
    /// Of every entity, ever.
    pub async fn of_all(services: &Services, workspace: WorkspaceId, dimension: Dimension) -> Self {
        Self::read(services, workspace, RollupOf::each(dimension)).await
    }

    /// Of one entity, ever.
    pub async fn of_one(
        services: &Services,
        workspace: WorkspaceId,
        dimension: Dimension,
        entity: &str,
    ) -> Self {
        let of =
            RollupOf::Exchanges { filter: vec![(dimension, entity.to_owned())], group_by: Some(dimension) };
        Self::read(services, workspace, of).await
    }

    async fn read(services: &Services, workspace: WorkspaceId, of: RollupOf) -> Self {
        let cost = |row: RollupRow| match row.group {
            Group::Of(entity) => Some((entity, row.sums.totals.cost)),
            Group::Whole | Group::Absent | Group::Other => None,
        };
        match services.log.rollup(workspace, &RollupQuery::ever(of)).await {
            Ok(rows) => Self(Some(rows.into_iter().filter_map(cost).collect())),
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
