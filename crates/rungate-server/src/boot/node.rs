//! The id of this node: made at the first start, and always the same for a data folder.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rungate_core::ports::{Clock, Entropy, fresh_uuid};
use uuid::Uuid;

use super::folder;

/// Its file in the data folder. It goes with the journal: a copy of the one needs a copy of the other.
pub const NODE_FILE: &str = "node.id";

/// Reads the id, if there is one yet.
pub fn known(data: &Path) -> anyhow::Result<Option<Uuid>> {
    let path = data.join(NODE_FILE);
    let shown = path.display();
    let Some(text) = folder::read_private(&path).with_context(|| shown.to_string())? else { return Ok(None) };
    let id = Uuid::try_parse(text.trim()).ok().filter(|id| !id.is_nil());
    ensure!(id.is_some(), "{shown} holds no id of a node; put the original back");
    Ok(id)
}

/// Reads the id, or makes one.
pub fn open(data: &Path, clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<Uuid> {
    let path = data.join(NODE_FILE);
    if let Some(id) = known(data)? {
        return Ok(id);
    }
    let shown = path.display();
    let id = fresh_uuid(entropy, clock.now());
    folder::write_private(&path, &format!("{id}\n")).with_context(|| shown.to_string())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};

    #[test]
    fn a_node_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let (clock, entropy) = (SystemClock::new(), SystemEntropy::open().unwrap());
        let id = open(dir.path(), &clock, &entropy).unwrap();
        assert_eq!(open(dir.path(), &clock, &entropy).unwrap(), id);
        std::fs::write(dir.path().join(NODE_FILE), "torn").unwrap();
        let damaged = open(dir.path(), &clock, &entropy).unwrap_err().to_string();
        assert!(damaged.contains("holds no id"), "{damaged}");
    }
}
