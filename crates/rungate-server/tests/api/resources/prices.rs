//! `/model-prices`, `/price-snapshots` and `/models`

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, id, text};
use crate::world::World;

const MODEL: &str = "gpt-4o-mini";

fn valid() -> Value {
    json!({"provider": "openai", "model": MODEL, "prices": {"inputPerMTok": "0.10", "outputPerMTok": "0.4"}})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = valid();
    body[field] = value;
    body
}

/// The model as `GET /models` has it.
async fn listed(client: &Client) -> Value {
    let answer = client.get(&format!("/models?provider=openai&search={MODEL}")).await;
    let models = answer.data()["data"].as_array().unwrap();
    models.iter().find(|model| model["id"] == format!("openai/{MODEL}")).unwrap().clone()
}

#[tokio::test]
async fn each_verb_does_its_work_and_a_price_is_never_changed() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.post("/model-prices", valid()).await.created().clone();
    assert_eq!((&made["provider"], &made["model"]), (&json!("openai"), &json!(MODEL)));
    assert_eq!(made["effectiveFrom"], "2026-11-23T12:00:00.000Z");
    assert_eq!((&made["prices"]["outputPerMTok"], &made["version"]), (&json!("0.4"), &json!(1)));
    let path = format!("/model-prices/{}", id(&made));
    assert_eq!(owner.get(&path).await.data(), &made);
    owner.patch(&path, valid()).await.refused(40500);
    let snapshot_path = format!("/price-snapshots/{}", text(&made, "priceSnapshotId"));
    let snapshot = owner.get(&snapshot_path).await;
    assert_eq!(
        (&snapshot.data()["kind"], &snapshot.data()["models"][0]["prices"]),
        (&json!("override"), &made["prices"])
    );
    Client::theirs(&world).get(&snapshot_path).await.refused(40400);
    for (query, count) in
        [("", 1), ("?provider=openai", 1), ("?model=gpt-4o", 0), ("?provider=x&model=gpt-4o-mini", 0)]
    {
        assert_eq!(owner.get(&format!("/model-prices{query}")).await.data()["total"], count, "{query}");
    }
    owner.text("DELETE", &path, &[("if-match", "2")], "").await.refused(40901);
    owner.text("DELETE", &path, &[("if-match", "*")], "").await.empty();
    owner.delete(&path).await.empty();
    owner.get(&path).await.refused(40400);
    assert_eq!(owner.get("/model-prices").await.data()["total"], 0);
    // Rows that it priced can still be explained, and another can take its place.
    assert_eq!(owner.get(&snapshot_path).await.data(), snapshot.data());
    owner.post("/model-prices", valid()).await.created();
    for path in
        ["/price-snapshots/x", "/price-snapshots/override-", "/price-snapshots/override-x", "/model-prices/x"]
    {
        owner.get(path).await.refused(40400);
    }
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (body, field, rule) in [
        (json!({"model": "m", "prices": {"inputPerMTok": "1"}}), "provider", "required"),
        (json!({"provider": "openai", "prices": {"inputPerMTok": "1"}}), "model", "required"),
        (json!({"provider": "openai", "model": "m"}), "prices", "required"),
        (with("provider", json!("nobody")), "provider", "one_of"),
        (with("model", json!("")), "model", "length"),
        (with("model", json!("x".repeat(201))), "model", "length"),
        (with("effectiveFrom", json!("now")), "effectiveFrom", "type"),
        (with("currency", json!("EUR")), "currency", "unknown_field"),
        (with("prices", json!({})), "prices", "price"),
        (with("prices", Value::Null), "prices", "price"),
        (with("prices", json!([])), "prices", "price"),
        (with("prices", json!("1")), "prices", "price"),
        (with("prices", json!({"inputPerMTok": null})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": 0.1})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": 1})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "-0.1"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "0.1234567"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1e-7"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": ""})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1,5"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "NaN"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1000001"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "99999999999999999999999"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1", "colour": "1"})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1", "tiers": {}})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1", "tiers": [{"inputPerMTok": "2"}]})), "prices", "price"),
        (with("prices", json!({"inputPerMTok": "1", "tiers": [{"aboveInputTokens": 1}]})), "prices", "price"),
    ] {
        println!("{}", &body.to_string().chars().take(200).collect::<String>());
        owner.post("/model-prices", body).await.broke(field, rule);
    }
    for (price, kept) in [
        ("0", "0"),
        ("0.123456", "0.123456"),
        ("1000000", "1000000"),
        ("0.100000", "0.1"),
        ("1e3", "1000"),
        (" 1 ", "1"),
    ] {
        world.pass(Duration::from_micros(1));
        let made = owner.post("/model-prices", with("prices", json!({ "inputPerMTok": price }))).await;
        assert_eq!(made.created()["prices"], json!({ "inputPerMTok": kept }));
    }
    assert_eq!(owner.get("/model-prices").await.data()["total"], 6);
}

