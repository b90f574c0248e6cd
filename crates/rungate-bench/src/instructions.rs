//! Instructions of one request, counted by callgrind: the same on a busy machine as on a quiet one.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// How many requests the two runs make whose difference is taken, so that starting and stopping cancel out.
const FEW: u64 = 50;
const MANY: u64 = 250;

/// What one request takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// Which request.
    pub request: String,
    /// From the request in memory to its outcome in the journal: the pipeline with its client, and the upstream.
    pub pipeline: u64,
    /// The same client and upstream without the pipeline.
    pub bare: u64,
}

/// Counts for small and for large prompts; `None` without valgrind.
pub fn count(program: &Path, folder: &Path, progress: &dyn Fn(&str)) -> Result<Option<Vec<Instructions>>> {
    let has_valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !has_valgrind.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let mut counts = Vec::new();
    for (request, size) in [("280 B", "small"), ("32 KB", "large")] {
        progress(&format!("callgrind: {request}"));
        let pipeline = per_request(program, folder, &["--size", size])?;
        let bare = per_request(program, folder, &["--size", size, "--bare"])?;
        counts.push(Instructions { request: request.to_owned(), pipeline, bare });
    }
    Ok(Some(counts))
}

fn per_request(program: &Path, folder: &Path, arguments: &[&str]) -> Result<u64> {
    let few = collected(program, folder, arguments, FEW)?;
    let many = collected(program, folder, arguments, MANY)?;
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn collected(program: &Path, folder: &Path, arguments: &[&str], requests: u64) -> Result<u64> {
    let data = tempfile::tempdir_in(folder)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["pipeline", "--requests", &requests.to_string(), "--data"])
        .arg(data.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "callgrind failed: {said}");
    total(&said).with_context(|| format!("callgrind counted nothing: {said}"))
}

/// The number that callgrind ends with.
fn total(said: &str) -> Option<u64> {
    said.lines().rev().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let said = "==7== Callgrind\n==7== \n==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:      123,456\n";
        assert_eq!(total(said), Some(123_456));
        assert_eq!(total("==7== killed"), None);
    }
}
