//! `/price-snapshots`: storing, comparing, activating; and `/model-prices/resolve`

use rungate_core::agent::{
    ActivePrices, INSTALLATION, PriceSnapshot, PriceSnapshotData, Resource as _, Scope,
};
use rungate_core::ports::{self, Write};
use rungate_llm::catalog::Catalogue;
use serde_json::{Value, json};

use super::{Client, text};
use crate::world::{OURS, THEIRS, World};

/// A catalogue of some models of OpenAI with their input prices.
fn catalogue(name: &str, models: &[(&str, &str)]) -> Value {
    let row = |(model, price): &(&str, &str)| json!({"provider": "openai", "id": model, "mode": "chat", "prices": {"inputPerMTok": price, "outputPerMTok": "4"}});
    json!({"snapshotId": name, "models": models.iter().map(row).collect::<Vec<_>>()})
}

fn upload(catalogue: &Value) -> Value {
    json!({"source": "test", "catalogue": catalogue})
}

/// Stores a catalogue; answers its id.
async fn stored(owner: &Client, name: &str, models: &[(&str, &str)]) -> String {
    let answer = owner.post("/price-snapshots", upload(&catalogue(name, models))).await;
    text(&answer.created()["snapshot"], "id")
}

async fn activate(owner: &Client, id: &str) -> crate::world::Answer {
    owner.text("POST", &format!("/price-snapshots/{id}/activate"), &[], "").await
}

#[tokio::test]
async fn a_catalogue_is_stored_once_listed_read_and_activated() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let embedded = Catalogue::embedded().unwrap().snapshot_id().to_owned();
    let listed = owner.get("/price-snapshots").await.data().clone();
    assert_eq!((&listed["active"], &listed["inForce"]), (&json!("embedded"), &json!(embedded)));

    let body = upload(&catalogue("mine", &[("m1", "1"), ("m2", "2")]));
    let looked_at = owner.post("/price-snapshots?dryRun=true", body.clone()).await;
    assert_eq!(looked_at.data()["snapshot"], Value::Null);
    assert_eq!(looked_at.data()["difference"]["added"], json!(["openai/m1", "openai/m2"]));
    assert_eq!(owner.get("/price-snapshots").await.data()["total"], 0);

    let made = owner.post("/price-snapshots", body.clone()).await.created().clone();
    let id = text(&made["snapshot"], "id");
    assert!(id.starts_with("mine-") && id.len() == "mine-".len() + 8, "{id}");
    assert_eq!(made["snapshot"]["models"], 2);
    let again = owner.post("/price-snapshots", body).await;
    assert_eq!(again.data()["snapshot"], made["snapshot"], "the same catalogue is stored once");
    assert_eq!(owner.get("/price-snapshots").await.data()["total"], 1);

    let read = owner.get(&format!("/price-snapshots/{id}")).await.data().clone();
    assert_eq!(
        (&read["kind"], &read["models"][1]["prices"]["inputPerMTok"]),
        (&json!("catalogue"), &json!("2"))
    );
    assert_eq!(world.services.prices.load().snapshot_id(), embedded, "storing changes no price");

    let active = activate(&owner, &id).await.data().clone();
    assert_eq!(
        (&active["active"], &active["inForce"], &active["version"]),
        (&json!(id), &json!(id), &json!(1))
    );
    assert_eq!(world.services.prices.load().snapshot_id(), id);
    assert_eq!(activate(&owner, &id).await.data()["version"], 1, "what is active stays as it is");
    let listed = owner.get("/price-snapshots").await.data().clone();
    assert_eq!((&listed["active"], &listed["data"][0]["isActive"]), (&json!(id), &json!(true)));
    assert_eq!(owner.get("/price-snapshots/active").await.data()["id"], json!(id));
    assert_eq!(owner.get("/price-snapshots/embedded").await.data()["id"], json!(embedded));

    assert_eq!(activate(&owner, "embedded").await.data()["inForce"], json!(embedded));
    for nothing in ["nothing", "active", "override-x", "%2e%2e"] {
        activate(&owner, nothing).await.refused(40400);
    }
}

