//! The nouns of the control plane: workspaces and who acts in them.

mod own_limits;
mod pat;
mod price_override;
mod price_snapshot;
mod provider_key;
mod registry;
mod resource;
mod virtual_key;
mod workspace;
pub use own_limits::*;
pub use pat::*;
pub use price_override::*;
pub use price_snapshot::*;
pub use provider_key::*;
pub use registry::*;
pub use resource::*;
pub use virtual_key::*;
pub use workspace::*;
