//! The resources that people manage: each verb, each rule, and what holds for all of them.

mod agents;
mod budgets;
mod everywhere;
mod once;
mod pats;
mod policies;
mod price_snapshots;
mod prices;
mod provider_keys;
mod virtual_keys;
mod webhooks;
mod workspaces;

use axum::Router;
use axum::body::Body;
use http::Request;
use rungate_core::agent::Scope;
use rungate_core::id::WorkspaceId;
use serde_json::{Value, json};

use crate::world::{Answer, OURS, THEIRS, World, send, token};

/// Somebody with a token.
#[derive(Clone)]
struct Client {
    router: Router,
    token: String,
}

impl Client {
    fn new(world: &World, token: impl Into<String>) -> Self {
        Self { router: world.router.clone(), token: token.into() }
    }

    fn of(world: &World, workspace: WorkspaceId, scope: Scope) -> Self {
        Self::new(world, token(workspace, scope))
    }

    /// Whoever may do everything in our workspace.
    fn ours(world: &World) -> Self {
        Self::of(world, OURS, Scope::Admin)
    }

    /// Whoever may do everything in the other one.
    fn theirs(world: &World) -> Self {
        Self::of(world, THEIRS, Scope::Admin)
    }

    /// Sends text with further headers. Paths are relative to `/api/v1`.
    async fn text(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(self.router.clone(), request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.text("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.text("POST", path, &[], &body.to_string()).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.text("PATCH", path, &[], &body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.text("DELETE", path, &[], "").await
    }

    /// Makes a provider key; answers its id.
    async fn provider_key(&self) -> String {
        let body = json!({"name": "main", "provider": "openai", "secret": "sk-secret-0123456789"});
        id(self.post("/provider-keys", body).await.created())
    }

    /// Makes an agent bound to a new provider key; answers it.
    async fn agent(&self, name: &str) -> Value {
        let key = self.provider_key().await;
        let body = json!({"type": "ai_agent", "name": name, "masterKeyId": key});
        self.post("/agents", body).await.created().clone()
    }

    /// Makes a virtual key; answers it.
    async fn virtual_key(&self, label: &str) -> Value {
        self.post("/virtual-keys", json!({ "label": label })).await.created().clone()
    }

    /// Makes a price; answers its id.
    async fn price(&self, model: &str) -> String {
        let body = json!({"provider": "openai", "model": model, "prices": {"inputPerMTok": "1"}});
        id(self.post("/model-prices", body).await.created())
    }

    /// Makes a webhook for budgets; answers it with its secret.
    async fn webhook(&self, url: &str) -> Value {
        let body = json!({"url": url, "events": ["budget.threshold", "budget.exhausted"]});
        self.post("/webhooks", body).await.created().clone()
    }

    /// Makes a token; answers it.
    async fn pat(&self, name: &str) -> Value {
        self.post("/pats", json!({"name": name, "scopes": ["read"]})).await.created().clone()
    }
}

fn id(data: &Value) -> String {
    text(data, "id")
}

fn text(data: &Value, field: &str) -> String {
    data[field].as_str().unwrap().to_owned()
}
