//! The HTTP libraries alone, in this rig's own plain proxy.

use anyhow::Result;

use super::{Contestant, HYPER, Stage};
use crate::process::{self, Core, Service};

/// Starts it.
pub fn hyper(stage: &Stage<'_>) -> Result<Contestant> {
    let folder = stage.folder_of("hyper")?;
    let address = process::free_address()?;
    let mut command = process::on(Core::Measured, std::env::current_exe()?);
    command.args(["proxy", "--listen", &address.to_string(), "--upstream", &stage.upstream.to_string()]);
    let mut service = Service::start("proxy", &mut command, &folder.join("output"))?;
    service.wait_for_port(address)?;
    Ok(Contestant {
        name: HYPER,
        address,
        path: "/v1/chat/completions",
        key: "sk-simulated".to_owned(),
        model: "gpt-4o-mini",
        serves: |_| true,
        service,
    })
}
