//! Rate limits that stand on an agent or a virtual key itself.

use serde::{Deserialize, Serialize};

/// Limits on all requests of an agent, or with a key. Each counts like a policy's limit of the same meaning, and beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnLimits {
    /// Requests in any minute.
    pub rate_limit_rpm: Option<u32>,
    /// Requests in any hour.
    pub rate_limit_rph: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
}

/// Limits on the requests to the run API with one key, which count apart from those to models. Where absent, the usual ones hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunApiLimits {
    /// Requests in any minute.
    pub per_minute: Option<u32>,
    /// Requests in any hour.
    pub per_hour: Option<u32>,
}

impl OwnLimits {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rate_limit_rpm.is_none() && self.rate_limit_rph.is_none() && self.max_concurrent.is_none()
    }
}
