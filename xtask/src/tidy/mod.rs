//! Checks of what neither the compiler nor clippy can see.

mod errors;
mod fixtures;
mod migrations;
mod rings;
mod sources;
mod walls;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

pub use errors::missing as missing_error_pages;
pub use migrations::remember as remember_migrations;

use sources::Source;

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Each fails the run.
    faults: Vec<String>,
    /// Told, but no reason to fail.
    warnings: Vec<String>,
}

impl Findings {
    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

type Check = fn(&Path, &[Source], &mut Findings) -> Result<()>;

/// Every check, by the name it is reported under.
const CHECKS: [(&str, Check); 6] = [
    ("module rings", rings::check),
    ("crate walls", walls::check),
    ("error pages", errors::check),
    ("migrations", migrations::check),
    ("words and length", sources::check),
    ("provider fixtures", fixtures::check),
];

/// Runs every check and lists what it found; fails when there is a fault.
pub fn run(root: &Path, out: &mut impl Write) -> Result<ExitCode> {
    let sources = sources::read(root)?;
    let mut clean = true;
    for (name, check) in CHECKS {
        let mut findings = Findings::default();
        check(root, &sources, &mut findings)?;
        let verdict = if findings.faults.is_empty() { "ok" } else { "FAILED" };
        writeln!(out, "{name}: {verdict}")?;
        for fault in &findings.faults {
            writeln!(out, "  {fault}")?;
        }
        for warning in &findings.warnings {
            writeln!(out, "  warning: {warning}")?;
        }
        clean &= findings.faults.is_empty();
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
