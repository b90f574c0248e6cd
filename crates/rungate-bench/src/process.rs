//! Processes that the rig starts, each on the core it belongs to. They end with the rig, and nothing else does.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// How long a process may take to be ready, and to end when it is told to.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Two sockets for each of a thousand streams, and some to spare.
const OPEN_FILES: u64 = 8_192;

/// Where processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// Who is measured.
    Measured,
    /// The upstream and the load.
    Rig,
}

impl Core {
    /// Its number: with one core, both share it.
    fn number(self) -> usize {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self {
            Self::Rig if cores > 1 => 1,
            Self::Rig | Self::Measured => 0,
        }
    }
}

/// A command on a core, with none of the variables that configure Rungate.
pub fn on(core: Core, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.number().to_string()).arg(program).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RUNGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A process that serves. Told to end when dropped, and killed when it does not.
pub struct Service {
    child: Child,
    name: String,
}

impl Service {
    /// Starts it, with what it prints in the file `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let child = command.stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self { child: child.with_context(|| format!("{name} cannot be started"))?, name: name.to_owned() })
    }

    /// Wraps a process that was started.
    pub fn of(name: &str, child: Child) -> Self {
        Self { child, name: name.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready`.
    pub fn wait_until(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !is_ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.name);
            }
            if start.elapsed() > PATIENCE {
                bail!("{} is not ready after {PATIENCE:?}", self.name);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits until it takes connections.
    pub fn wait_for_port(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until(|| TcpStream::connect(address).is_ok())
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // What cannot be stopped is gone already.
        let _ = self.stop();
    }
}

/// A loopback address that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Lets this process, and those it starts, open as many files as a thousand streams take.
pub fn raise_file_limit() -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(())
}
