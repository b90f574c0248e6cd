//! A personal access token on the wire, without the token itself.

use rungate_core::agent::{Pat, Scope};
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A personal access token.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Pat)]
pub struct PatView {
    /// UUIDv7.
    pub id: Uuid,
    /// 1 to 100 characters.
    pub name: String,
    /// The start of the token.
    pub token_prefix: String,
    /// `read`, `write`, `admin`; they nest.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// The workspace it is bound to.
    pub workspace_id: Uuid,
    /// That workspace's name.
    pub workspace_name: String,
    /// Whether it is the owner token of the first start.
    pub is_owner_token: bool,
    /// Always null in this version.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Refused from this time on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Counts from 1; send it back with a change.
    pub version: u64,
}

impl PatView {
    /// The token with its workspace's name.
    pub fn new(pat: Pat, workspace_name: &str) -> Self {
        Self {
            id: pat.head.id,
            name: pat.name,
            token_prefix: pat.token_prefix,
            scopes: pat.scopes,
            workspace_id: pat.head.workspace_id.uuid(),
            workspace_name: workspace_name.to_owned(),
            is_owner_token: pat.is_owner_token,
            last_used_at: None,
            expires_at: pat.expires_at,
            created_at: pat.head.created_at,
            updated_at: pat.head.updated_at,
            version: pat.head.version,
        }
    }
}
