//! Stage 4 where a policy routes: which ways a request may take, best first.

use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderMap;
use rungate_core::exchange::{Decision, Effect};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_core::policy::{Bound, Routing};
use rungate_llm::catalog::Catalogue;
use rungate_llm::ceiling::Demand;

use crate::budget::Ledger;
use crate::directory::KeyEntry;
use crate::exchange::Exchange;
use crate::health::Health;
use crate::prices::Prices;
use crate::refusal::Refusal;
use crate::routing::{self, Candidate, Ways};
use crate::stage::attempts::{Alternative, Routed};
use crate::stage::parse::Parsed;
use crate::stage::{dispatch, govern, reserve};

/// What choosing needs to know.
pub struct Known<'a> {
    /// Who asks.
    pub key: &'a KeyEntry,
    /// Models.
    pub catalogue: &'a Catalogue,
    /// Who answers.
    pub health: &'a Health,
    /// What is left of budgets.
    pub ledger: &'a Ledger,
    /// How long an attempt may take where the policy does not say.
    pub patience: Duration,
}

/// The way to take, and where else where a policy says so. `first` is the way without a policy.
pub fn choose(
    exchange: &mut Exchange,
    known: &Known<'_>,
    parsed: &Parsed,
    first: Candidate,
) -> Result<(Candidate, Option<Box<Routed>>), Refusal> {
    let Some((policy, routing)) = govern::applicable(exchange, known.key)?.routing() else {
        return Ok((first, None));
    };
    let operation = parsed.operation;
    if operation == Operation::Responses
        && !Demand::read(operation, &parsed.scan, &parsed.body).is_self_contained()
    {
        // It goes on with what one provider key keeps; nobody else knows of it.
        return Ok((first, None));
    }
    let policy = decision(policy);
    let first = downgraded(exchange, known, operation, first, routing, &policy);
    let now = exchange.since_start();
    let balance = |keys: &mut [_]| known.health.balance(routing.balance, keys, now);
    let Ways { ways, left_out } =
        routing::ways(operation, &first, routing, known.key, known.catalogue, balance);
    for reason in left_out {
        exchange.record.decisions.push(Decision { reason: Some(reason), ..policy.clone() });
    }
    // Whether their provider keys answer is asked when they are taken: what is held against the first way here holds for all.
    let mut ways = VecDeque::from(ways);
    let first = ways.pop_front().unwrap_or(first);
    let routed = Routed {
        policy,
        rest: ways.into_iter().map(|candidate| Alternative { candidate, bound: None }).collect(),
        retries: routing.retries.clone(),
        patience: routing.timeout_ms.map_or(known.patience, Duration::from_millis),
        run: None,
    };
    Ok((first, Some(Box::new(routed))))
}

/// The cheaper model of the policy, once little of a budget is left.
fn downgraded(
    exchange: &mut Exchange,
    known: &Known<'_>,
    operation: Operation,
    first: Candidate,
    routing: &Routing,
    policy: &Decision,
) -> Candidate {
    let Some(downgrade) = &routing.downgrade else { return first };
    let spender = reserve::spender(exchange, known.key);
    let left = known.ledger.least_left(&known.key.workspace.budgets, &spender);
    let Some(left) = left.filter(|left| *left < downgrade.below_remaining_pct) else { return first };
    let model = &downgrade.to_model;
    let (chosen, effect, reason) = match routing::instead(operation, model, known.key, known.catalogue) {
        Ok(cheaper) if cheaper.model == first.model => return first,
        Ok(cheaper) => {
            exchange.warn("model_downgraded");
            (cheaper, Effect::Clamp, format!("{left} % of a budget is left: {model} instead"))
        }
        Err(refusal) => (first, Effect::Deny, format!("not {model}: {}", refusal.message)),
    };
    let reason = Some(reason.chars().take(500).collect());
    exchange.record.decisions.push(Decision { effect, reason, ..policy.clone() });
    chosen
}

/// Finds the most that each further way can cost; the most of all of them.
pub fn bound(
    routed: &mut Routed,
    prices: &Prices,
    exchange: &mut Exchange,
    key: &KeyEntry,
    parsed: &Parsed,
    headers: &HeaderMap,
    query: Option<&str>,
) -> NanoUsd {
    let warnings = exchange.record.warnings.len();
    let mut most = NanoUsd::ZERO;
    for Alternative { candidate, bound } in &mut routed.rest {
        let outgoing = dispatch::prepare(exchange, parsed, candidate, None, headers, query);
        let found =
            outgoing.and_then(|outgoing| reserve::bound(prices, exchange, key, parsed, candidate, &outgoing));
        most = most.max(found.as_ref().map_or(NanoUsd::ZERO, reserve::Bound::cost));
        *bound = Some(found);
    }
    // They are about ways that may never be taken.
    exchange.record.warnings.truncate(warnings);
    most
}

fn decision(policy: &Bound) -> Decision {
    Decision {
        policy_id: Some(policy.id.to_string()),
        policy_name: Some(policy.name.to_string()),
        version: Some(policy.version),
        mode: Some(policy.mode),
        rule: policy.rule_type.to_owned(),
        effect: Effect::Flag,
        reason: None,
    }
}
