//! Whether the record is complete: what must be there after the story, read back through the API.

use std::time::Duration;

use rungate_core::money::NanoUsd;
use serde_json::Value;

use super::setup::Stage;
use super::story::Story;
use crate::cli::client::{self, Client, ClientError, Query, encode};
use crate::cli::render::row::{Request, Run};
use crate::cli::render::text;

/// How long the record may take to show the last request.
const PATIENCE: Duration = Duration::from_secs(2);

/// The record of a run.
pub struct Record {
    /// `GET /runs/{runId}`.
    pub run: Value,
    /// `GET /requests?runId=`.
    of_run: Vec<Request>,
    /// `GET /requests?agentId=`.
    of_agent: Vec<Request>,
    /// `GET /requests/{x-request-id}`, for each that was sent.
    by_request_id: Vec<Option<Request>>,
}

/// Something that must hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it does.
    pub holds: bool,
    /// For people.
    pub text: String,
}

/// Reads the record.
pub async fn read(client: &Client, stage: &Stage, story: &Story) -> Result<Record, ClientError> {
    let rows = async |field: &str, value: &str| {
        let query = Query::of("/api/v1/requests").with(field, value).with("order", "asc");
        client.list(&query, 50).await?.read::<Request>()
    };
    let complete = async {
        loop {
            let rows = rows("runId", &story.run_id).await?;
            if rows.len() >= story.requests.len() && !rows.iter().any(Request::is_pending) {
                return Ok(rows);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let of_run = match tokio::time::timeout(PATIENCE, complete).await {
        Ok(rows) => rows?,
        Err(_) => rows("runId", &story.run_id).await?,
    };
    let mut by_request_id = Vec::new();
    for sent in &story.requests {
        let path = format!("/api/v1/requests/{}", encode(&sent.request_id));
        by_request_id.push(match client.get(&path).await {
            Err(error) if error.is_not_found() => None,
            found => Some(client::read(&found?)?),
        });
    }
    Ok(Record {
        run: client.get(&format!("/api/v1/runs/{}", encode(&story.run_id))).await?,
        of_run,
        of_agent: rows("agentId", &stage.agent).await?,
        by_request_id,
    })
}

/// What holds of it.
pub fn judge(record: &Record, stage: &Stage, story: &Story) -> Vec<Finding> {
    let expected = story.requests.len();
    let rows = &record.of_run;
    let every = |holds: fn(&Request) -> bool| rows.len() == expected && rows.iter().all(holds);
    let succeeded = |row: &Request| row.outcome.as_deref() == Some("succeeded") && row.status == Some(200);
    let counted = |row: &Request| row.input() > Some(0) && row.output() > Some(0);
    let priced = |row: &Request| row.cost_nano_usd.is_some_and(|cost| cost.nanos() > 0);
    let same = |row: &Request, id: &str| row.id == id;

    let run: Option<Run> = client::read(&record.run).ok();
    let run = run.unwrap_or_default();
    let sum: NanoUsd = rows.iter().filter_map(|row| row.cost_nano_usd).sum();
    let adds_up = run.cost_nano_usd == Some(sum) && run.requests == u64::try_from(expected).ok();
    let by_request_id = record.by_request_id.iter().zip(&story.requests);
    let all_found =
        by_request_id.filter(|(row, sent)| row.as_ref().is_some_and(|row| same(row, &sent.id))).count();
    let ids_of =
        |rows: &[Request]| story.requests.iter().all(|sent| rows.iter().any(|row| same(row, &sent.id)));
    let agents = run.agents.iter().flatten().filter_map(|agent| agent.external_id.as_deref());
    let by_agent = ids_of(&record.of_agent) && agents.into_iter().any(|agent| agent == stage.agent);

    let requests = match rows.len() {
        found if found == expected => format!("{expected} requests, all of them succeeded"),
        found => format!("{expected} requests, all of them succeeded; but {found} are there"),
    };
    let finding = |holds, text: String| Finding { holds, text };
    vec![
        finding(every(succeeded), requests),
        finding(every(counted), "each has its tokens".to_owned()),
        finding(every(priced), "each has its cost".to_owned()),
        finding(adds_up, format!("the run's cost is the sum of theirs: {}", text::usd(sum))),
        finding(
            all_found == expected,
            format!("each is found by its x-request-id, such as {}", first_request_id(story)),
        ),
        finding(ids_of(rows), format!("they are found by the run id, {}", story.run_id)),
        finding(by_agent, format!("they and the run are found by the agent, {}", stage.agent)),
    ]
}

fn first_request_id(story: &Story) -> &str {
    story.requests.first().map_or("", |sent| &sent.request_id)
}

#[cfg(test)]
mod tests {
    use rungate_core::secret::Secret;
    use serde_json::json;

    use super::super::story::Sent;
    use super::*;

    fn story() -> Story {
        let sent = |number| Sent { request_id: format!("req-{number}"), id: format!("id-{number}") };
        Story { run_id: "r".to_owned(), session_id: "s".to_owned(), requests: vec![sent(1), sent(2)] }
    }

    fn stage() -> Stage {
        let key = || Secret::new("vk-x".to_owned());
        Stage { agent: "agt_a".to_owned(), openai_key: key(), anthropic_key: key() }
    }

    fn record() -> Record {
        let row = |number: u32| Request {
            id: format!("id-{number}"),
            status: Some(200),
            outcome: Some("succeeded".to_owned()),
            cost_nano_usd: Some(NanoUsd::from_nanos(500)),
            tokens: serde_json::from_value(json!({"input": 5, "output": 7})).unwrap(),
            ..Request::default()
        };
        Record {
            run: json!({"runId": "r", "requests": 2, "costNanoUsd": "1000", "agents": [{"externalId": "agt_a"}]}),
            of_run: vec![row(1), row(2)],
            of_agent: vec![row(1), row(2)],
            by_request_id: vec![Some(row(1)), Some(row(2))],
        }
    }

    fn failing(change: impl FnOnce(&mut Record)) -> Vec<usize> {
        let mut record = record();
        change(&mut record);
        let findings = judge(&record, &stage(), &story());
        findings.iter().enumerate().filter(|(_, finding)| !finding.holds).map(|(index, _)| index).collect()
    }

    #[test]
    fn a_complete_record_passes() {
        assert!(failing(|_| {}).is_empty());
    }

    #[test]
    fn whatever_is_missing_is_found() {
        assert_eq!(failing(|record| record.of_run[0].status = Some(502)), [0]);
        assert_eq!(failing(|record| record.of_run[1].outcome = Some("pending".to_owned())), [0]);
        assert_eq!(failing(|record| record.of_run[0].tokens = None), [1]);
        assert_eq!(failing(|record| record.of_run[0].cost_nano_usd = None), [2, 3]);
        assert_eq!(failing(|record| record.run["costNanoUsd"] = json!("999")), [3]);
        assert_eq!(failing(|record| record.by_request_id[1] = None), [4]);
        assert_eq!(failing(|record| record.by_request_id.swap(0, 1)), [4]);
        assert_eq!(failing(|record| drop(record.of_agent.pop())), [6]);
        assert_eq!(failing(|record| record.run["agents"] = json!([])), [6]);
        assert_eq!(failing(|record| drop(record.of_run.pop())), [0, 1, 2, 3, 5]);
    }
}
