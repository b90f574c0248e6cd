//! What Rungate needs before it can be measured: a provider key for the upstream, an agent, and a virtual key of the
//! agent with a rule on models, so that there is one to be asked.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A resource to be made: its path in the control API and its body.
pub type Wanted = (&'static str, Value);

/// The provider key.
pub fn provider_key(upstream: SocketAddr) -> Wanted {
    let base_url = format!("http://{upstream}/v1");
    let body =
        json!({ "name": "bench", "provider": "openai", "baseUrl": base_url, "secret": "sk-simulated" });
    ("/api/v1/provider-keys", body)
}

/// The agent, of whose requests bodies are stored or not.
pub fn agent(provider_key: &Value, bodies: bool) -> Wanted {
    let bodies = if bodies { "full" } else { "none" };
    let body =
        json!({ "type": "ai_agent", "name": "Bench", "masterKeyId": provider_key["id"], "bodies": bodies });
    ("/api/v1/agents", body)
}

/// The virtual key.
pub fn virtual_key(agent: &Value) -> Wanted {
    let body = json!({
        "label": "bench", "entityType": "agent", "entityId": agent["id"], "allowedModels": ["gpt-4o*"],
    });
    ("/api/v1/virtual-keys", body)
}

/// The token of a virtual key that was made.
pub fn token(virtual_key: &Value) -> Result<String> {
    let token = virtual_key["fullToken"].as_str().map(str::to_owned);
    token.with_context(|| format!("a virtual key without its token: {virtual_key}"))
}
