//! `rungate doctor`: what would keep requests from being served, and what to do about it.

mod here;
mod server;

use std::path::PathBuf;

use anyhow::bail;
use rungate_store::DatabaseUrl;
use serde::Serialize;
use serde_json::json;

use crate::cli::client::{Client, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs, Paint};
use crate::cli::render::text;
use crate::clock::SystemClock;
use crate::config::{Config, Environment, Sources};

/// Checks the configuration and data folder of this machine, and the server that answers at --url.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder of the server [default: ./rungate-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    detail: String,
    /// What to do next.
    next: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but look at it.
    Warning,
    Failed,
    /// Could not be checked.
    Skipped,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, state: State::Ok, detail: detail.into(), next: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, state: State::Warning, detail: detail.into(), next: Some(next.into()) }
    }

    fn failed(check: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, state: State::Failed, detail: detail.into(), next: Some(next.into()) }
    }

    fn skipped(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, state: State::Skipped, detail: detail.into(), next: None }
    }

    fn render(&self, look: Look) -> String {
        let (sign, paint) = match self.state {
            State::Ok => ("✓", Paint::Good),
            State::Warning => ("!", Paint::Odd),
            State::Failed => ("✗", Paint::Bad),
            State::Skipped => ("–", Paint::Faint),
        };
        let line = format!("{} {:<16}{}\n", look.paint(paint, sign), self.check, text::clean(&self.detail));
        let Some(next) = &self.next else { return line };
        line + &look.paint(Paint::Faint, &format!("{:18}→ {}", "", text::clean(next))) + "\n"
    }
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let (mut findings, database) = self.here();
        let client = Client::of(&self.target)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Some(url) = database {
            findings.push(runtime.block_on(here::database(&url)));
        }
        findings.extend(runtime.block_on(server::examine(&client, &SystemClock::new())));

        let failed = findings.iter().filter(|finding| finding.state == State::Failed).count();
        if self.look.json {
            let report = json!({ "ok": failed == 0, "checks": findings });
            out::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
        } else {
            out::print(&render(&findings, Look::of_stdout(&self.look.colours)))?;
        }
        if failed > 0 {
            bail!("{} failed", text::count(failed.try_into().unwrap_or(u64::MAX), "check"));
        }
        Ok(())
    }

    /// The checks that need no server, and the database that the configuration names.
    fn here(&self) -> (Vec<Finding>, Option<DatabaseUrl>) {
        let environment = Environment::of_process();
        let flag = self.data.as_ref().map(|path| ("store", "data", path.to_string_lossy().into_owned()));
        let sources = Sources {
            file: self.config.clone(),
            environment: environment.clone(),
            flags: flag.into_iter().collect(),
        };
        let (loaded, credentials) = match (Config::load(&sources), environment.credentials()) {
            (Ok(loaded), Ok(credentials)) => (loaded, credentials),
            (Err(error), _) | (_, Err(error)) => {
                let next = "mend it; `rungate config example` shows every key";
                return (vec![Finding::failed("configuration", error.to_string(), next)], None);
            }
        };
        let configuration = if loaded.warnings.is_empty() {
            Finding::ok("configuration", "well-formed")
        } else {
            Finding::warning("configuration", loaded.warnings.join("; "), "rename or unset it")
        };
        let data = &loaded.config.store.data;
        let findings = vec![
            configuration,
            here::data_folder(data),
            here::sealing_key(data, credentials.sealing_key.as_ref()),
            here::disk_space(data, loaded.config.journal.max_bytes.bytes()),
            here::damage(data),
        ];
        (findings, loaded.config.store.url)
    }
}

fn render(findings: &[Finding], look: Look) -> String {
    findings.iter().map(|finding| finding.render(look)).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_its_sign_and_its_remedy() {
        let findings = [
            Finding::ok("configuration", "well-formed"),
            Finding::warning("clock", "8 s apart", "set the clock"),
            Finding::failed("server", "not there\u{1b}[2J", "start it"),
            Finding::skipped("token", "no server"),
        ];
        let expected = "\
✓ configuration   well-formed
! clock           8 s apart
                  → set the clock
✗ server          not there·[2J
                  → start it
– token           no server
";
        assert_eq!(render(&findings, Look::PLAIN), expected);
    }
}
