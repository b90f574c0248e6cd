//! `run_limits`: what a request must name, and how long and how often a run may go on.

use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

use crate::code::Code;
use crate::policy::config::{ConfigError, read, within};
use crate::policy::facts::{Facts, Judgement, RunFacts};
use crate::policy::rule_types::{Guard, Rule};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct RunLimits {
    require_run_id: bool,
    require_agent_id: bool,
    require_session_id: bool,
    max_requests: Option<u64>,
    max_duration_seconds: Option<u64>,
    #[serde(rename = "loop")]
    repeats: Option<Repeats>,
}

/// At most `same_input` requests with equal input in any `within_seconds`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Repeats {
    same_input: u64,
    within_seconds: u64,
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let limits: RunLimits = read(config)?;
    within("maxRequests", limits.max_requests, 1..=1_000_000_000)?;
    within("maxDurationSeconds", limits.max_duration_seconds, 1..=31_536_000)?;
    if let Some(repeats) = &limits.repeats {
        within("loop.sameInput", Some(repeats.same_input), 1..=100)?;
        within("loop.withinSeconds", Some(repeats.within_seconds), 1..=86_400)?;
    }
    Ok(Rule::Guard(Box::new(limits)))
}

impl RunLimits {
    fn judge_run(&self, facts: &Facts<'_>, run: &RunFacts<'_>) -> Judgement {
        if let Some(most) = self.max_requests.filter(|most| run.requests >= *most) {
            return Judgement::deny(Code::RunLimitReached, format!("the run has had its {most} requests"));
        }
        if let Some(most) = self.max_duration_seconds.filter(|most| run.age >= Duration::from_secs(*most)) {
            return Judgement::deny(Code::RunLimitReached, format!("the run has had its {most} seconds"));
        }
        if let Some(Repeats { same_input, within_seconds }) = &self.repeats {
            let from = facts.now.minus(Duration::from_secs(*within_seconds));
            let same = run.recent.iter().filter(|(at, hash)| *at > from && *hash == run.input_hash).count();
            if u64::try_from(same).unwrap_or(u64::MAX) >= *same_input {
                let reason = format!("the run sent the same input {same} times within {within_seconds} s");
                return Judgement::deny(Code::LoopDetected, reason);
            }
        }
        Judgement::allow()
    }
}

impl Guard for RunLimits {
    fn judge(&self, facts: &Facts<'_>) -> Judgement {
        let wanted = [
            (self.require_run_id && facts.run.is_none(), Code::RunIdRequired, "a run id is required"),
            (self.require_agent_id && !facts.has_agent_id, Code::AgentIdRequired, "an agent id is required"),
            (
                self.require_session_id && !facts.has_session_id,
                Code::SessionIdRequired,
                "a session id is required",
            ),
        ];
        if let Some((_, code, reason)) = wanted.into_iter().find(|(missing, ..)| *missing) {
            return Judgement::deny(code, reason);
        }
        facts.run.as_ref().map_or_else(Judgement::allow, |run| self.judge_run(facts, run))
    }
}
