//! Where the sources of a catalogue state a price otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A price that sources state otherwise. `catalogue/differences.json` lists those of the catalogue of this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Difference {
    /// `provider/model`.
    pub model: String,
    /// The field of the price, such as `inputPerMTok`.
    pub field: String,
    /// US dollars as decimal text, by source.
    pub values: BTreeMap<String, String>,
    /// The source whose price the catalogue has.
    pub taken: String,
}
