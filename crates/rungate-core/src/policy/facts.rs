//! What rules are judged on, and what comes out.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::code::Code;
use crate::exchange::{Decision, Effect, Mode};
use crate::money::NanoUsd;
use crate::operation::Operation;
use crate::policy::set::Bound;
use crate::time::Timestamp;

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// What is asked for.
    pub operation: Operation,
    /// The provider it would go to.
    pub provider: Option<&'a str>,
    /// The model as the provider calls it; `None` where the request goes out without one.
    pub model: Option<&'a str>,
    /// Size of the body in bytes.
    pub body_bytes: u64,
    /// Input tokens, estimated; at most the bytes of the body.
    pub input_tokens: u64,
    /// The output tokens that the client asked for at most, if it did.
    pub output_tokens: Option<u64>,
    /// The most it may cost; `None` when no bound is known.
    pub cost: Option<NanoUsd>,
    /// The tools that it offers to the model, by name.
    pub tools: &'a [&'a str],
    /// Whether it names an agent.
    pub has_agent_id: bool,
    /// Whether it names a session.
    pub has_session_id: bool,
    /// The run it names.
    pub run: Option<RunFacts<'a>>,
}

/// What is known of the run of a request.
#[derive(Debug, Clone, Copy)]
pub struct RunFacts<'a> {
    /// Requests of the run before this one.
    pub requests: u64,
    /// The time since its first request.
    pub age: Duration,
    /// A hash of this request's input.
    pub input_hash: u64,
    /// When the run's last inputs came and their hashes, this one left out; in any order.
    pub recent: &'a [(Timestamp, u64)],
}

/// What one rule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Why the request must not be sent.
    pub denial: Option<(Code, Cow<'static, str>)>,
    /// Output tokens at most, where that is less than asked for.
    pub max_output_tokens: Option<u64>,
    /// The most it may cost, where that is less than it might.
    pub max_cost: Option<NanoUsd>,
}

impl Judgement {
    /// Nothing against it.
    pub fn allow() -> Self {
        Self::default()
    }

    /// Not to be sent.
    pub fn deny(code: Code, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { denial: Some((code, reason.into())), ..Self::default() }
    }

    fn effect(&self) -> Effect {
        match self {
            Self { denial: Some(_), .. } => Effect::Deny,
            Self { max_output_tokens: None, max_cost: None, .. } => Effect::Allow,
            _ => Effect::Clamp,
        }
    }

    fn reason(&self) -> Option<Cow<'static, str>> {
        if let Some((_, reason)) = &self.denial {
            return Some(reason.clone());
        }
        match (self.max_output_tokens, self.max_cost) {
            (Some(tokens), None) => Some(format!("at most {tokens} output tokens").into()),
            (None, Some(cost)) => Some(format!("at most {} USD", cost.to_usd_text()).into()),
            (Some(tokens), Some(cost)) => {
                Some(format!("at most {tokens} output tokens and {} USD", cost.to_usd_text()).into())
            }
            (None, None) => None,
        }
    }
}

/// What one policy said about a request.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    /// The policy.
    pub policy: &'a Bound,
    /// What it does, or under `log_only` would do.
    pub effect: Effect,
    /// Why; `None` when there is nothing to say.
    pub reason: Option<Cow<'static, str>>,
}

impl Finding<'_> {
    /// As it is recorded.
    pub fn decision(&self) -> Decision {
        Decision {
            policy_id: Some(self.policy.id.to_string()),
            policy_name: Some(self.policy.name.to_string()),
            version: Some(self.policy.version),
            mode: Some(self.policy.mode),
            rule: self.policy.rule_type.to_owned(),
            effect: self.effect,
            reason: self.reason.as_deref().map(str::to_owned),
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone)]
pub struct Denial<'a> {
    /// The policy that refuses it.
    pub policy: &'a Bound,
    /// The code that the client gets.
    pub code: Code,
    /// Why, for people.
    pub reason: Cow<'static, str>,
}

/// What all policies together say about a request.
#[derive(Debug, Clone, Default)]
pub struct Verdict<'a> {
    /// The refusal of the narrowest policy that refuses, then of the lowest priority.
    pub denial: Option<Denial<'a>>,
    /// Output tokens at most.
    pub max_output_tokens: Option<u64>,
    /// The most it may cost.
    pub max_cost: Option<NanoUsd>,
    /// What each policy said, those that only log too.
    pub findings: Vec<Finding<'a>>,
}

impl<'a> Verdict<'a> {
    pub(super) fn add(&mut self, policy: &'a Bound, judgement: Judgement) {
        let (effect, reason) = (judgement.effect(), judgement.reason());
        self.findings.push(Finding { policy, effect, reason });
        if policy.mode == Mode::LogOnly {
            return;
        }
        if let (Some((code, reason)), None) = (judgement.denial, &self.denial) {
            self.denial = Some(Denial { policy, code, reason });
        }
        self.max_output_tokens = least(self.max_output_tokens, judgement.max_output_tokens);
        self.max_cost = least(self.max_cost, judgement.max_cost);
    }

    /// What is recorded.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> {
        self.findings.iter().map(Finding::decision)
    }
}

/// The lower of two limits, of which either may be absent.
fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
