//! A workspace that is ready to send requests.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;
use crate::sim::Sim;

/// What the provider key in the tests is.
pub const PROVIDER_SECRET: &str = "sk-simulated-provider-secret-0123456789";

/// An agent with its key, and the provider keys it uses.
pub struct Tenant {
    /// The agent, as it was created.
    pub agent: Value,
    /// Its virtual key.
    pub key: String,
    /// The id of the provider key for OpenAI.
    pub openai: String,
    /// The id of the provider key for Anthropic.
    pub anthropic: String,
    /// A virtual key of the owner, bound to neither agent nor provider key.
    pub open_key: String,
    origin: String,
}

impl Tenant {
    /// Makes one through the control API, its provider keys pointing at `sim`.
    pub async fn create(server: &Server, sim: &Sim) -> Self {
        let owner = server.owner();
        let provider_key = async |provider: &str| {
            let body = json!({
                "name": format!("sim {provider}"),
                "provider": provider,
                "baseUrl": sim.base_url(),
                "secret": PROVIDER_SECRET,
            });
            let created = owner.post("/api/v1/provider-keys", &body).await.data();
            created["id"].as_str().unwrap().to_owned()
        };
        let openai = provider_key("openai").await;
        let anthropic = provider_key("anthropic").await;
        let body = json!({ "type": "ai_agent", "name": "Support Bot", "masterKeyId": openai });
        let agent = owner.post("/api/v1/agents", &body).await.data();
        let key = agent["virtualKey"]["fullToken"].as_str().unwrap().to_owned();
        let open = owner.post("/api/v1/virtual-keys", &json!({ "label": "open" })).await.data();
        let open_key = open["fullToken"].as_str().unwrap().to_owned();
        Self { agent, key, openai, anthropic, open_key, origin: server.origin.clone() }
    }

    /// A client with the agent's key.
    pub fn client(&self) -> Client {
        Client::new(&self.origin).bearer(&self.key)
    }

    /// A client with the key that is bound to nothing.
    pub fn open_client(&self) -> Client {
        Client::new(&self.origin).bearer(&self.open_key)
    }
}
