//! Who asks: reads the credential of a control request and what it may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use rungate_core::agent::{Pat, Scope};
use rungate_core::code::Code;
use rungate_core::id::{MemberId, WorkspaceId};
use rungate_core::time::Timestamp;
use rungate_gateway::credential::{self, TokenKind};
use rungate_gateway::directory::{KeyEntry, WorkspaceEntry};

use super::error::ApiError;
use crate::services::Services;

const WORKSPACE_HEADER: &str = "x-workspace-id";

/// Whoever holds a personal access token. Having one means: known, in force, of this workspace, may read.
#[derive(Clone)]
pub struct Caller {
    /// The tenant that everything it asks for is scoped by.
    pub workspace: WorkspaceId,
    /// The token.
    pub pat: Arc<Pat>,
    /// The widest scope of the token.
    pub scope: Scope,
}

/// A caller that may change agents, keys and runs.
pub struct Writer(pub Caller);

/// A caller that may change everything.
pub struct Admin(pub Caller);

/// A caller that may change what holds for all workspaces: an administrator of the oldest one, whose owner runs the
/// installation.
pub struct Operator(pub Caller);

/// Whoever asks, on the few routes that a virtual key may use too.
pub enum Principal {
    /// A personal access token.
    Pat(Caller),
    /// A usable virtual key: sees what it may use itself.
    VirtualKey(Arc<KeyEntry>),
}

impl Caller {
    /// The member who made the token.
    pub fn member(&self) -> MemberId {
        self.pat.member_id
    }

    /// 403 unless the token's scope is at least `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scope >= scope { Ok(()) } else { Err(insufficient(scope)) }
    }
}

impl Principal {
    /// The tenant that everything it asks for is scoped by.
    pub fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Pat(caller) => caller.workspace,
            Self::VirtualKey(entry) => entry.key.head.workspace_id,
        }
    }

    /// Reads the credential of a request and checks it against the current picture of the catalog.
    pub fn of(headers: &HeaderMap, services: &Services) -> Result<Self, ApiError> {
        let failed = || ApiError::new(Code::AuthenticationFailed, "Authentication failed");
        let token = credential::read(headers)
            .map_err(|conflict| ApiError::new(Code::AuthenticationFailed, conflict.to_string()))?
            .ok_or_else(failed)?;
        let directory = services.directories.load();
        let now = services.clock.now();
        let hash = token.hash(&services.hasher);
        let principal = match token.kind() {
            TokenKind::Pat => {
                let pat = directory.pat(&hash).ok_or_else(failed)?;
                directory.workspace(pat.head.workspace_id).ok_or_else(failed)?;
                Self::Pat(in_force(pat, now)?)
            }
            TokenKind::VirtualKey => {
                let usable = |entry: &&Arc<KeyEntry>| entry.is_usable(now);
                Self::VirtualKey(Arc::clone(directory.key(&hash).filter(usable).ok_or_else(failed)?))
            }
            TokenKind::Unknown => return Err(failed()),
        };
        check_workspace_header(headers, principal.workspace())?;
        Ok(principal)
    }
}

fn in_force(pat: &Arc<Pat>, now: Timestamp) -> Result<Caller, ApiError> {
    if pat.revoked_at.is_some() {
        return Err(ApiError::new(Code::TokenRevoked, "Token has been revoked"));
    }
    if pat.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiError::new(Code::TokenExpired, "Token has expired"));
    }
    let scope = pat.scope().ok_or_else(|| insufficient(Scope::Read))?;
    Ok(Caller { workspace: pat.head.workspace_id, pat: Arc::clone(pat), scope })
}

fn insufficient(scope: Scope) -> ApiError {
    let message = format!("Insufficient permissions. Required scope: {}", scope.as_str());
    ApiError::new(Code::InsufficientScope, message)
}

fn check_workspace_header(headers: &HeaderMap, workspace: WorkspaceId) -> Result<(), ApiError> {
    let Some(value) = headers.get(WORKSPACE_HEADER) else { return Ok(()) };
    let named: Option<WorkspaceId> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match named {
        None => {
            Err(ApiError::new(Code::InvalidWorkspaceId, "X-Workspace-Id is not a UUID").at("X-Workspace-Id"))
        }
        Some(named) if named != workspace => {
            let message = "X-Workspace-Id names another workspace than the credential's";
            Err(ApiError::new(Code::WorkspaceMismatch, message).at("X-Workspace-Id"))
        }
        Some(_) => Ok(()),
    }
}

/// The caller's workspace in the current picture.
pub fn workspace_entry(services: &Services, workspace: WorkspaceId) -> Result<Arc<WorkspaceEntry>, ApiError> {
    let directory = services.directories.load();
    directory.workspace(workspace).cloned().ok_or_else(|| ApiError::not_found("workspace"))
}

impl FromRequestParts<Arc<Services>> for Principal {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        Self::of(&parts.headers, services)
    }
}

impl FromRequestParts<Arc<Services>> for Caller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        match Principal::of(&parts.headers, services)? {
            Principal::Pat(caller) => Ok(caller),
            Principal::VirtualKey(_) => {
                let message = "a virtual key cannot be used here; send a personal access token";
                Err(ApiError::new(Code::VirtualKeyNotAllowed, message))
            }
        }
    }
}

impl FromRequestParts<Arc<Services>> for Writer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, services).await?;
        caller.require(Scope::Write)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<Services>> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, services).await?;
        caller.require(Scope::Admin)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<Services>> for Operator {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        let Admin(caller) = Admin::from_request_parts(parts, services).await?;
        if services.directories.load().home() != Some(caller.workspace) {
            let message = "this holds for every workspace: only administrators of the installation's first may change it";
            return Err(ApiError::new(Code::InsufficientScope, message));
        }
        Ok(Self(caller))
    }
}
