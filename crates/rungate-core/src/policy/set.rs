//! The policies of one workspace, compiled.

use std::collections::HashMap;

use serde_json::Value;

use crate::code::Code;
use crate::exchange::{Effect, Mode};
use crate::id::{AgentId, PolicyId, VirtualKeyId};
use crate::policy::caching::Caching;
use crate::policy::config::ConfigError;
use crate::policy::content_filter::{ContentFilter, FilterAction};
use crate::policy::facts::{Denial, Facts, Finding, Verdict};
use crate::policy::logging::Logging;
use crate::policy::rate_limit::RateLimit;
use crate::policy::resource::{Policy, Target};
use crate::policy::routing::Routing;
use crate::policy::rule_types::{Rule, compile};

/// A policy with its rule compiled.
#[derive(Debug)]
pub struct Bound {
    /// The policy.
    pub id: PolicyId,
    /// Its name.
    pub name: Box<str>,
    /// The type of its rule.
    pub rule_type: &'static str,
    /// The version in force.
    pub version: u64,
    /// Whether it is kept to.
    pub mode: Mode,
    /// The lower goes first.
    pub priority: u16,
    /// Whose requests it is for.
    pub target: Target,
    /// Its rule.
    pub rule: Rule,
    pub(super) limits: bool,
    pub(super) config: Value,
}

/// A stored policy that does not compile. A set without it would allow what it forbids, so there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {id}: {error}")]
pub struct BadPolicy {
    /// The policy.
    pub id: PolicyId,
    /// What is wrong with it.
    pub error: ConfigError,
}

/// The policies of one workspace that are switched on and have a version in force.
#[derive(Debug, Default)]
pub struct PolicySet {
    workspace: Vec<Bound>,
    agents: HashMap<AgentId, Vec<Bound>>,
    keys: HashMap<VirtualKeyId, Vec<Bound>>,
}

impl PolicySet {
    /// Compiles the policies of one workspace, in any order. To see what a draft would do, pass the policy
    /// [with](Policy::with) it.
    pub fn compile<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Result<Self, BadPolicy> {
        let mut set = Self::default();
        for policy in policies.into_iter().filter(|policy| policy.enabled) {
            let Some(version) = policy.active_version else { continue };
            let (rule_type, rule) = compile(&policy.rule_type, &policy.config)
                .map_err(|error| BadPolicy { id: policy.id(), error })?;
            let bound = Bound {
                id: policy.id(),
                name: policy.name.as_str().into(),
                rule_type: rule_type.name,
                version,
                mode: policy.mode,
                priority: policy.priority,
                target: policy.target,
                rule,
                limits: rule_type.limits,
                config: policy.config.clone(),
            };
            match policy.target {
                Target::Workspace => set.workspace.push(bound),
                Target::Agent(id) => set.agents.entry(id).or_default().push(bound),
                Target::VirtualKey(id) => set.keys.entry(id).or_default().push(bound),
            }
        }
        let lists = set.agents.values_mut().chain(set.keys.values_mut());
        for list in lists.chain([&mut set.workspace]) {
            list.sort_by_key(|bound| (bound.priority, bound.id));
        }
        Ok(set)
    }

    /// The rate limits of all of them.
    pub fn rate_limits(&self) -> impl Iterator<Item = (&Bound, &RateLimit)> {
        let all = self.agents.values().chain(self.keys.values()).chain([&self.workspace]).flatten();
        all.filter_map(|policy| match &policy.rule {
            Rule::RateLimit(limit) => Some((policy, limit)),
            _ => None,
        })
    }

    /// The `logging` policy in force for each target that has one: first of the workspace, then of agents, then of keys.
    pub fn loggings(&self) -> Loggings<'_> {
        fn first(list: &[Bound]) -> Option<&Logging> {
            let mut enforced = list.iter().filter(|policy| policy.mode == Mode::Enforce);
            enforced.find_map(
                |policy| if let Rule::Logging(logging) = &policy.rule { Some(logging) } else { None },
            )
        }
        Loggings {
            workspace: first(&self.workspace),
            agents: self.agents.iter().filter_map(|(id, list)| Some((*id, first(list)?))).collect(),
            keys: self.keys.iter().filter_map(|(id, list)| Some((*id, first(list)?))).collect(),
        }
    }

    /// The policies for requests of `agent` with `key`. Allocates nothing.
    pub fn for_request(&self, agent: Option<AgentId>, key: Option<VirtualKeyId>) -> Applicable<'_> {
        Applicable {
            key: key.and_then(|id| self.keys.get(&id)).map_or(&[], Vec::as_slice),
            agent: agent.and_then(|id| self.agents.get(&id)).map_or(&[], Vec::as_slice),
            workspace: &self.workspace,
        }
    }
}

/// What is logged, by target; see [`PolicySet::loggings`]. A key's counts before its agent's, and that before the workspace's.
#[derive(Debug, Default)]
pub struct Loggings<'a> {
    /// Of everything that no other is for.
    pub workspace: Option<&'a Logging>,
    /// Of agents.
    pub agents: Vec<(AgentId, &'a Logging)>,
    /// Of keys.
    pub keys: Vec<(VirtualKeyId, &'a Logging)>,
}

/// The policies that apply to a request.
#[derive(Debug, Clone, Copy)]
pub struct Applicable<'a> {
    key: &'a [Bound],
    agent: &'a [Bound],
    workspace: &'a [Bound],
}

