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

/// Budgets, rate limits and policies for all requests of the workspace, each of a kind of its own, which let them all pass.
pub fn governance() -> Vec<Wanted> {
    let budget = |scope: &str, window: &str| {
        let body = json!({
            "scope": { "type": scope, "id": null }, "limitUsd": 1_000_000, "window": window, "action": "block_requests",
        });
        ("/api/v1/budgets", body)
    };
    let policy = |kind: &str, config: Value| {
        ("/api/v1/policies", json!({ "name": kind, "type": kind, "config": config }))
    };
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let every_day = json!({ "days": days, "from": "00:00", "to": "24:00" });
    vec![
        budget("workspace", "monthly"),
        budget("run", "total"),
        budget("session", "daily"),
        policy("model_access", json!({ "allowModels": ["gpt-*"], "denyProviders": ["custom"] })),
        policy("rate_limit", json!({ "requestsPerMinute": 10_000_000, "maxConcurrent": 10_000 })),
        policy("request_limits", json!({ "maxOutputTokens": 100_000, "maxCostUsd": 10 })),
        policy("run_limits", json!({ "maxRequests": 1_000_000 })),
        policy(
            "content_filter",
            json!({ "detectors": ["api_key", "credit_card"], "on": "request", "action": "redact" }),
        ),
        policy("schedule", json!({ "timezone": "UTC", "windows": [every_day] })),
        policy("ip_allowlist", json!({ "cidrs": ["127.0.0.0/8", "10.0.0.0/8"] })),
    ]
}

/// The token of a virtual key that was made.
pub fn token(virtual_key: &Value) -> Result<String> {
    let token = virtual_key["fullToken"].as_str().map(str::to_owned);
    token.with_context(|| format!("a virtual key without its token: {virtual_key}"))
}
