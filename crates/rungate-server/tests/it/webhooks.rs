//! Webhooks through the binary: what its commands show, and what a restart leaves pending.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use rungate_core::webhook::SigningSecret;
use rungate_testkit::{OWNER_TOKEN, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::client::PATIENCE;

const BIN: &str = env!("CARGO_BIN_EXE_rungate");

/// Answers with the next status, and 200 when there is none; remembers whether each message was signed well.
#[derive(Default)]
struct Receiver {
    secret: Mutex<Option<SigningSecret>>,
    statuses: Mutex<Vec<u16>>,
    ids: Mutex<Vec<String>>,
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap();
    let secret = receiver.secret.lock().unwrap().clone().unwrap();
    let seconds = header("webhook-timestamp").parse().unwrap();
    assert_eq!(header("webhook-signature"), secret.sign(header("webhook-id"), seconds, &body));
    receiver.ids.lock().unwrap().push(header("webhook-id").to_owned());
    let next = receiver.statuses.lock().unwrap().pop();
    StatusCode::from_u16(next.unwrap_or(200)).unwrap()
}

impl Receiver {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Arc::new(Self::default());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (receiver, url)
    }

    fn next(&self, statuses: &[u16]) {
        *self.statuses.lock().unwrap() = statuses.to_vec();
    }
}

/// Runs `rungate webhooks …`; whether it succeeded, and what it said.
async fn webhooks(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(BIN);
    command
        .env_clear()
        .envs([("RUNGATE_URL", server.origin.as_str()), ("RUNGATE_TOKEN", OWNER_TOKEN)])
        .arg("webhooks")
        .args(arguments)
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn delivery(server: &Server, webhook: &str, status: &str, tries: usize) -> Value {
    for _ in 0..400 {
        let (_, listed) = webhooks(server, &["deliveries", webhook, "--json"]).await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let newest = &listed[0];
        if newest["status"] == status && newest["attempts"].as_array().unwrap().len() == tries {
            return newest.clone();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no delivery is {status} after {tries} tries:\n{}", server.log());
}

#[tokio::test]
async fn a_delivery_is_tried_out_sent_again_and_survives_a_kill() {
    let mut server = Server::start(Path::new(BIN), ServerOptions::default()).await;
    let (receiver, url) = Receiver::start().await;
    let body = json!({"url": url, "events": ["budget.exhausted"]});
    let webhook = server.owner().post("/api/v1/webhooks", &body).await.data();
    *receiver.secret.lock().unwrap() =
        Some(SigningSecret::parse(webhook["secret"].as_str().unwrap()).unwrap());
    let id = webhook["id"].as_str().unwrap();

    let (ok, listed) = webhooks(&server, &["list"]).await;
    assert!(ok && listed.contains(id) && listed.contains(&url) && listed.contains("enabled"), "{listed}");
    let (ok, tested) = webhooks(&server, &["test", id]).await;
    assert!(ok && tested.starts_with("The receiver took the event: status 200 after"), "{tested}");
    receiver.next(&[503]);
    let (ok, tested) = webhooks(&server, &["test", id]).await;
    assert!(!ok && tested.contains("the receiver answered with status 503"), "{tested}");
    let dead = delivery(&server, id, "dead", 1).await;
    let dead_id = dead["id"].as_str().unwrap();

    receiver.next(&[500]);
    let (ok, again) = webhooks(&server, &["redeliver", dead_id]).await;
    assert!(ok && again.contains(dead["eventId"].as_str().unwrap()), "{again}");
    let pending = delivery(&server, id, "pending", 2).await;
    assert!(pending["nextTryAt"].is_string());
    server.kill().await;
    server.restart().await;
    // It waits for its next try; asked to, it goes at once.
    assert_eq!(delivery(&server, id, "pending", 2).await["nextTryAt"], pending["nextTryAt"]);
    let (ok, _) = webhooks(&server, &["redeliver", dead_id, "--json"]).await;
    assert!(ok);
    let delivered = delivery(&server, id, "delivered", 3).await;
    let ids = receiver.ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 4);
    assert!(ids[1..].iter().all(|id| *id == delivered["eventId"]), "{ids:?}");

    let (_, table) = webhooks(&server, &["deliveries", id, "--status", "delivered"]).await;
    assert!(table.contains(dead_id) && table.contains("webhook.test"), "{table}");
    let metrics = server.client().get("/metrics").await.text();
    assert!(metrics.contains(r#"rungate_webhook_deliveries_total{result="delivered"} 1"#), "{metrics}");
    assert!(metrics.contains("rungate_webhook_oldest_pending_seconds"), "{metrics}");
    let (ok, unknown) = webhooks(&server, &["test", "none"]).await;
    assert!(!ok && unknown.contains("no webhook has the id `none`"), "{unknown}");
    let (ok, unknown) = webhooks(&server, &["redeliver", "none"]).await;
    assert!(!ok && unknown.contains("no delivery has the id `none`"), "{unknown}");
    let secret = webhook["secret"].as_str().unwrap();
    assert!(!server.log().contains(secret) && !server.log().contains(&secret[6..]), "the log has the secret");
    assert_eq!(server.stop().await, Some(0));
}