/// What content filters say about a body.
#[derive(Debug, Clone, Default)]
pub struct Filtered<'a> {
    /// Why it must not go on.
    pub denial: Option<Denial<'a>>,
    /// The body as it goes on and is logged, when that is another.
    pub body: Option<String>,
    /// What each policy said that found something.
    pub findings: Vec<Finding<'a>>,
}

impl<'a> Applicable<'a> {
    /// The narrowest first, then by priority.
    pub fn iter(&self) -> impl Iterator<Item = &'a Bound> + use<'a> {
        self.key.iter().chain(self.agent).chain(self.workspace)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// What the rules say that need nothing but facts.
    pub fn judge(&self, facts: &Facts<'_>) -> Verdict<'a> {
        let mut verdict = Verdict::default();
        for policy in self.iter() {
            if let Rule::Guard(guard) = &policy.rule {
                verdict.add(policy, guard.judge(facts));
            }
        }
        verdict
    }

    /// The rate limits, all of which count. One that only logs is counted and never refuses.
    pub fn rate_limits(&self) -> impl Iterator<Item = (&'a Bound, &'a RateLimit)> + use<'a> {
        self.iter().filter_map(|policy| match &policy.rule {
            Rule::RateLimit(limit) => Some((policy, limit)),
            _ => None,
        })
    }

    /// How requests are routed.
    pub fn routing(&self) -> Option<(&'a Bound, &'a Routing)> {
        self.narrowest(|rule| if let Rule::Routing(routing) = rule { Some(routing) } else { None })
    }

    /// Which answers are kept.
    pub fn caching(&self) -> Option<(&'a Bound, &'a Caching)> {
        self.narrowest(|rule| if let Rule::Caching(caching) = rule { Some(caching) } else { None })
    }

    /// What is logged.
    pub fn logging(&self) -> Option<(&'a Bound, &'a Logging)> {
        self.narrowest(|rule| if let Rule::Logging(logging) = rule { Some(logging) } else { None })
    }

    fn narrowest<T>(&self, rule: impl Fn(&'a Rule) -> Option<&'a T>) -> Option<(&'a Bound, &'a T)> {
        let mut enforced = self.iter().filter(|policy| policy.mode == Mode::Enforce);
        enforced.find_map(|policy| rule(&policy.rule).map(|rule| (policy, rule)))
    }

    /// Whether bodies of requests, or of answers, must be looked at.
    pub fn filters(&self, answers: bool) -> bool {
        self.content_filters(answers).next().is_some()
    }

    /// Whether one of them keeps answers from leaving.
    pub fn may_refuse_answers(&self) -> bool {
        self.content_filters(true)
            .any(|(policy, filter)| policy.mode == Mode::Enforce && filter.action == FilterAction::Refuse)
    }

    fn content_filters(
        &self,
        answers: bool,
    ) -> impl Iterator<Item = (&'a Bound, &'a ContentFilter)> + use<'a> {
        self.iter().filter_map(move |policy| match &policy.rule {
            Rule::ContentFilter(filter) if !answers && filter.on_request() => Some((policy, &**filter)),
            Rule::ContentFilter(filter) if answers && filter.on_response() => Some((policy, &**filter)),
            _ => None,
        })
    }

    /// Holds the body of a request against the content filters. With `json` only string values are looked at.
    pub fn filter_request(&self, body: &str, json: bool) -> Filtered<'a> {
        self.filter(body, json, false)
    }

    /// Holds the body of a whole answer against the content filters.
    pub fn filter_response(&self, body: &str, json: bool) -> Filtered<'a> {
        self.filter(body, json, true)
    }

    fn filter(&self, body: &str, json: bool, answers: bool) -> Filtered<'a> {
        let mut filtered = Filtered::default();
        for (policy, filter) in self.content_filters(answers) {
            // Each looks at what came, so that the order of policies decides nothing.
            let found = filter.finds(body, json);
            if found.is_empty() {
                continue;
            }
            let reason = format!("found {}", found.join(", "));
            let effect = match filter.action {
                FilterAction::Refuse => Effect::Deny,
                FilterAction::Redact => Effect::Redact,
                FilterAction::Flag => Effect::Flag,
            };
            filtered.findings.push(Finding { policy, effect, reason: Some(reason.clone().into()) });
            match (policy.mode, filter.action) {
                (Mode::LogOnly, _) | (_, FilterAction::Flag) => {}
                (_, FilterAction::Refuse) => {
                    filtered.denial.get_or_insert(Denial {
                        policy,
                        code: Code::PolicyDenied,
                        reason: reason.into(),
                    });
                }
                (_, FilterAction::Redact) => {
                    let masked = filter.mask(filtered.body.as_deref().unwrap_or(body), json);
                    filtered.body = Some(masked);
                }
            }
        }
        filtered
    }
}
