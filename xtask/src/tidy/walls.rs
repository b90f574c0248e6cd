//! Each crate wall forbids a dependency, or it is only decoration.

use std::path::Path;

use anyhow::{Context, Result};

use super::Findings;
use super::sources::{Source, code_of, has_word};

/// Dependencies, and the only crates that may have them.
const DEPENDENCIES: [(&str, &[&str]); 12] = [
    ("axum", &["rungate-server"]),
    ("tower-http", &["rungate-server"]),
    ("rusqlite", &["rungate-store"]),
    ("postgres", &["rungate-store"]),
    ("tokio-postgres", &["rungate-store"]),
    ("redis", &["rungate-store"]),
    ("clickhouse", &["rungate-store"]),
    ("hyper-rustls", &["rungate-gateway", "rungate-server"]),
    ("reqwest", &[]),
    ("rungate-bench", &[]),
    ("libfuzzer-sys", &["rungate-fuzz"]),
    ("rungate-fuzz", &[]),
];
/// What makes a connection over HTTP, and the only crates that may.
const CLIENTS: [&str; 3] = ["hyper::client", "client::legacy", "hyper_rustls"];
const CLIENT_CRATES: [&str; 4] = ["rungate-bench", "rungate-gateway", "rungate-sim", "rungate-testkit"];
/// The client of the command line: it connects to the server that the person at the terminal names, never to an address
/// that a tenant chose.
const COMMAND_LINE_CLIENT: (&str, &str) = ("rungate-server", "src/cli/client/");

/// Crates that do no IO and read no clock, what they may not depend on, and what they may not name.
const PURE: [&str; 3] = ["rungate-check", "rungate-core", "rungate-llm"];
const IMPURE_DEPENDENCIES: [&str; 5] = ["tokio", "hyper", "hyper-util", "rustix", "getrandom"];
const IMPURE_NAMES: [&str; 8] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "TcpStream",
    "TcpListener",
];

/// Checks the manifest and the code of every crate.
pub fn check(_root: &Path, sources: &[Source], findings: &mut Findings) -> Result<()> {
    for Source { path, text } in sources {
        let Some((name, file)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
            continue;
        };
        if file == "Cargo.toml" {
            for dependency in dependencies(text).with_context(|| path.clone())? {
                if let Some(rule) = forbidden_dependency(name, &dependency) {
                    findings.fault(format!("{path}: {dependency}: {rule}"));
                }
            }
        } else if file.starts_with("src/") {
            let code = code_of(text);
            for (number, line) in code.lines().enumerate() {
                if let Some(rule) = forbidden_name(name, file, line) {
                    findings.fault(format!("{path}:{}: {rule}", number + 1));
                }
            }
        }
    }
    Ok(())
}

/// What a crate is built with; what only its tests use is not.
fn dependencies(manifest: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse()?;
    let tables =
        ["dependencies", "build-dependencies"].into_iter().filter_map(|name| manifest.get(name)?.as_table());
    Ok(tables.flat_map(toml::Table::keys).cloned().collect())
}

fn forbidden_dependency(crate_name: &str, dependency: &str) -> Option<String> {
    if PURE.contains(&crate_name) && IMPURE_DEPENDENCIES.contains(&dependency) {
        return Some("this crate does no IO and reads no clock".to_owned());
    }
    let (_, allowed) = DEPENDENCIES.iter().find(|(name, _)| *name == dependency)?;
    (!allowed.contains(&crate_name)).then(|| format!("only in {}", list(allowed)))
}

fn forbidden_name(crate_name: &str, file: &str, line: &str) -> Option<String> {
    if PURE.contains(&crate_name)
        && let Some(name) = IMPURE_NAMES.iter().find(|name| has_word(line, name))
    {
        return Some(format!("{name}: this crate does no IO and reads no clock"));
    }
    let client = CLIENTS.iter().find(|name| has_word(line, name))?;
    let (its_crate, its_folder) = COMMAND_LINE_CLIENT;
    let is_allowed =
        CLIENT_CRATES.contains(&crate_name) || (crate_name == its_crate && file.starts_with(its_folder));
    (!is_allowed)
        .then(|| format!("{client}: only in {}, and in {its_crate}/{its_folder}", list(&CLIENT_CRATES)))
}

fn list(crates: &[&str]) -> String {
    if crates.is_empty() { "no crate".to_owned() } else { crates.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_allowed_behind_its_wall_only() {
        assert_eq!(forbidden_dependency("rungate-server", "axum"), None);
        assert_eq!(forbidden_dependency("rungate-gateway", "axum").unwrap(), "only in rungate-server");
        assert_eq!(forbidden_dependency("rungate-sim", "reqwest").unwrap(), "only in no crate");
        assert!(forbidden_dependency("rungate-llm", "tokio").is_some());
        assert_eq!(forbidden_dependency("rungate-gateway", "tokio"), None);
        let manifest = "[dependencies]\na.workspace = true\n[dev-dependencies]\nb = \"1\"\n[build-dependencies]\nc = \"1\"\n";
        assert_eq!(dependencies(manifest).unwrap(), ["a", "c"]);
    }

    #[test]
    fn pure_crates_name_no_io() {
        assert!(forbidden_name("rungate-core", "src/id.rs", "use std::fs::File;").is_some());
        assert!(forbidden_name("rungate-core", "src/id.rs", "let now = SystemTime::now();").is_some());
        assert_eq!(forbidden_name("rungate-core", "src/id.rs", "use std::net::IpAddr;"), None);
        assert_eq!(forbidden_name("rungate-store", "src/lib.rs", "use std::fs::File;"), None);
    }

    #[test]
    fn clients_are_the_gateways_and_the_command_lines() {
        let client = "use hyper_util::client::legacy::Client;";
        assert_eq!(forbidden_name("rungate-gateway", "src/upstream/mod.rs", client), None);
        assert!(forbidden_name("rungate-server", "src/jobs/drain.rs", client).is_some());
        assert!(forbidden_name("rungate-server", "src/cli/demo/mod.rs", "use hyper_rustls::X;").is_some());
        assert_eq!(forbidden_name("rungate-server", "src/cli/client/mod.rs", client), None);
        assert!(forbidden_name("rungate-store", "src/cli/client/mod.rs", client).is_some());
    }
}
