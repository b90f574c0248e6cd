//! Every error code has a page that says cause and remedy, and every page a code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use rungate_core::code::Code;

use super::Findings;
use super::sources::Source;

const FOLDER: &str = "docs/errors";
/// The list of the pages.
const INDEX: &str = "README";

/// Both ways.
pub fn check(root: &Path, _sources: &[Source], findings: &mut Findings) -> Result<()> {
    let pages = pages(root)?;
    for page in missing(root)? {
        findings.fault(format!("{page} is missing"));
    }
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    for page in pages.iter().filter(|page| *page != INDEX && !codes.contains(page.as_str())) {
        findings.fault(format!("{FOLDER}/{page}.md is of no code"));
    }
    Ok(())
}

/// The pages that are not there.
pub fn missing(root: &Path) -> Result<Vec<String>> {
    let pages = pages(root)?;
    let missing = Code::ALL.iter().filter(|code| !pages.contains(code.as_str()));
    Ok(missing.map(|code| format!("{FOLDER}/{code}.md")).collect())
}

fn pages(root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join(FOLDER);
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|ending| ending == "md"))
        {
            pages.insert(stem.to_string_lossy().into_owned());
        }
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_codes_are_held_against_each_other() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(missing(root.path()).unwrap().len(), Code::ALL.len());
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        for code in Code::ALL {
            fs::write(folder.join(format!("{code}.md")), "").unwrap();
        }
        fs::write(folder.join("README.md"), "").unwrap();
        fs::write(folder.join("gone.md"), "").unwrap();
        let mut findings = Findings::default();
        check(root.path(), &[], &mut findings).unwrap();
        assert_eq!(findings.faults, ["docs/errors/gone.md is of no code"]);
    }
}
