//! Who is measured. All run at the same time and take turns, so that each sees the same machine.

mod hyper;
mod nginx;
mod peers;
mod rungate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cpu::{self, Usage};
use crate::process::Service;

pub use hyper::hyper;
pub use nginx::nginx;
pub use peers::installed_peers;
pub use rungate::{
    RUNGATE, RUNGATE_BODIES, RUNGATE_DISK, RUNGATE_GOVERNED, Setup, agent_key, rungate, serve,
};

/// The yardstick.
pub const NGINX: &str = "nginx";
/// The HTTP libraries that Rungate stands on, with nothing on top.
pub const HYPER: &str = "hyper, plain proxy";

/// Below this much work in a tenth of a second, a process does nothing but wait.
const IDLE_NANOS: u64 = 2_000_000;
const GLANCE: Duration = Duration::from_millis(100);
/// How long what happens behind the answers may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server between the load and the upstream.
pub struct Contestant {
    /// What its column is called.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path of chat completions.
    pub path: &'static str,
    /// The bearer token.
    pub key: String,
    /// The model that leads to the upstream.
    pub model: &'static str,
    /// Whether a thread with this name serves requests; all others work behind the answers.
    serves: fn(&str) -> bool,
    service: Service,
}

/// What contestants are started with.
pub struct Stage<'a> {
    /// Where the upstream listens.
    pub upstream: SocketAddr,
    /// Holds a folder for each.
    pub folder: &'a Path,
    /// The `rungate` binary.
    pub rungate: &'a Path,
}

impl Stage<'_> {
    fn folder_of(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name.replace([' ', ','], "-"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

impl Contestant {
    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.service.pid())
    }

    /// What it has used since an earlier reading.
    pub fn spent_since(&self, earlier: &Usage) -> Result<cpu::Spent> {
        Ok(self.usage()?.since(earlier, self.serves))
    }

    /// Its memory now, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        cpu::resident_bytes(self.service.pid())
    }

    /// Waits until it has done what it does behind the answers.
    pub fn settle(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let before = self.usage()?;
            thread::sleep(GLANCE);
            if self.spent_since(&before)?.total() < IDLE_NANOS {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("{} is still busy {PATIENCE:?} after the last answer", self.name);
            }
        }
    }
}
