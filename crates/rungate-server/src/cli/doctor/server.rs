//! The checks of a running server, through its API.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, Method};
use jiff::fmt::rfc2822;
use rungate_core::ports::Clock;
use rungate_core::time::Timestamp;
use serde_json::Value;

use super::Finding;
use crate::cli::client::{Client, ClientError, Query};
use crate::cli::render::text;

/// Clocks may be so far apart: the server's is told in whole seconds, and the answer took its time.
const TOLERANCE: Duration = Duration::from_secs(5);
/// So far back, and so many, for the latest errors.
const RECENT: Duration = Duration::from_hours(24);
const MAX_ERRORS: usize = 50;
const MAX_ROWS: usize = 200;

/// All of them. Once one shows that the next cannot succeed, those are skipped.
pub async fn examine(client: &Client, clock: &dyn Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    let answer = client.fetch(Method::GET, "/healthz", &HeaderMap::new(), None).await;
    let date = match answer {
        Ok(answer) if answer.status.is_success() && answer.headers.contains_key("alephant-id") => {
            findings.push(Finding::ok("server", format!("answers at {}", client.url())));
            answer.headers.get("date").and_then(|date| date.to_str().ok()).map(str::to_owned)
        }
        Ok(answer) => {
            let detail = format!("{} answers {}, and not as Rungate does", client.url(), answer.status);
            findings.push(Finding::failed("server", detail, "check --url and RUNGATE_URL"));
            return findings;
        }
        Err(error) => {
            let next = "start it with `rungate serve`, or say where it runs with --url or RUNGATE_URL";
            findings.push(Finding::failed("server", reason(&error), next));
            return findings;
        }
    };
    findings.push(clocks(clock.now(), date.as_deref()));
    findings.push(readiness(client).await);
    let (token, accepted) = token(client).await;
    findings.push(token);
    if accepted {
        findings.push(list(client, "/api/v1/provider-keys", "provider keys", provider_keys).await);
        findings.push(list(client, "/api/v1/virtual-keys", "virtual keys", virtual_keys).await);
        findings.push(errors(client, clock.now()).await);
    }
    findings
}

fn reason(error: &ClientError) -> String {
    match error {
        ClientError::NotRunning { url, reason } => format!("no answer at {url} ({reason})"),
        other => other.to_string(),
    }
}

fn clocks(now: Timestamp, date: Option<&str>) -> Finding {
    const CHECK: &str = "clock";
    let server = date.and_then(|date| rfc2822::parse(date).ok());
    let Some(server) = server.map(|date| Timestamp::from_micros(date.timestamp().as_microsecond())) else {
        return Finding::skipped(CHECK, "the server does not say what time it is");
    };
    let apart = if now > server { now.since(server) } else { server.since(now) };
    if apart > TOLERANCE {
        let detail = format!("this machine and the server are {} s apart", apart.as_secs());
        return Finding::warning(
            CHECK,
            detail,
            "set both clocks by NTP: windows, expiry and signatures rely on them",
        );
    }
    Finding::ok(CHECK, format!("agrees with the server's, {now}"))
}

async fn readiness(client: &Client) -> Finding {
    const CHECK: &str = "readiness";
    let body = match client.fetch(Method::GET, "/readyz", &HeaderMap::new(), None).await {
        Ok(answer) => answer.json(),
        Err(error) => return Finding::failed(CHECK, reason(&error), "look at the server's log"),
    };
    let undrained = body["components"]["journal"]["undrainedBytes"].as_u64().unwrap_or(0);
    match body["status"].as_str() {
        Some("ok") => Finding::ok(CHECK, "ready for requests"),
        Some("starting") => {
            Finding::failed(CHECK, "still replaying its journal", "wait, then run this again")
        }
        Some("stopping") => Finding::failed(CHECK, "stopping", "start it again with `rungate serve`"),
        Some("degraded") if body["components"]["catalog"]["status"] == "unreachable" => Finding::failed(
            CHECK,
            "the catalog cannot be read; requests are answered by what was read before",
            "look at the server's log; PostgreSQL may be away",
        ),
        Some("degraded") => Finding::warning(
            CHECK,
            format!("the log takes nothing over; {undrained} bytes wait in the journal"),
            "look at the server's log; the disk may be full",
        ),
        _ => Finding::failed(CHECK, "/readyz answers in an unknown form", "check --url and RUNGATE_URL"),
    }
}

async fn token(client: &Client) -> (Finding, bool) {
    const CHECK: &str = "token";
    if !client.has_token() {
        let next = "set RUNGATE_TOKEN to the owner token; `rungate owner-token reset` replaces a lost one";
        return (Finding::failed(CHECK, "none is given, so the API cannot be asked", next), false);
    }
    match client.get("/api/v1/requests?limit=1").await {
        Ok(_) => (Finding::ok(CHECK, "accepted"), true),
        Err(ClientError::Unauthorized(message)) => {
            let next = "check RUNGATE_TOKEN; `rungate owner-token reset` replaces a lost owner token";
            (Finding::failed(CHECK, format!("not accepted: {message}"), next), false)
        }
        Err(error) => (Finding::failed(CHECK, reason(&error), "use the owner token"), false),
    }
}

