//! Two hundred clients race for one hard budget, with streams, fallbacks, clients that leave, and kills in the middle, on both
//! stores: it is never exceeded by a nano-dollar, and what is left is less than one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use rungate_testkit::{Client, ServerOptions, TestDatabase};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::routing::Fork;
use super::{chat, direct, streamed};

const CLIENTS: u64 = 200;
const BUDGET: i64 = 9_000_000;

fn on_postgres() -> Option<(TestDatabase, ServerOptions)> {
    let database = TestDatabase::create()?;
    let options = ServerOptions::default().in_folder().env("RUNGATE_STORE_URL", &database.url());
    Some((database, options))
}

/// A budget of the workspace, and a way around the first provider key.
async fn set(options: ServerOptions, routing: &Value) -> (Fork, String) {
    let fork = Fork::set_with(options).await;
    fork.falls_back(routing).await;
    let budget = json!({
        "scope": { "type": "workspace", "id": null }, "limitNanoUsd": BUDGET.to_string(), "window": "total",
        "action": "block_requests",
    });
    let made = fork.stage.server.owner().post("/api/v1/budgets", &budget).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let path = format!("/api/v1/budgets/{}", made.data()["id"].as_str().unwrap());
    (fork, path)
}

/// The next request of a client: whole or streamed, and of varying cost.
fn request(number: u64, turn: u64) -> String {
    let mut body =
        if (number + turn).is_multiple_of(2) { chat("gpt-4o-mini") } else { streamed("gpt-4o-mini") };
    body["max_tokens"] = json!(20 + (number * 7 + turn * 13) % 90);
    body.to_string()
}

async fn nanos(fork: &Fork, budget: &str) -> (i64, i64) {
    let budget = fork.stage.server.owner().get(budget).await.data();
    let nanos = |name: &str| budget[name].as_str().unwrap().parse::<i64>().unwrap();
    (nanos("spentNanoUsd"), nanos("reservedNanoUsd"))
}

/// What was spent, once nothing is reserved any more: as much as the rows say, and no more than there is.
async fn settled(fork: &Fork, budget: &str) -> i64 {
    let mut now = nanos(fork, budget).await;
    for _ in 0..400 {
        if now.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        now = nanos(fork, budget).await;
    }
    let (spent, reserved) = now;
    assert_eq!((spent, reserved), (fork.stage.charged().await, 0), "the budget and the rows differ");
    assert!(spent <= BUDGET, "{spent} of {BUDGET} nano-dollars");
    for outcome in ["pending", "abandoned"] {
        let path = format!("/api/v1/requests?outcome={outcome}");
        let left = fork.stage.server.owner().get(&path).await.data();
        assert_eq!(left["data"], json!([]), "{outcome} exchanges are left");
    }
    spent
}

/// Goes on until it is stopped, whatever the server does. Every fifth leaves in the middle.
async fn rough(client: Client, number: u64, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let patience = Duration::from_millis(if number.is_multiple_of(5) { 90 } else { 20_000 });
        let sending = async {
            let body = request(number, turn).into();
            Some(client.try_open(Method::POST, "/v1/chat/completions", body).await.ok()?.rest().await)
        };
        match tokio::time::timeout(patience, sending).await {
            Ok(Some(answer)) if answer.status == 200 && answer.complete => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            // Refused, cut off by the kill, or nobody is there.
            Ok(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            Err(_) => {}
        }
    }
}

async fn never_exceeded(options: ServerOptions) {
    let (mut fork, budget) = set(options, &json!({ "timeoutMs": 250, "retries": { "attempts": 1 } })).await;
    let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = fork.stage.tenant.client();
        clients.spawn(rough(client, number, Arc::clone(&stop), Arc::clone(&answered)));
    }
    direct(&fork.second, "latency=30").await;
    for round in 0..2 {
        for directives in ["latency=20", "error=500", "hang", "error=429+retry-after=1", "chunk=15"] {
            fork.stage.direct(directives).await;
            tokio::time::sleep(Duration::from_millis(160)).await;
        }
        fork.stage.server.kill().await;
        fork.stage.server.restart().await;
        let (spent, _) = nanos(&fork, &budget).await;
        assert!(spent <= BUDGET, "round {round}: {spent} of {BUDGET} nano-dollars");
    }
    fork.stage.direct("").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    while clients.join_next().await.is_some() {}
    let spent = settled(&fork, &budget).await;
    let answered = answered.load(Ordering::Relaxed);
    println!("{answered} answers, {spent} of {BUDGET} nano-dollars");
    assert!(answered > 20, "too little came of it to prove anything: {answered}");
}

/// Asks until the budget is used up for it, again where others only hold what it needs.
async fn patient(client: Client, number: u64) {
    for turn in 0.. {
        let answer = client.send(Method::POST, "/v1/chat/completions", request(number, turn)).await;
        if answer.status == 200 {
            continue;
        }
        match answer.error_code().as_str() {
            "budget_reserved" => tokio::time::sleep(Duration::from_millis(20)).await,
            "budget_exhausted" => return,
            other => panic!("{other}: {}", answer.text()),
        }
    }
}

async fn used_up_to_less_than_one_request(options: ServerOptions) {
    let (fork, budget) = set(options, &json!({})).await;
    // Every other request or so goes to the second provider key.
    fork.stage.direct("error=500").await;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(patient(fork.stage.tenant.client(), number));
    }
    for directives in ["", "error=503", ""] {
        tokio::time::sleep(Duration::from_millis(120)).await;
        fork.stage.direct(directives).await;
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let spent = settled(&fork, &budget).await;
    let rows = super::crash::all_rows(&fork.stage.server).await;
    let held = |row: &Value| row["reservedNanoUsd"].as_str().map_or(0, |text| text.parse::<i64>().unwrap());
    let most = rows.iter().map(held).max().unwrap();
    let fallen = rows.iter().filter(|row| row["warnings"].to_string().contains("fallback_used")).count();
    println!(
        "{} of {BUDGET} nano-dollars are left, {most} were held at most, {fallen} fell back",
        BUDGET - spent
    );
    assert!(fallen > 5, "{fallen}");
    assert!(BUDGET - spent < most, "{} were left, enough for a request of {most}", BUDGET - spent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w_050_a_budget_holds_over_fallbacks_clients_that_leave_and_kills() {
    never_exceeded(ServerOptions::default().in_folder()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w_050_a_budget_in_a_database_holds_over_fallbacks_clients_that_leave_and_kills() {
    let Some((_database, options)) = on_postgres() else { return };
    never_exceeded(options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w_050_what_is_left_of_a_budget_is_less_than_one_request() {
    used_up_to_less_than_one_request(ServerOptions::default().in_folder()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w_050_what_is_left_of_a_budget_in_a_database_is_less_than_one_request() {
    let Some((_database, options)) = on_postgres() else { return };
    used_up_to_less_than_one_request(options).await;
}
