//! Rungate with everything switched on: key check, attribution, rules, cost, and both records in the journal.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Contestant, Stage};
use crate::control::{Control, OWNER_TOKEN};
use crate::process::{self, Core, Service};
use crate::setup;

/// Rows only.
pub const RUNGATE: &str = "rungate";
/// Rows and bodies.
pub const RUNGATE_BODIES: &str = "rungate, bodies stored";
/// Rows only, under budgets, rate limits and policies that let everything pass.
pub const RUNGATE_GOVERNED: &str = "rungate, governed";
/// Rows only, each waiting for the disk.
pub const RUNGATE_DISK: &str = "rungate, durability disk";

/// How it is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// What its column is called.
    pub name: &'static str,
    /// Whether bodies are stored.
    pub bodies: bool,
    /// Whether budgets, rate limits and policies are in force.
    pub governed: bool,
    /// `process` or `disk`.
    pub durability: &'static str,
}

/// Starts it with an agent whose key leads to the upstream.
pub fn rungate(stage: &Stage<'_>, setup: Setup) -> Result<Contestant> {
    let data = stage.folder_of(setup.name)?.join("data");
    let env = [("RUNGATE_JOURNAL_DURABILITY", setup.durability)];
    let (service, address) = serve(stage.rungate, &data, &env)?;
    let key = agent_key(address, stage.upstream, setup.bodies)?;
    if setup.governed {
        let mut control = Control::new(address, OWNER_TOKEN);
        setup::governance().iter().try_for_each(|(path, body)| control.post(path, body).map(drop))?;
    }
    Ok(Contestant {
        name: setup.name,
        address,
        path: "/v1/chat/completions",
        key,
        model: "gpt-4o-mini",
        serves,
        service,
    })
}

/// The main thread accepts connections and the workers serve them. The threads of the store, the journal's sync and those
/// that block move what was recorded into the log.
fn serves(thread: &str) -> bool {
    matches!(thread, "rungate" | "rungate-worker")
}

/// Starts a server on a data folder, and waits until it is ready.
pub fn serve(program: &Path, data: &Path, env: &[(&str, &str)]) -> Result<(Service, SocketAddr)> {
    let address = process::free_address()?;
    let mut command = process::on(Core::Measured, program);
    command.arg("serve").arg("--listen").arg(address.to_string()).arg("--data").arg(data);
    command
        .env("RUNGATE_OWNER_TOKEN", OWNER_TOKEN)
        .env("RUNGATE_EGRESS_ALLOW", "127.0.0.0/8")
        .env("RUNGATE_LOG_LEVEL", "warn")
        .envs(env.iter().copied());
    let log = data.with_extension("log");
    let mut service = Service::start("rungate", &mut command, &log)?;
    let ready = || matches!(Control::new(address, OWNER_TOKEN).get("/readyz"), Ok((200, _)));
    service.wait_until(ready).with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    Ok((service, address))
}

/// Makes what a server needs; the agent's token.
pub fn agent_key(address: SocketAddr, upstream: SocketAddr, bodies: bool) -> Result<String> {
    let mut control = Control::new(address, OWNER_TOKEN);
    let mut made = |(path, body): setup::Wanted| control.post(path, &body);
    let provider_key = made(setup::provider_key(upstream))?;
    let agent = made(setup::agent(&provider_key, bodies))?;
    let virtual_key = made(setup::virtual_key(&agent))?;
    setup::token(&virtual_key)
}
