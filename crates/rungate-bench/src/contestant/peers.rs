//! Other gateways, for those who have them installed. A peer is one row of the table.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Contestant, Stage};
use crate::process::{self, Core, Service};

/// How a peer is run. `{upstream}` and `{port}` are filled in.
struct Peer {
    name: &'static str,
    /// The program, looked for on the path.
    program: &'static str,
    config_file: &'static str,
    config: &'static str,
    /// Its arguments; `{config}` is the configuration file.
    arguments: &'static [&'static str],
    path: &'static str,
    key: &'static str,
    model: &'static str,
}

const PEERS: [Peer; 2] = [
    Peer {
        name: "litellm",
        program: "litellm",
        config_file: "config.yaml",
        config: "model_list:\n  - model_name: gpt-4o-mini\n    litellm_params:\n      model: openai/gpt-4o-mini\n      \
                 api_base: http://{upstream}/v1\n      api_key: sk-simulated\n\
                 general_settings:\n  master_key: sk-bench\n",
        arguments: &["--config", "{config}", "--host", "127.0.0.1", "--port", "{port}"],
        path: "/v1/chat/completions",
        key: "sk-bench",
        model: "gpt-4o-mini",
    },
    Peer {
        name: "agentgateway",
        program: "agentgateway",
        config_file: "config.yaml",
        config: "binds:\n- port: {port}\n  listeners:\n  - routes:\n    - backends:\n      - ai:\n          name: upstream\n          \
                 hostOverride: {upstream}\n          provider:\n            openAI:\n              model: gpt-4o-mini\n",
        arguments: &["-f", "{config}"],
        path: "/v1/chat/completions",
        key: "sk-simulated",
        model: "gpt-4o-mini",
    },
];

/// Starts those that are installed. One that does not start is left out, with the reason.
pub fn installed_peers(stage: &Stage<'_>) -> (Vec<Contestant>, Vec<String>) {
    let mut started = Vec::new();
    let mut left_out = Vec::new();
    for peer in &PEERS {
        let Some(program) = on_path(peer.program) else { continue };
        match start(peer, &program, stage) {
            Ok(contestant) => started.push(contestant),
            Err(error) => left_out.push(format!("{} is installed and was left out: {error:#}", peer.name)),
        }
    }
    (started, left_out)
}

fn start(peer: &Peer, program: &Path, stage: &Stage<'_>) -> Result<Contestant> {
    let folder = stage.folder_of(peer.name)?;
    let address = process::free_address()?;
    let config_file = folder.join(peer.config_file);
    std::fs::write(&config_file, filled(peer.config, stage.upstream, address, &config_file))?;
    let arguments = peer.arguments.iter().map(|text| filled(text, stage.upstream, address, &config_file));
    let mut command: Command = process::on(Core::Measured, program);
    command.args(arguments).current_dir(&folder);
    let mut service = Service::start(peer.name, &mut command, &folder.join("output"))?;
    service.wait_for_port(address)?;
    Ok(Contestant {
        name: peer.name,
        address,
        path: peer.path,
        key: peer.key.to_owned(),
        model: peer.model,
        serves: |_| true,
        service,
    })
}

fn filled(text: &str, upstream: SocketAddr, address: SocketAddr, config_file: &Path) -> String {
    text.replace("{upstream}", &upstream.to_string())
        .replace("{port}", &address.port().to_string())
        .replace("{config}", &config_file.to_string_lossy())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|place| place.is_file())
}
