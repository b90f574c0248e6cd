//! A member on the wire.

use rungate_core::agent::{Member, Role};
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::spend::Spend;
use crate::api::view::{HeadView, SpentView};

/// A member.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Member)]
pub struct MemberView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// The same as `id`.
    pub user_id: Uuid,
    /// Shown name.
    pub name: String,
    /// Address, once one is known.
    pub email: Option<String>,
    /// `owner`.
    #[schema(value_type = String)]
    pub role: Role,
    /// Always `active` in this version.
    pub status: &'static str,
    /// Always null in this version.
    pub department_id: Option<Uuid>,
    /// Always null in this version.
    pub monthly_budget_usd: Option<f64>,
    /// What was spent with keys bound to the member.
    #[serde(flatten)]
    pub spent: SpentView,
    /// Always null in this version.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_active_at: Option<Timestamp>,
}

impl MemberView {
    /// The member with what was spent.
    pub fn new(member: Member, spend: &Spend) -> Self {
        Self {
            head: (&member.head).into(),
            user_id: member.head.id,
            spent: spend.view(&member.id().to_string()),
            name: member.name,
            email: member.email,
            role: member.role,
            status: "active",
            department_id: None,
            monthly_budget_usd: None,
            last_active_at: None,
        }
    }
}