async fn list(client: &Client, path: &str, check: &'static str, judge: fn(&[Value]) -> Finding) -> Finding {
    match client.list(&Query::of(path), MAX_ROWS).await {
        Ok(listed) => judge(&listed.rows),
        Err(error) => Finding::failed(check, reason(&error), "use the owner token"),
    }
}

fn provider_keys(keys: &[Value]) -> Finding {
    const CHECK: &str = "provider keys";
    let name = |key: &Value| key["name"].as_str().unwrap_or_default().to_owned();
    let is_active = |key: &&Value| key["status"] == "active";
    let usable: Vec<String> = keys.iter().filter(is_active).map(name).collect();
    let others: Vec<String> = keys
        .iter()
        .filter(|key| !is_active(key))
        .map(|key| format!("{} is {}", name(key), key["status"].as_str().unwrap_or("unusable")))
        .collect();
    if usable.is_empty() {
        let detail = if others.is_empty() { "there are none".to_owned() } else { others.join(", ") };
        let next = "store one: POST /api/v1/provider-keys {name, provider, secret}; or try `rungate demo`";
        return Finding::failed(CHECK, detail, next);
    }
    if !others.is_empty() {
        return Finding::warning(
            CHECK,
            others.join(", "),
            "replace it with POST /api/v1/provider-keys/{id}/rotate",
        );
    }
    Finding::ok(CHECK, format!("{} usable: {}", usable.len(), usable.join(", ")))
}

fn virtual_keys(keys: &[Value]) -> Finding {
    const CHECK: &str = "virtual keys";
    let active = keys.iter().filter(|key| key["status"] == "active").count();
    if active == 0 {
        let next = "make an agent, which comes with one: POST /api/v1/agents {type, name, masterKeyId}";
        return Finding::failed(CHECK, "none is active, so no agent can call a model", next);
    }
    Finding::ok(CHECK, format!("{active} active"))
}

async fn errors(client: &Client, now: Timestamp) -> Finding {
    const CHECK: &str = "latest errors";
    let query = Query::of("/api/v1/requests").with("status", "error").with("from", now.minus(RECENT));
    match client.list(&query, MAX_ERRORS).await {
        Ok(listed) => judge_errors(&listed.rows),
        Err(error) => Finding::failed(CHECK, reason(&error), "look at the server's log"),
    }
}

/// What requests failed of lately, the most frequent first.
fn judge_errors(rows: &[Value]) -> Finding {
    const CHECK: &str = "latest errors";
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *counts
            .entry(row["errorCode"].as_str().or(row["outcome"].as_str()).unwrap_or("unknown"))
            .or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let Some((code, _)) = counts.first() else {
        return Finding::ok(CHECK, "none in the last 24 hours");
    };
    let detail: Vec<String> = counts.iter().map(|(code, count)| format!("{code} × {count}")).collect();
    let next =
        format!("`rungate logs tail --status error` shows them; docs/errors/{code}.md explains the first");
    Finding::warning(
        CHECK,
        format!("{} in the last 24 hours: {}", text::count(rows.len() as u64, "request"), detail.join(", ")),
        next,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    #[test]
    fn clocks_agree_or_do_not() {
        let now = Timestamp::parse("2026-11-23T16:05:12.345Z").unwrap();
        assert_eq!(clocks(now, Some("Mon, 23 Nov 2026 16:05:11 GMT")).state, State::Ok);
        let apart = clocks(now, Some("Mon, 23 Nov 2026 16:07:12 GMT"));
        assert_eq!((apart.state, apart.detail.contains("119 s")), (State::Warning, true));
        assert_eq!(clocks(now, Some("soon")).state, State::Skipped);
        assert_eq!(clocks(now, None).state, State::Skipped);
    }

    #[test]
    fn provider_keys_are_usable_or_say_why_not() {
        let key = |name: &str, status: &str| json!({"name": name, "status": status});
        assert_eq!(provider_keys(&[]).state, State::Failed);
        assert_eq!(provider_keys(&[key("a", "revoked")]).state, State::Failed);
        let mixed = provider_keys(&[key("a", "active"), key("b", "error")]);
        assert_eq!((mixed.state, mixed.detail.as_str()), (State::Warning, "b is error"));
        assert_eq!(provider_keys(&[key("a", "active")]).detail, "1 usable: a");
    }

    #[test]
    fn without_an_active_virtual_key_nobody_can_call() {
        assert_eq!(virtual_keys(&[json!({"status": "revoked"})]).state, State::Failed);
        assert_eq!(virtual_keys(&[json!({"status": "active"})]).state, State::Ok);
    }

    #[test]
    fn errors_are_counted_by_their_code() {
        assert_eq!(judge_errors(&[]).state, State::Ok);
        let row = |code: &str| json!({"errorCode": code});
        let found = judge_errors(&[row("b"), row("a"), row("b")]);
        assert!(found.detail.ends_with("3 requests in the last 24 hours: b × 2, a × 1"), "{}", found.detail);
        assert!(found.next.unwrap().contains("docs/errors/b.md"));
    }

    #[tokio::test]
    async fn without_a_server_only_that_is_said() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::new(&url, None).unwrap();
        let findings = examine(&client, &crate::clock::SystemClock::new()).await;
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].check, findings[0].state), ("server", State::Failed));
    }
}
