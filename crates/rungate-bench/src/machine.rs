//! Where and when it was measured.

use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// What a reader needs to know of the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Megabytes of memory.
    pub memory_mb: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// nginx's version.
    pub nginx: String,
    /// The commit that was built; marked when files differ from it.
    pub commit: String,
    /// Load average over a minute, before and after.
    pub load: [String; 2],
}

impl Machine {
    /// Looks at this one.
    pub fn of_here() -> Self {
        let cpu = line_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
        let memory = line_of("/proc/meminfo", "MemTotal")
            .and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        let mark = if changed.is_some_and(|changed| !changed.is_empty()) { ", with changes" } else { "" };
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
        Self {
            cpu,
            cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mb: memory.unwrap_or(0) / 1024,
            kernel: said("uname", &["-sr"]).unwrap_or_else(unknown),
            rustc: said("rustc", &["--version"]).unwrap_or_else(unknown),
            nginx: nginx_version().unwrap_or_else(unknown),
            commit: format!("{commit}{mark}"),
            load: [load_average(), String::new()],
        }
    }

    /// Notes the load at the end.
    pub fn ends(&mut self) {
        self.load[1] = load_average();
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// nginx says it on standard error.
fn nginx_version() -> Option<String> {
    let output = Command::new("/usr/sbin/nginx").arg("-v").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(text.trim().rsplit_once("nginx/")?.1.to_owned())
}
