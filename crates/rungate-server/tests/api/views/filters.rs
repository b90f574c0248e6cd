//! Each filter returns exactly its rows.

use std::time::Duration;

use rungate_core::exchange::{ExchangeRecord, Outcome};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;

use super::made::{PROVIDER_KEY, variety};
use crate::world::{AGENT, AGENT_KEY, MEMBER, World, noon};

type Rule = fn(&ExchangeRecord) -> bool;

fn has(record: &ExchangeRecord, key: &str, value: &str) -> bool {
    record.attribution.properties.get(key).is_some_and(|found| found == value)
}

fn is<T: ToString>(value: Option<&T>, expected: &str) -> bool {
    value.is_some_and(|value| value.to_string() == expected)
}

const TEXT_FILTERS: &[(&str, Rule)] = &[
    ("", |_| true),
    ("requestId=one", |r| is(r.request_id.as_ref(), "one")),
    ("requestId=one&requestId=two", |r| !is(r.request_id.as_ref(), "three")),
    ("runId=run%2F2", |r| is(r.attribution.run_id.as_ref(), "run/2")),
    ("sessionId=s1", |r| is(r.attribution.session_id.as_ref(), "s1")),
    ("traceId=trace-2", |r| is(r.attribution.trace_id.as_ref(), "trace-2")),
    ("userId=ann", |r| is(r.attribution.user_id.as_ref(), "ann")),
    ("agentId=agt_other", |r| r.agent.id.is_none()),
    ("agentId=agt_other&agentId=agt_support_bot_8f3a", |_| true),
    ("agentId=agt_nobody", |_| false),
    ("model=mistral-embed", |r| is(r.model.as_ref(), "mistral-embed")),
    ("model=openai%2Fgpt-4o-mini", |r| is(r.provider.as_ref(), "openai")),
    ("provider=mistral", |r| is(r.provider.as_ref(), "mistral")),
    ("provider=mistral&provider=openai", |_| true),
    ("kind=embedding", |r| r.kind == Kind::Embedding),
    ("status=429", |r| r.status == Some(429)),
    ("status=4xx", |r| r.status == Some(429)),
    ("status=200&status=error", |_| true),
    ("status=2xx", |r| r.outcome == Outcome::Succeeded),
    ("status=error", |r| r.outcome == Outcome::Refused),
    ("outcome=refused", |r| r.outcome == Outcome::Refused),
    ("outcome=pending", |_| false),
    ("errorCode=rate_limit_exceeded", |r| r.error_code.is_some()),
    ("property.env=prod", |r| has(r, "env", "prod")),
    ("property.ENV=prod", |r| has(r, "env", "prod")),
    ("property.env=prod&property.env=test", |_| true),
    ("property.env=prod&property.team=a", |r| has(r, "env", "prod") && has(r, "team", "a")),
    ("property.env=stage", |_| false),
    ("minCostUsd=0.000012", |r| r.cost == Some(NanoUsd::from_nanos(12_000))),
    ("minLatencyMs=2000", |r| r.latency_ms >= Some(2_000)),
    ("q=slow%20down", |r| r.error_message.is_some()),
    ("q=MISTRAL", |r| is(r.provider.as_ref(), "mistral")),
    ("status=4xx&sessionId=s1", |r| r.status == Some(429) && is(r.attribution.session_id.as_ref(), "s1")),
    ("from=2026-11-23T10:55:00Z", |r| r.created_at.to_string().as_str() >= "2026-11-23T10:55:00.000Z"),
    ("to=2026-11-23T10:55:00Z", |r| r.created_at.to_string().as_str() < "2026-11-23T10:55:00.000Z"),
];

#[tokio::test]
async fn w_104_each_request_filter_returns_exactly_its_rows() {
    let world = World::new().await;
    let records = variety();
    world.log(&records).await;
    let mut filters: Vec<(String, Rule)> =
        TEXT_FILTERS.iter().map(|(query, rule)| ((*query).to_owned(), *rule)).collect();
    filters.extend([
        (format!("agentId={AGENT}"), (|r| r.agent.id.is_some()) as Rule),
        (format!("memberId={MEMBER}"), |r| r.member_id.is_some()),
        (format!("virtualKeyId={AGENT_KEY}"), |r| r.virtual_key_id == AGENT_KEY),
        (format!("providerKeyId={PROVIDER_KEY}"), |r| r.provider_key_id.is_some()),
        (format!("masterKeyId={PROVIDER_KEY}"), |r| r.provider_key_id.is_some()),
    ]);
    for (query, rule) in filters {
        let expected: Vec<String> =
            records.iter().filter(|record| rule(record)).map(|record| record.id.to_string()).collect();
        let found = world.get(&format!("/api/v1/requests?{query}")).await;
        assert_eq!(found.ids(), expected, "{query}");
        let counted = world.get(&format!("/api/v1/logs?count=true&limit=1&{query}")).await;
        assert_eq!(counted.data()["total"], expected.len(), "{query}");
        let reversed = world.get(&format!("/api/v1/requests?order=asc&{query}")).await;
        assert!(reversed.ids().iter().eq(expected.iter().rev()), "{query}");
    }
    let one = format!("/api/v1/requests?id={}&id={}", records[2].id, records[7].id);
    assert_eq!(world.get(&one).await.ids(), [records[2].id.to_string(), records[7].id.to_string()]);
}

#[tokio::test]
async fn the_default_window_is_a_day() {
    let world = World::new().await;
    let (inside, outside) = (super::made::exchange(1, 24 * 60), super::made::exchange(2, 24 * 60 + 1));
    world.log(&[outside.clone(), inside.clone()]).await;
    assert_eq!(world.get("/api/v1/requests").await.ids(), [inside.id.to_string()]);
    let wider = format!("/api/v1/requests?from={}", outside.created_at);
    assert_eq!(world.get(&wider).await.ids(), [inside.id.to_string(), outside.id.to_string()]);
    let earlier = format!("/api/v1/requests?to={}", inside.created_at);
    assert_eq!(world.get(&earlier).await.ids(), [outside.id.to_string()]);
    let at = |days: u64| noon().minus(Duration::from_hours(days * 24));
    assert!(world.get(&format!("/api/v1/requests?from={}", at(92))).await.status.is_success());
    world.get(&format!("/api/v1/requests?from={}", at(93))).await.refused(40004);
    let far = format!("/api/v1/requests?from={}&to={}", at(200), at(107));
    world.get(&far).await.refused(40004);
}
