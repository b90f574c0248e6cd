//! Every provider has recorded answers that its wire format is tested with.

use std::path::Path;

use anyhow::Result;
use rungate_llm::providers;

use super::Findings;
use super::sources::Source;

/// Holds a folder per provider.
const FOLDER: &str = "crates/rungate-llm/tests/fixtures";

/// A folder for each, with something in it.
pub fn check(root: &Path, _sources: &[Source], findings: &mut Findings) -> Result<()> {
    for provider in providers::ALL {
        let folder = root.join(FOLDER).join(provider.id);
        if !folder.is_dir() || folder.read_dir()?.next().is_none() {
            findings.fault(format!("{FOLDER}/{} has no fixture", provider.id));
        }
    }
    Ok(())
}
