//! Prices in the shape of the catalogue and of the API: decimal US dollars per million tokens.

use serde::{Deserialize, Serialize};

/// What a model costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Price {
    /// Per million input tokens.
    #[serde(rename = "inputPerMTok")]
    pub input: Option<String>,
}