#[tokio::test]
async fn the_latest_price_that_is_effective_counts() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    owner.provider_key().await;
    let catalogue = listed(&owner).await;
    assert_eq!(catalogue["priceSource"], "catalogue");
    let from = |at: &str, price: &str| {
        let mut body = with("prices", json!({ "inputPerMTok": price }));
        body["effectiveFrom"] = json!(at);
        body
    };
    let later = owner.post("/model-prices", from("2026-11-23T13:00:00Z", "3")).await.created().clone();
    assert_eq!(listed(&owner).await, catalogue);
    let past = owner.post("/model-prices", from("2026-11-01T00:00:00Z", "2")).await.created().clone();
    let priced = listed(&owner).await;
    assert_eq!(
        (&priced["priceSource"], &priced["prices"]),
        (&json!("override"), &json!({"inputPerMTok": "2"}))
    );
    assert_eq!(priced["priceSnapshotId"], past["priceSnapshotId"]);
    world.pass(Duration::from_hours(1));
    assert_eq!(listed(&owner).await["priceSnapshotId"], later["priceSnapshotId"]);
    owner.post("/model-prices", from("2026-11-23T14:00:00+01:00", "4")).await.refused(40902);
    owner.delete(&format!("/model-prices/{}", id(&later))).await.empty();
    assert_eq!(listed(&owner).await["priceSnapshotId"], past["priceSnapshotId"]);
    owner.delete(&format!("/model-prices/{}", id(&past))).await.empty();
    assert_eq!(listed(&owner).await, catalogue);
    let snapshot = text(&catalogue, "priceSnapshotId");
    let snapshot = owner.get(&format!("/price-snapshots/{snapshot}")).await.data().clone();
    let models = snapshot["models"].as_array().unwrap();
    assert!(snapshot["kind"] == "catalogue" && models.iter().any(|model| model["id"] == catalogue["id"]));
    let theirs = Client::theirs(&world);
    theirs.provider_key().await;
    owner.post("/model-prices", valid()).await.created();
    assert_eq!(listed(&theirs).await["priceSource"], "catalogue");
}

#[tokio::test]
async fn models_are_those_of_the_keys_and_of_what_a_key_may_use() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    assert_eq!(owner.get("/models").await.data()["total"], 0);
    owner.provider_key().await;
    let all = owner.get("/models").await.data()["total"].as_u64().unwrap();
    assert!(all > 5 && owner.get("/models?provider=anthropic").await.data()["total"] == 0);
    let ids = owner.get("/models").await.ids();
    let is_withdrawn = |id: &String| id == "openai/ada";
    assert!(ids.iter().all(|id| id.starts_with("openai/")) && !ids.iter().any(is_withdrawn), "{ids:?}");
    let body = json!({"label": "mini", "allowedModels": ["gpt-4o*"], "blockedModels": ["openai/gpt-4o"]});
    let key = text(owner.post("/virtual-keys", body).await.created(), "fullToken");
    let usable = Client::new(&world, key).get("/models").await;
    let ids = usable.ids();
    assert!(
        ids.contains(&format!("openai/{MODEL}")) && !ids.contains(&"openai/gpt-4o".to_owned()),
        "{ids:?}"
    );
    assert!(ids.iter().all(|id| id.starts_with("openai/gpt-4o")));
}
