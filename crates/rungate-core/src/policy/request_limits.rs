//! `request_limits`: how large and how dear one request may be, and what it may use.

use globset::GlobSet;
use serde::Deserialize;
use serde_json::{Number, Value};

use crate::code::Code;
use crate::money::NanoUsd;
use crate::operation::Operation;
use crate::policy::config::{ConfigError, bounded, globs, read, within};
use crate::policy::facts::{Facts, Judgement};
use crate::policy::rule_types::{Guard, Rule};

/// What happens above a limit that can be lowered to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnExceed {
    #[default]
    Refuse,
    Clamp,
}

/// A decimal amount, as a number or as text; read exactly.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(Number),
    Text(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Config {
    max_input_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    max_cost_usd: Option<Amount>,
    max_body_bytes: Option<u64>,
    max_tools: Option<u64>,
    allow_tools: Option<Vec<String>>,
    allow_routes: Option<Vec<String>>,
    on_exceed: OnExceed,
}

#[derive(Debug)]
struct RequestLimits {
    max_input_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    max_cost: Option<NanoUsd>,
    max_body_bytes: Option<u64>,
    max_tools: Option<u64>,
    /// `None` allows every tool; an empty set none.
    allow_tools: Option<GlobSet>,
    allow_routes: Option<Vec<Operation>>,
    on_exceed: OnExceed,
}

const MAX_TOKENS: u64 = 1_000_000_000;

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let config: Config = read(config)?;
    within("maxInputTokens", config.max_input_tokens, 1..=MAX_TOKENS)?;
    within("maxOutputTokens", config.max_output_tokens, 1..=MAX_TOKENS)?;
    within("maxBodyBytes", config.max_body_bytes, 1..=(1 << 30))?;
    within("maxTools", config.max_tools, 0..=10_000)?;
    let allow_tools = match &config.allow_tools {
        Some(patterns) => Some(globs("allowTools", patterns)?.unwrap_or_default()),
        None => None,
    };
    let limits = RequestLimits {
        max_input_tokens: config.max_input_tokens,
        max_output_tokens: config.max_output_tokens,
        max_cost: config.max_cost_usd.as_ref().map(amount).transpose()?,
        max_body_bytes: config.max_body_bytes,
        max_tools: config.max_tools,
        allow_tools,
        allow_routes: config.allow_routes.as_deref().map(routes).transpose()?,
        on_exceed: config.on_exceed,
    };
    Ok(Rule::Guard(Box::new(limits)))
}

fn amount(amount: &Amount) -> Result<NanoUsd, ConfigError> {
    let text = match amount {
        Amount::Number(number) => number.to_string(),
        Amount::Text(text) => text.clone(),
    };
    let at = |reason: String| ConfigError::at("maxCostUsd", reason);
    let cost = NanoUsd::parse_usd(&text).map_err(|error| at(error.to_string()))?;
    if cost <= NanoUsd::ZERO {
        return Err(at("must be above zero".to_owned()));
    }
    Ok(cost)
}

/// Operations by name, such as `chat_completions`.
fn routes(names: &[String]) -> Result<Vec<Operation>, ConfigError> {
    bounded("allowRoutes", names)?;
    let known = || Operation::ALL.into_iter().map(|operation| (name(operation), operation));
    let find = |(index, wanted): (usize, &String)| {
        known().find(|(name, _)| name == wanted).map(|(_, operation)| operation).ok_or_else(|| {
            let names: Vec<String> = known().map(|(name, _)| name).collect();
            let reason = format!("no such route: use {}", names.join(", "));
            ConfigError::at(format!("allowRoutes[{index}]"), reason)
        })
    };
    names.iter().enumerate().map(find).collect()
}

fn name(operation: Operation) -> String {
    serde_json::to_value(operation).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

impl RequestLimits {
    /// What no lowering can mend.
    fn refusal(&self, facts: &Facts<'_>) -> Option<String> {
        let above = |what: &str, value: u64, most: Option<u64>| {
            most.filter(|most| value > *most)
                .map(|most| format!("{value} {what}, and at most {most} are allowed"))
        };
        let tools = u64::try_from(facts.tools.len()).unwrap_or(u64::MAX);
        let tool = || {
            let allowed = self.allow_tools.as_ref()?;
            let tool = facts.tools.iter().find(|tool| !allowed.is_match(tool))?;
            Some(format!("the tool `{tool}` is not allowed"))
        };
        let route = || {
            let allowed = self.allow_routes.as_ref()?;
            (!allowed.contains(&facts.operation))
                .then(|| format!("the route {} is not allowed", name(facts.operation)))
        };
        above("bytes in the body", facts.body_bytes, self.max_body_bytes)
            .or_else(|| above("input tokens", facts.input_tokens, self.max_input_tokens))
            .or_else(|| above("tools", tools, self.max_tools))
            .or_else(tool)
            .or_else(route)
    }
}

impl Guard for RequestLimits {
    fn judge(&self, facts: &Facts<'_>) -> Judgement {
        let deny = |reason: String| Judgement::deny(Code::PolicyDenied, reason);
        if let Some(reason) = self.refusal(facts) {
            return deny(reason);
        }
        let refuses = self.on_exceed == OnExceed::Refuse;
        let mut judgement = Judgement::allow();
        if let Some(most) = self.max_output_tokens {
            match facts.output_tokens {
                Some(asked) if asked <= most => {}
                Some(asked) if refuses => {
                    return deny(format!("{asked} output tokens asked for, and at most {most} are allowed"));
                }
                // Who asks for no limit gets this one, which breaks no wish.
                _ => judgement.max_output_tokens = Some(most),
            }
        }
        if let Some(most) = self.max_cost {
            match facts.cost {
                Some(cost) if cost <= most => {}
                Some(_) if !refuses => judgement.max_cost = Some(most),
                Some(cost) => {
                    let (cost, most) = (cost.to_usd_text(), most.to_usd_text());
                    return deny(format!("may cost {cost} USD, and at most {most} USD is allowed"));
                }
                None => return deny("has a limit of cost, and what it may cost is not known".to_owned()),
            }
        }
        judgement
    }
}
