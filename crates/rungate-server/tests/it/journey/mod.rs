//! Whole journeys: the real binary, real sockets, the simulated provider behind it.

mod answers;
mod attribution;
mod backup;
mod backup_database;
mod caching;
mod checks;
mod clock;
mod controls;
mod crash;
mod damage;
mod erase;
mod filters;
mod governance;
mod keys;
mod limits;
mod memory;
mod odd;
mod outage;
mod race;
mod refusals;
mod routing;
mod run_api;
mod secrets;
mod streams;

use std::path::Path;
use std::time::Duration;

use rungate_testkit::{Client, Server, ServerOptions, Sim, Tenant};
use serde_json::{Value, json};

/// A server with a tenant, and the provider behind it.
struct Stage {
    server: Server,
    sim: Sim,
    tenant: Tenant,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with(ServerOptions::default()).await
    }

    async fn set_with(options: ServerOptions) -> Self {
        let sim = Sim::start().await;
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), options).await;
        let tenant = Tenant::create(&server, &sim).await;
        Self { server, sim, tenant }
    }

    /// Makes the provider behave like this.
    async fn direct(&self, directives: &str) {
        direct(&self.sim, directives).await;
    }

    /// The log row of an exchange, by our id.
    async fn row(&self, id: &str) -> Value {
        self.server.owner().get(&format!("/api/v1/requests/{id}")).await.data()
    }

    /// The log row of an exchange once it has ended.
    async fn ended_row(&self, id: &str) -> Value {
        for _ in 0..200 {
            let row = self.row(id).await;
            if row["outcome"] != "pending" {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("exchange {id} does not end");
    }

    /// Every exchange has ended: none is open, none is unexplained.
    async fn audit(&self) {
        for outcome in ["pending", "abandoned", "interrupted"] {
            let path = format!("/api/v1/requests?outcome={outcome}");
            let left = self.server.owner().get(&path).await.data();
            assert_eq!(left["data"], json!([]), "{outcome} exchanges are left");
        }
    }
}

/// Makes a provider behave like this for every model whose name says nothing else.
async fn direct(sim: &Sim, directives: &str) {
    let sim = Client::new(format!("http://{}", sim.address)).with("content-type", "text/plain");
    let answer = sim.send(http::Method::POST, "/sim/directives", directives.to_owned()).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

/// A chat of one message.
fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Say something nice." }] })
}

/// The same, streamed.
fn streamed(model: &str) -> Value {
    let mut body = chat(model);
    body["stream"] = json!(true);
    body
}
