//! What the demo needs, made through the control API with the owner token.

use std::net::SocketAddr;

use anyhow::Context as _;
use http::Method;
use rungate_core::secret::Secret;
use serde_json::{Value, json};

use crate::cli::client::{Client, Query, encode};

/// An agent and its keys.
#[derive(Debug)]
pub struct Stage {
    /// The agent's readable id.
    pub agent: String,
    /// The agent's virtual key, for models of OpenAI.
    pub openai_key: Secret,
    /// Another one of the same agent, for models of Anthropic.
    pub anthropic_key: Secret,
}

/// Makes the provider keys, pointing at the simulated provider, and an agent with a virtual key for each.
pub async fn set(client: &Client, sim: SocketAddr) -> anyhow::Result<Stage> {
    let base_url = format!("http://{sim}/v1");
    let openai = provider_key(client, "openai", &base_url).await?;
    let anthropic = provider_key(client, "anthropic", &base_url).await?;
    let agent = json!({
        "type": "ai_agent",
        "name": "Travel Adviser",
        "description": "Made by `rungate demo`.",
        "masterKeyId": openai,
        "defaultModel": super::story::OPENAI_MODEL,
    });
    let agent = client.send(Method::POST, "/api/v1/agents", &agent).await?;
    let second = json!({
        "label": "Travel Adviser, for Claude",
        "entityType": "agent",
        "entityId": text(&agent["id"])?,
        "masterKeyId": anthropic,
    });
    let second = client.send(Method::POST, "/api/v1/virtual-keys", &second).await?;
    Ok(Stage {
        agent: text(&agent["externalId"])?,
        openai_key: Secret::new(text(&agent["virtualKey"]["fullToken"])?),
        anthropic_key: Secret::new(text(&second["fullToken"])?),
    })
}

/// The id of the demo's key for a provider. One of an earlier demo in the same folder is pointed at the new address.
async fn provider_key(client: &Client, provider: &str, base_url: &str) -> anyhow::Result<String> {
    let name = format!("demo-{provider}");
    let keys = client.list(&Query::of("/api/v1/provider-keys"), 200).await?;
    let key = if let Some(key) = keys.rows.iter().find(|key| key["name"] == name) {
        let path = format!("/api/v1/provider-keys/{}", encode(&text(&key["id"])?));
        client.send(Method::PATCH, &path, &json!({ "baseUrl": base_url })).await?
    } else {
        let key =
            json!({ "name": name, "provider": provider, "baseUrl": base_url, "secret": "sk-simulated" });
        client.send(Method::POST, "/api/v1/provider-keys", &key).await?
    };
    text(&key["id"])
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("the API answered without a field that it promises")
}
