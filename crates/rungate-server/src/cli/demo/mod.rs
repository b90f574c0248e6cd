//! `rungate demo`: a gateway, a simulated provider and an agent that uses them, in one process. Everything after the
//! start goes over HTTP, as it does for anybody.

mod guide;
mod setup;
mod story;
mod verdict;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::builder::FalseyValueParser;
use http::{HeaderMap, Method};
use rungate_core::secret::Secret;
use rungate_sim::{Directives, SimConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::boot::{self, Booted};
use crate::cli::client::{Client, secret};
use crate::cli::out;
use crate::cli::render::look::{ColourArgs, Look, Paint};
use crate::cli::runs;
use crate::config::{Config, Credentials, Environment, Sources};
use crate::{serve, shutdown};

/// How the simulated provider answers: at a pace that can be watched.
const PACE: &str = "latency=120+chunk=8+tokens=48";
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Starts a gateway with a simulated provider, runs an agent through it and shows what was recorded; serves until
/// Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Data folder to use and keep; otherwise a temporary one, deleted at the end
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Owner token, for a data folder that has been used before
    #[arg(long, value_name = "TOKEN", env = "RUNGATE_TOKEN", hide_env_values = true, value_parser = secret)]
    token: Option<Secret>,
    /// End after the run, and fail if anything of it is missing in the record
    #[arg(long, env = "DEMO_EXIT", value_parser = FalseyValueParser::new())]
    exit: bool,
    #[command(flatten)]
    colours: ColourArgs,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.play())
    }

    async fn play(self) -> anyhow::Result<()> {
        let listener = listen(self.listen).await?;
        let address = reachable(listener.local_addr()?);
        let sim = TcpListener::bind("127.0.0.1:0").await.context("the simulated provider cannot listen")?;
        let sim_address = sim.local_addr()?;
        let folder = Folder::of(self.data.clone())?;
        say("Starting the gateway and a simulated provider, which costs nothing …")?;
        let (booted, token) = self.boot(&folder).await?;
        say(&format!("  gateway             http://{address}"))?;
        say(&format!("  simulated provider  http://{sim_address}"))?;
        say(&format!("  data                {}", folder.describe()))?;

        let stop = CancellationToken::new();
        let sim_config =
            SimConfig { listen: sim_address, directives: Directives::parse(PACE)?, ..SimConfig::default() };
        let serving = async {
            let served = Box::pin(serve::run(booted, listener, stop.clone())).await;
            // Without a gateway there is nothing left to show.
            stop.cancel();
            served
        };
        let showing = async {
            let client = Client::new(&format!("http://{address}"), Some(token.clone()))?;
            let shown = tokio::select! {
                biased;
                () = stop.cancelled() => Ok(()),
                told = shutdown::requested() => self.interrupted(told),
                shown = Box::pin(self.show(&client, &token, sim_address)) => shown,
            };
            stop.cancel();
            shown
        };
        let ((), served, shown) =
            tokio::join!(rungate_sim::serve(sim, sim_config, stop.clone()), serving, showing);
        served.and(shown)
    }

    async fn boot(&self, folder: &Folder) -> anyhow::Result<(Booted, Secret)> {
        let flags = vec![
            ("store", "data", folder.path().to_string_lossy().into_owned()),
            ("egress", "allow", "127.0.0.0/8".to_owned()),
            ("log", "level", "warn".to_owned()),
        ];
        // Nothing else is taken from the environment: the demo is the same everywhere.
        let config =
            Config::load(&Sources { file: None, environment: Environment::default(), flags })?.config;
        crate::telemetry::logging::start(&config.log);
        let given = self.token.clone().filter(|token| !token.expose().is_empty());
        let mut booted = boot::boot(&config, &Credentials::default()).await?;
        // A temporary folder has a token of its own, whatever the environment says.
        let Some(token) = booted.fresh_owner_token.take().or(given) else {
            booted.stores.close().await;
            bail!(
                "{} has been used before, so its owner token is needed: pass it with --token, or leave out --data",
                folder.describe()
            )
        };
        Ok((booted, token))
    }

    /// Ctrl-C is how the demo ends, but a check that was not made has not passed.
    fn interrupted(&self, told: io::Result<()>) -> anyhow::Result<()> {
        told?;
        ensure!(!self.exit, "interrupted before the end of the check");
        Ok(())
    }

    /// The demonstration itself, over HTTP.
    async fn show(&self, client: &Client, token: &Secret, sim: SocketAddr) -> anyhow::Result<()> {
        let look = Look::of_stdout(&self.colours);
        ready(client).await?;
        let stage = setup::set(client, sim).await.context("the demo's agent could not be set up")?;
        say(&format!("  agent               {}", stage.agent))?;

        say(&look.paint(Paint::Bold, "\nThe agent answers a question, in four calls of models:"))?;
        let story = story::tell(client, &stage).await?;

        let record = verdict::read(client, &stage, &story).await?;
        say(&look.paint(Paint::Bold, "\nWhat the gateway recorded, read back through its API:\n"))?;
        out::print(&runs::timeline(client, &record.run, look).await?)?;
        let findings = verdict::judge(&record, &stage, &story);
        say("")?;
        for finding in &findings {
            let (sign, paint) = if finding.holds { ("✓", Paint::Good) } else { ("✗", Paint::Bad) };
            say(&format!("{} {}", look.paint(paint, sign), finding.text))?;
        }
        let missing = findings.iter().filter(|finding| !finding.holds).count();
        if self.exit {
            ensure!(missing == 0, "{missing} of {} findings do not hold", findings.len());
            return Ok(());
        }
        out::print(&guide::text(client.url(), token, &stage, &story, look))?;
        // Ctrl-C ends it.
        std::future::pending().await
    }
}

fn say(line: &str) -> io::Result<()> {
    out::print(&format!("{line}\n"))
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "port {} is in use, perhaps by another Rungate; choose another one with --listen {}:0 (0 takes a free port)",
            address.port(),
            address.ip()
        ),
        bound => bound.with_context(|| format!("cannot listen on {address}")),
    }
}

/// The address that a client on this machine uses.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

async fn ready(client: &Client) -> anyhow::Result<()> {
    let polling = async {
        loop {
            let answer = client.fetch(Method::GET, "/readyz", &HeaderMap::new(), None).await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, polling).await.context("the gateway did not become ready")
}

/// Where the demo's data is.
enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Folder {
    fn of(given: Option<PathBuf>) -> anyhow::Result<Self> {
        Ok(match given {
            Some(path) => Self::Given(path),
            None => Self::Temporary(
                tempfile::Builder::new()
                    .prefix("rungate-demo-")
                    .tempdir()
                    .context("a temporary folder could not be made; name one with --data")?,
            ),
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Temporary(dir) => format!("{} (temporary)", dir.path().display()),
            Self::Given(path) => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_flag_to_use() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = listen(taken.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("in use") && error.contains("--listen 127.0.0.1:0"), "{error}");
    }

    #[test]
    fn a_client_does_not_call_the_unspecified_address() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(of("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(of("[::]:1"), "[::1]:1");
        assert_eq!(of("10.0.0.1:1"), "10.0.0.1:1");
    }
}
