//! A migration that was merged is never edited: its checksum is committed beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Findings;
use super::sources::{self, Source};

/// Lines of checksum, two spaces and path, in order of path.
const CHECKSUMS: &str = "xtask/migrations.sha256";

/// Changed, removed and unlisted migrations are faults.
pub fn check(root: &Path, sources: &[Source], findings: &mut Findings) -> Result<()> {
    let listed = listed(root)?;
    let present = present(sources);
    for (path, checksum) in &listed {
        match present.get(path) {
            None => findings.fault(format!("{path} is gone; migrations are never removed")),
            Some(now) if now != checksum => {
                findings.fault(format!("{path} was changed; write a new migration instead"));
            }
            Some(_) => {}
        }
    }
    for path in present.keys().filter(|path| !listed.contains_key(*path)) {
        findings.fault(format!("{path} has no checksum; run `cargo xtask migrations`"));
    }
    Ok(())
}

/// Adds the checksums of new migrations; refuses when an old one was changed.
pub fn remember(root: &Path) -> Result<usize> {
    let mut listed = listed(root)?;
    let mut added = 0;
    for (path, checksum) in present(&sources::read(root)?) {
        match listed.get(&path) {
            Some(old) if *old != checksum => bail!("{path} was changed; write a new migration instead"),
            Some(_) => {}
            None => {
                listed.insert(path, checksum);
                added += 1;
            }
        }
    }
    let lines: Vec<String> = listed.iter().map(|(path, checksum)| format!("{checksum}  {path}\n")).collect();
    fs::write(root.join(CHECKSUMS), lines.concat())?;
    Ok(added)
}

fn listed(root: &Path) -> Result<BTreeMap<String, String>> {
    let file = root.join(CHECKSUMS);
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(file)?;
    let line = |line: &str| {
        let (checksum, path) = line.split_once("  ").with_context(|| format!("{CHECKSUMS}: {line}"))?;
        Ok((path.to_owned(), checksum.to_owned()))
    };
    text.lines().map(line).collect()
}

fn present(sources: &[Source]) -> BTreeMap<String, String> {
    let migrations = sources.iter().filter(|source| source.path.contains("/migrations/") && source.is("sql"));
    migrations.map(|Source { path, text }| (path.clone(), checksum(text))).collect()
}

fn checksum(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_remembered_once_and_then_fixed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("crates/s/migrations");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(root.path().join("xtask")).unwrap();
        fs::write(folder.join("0001.sql"), "create table a (b);").unwrap();
        let faults = || {
            let mut findings = Findings::default();
            check(root.path(), &sources::read(root.path()).unwrap(), &mut findings).unwrap();
            findings.faults
        };
        assert!(faults()[0].contains("has no checksum"), "{:?}", faults());
        assert_eq!(remember(root.path()).unwrap(), 1);
        assert_eq!(faults(), Vec::<String>::new());
        fs::write(folder.join("0001.sql"), "create table a (c);").unwrap();
        assert_eq!(faults(), ["crates/s/migrations/0001.sql was changed; write a new migration instead"]);
        assert!(remember(root.path()).is_err());
        fs::remove_file(folder.join("0001.sql")).unwrap();
        assert!(faults()[0].ends_with("migrations are never removed"));
    }
}
