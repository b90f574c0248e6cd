//! From the outbox to a receiver, on both stores.

use std::collections::BTreeMap;
use std::time::Duration;

use rungate_core::agent::Resource as _;
use rungate_core::ports::{self, CatalogFilter, Write};
use rungate_core::time::Timestamp;
use rungate_core::webhook::{Delivery, DeliveryStatus, DueDelivery, EventType, Webhook};
use rungate_gateway::webhook::{MAX_KEPT, MAX_PENDING, sweep};
use rungate_testkit::TestDatabase;
use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Client, Running, event, id, text, until, world};
use crate::world::{OURS, THEIRS, World};

const MINUTE: Duration = Duration::from_mins(1);

fn pending_after(tries: usize) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["status"] == "pending" && delivery["attempts"].as_array().unwrap().len() == tries
}

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["status"] == status
}

async fn fails_twice_then_succeeds(database: Option<&TestDatabase>) {
    let world = world(database).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::failing(2).await;
    let webhook = owner.webhook(&receiver.url).await;
    let courier = Running::start(&world);
    assert_eq!(world.services.outbox.leave(&[event("a")]).await.unwrap(), 1);

    let delivery = owner.once(&webhook, pending_after(1)).await;
    let next = Timestamp::parse(delivery["nextTryAt"].as_str().unwrap()).unwrap();
    let pause = next.since(world.services.clock.now());
    assert!((Duration::from_secs(12)..Duration::from_secs(16)).contains(&pause), "{pause:?}");
    // A server that ends here goes on at the next start.
    courier.stop().await;
    let courier = Running::start(&world);
    world.pass(MINUTE);
    owner.once(&webhook, pending_after(2)).await;
    world.pass(2 * MINUTE);
    let delivered = owner.once(&webhook, is("delivered")).await;
    courier.stop().await;

    assert_eq!(delivered["nextTryAt"], Value::Null);
    let attempts = delivered["attempts"].as_array().unwrap();
    let statuses: Vec<&Value> = attempts.iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [500, 500, 200]);
    assert_eq!(attempts[0]["error"], "the receiver answered with status 500");
    assert_eq!((&attempts[0]["answer"], &attempts[2]["error"]), (&json!("not now"), &Value::Null));
    let messages = receiver.messages();
    assert_eq!(messages.len(), 3);
    for message in &messages {
        assert_eq!(message.path, "/hook?key=k");
        assert_eq!(message.header("webhook-id"), delivered["eventId"]);
        assert_eq!(message.header("content-type"), "application/json");
        assert!(message.verified_by(&text(&webhook, "secret")));
        assert_eq!(
            message.json(),
            json!({"type": "budget.threshold", "timestamp": "2026-11-23T12:00:00.000Z", "data": {"percent": 75}})
        );
    }
    assert_ne!(messages[0].header("webhook-timestamp"), messages[2].header("webhook-timestamp"));
    assert_eq!(delivered["payload"], messages[0].json());
    assert_eq!(due(&world).await, 0);
}

#[tokio::test]
async fn w_123_a_receiver_that_fails_twice_is_asked_again_across_a_restart() {
    fails_twice_then_succeeds(None).await;
}

#[tokio::test]
async fn w_123_the_same_on_postgres() {
    let Some(database) = TestDatabase::create() else { return };
    fails_twice_then_succeeds(Some(&database)).await;
}

async fn due(world: &World) -> usize {
    world.services.catalog.all(DueDelivery::KIND).await.unwrap().len()
}

