//! Personal access tokens: the credentials of the control plane.

use serde::{Deserialize, Serialize};

use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::id::{MemberId, PatId};
use crate::secret::TokenHash;
use crate::time::Timestamp;

/// What a token may do. The scopes nest: `read` < `write` < `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// And change agents, keys, runs.
    Write,
    /// And change everything.
    Admin,
}

impl Scope {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A personal access token, `pat_ws<6 hex>_<64 hex>`, kept only as a keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pat {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// 1 to 100 characters.
    pub name: String,
    /// The start of the token, for telling tokens apart.
    pub token_prefix: String,
    /// The keyed hash of the token.
    pub token_hash: TokenHash,
    /// What it may do, as granted; the widest one counts.
    pub scopes: Vec<Scope>,
    /// Who made it.
    pub member_id: MemberId,
    /// Whether it is the owner token that the first start printed.
    pub is_owner_token: bool,
    /// Refused from this time on.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Pat {
    /// Its id.
    pub const fn id(&self) -> PatId {
        PatId::new(self.head.id)
    }

    /// The widest scope it has.
    pub fn scope(&self) -> Option<Scope> {
        self.scopes.iter().copied().max()
    }
}

impl Resource for Pat {
    const KIND: ResourceKind = ResourceKind::Pat;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("token", self.token_hash.to_hex())]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![
            ("owner_token", self.is_owner_token.to_string()),
            ("revoked", self.revoked_at.is_some().to_string()),
        ]
    }
    fn search_text(&self) -> String {
        self.name.clone()
    }
}
