//! A workspace on the wire.

use rungate_core::agent::Workspace;
use serde::Serialize;
use utoipa::ToSchema;

use super::settings::SettingsView;
use crate::api::view::HeadView;

/// A workspace.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Workspace)]
pub struct WorkspaceView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// 1 to 100 characters.
    pub name: String,
    /// Lower case, digits and hyphens; unique.
    pub slug: String,
    /// IANA name.
    pub timezone: String,
    /// Always `active` in this version.
    pub status: &'static str,
    /// What the workspace decided.
    pub settings: SettingsView,
}

impl From<Workspace> for WorkspaceView {
    fn from(workspace: Workspace) -> Self {
        Self {
            head: (&workspace.head).into(),
            name: workspace.name,
            slug: workspace.slug,
            timezone: workspace.timezone,
            status: "active",
            settings: workspace.settings.into(),
        }
    }
}