async fn two_couriers_send_each_once(database: Option<&TestDatabase>) {
    let world = world(database).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::start([]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let (one, two) = (Running::start(&world), Running::start(&world));
    for group in 0..6 {
        let events: Vec<_> = (0..10).map(|at| event(&format!("{group}/{at}"))).collect();
        assert_eq!(world.services.outbox.leave(&events).await.unwrap(), 10);
    }
    until(async || (due(&world).await == 0).then_some(())).await;
    one.stop().await;
    two.stop().await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for message in receiver.messages() {
        *times.entry(message.header("webhook-id").to_owned()).or_default() += 1;
    }
    assert_eq!(times.len(), 60);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert!(owner.deliveries(&webhook).await.iter().all(is("delivered")));
}

#[tokio::test]
async fn of_two_nodes_one_sends() {
    two_couriers_send_each_once(None).await;
}

#[tokio::test]
async fn of_two_nodes_on_postgres_one_sends() {
    let Some(database) = TestDatabase::create() else { return };
    two_couriers_send_each_once(Some(&database)).await;
}

#[tokio::test]
async fn an_event_that_is_left_twice_is_one() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::start([]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let outbox = &world.services.outbox;
    assert_eq!(outbox.leave(&[event("a")]).await.unwrap(), 1);
    assert_eq!(outbox.leave(&[event("a"), event("b"), event("b")]).await.unwrap(), 1);
    assert_eq!(owner.deliveries(&webhook).await.len(), 2);
    let mut elsewhere = event("a");
    elsewhere.workspace = THEIRS;
    let mut other = event("a");
    other.event_type = EventType::KeyRevoked;
    assert_eq!(outbox.leave(&[elsewhere, other]).await.unwrap(), 0);
    owner.patch(&format!("/webhooks/{}", id(&webhook)), json!({"enabled": false})).await.data();
    assert_eq!(outbox.leave(&[event("c")]).await.unwrap(), 0);
}

#[tokio::test]
async fn after_the_last_try_it_is_dead_and_can_be_sent_again() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::failing(5).await;
    let webhook = owner.webhook(&receiver.url).await;
    let _courier = Running::start(&world);
    world.services.outbox.leave(&[event("a")]).await.unwrap();
    for tries in 1..4 {
        owner.once(&webhook, pending_after(tries)).await;
        world.pass(60 * MINUTE);
    }
    let dead = owner.once(&webhook, is("dead")).await;
    assert_eq!((receiver.messages().len(), &dead["nextTryAt"]), (4, &Value::Null));

    let path = format!("/deliveries/{}/redeliver", id(&dead));
    let again = owner.post(&path, json!({})).await;
    assert_eq!((&again.data()["status"], &again.data()["eventId"]), (&json!("pending"), &dead["eventId"]));
    // The series begins anew; what waits for its next try is sent at once.
    owner.once(&webhook, pending_after(5)).await;
    owner.post(&path, json!({})).await.data();
    owner.once(&webhook, is("delivered")).await;
    owner.post(&path, json!({})).await.data();
    until(async || (receiver.messages().len() == 7).then_some(())).await;
    owner.once(&webhook, is("delivered")).await;
    let ids: Vec<_> =
        receiver.messages().iter().map(|message| message.header("webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == text(&dead, "eventId")), "{ids:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_after_a_while_and_holds_up_nobody() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let hanging = Receiver::start(std::iter::repeat_n(Reply::Hang, 100)).await;
    let quick = Receiver::start([]).await;
    let slow = owner.webhook(&hanging.url).await;
    let fast = owner.webhook(&quick.url).await;
    let _courier = Running::start(&world);
    let events: Vec<_> = (0..20).map(|at| event(&at.to_string())).collect();
    world.services.outbox.leave(&events).await.unwrap();
    until(async || (quick.messages().len() == 20).then_some(())).await;
    assert!(hanging.messages().len() <= 4, "at most four at once");
    let failed = until(async || {
        let deliveries = owner.deliveries(&slow).await;
        deliveries.into_iter().find(|delivery| delivery["attempts"][0]["error"].is_string())
    })
    .await;
    assert_eq!(failed["attempts"][0]["error"], "no answer within 1 s");
    assert_eq!(failed["attempts"][0]["status"], Value::Null);
    assert!(owner.deliveries(&fast).await.iter().all(is("delivered")));
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_answers_not_kept() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver =
        Receiver::start([Reply::Redirect("/elsewhere".to_owned()), Reply::Status(503, "x".repeat(1 << 20))])
            .await;
    let webhook = owner.webhook(&receiver.url).await;
    let _courier = Running::start(&world);
    world.services.outbox.leave(&[event("a")]).await.unwrap();
    let delivery = owner.once(&webhook, pending_after(1)).await;
    assert_eq!(
        delivery["attempts"][0]["error"],
        "the receiver redirects (status 302), which is not followed"
    );
    world.pass(MINUTE);
    let delivery = owner.once(&webhook, pending_after(2)).await;
    assert_eq!(delivery["attempts"][1]["answer"], "x".repeat(1_024));
    assert!(receiver.messages().iter().all(|message| message.path == "/hook?key=k"));
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::start([Reply::Status(410, String::new())]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let path = format!("/webhooks/{}", id(&webhook));
    let courier = Running::start(&world);
    world.services.outbox.leave(&[event("a")]).await.unwrap();
    let dead = owner.once(&webhook, is("dead")).await;
    assert_eq!((&dead["attempts"][0]["status"], receiver.messages().len()), (&json!(410), 1));
    let disabled = until(async || {
        let webhook = owner.get(&path).await.data().clone();
        (webhook["enabled"] == false).then_some(webhook)
    })
    .await;
    assert_eq!(disabled["disabledReason"], "the receiver answered 410 Gone");
    let redeliver = format!("/deliveries/{}/redeliver", id(&dead));
    let refused = owner.post(&redeliver, json!({})).await;
    assert_eq!(refused.refused(40905)["code"], "webhook_disabled");
    let enabled = owner.patch(&path, json!({"enabled": true})).await;
    assert_eq!(enabled.data()["disabledReason"], Value::Null);
    owner.post(&redeliver, json!({})).await.data();
    owner.once(&webhook, is("delivered")).await;
    courier.stop().await;

    // What is pending when somebody disables a webhook is given up.
    world.services.outbox.leave(&[event("b")]).await.unwrap();
    owner.patch(&path, json!({"enabled": false})).await.data();
    let _courier = Running::start(&world);
    let given_up = until(async || owner.deliveries(&webhook).await.into_iter().find(is("dead"))).await;
    assert_eq!(given_up["attempts"][0]["error"], "the webhook is disabled");
    assert_eq!(receiver.messages().len(), 2);
}

#[tokio::test]
async fn what_was_being_sent_when_the_server_died_is_sent_again_under_the_same_id() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::start([Reply::Hang]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let courier = Running::start(&world);
    world.services.outbox.leave(&[event("a")]).await.unwrap();
    until(async || (receiver.messages().len() == 1).then_some(())).await;
    drop(courier);
    let _courier = Running::start(&world);
    let delivery = owner.once(&webhook, is("pending")).await;
    // While the claim holds, nobody sends it, not even when asked to.
    let asked = owner.post(&format!("/deliveries/{}/redeliver", id(&delivery)), json!({})).await;
    assert_eq!(asked.data()["version"], delivery["version"]);
    assert_eq!(receiver.messages().len(), 1);
    world.pass(2 * MINUTE);
    owner.once(&webhook, is("delivered")).await;
    let messages = receiver.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));
}

#[tokio::test]
async fn w_125_through_a_rotation_both_secrets_verify() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver = Receiver::start([]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let path = format!("/webhooks/{}", id(&webhook));
    let rotated = owner.post(&format!("{path}/rotate"), json!({})).await;
    let (old, new) = (text(&webhook, "secret"), text(rotated.data(), "secret"));
    assert_ne!(old, new);
    assert_eq!(rotated.data()["previousSecretUntil"], "2026-11-24T12:00:00.000Z");
    let test = async || owner.post(&format!("{path}/test"), json!({})).await.data()["status"].clone();
    assert_eq!(test().await, "delivered");
    world.pass(Duration::from_hours(24));
    assert_eq!(test().await, "delivered");
    let messages = receiver.messages();
    assert!(messages[0].verified_by(&old) && messages[0].verified_by(&new));
    assert!(!messages[1].verified_by(&old) && messages[1].verified_by(&new));
}

#[tokio::test]
async fn an_address_that_was_allowed_when_it_was_saved_is_checked_again_when_it_is_called() {
    let receiver = Receiver::start([]).await;
    // An operator who opens nothing: neither the literal address nor a name that leads to it is connected to.
    let world = World::new().await;
    let owner = Client::ours(&world);
    let (_, port) = receiver.url.rsplit_once(':').unwrap();
    for url in [receiver.url.replace("http:", "https:"), format!("https://localhost:{port}")] {
        let webhook = owner.webhook("https://example.com").await;
        let catalog = &world.services.catalog;
        let id = id(&webhook).parse().unwrap();
        let mut stored: Webhook = ports::require(&**catalog, OURS, id).await.unwrap();
        stored.url = url;
        let changed = stored.touched(world.services.clock.now());
        catalog.commit(vec![Write::update(&changed).unwrap()]).await.unwrap();
        let answer = owner.post(&format!("/webhooks/{id}/test"), json!({})).await;
        let attempt = &answer.data()["attempts"][0];
        let error = text(attempt, "error");
        assert!(error.contains("is a private or reserved address"), "{error}");
        assert_eq!((&answer.data()["status"], &attempt["status"]), (&json!("dead"), &Value::Null));
    }
    assert!(receiver.messages().is_empty());
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_grows_old() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let webhook = owner.webhook("http://127.0.0.1:9/").await;
    let outbox = &world.services.outbox;
    let events: Vec<_> = (0..MAX_PENDING + 5).map(|at| event(&at.to_string())).collect();
    assert_eq!(outbox.leave(&events).await.unwrap() as u64, MAX_PENDING);
    assert_eq!(outbox.leave(&[event("beyond")]).await.unwrap(), 0);
    // All of them end: the next one trims.
    let catalog = &world.services.catalog;
    let mut writes = Vec::new();
    for document in catalog.all(DueDelivery::KIND).await.unwrap() {
        writes.push(Write::delete(&document.read::<DueDelivery>().unwrap()));
    }
    for document in catalog.all(Delivery::KIND).await.unwrap() {
        let mut delivery: Delivery = document.read().unwrap();
        delivery.status = DeliveryStatus::Dead;
        writes.push(Write::update(&delivery.touched(document.head.updated_at)).unwrap());
    }
    catalog.commit(writes).await.unwrap();
    owner.post(&format!("/webhooks/{}/test", id(&webhook)), json!({})).await.data();
    let count = async || catalog.count(Delivery::KIND, OURS, &CatalogFilter::default()).await.unwrap();
    assert_eq!(count().await, MAX_KEPT);
    let now = world.services.clock.now();
    assert_eq!(sweep(&**catalog, now.plus(Duration::from_hours(29 * 24))).await.unwrap(), 0);
    let removed = sweep(&**catalog, now.plus(Duration::from_hours(31 * 24))).await.unwrap();
    assert_eq!((removed as u64, count().await), (MAX_KEPT, 0));
}