#[tokio::test]
async fn what_is_no_catalogue_is_refused_and_says_why() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let model = |rest: &str| {
        format!(
            r#"{{"snapshotId": "x", "models": [{{"provider": "openai", "id": "m", "mode": "chat"{rest}}}]}}"#
        )
    };
    let twice = r#"{"snapshotId": "x", "models": [
        {"provider": "openai", "id": "m", "mode": "chat", "prices": {"inputPerMTok": "1"}},
        {"provider": "openai", "id": "m", "mode": "chat", "prices": {"inputPerMTok": "2"}}]}"#;
    for (catalogue, why) in [
        ("[]".to_owned(), "invalid length"),
        ("null".to_owned(), "invalid type"),
        ("\"text\"".to_owned(), "invalid type"),
        ("{}".to_owned(), "missing field `snapshotId`"),
        (r#"{"snapshotId": "x"}"#.to_owned(), "missing field `models`"),
        (r#"{"snapshotId": "x", "models": []}"#.to_owned(), "no model has a price"),
        (r#"{"snapshotId": "../x", "models": []}"#.to_owned(), "snapshotId"),
        (r#"{"snapshotId": "x", "models": [7]}"#.to_owned(), "invalid type"),
        (model(""), "no model has a price"),
        (model(r#", "colour": 1"#), "unknown field `colour`"),
        (model(r#", "prices": {"inputPerMTok": "-1"}"#), "is negative"),
        (model(r#", "prices": {"inputPerMTok": 1}"#), "decimal string"),
        (model(r#", "prices": {"inputPerMTok": "1", "inputPerMTok": "2"}"#), "stands twice"),
        (model(r#", "prices": {"inputPerMTok": "10001"}"#), "inputPerMTok is not believable"),
        (
            model(
                r#", "prices": {"inputPerMTok": "1", "tiers": [{"aboveInputTokens": 1, "outputPerMTok": "20000"}]}"#,
            ),
            "outputPerMTok is not believable",
        ),
        (twice.to_owned(), "openai/m stands twice"),
        (twice.replacen("\"m\"", "\"n\"", 1), "openai/m is out of order"),
        (model(r#", "prices": {"inputPerMTok": "1"}"#).replace("\"m\"", "\"a b\""), "is no name of a model"),
    ] {
        let body = format!(r#"{{"source": "test", "catalogue": {catalogue}}}"#);
        let answer = owner.text("POST", "/price-snapshots", &[], &body).await;
        let error = answer.refused(40001);
        assert_eq!(error["field"], "catalogue", "{catalogue}: {}", answer.body);
        assert!(answer.body["message"].as_str().unwrap().contains(why), "{catalogue}: {}", answer.body);
    }
    let good = upload(&catalogue("x", &[("m", "1")]));
    let mut without = good.clone();
    without["source"] = json!("");
    owner.post("/price-snapshots", without).await.broke("source", "length");
    owner.post("/price-snapshots", json!({"source": "x"})).await.broke("catalogue", "required");
    owner
        .post("/price-snapshots", json!({"source": "x", "catalogue": {}, "x": 1}))
        .await
        .broke("x", "unknown_field");
    owner.text("POST", "/price-snapshots", &[], "{").await.refused(40002);
    owner.text("POST", "/price-snapshots", &[], &"x".repeat(9 << 20)).await.refused(41300);
    owner.text("POST", "/price-snapshots", &[("content-type", "text/csv")], "a,b").await.refused(41500);
    owner.post("/price-snapshots?dryRun=perhaps", good).await.broke("dryRun", "format");
    assert_eq!(owner.get("/price-snapshots").await.data()["total"], 0);
}

#[tokio::test]
async fn only_whoever_runs_the_installation_may_change_what_everybody_pays() {
    let world = World::new().await;
    let id = stored(&Client::ours(&world), "mine", &[("m", "1")]).await;
    let body = upload(&catalogue("theirs", &[("m", "1")]));
    let others = [
        Client::of(&world, OURS, Scope::Read),
        Client::of(&world, OURS, Scope::Write),
        Client::of(&world, THEIRS, Scope::Admin),
    ];
    for other in &others {
        other.post("/price-snapshots", body.clone()).await.refused(40301);
        other.post("/price-snapshots?dryRun=true", body.clone()).await.refused(40301);
        // Before the body is looked at.
        other.text("POST", "/price-snapshots", &[], "{").await.refused(40301);
        activate(other, &id).await.refused(40301);
        assert_eq!(other.get("/price-snapshots").await.data()["total"], 1);
        other.get(&format!("/price-snapshots/{id}")).await.data();
    }
    let key = Client::new(&world, crate::world::AGENT_TOKEN);
    for answer in [key.post("/price-snapshots", body).await, activate(&key, &id).await] {
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    assert_eq!(world.services.prices.load().snapshot_id(), world.services.prices.embedded().snapshot_id());
}

#[tokio::test]
async fn differences_are_exact_and_slips_are_pointed_out() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let first = stored(&owner, "first", &[("a", "1"), ("b", "3"), ("c", "0.15"), ("d", "1")]).await;
    let second = stored(&owner, "second", &[("a", "1"), ("b", "2"), ("c", "1.5"), ("e", "1")]).await;
    let path = |query: &str| format!("/price-snapshots/diff?{query}");
    let found = owner.get(&path(&format!("from={first}&to={second}"))).await.data().clone();
    let field = |old: &str, new: &str, percent: &str| json!([{"field": "inputPerMTok", "old": old, "new": new, "percent": percent}]);
    assert_eq!(
        found,
        json!({
            "from": first, "to": second, "added": ["openai/e"], "removed": ["openai/d"],
            "changed": [
                {"model": "openai/b", "prices": field("3", "2", "-33.33")},
                {"model": "openai/c", "prices": field("0.15", "1.5", "900")},
            ],
        })
    );
    let other = owner.get(&path(&format!("from={first}&to={second}&provider=anthropic"))).await;
    assert_eq!(other.data()["changed"], json!([]));
    let same = owner.get(&path(&format!("from={first}&to={first}"))).await.data().clone();
    assert_eq!((&same["added"], &same["removed"], &same["changed"]), (&json!([]), &json!([]), &json!([])));
    let embedded = owner.get(&path("from=embedded")).await.data().clone();
    assert_eq!(embedded["changed"], json!([]), "the active one is the embedded one");
    owner.get(&path("to=active")).await.broke("from", "required");
    owner.get(&path("from=nothing")).await.refused(40400);

    activate(&owner, &first).await.data();
    let mut next = catalogue("third", &[("a", "0.1"), ("b", "3"), ("c", "0.15")]);
    next["models"][1].as_object_mut().unwrap().remove("prices");
    let warnings = owner.post("/price-snapshots?dryRun=true", upload(&next)).await.data()["warnings"].clone();
    assert_eq!(
        warnings,
        json!([
            "1 lose their price, so that their costs would be unknown: openai/b",
            "1 that have a price are gone, so that their costs would be unknown: openai/d",
            "1 change a price tenfold or more: openai/a",
        ])
    );
}

#[tokio::test]
async fn choices_made_at_once_do_not_mix() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let mut ids = Vec::new();
    for number in 1..=6 {
        ids.push(stored(&owner, "many", &[("m", number.to_string().as_str())]).await);
    }
    for _ in 0..3 {
        let mut tasks = tokio::task::JoinSet::new();
        for id in ids.clone() {
            let owner = owner.clone();
            tasks.spawn(async move { (activate(&owner, &id).await, id) });
        }
        let mut chosen = Vec::new();
        for (answer, id) in tasks.join_all().await {
            if answer.status == 200 {
                chosen.push(id);
            } else {
                answer.refused(40901);
            }
        }
        let listed = owner.get("/price-snapshots").await.data().clone();
        let active = text(&listed, "active");
        assert!(chosen.contains(&active), "{active} is none of {chosen:?}");
        assert_eq!(text(&listed, "inForce"), active);
        assert_eq!(world.services.prices.load().snapshot_id(), active);
    }
    let stale = owner
        .text("POST", &format!("/price-snapshots/{}/activate", ids[0]), &[("if-match", "\"1\"")], "")
        .await;
    stale.refused(40901);
}

#[tokio::test]
async fn a_chosen_catalogue_that_cannot_be_read_leaves_the_embedded_one_in_force() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let id = stored(&owner, "mine", &[("m", "1")]).await;
    activate(&owner, &id).await.data();
    let catalog = &*world.services.catalog;
    let known = catalog.get_unique(PriceSnapshot::KIND, PriceSnapshot::NAME, &id).await.unwrap().unwrap();
    let load = async || {
        ports::load::<PriceSnapshotData>(catalog, INSTALLATION, known.head.id).await.unwrap().unwrap()
    };
    let embedded = world.services.prices.embedded().snapshot_id().to_owned();
    let good = load().await;
    let other = stored(&owner, "other", &[("m", "2")]).await;
    let other = catalog.get_unique(PriceSnapshot::KIND, PriceSnapshot::NAME, &other).await.unwrap().unwrap();
    let other: PriceSnapshotData = ports::load(catalog, INSTALLATION, other.head.id).await.unwrap().unwrap();
    for packed in ["", "!", "AAAA", &good.packed[..good.packed.len() / 2], &other.packed] {
        let damaged =
            PriceSnapshotData { packed: packed.to_owned(), ..load().await }.touched(good.head.updated_at);
        catalog.commit(vec![Write::update(&damaged).unwrap()]).await.unwrap();
        // As a node does that starts now: nothing of it is in memory.
        let fresh = rungate_gateway::prices::Prices::new(Catalogue::embedded().unwrap());
        fresh.refresh(catalog).await.unwrap();
        assert_eq!(fresh.load().snapshot_id(), embedded, "{packed:.20}");
        assert!(fresh.find(catalog, &id).await.is_err(), "{packed:.20}");
        // What is in memory was read when it was good.
        world.services.prices.refresh(catalog).await.unwrap();
        assert_eq!(world.services.prices.load().snapshot_id(), id);
    }
    // A choice that cannot be read, and one of something that is not there.
    let choice: ActivePrices = ports::load(catalog, INSTALLATION, ActivePrices::id()).await.unwrap().unwrap();
    let lost =
        ActivePrices { snapshot: Some("lost-00000000".to_owned()), ..choice }.touched(good.head.updated_at);
    catalog.commit(vec![Write::update(&lost).unwrap()]).await.unwrap();
    world.services.directories.refresh(catalog).await.unwrap();
    let listed = owner.get("/price-snapshots").await.data().clone();
    assert_eq!((&listed["active"], &listed["inForce"]), (&json!("lost-00000000"), &json!(embedded)));
    let repaired =
        PriceSnapshotData { packed: good.packed.clone(), ..load().await }.touched(good.head.updated_at);
    catalog.commit(vec![Write::update(&repaired).unwrap()]).await.unwrap();
    assert_eq!(activate(&owner, &id).await.data()["inForce"], json!(id));
}

#[tokio::test]
async fn another_node_takes_the_choice_over_with_its_next_look() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let id = stored(&owner, "mine", &[("m", "1")]).await;
    let node = rungate_gateway::prices::Prices::new(Catalogue::embedded().unwrap());
    node.refresh(&*world.services.catalog).await.unwrap();
    assert_ne!(node.load().snapshot_id(), id);
    activate(&owner, &id).await.data();
    node.refresh(&*world.services.catalog).await.unwrap();
    assert_eq!(node.load().snapshot_id(), id);
}

#[tokio::test]
async fn the_price_of_a_model_is_told_as_requests_are_charged() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let show = async |query: &str| owner.get(&format!("/model-prices/resolve?{query}")).await;
    let embedded = world.services.prices.embedded().snapshot_id().to_owned();
    let found = show("model=openai/gpt-4o-mini-2099-01-01").await.data().clone();
    assert_eq!(
        (&found["priceSource"], &found["listedAs"], &found["priceSnapshotId"]),
        (&json!("catalogue"), &json!("gpt-4o-mini"), &json!(embedded))
    );
    let id = stored(&owner, "mine", &[("gpt-4o-mini", "9")]).await;
    let other = show(&format!("model=openai/gpt-4o-mini&snapshot={id}")).await.data().clone();
    assert_eq!((&other["prices"]["inputPerMTok"], &other["priceSnapshotId"]), (&json!("9"), &json!(id)));
    let own = json!({"provider": "openai", "model": "gpt-4o-mini", "prices": {"inputPerMTok": "1"},
        "effectiveFrom": "2026-11-20T00:00:00Z"});
    owner.post("/model-prices", own).await.created();
    assert_eq!(show("model=openai/gpt-4o-mini").await.data()["priceSource"], "override");
    let before = show("model=openai/gpt-4o-mini&at=2026-11-19T00:00:00Z").await.data().clone();
    assert_eq!(
        (&before["priceSource"], &before["at"]),
        (&json!("catalogue"), &json!("2026-11-19T00:00:00.000Z"))
    );
    let none = show("model=openai/nothing").await.data().clone();
    assert_eq!((&none["priceSource"], &none["prices"]), (&Value::Null, &Value::Null));
    for (query, field, rule) in [
        ("", "model", "format"),
        ("model=gpt-4o-mini", "model", "format"),
        ("model=openai/", "model", "format"),
        ("model=openai/x&at=yesterday", "at", "format"),
    ] {
        show(query).await.broke(field, rule);
    }
    show("model=openai/x&snapshot=nothing").await.refused(40400);
}
