//! nginx as a plain proxy.

use anyhow::Result;

use super::{Contestant, NGINX, Stage};
use crate::process::{self, Core, Service};

const TEMPLATE: &str = include_str!("../../nginx.conf");
/// Where Debian has it, which is not on everybody's path.
const PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];

/// Starts it; `None` where it is not installed.
pub fn nginx(stage: &Stage<'_>) -> Result<Option<Contestant>> {
    let Some(program) = PLACES.into_iter().find(|place| std::path::Path::new(place).exists()) else {
        return Ok(None);
    };
    let folder = stage.folder_of(NGINX)?;
    let address = process::free_address()?;
    let config = TEMPLATE
        .replace("{folder}", &folder.to_string_lossy())
        .replace("{upstream}", &stage.upstream.to_string())
        .replace("{listen}", &address.to_string());
    let config_file = folder.join("nginx.conf");
    std::fs::write(&config_file, config)?;
    let mut command = process::on(Core::Measured, program);
    command.arg("-p").arg(&folder).arg("-c").arg(&config_file).arg("-e").arg(folder.join("error.log"));
    let mut service = Service::start(NGINX, &mut command, &folder.join("output"))?;
    service.wait_for_port(address)?;
    Ok(Some(Contestant {
        name: NGINX,
        address,
        path: "/v1/chat/completions",
        key: "sk-simulated".to_owned(),
        model: "gpt-4o-mini",
        serves: |_| true,
        service,
    }))
}
