//! Stage 6: what the request may cost is reserved in every budget that covers it. Without a [`Permit`] nothing goes upstream.

use std::sync::Arc;

use rungate_core::budget::{Budget, Spender};
use rungate_core::code::Code;
use rungate_core::exchange::{Decision, Effect};
use rungate_core::money::NanoUsd;
use rungate_llm::catalog::{Model, Price};
use rungate_llm::ceiling::{self, Ceiling, Demand, Facts};
use rungate_llm::provider::Provider;
use rungate_llm::request;

use crate::budget::{Denied, Ledger};
use crate::directory::KeyEntry;
use crate::exchange::Exchange;
use crate::prices::Prices;
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::stage::admit::Admitted;
use crate::stage::dispatch::Outgoing;
use crate::stage::govern::Caps;
use crate::stage::parse::Parsed;

/// A lowered limit is tried so often; each time the room may have become smaller.
const TRIES: u32 = 4;

/// Proof that every rule let the exchange pass, and that what it may cost is reserved. Only this stage makes one.
#[derive(Debug)]
pub struct Permit(());

impl Permit {
    /// For an operation that costs nothing.
    pub const fn free(_admitted: &Admitted) -> Self {
        Self(())
    }
}

/// What is known before anything is reserved.
pub struct Asked<'a> {
    /// The key.
    pub key: &'a KeyEntry,
    /// The way the request takes.
    pub candidate: &'a Candidate,
    /// The most it can cost; the error says why that is not known. `None` where nobody asks.
    pub bound: Option<Result<Bound, Refusal>>,
    /// To what policies hold it.
    pub caps: Caps,
    /// What another attempt may cost, after one of which nobody knows what it cost. Held too, where that fits.
    pub another: NanoUsd,
}

/// Reserves, and lowers the limit on the output where a budget or a policy says so.
pub async fn reserve(
    _admitted: &Admitted,
    ledger: &Ledger,
    exchange: &mut Exchange,
    asked: Asked<'_>,
    outgoing: &mut Outgoing,
) -> Result<Permit, Refusal> {
    let Asked { key, candidate, bound, caps, another } = asked;
    let spender = Arc::new(spender(exchange, key));
    let external_id = exchange.record.agent.external_id.clone();
    let covering =
        || key.workspace.budgets.iter().filter(|budget| budget.enabled && budget.scope.covers(&spender));
    let hard = covering().find(|budget| budget.action.is_hard());
    let bound = match (bound, hard) {
        (Some(Ok(bound)), _) => Some(bound),
        (Some(Err(refusal)), Some(budget)) => return Err(deny(exchange, budget, refusal)),
        (Some(Err(refusal)), None) if caps != Caps::default() => return Err(refusal),
        (Some(Err(_)) | None, _) => None,
    };
    let Some(bound) = bound else {
        // Counted from now on all the same: a budget may come while it is open.
        let reservation = ledger.reserve(&spender, &external_id, NanoUsd::ZERO).await;
        let reservation = reservation.map_err(|denied| denied.refusal(exchange.record.created_at))?;
        exchange.hold(reservation, None);
        return Ok(Permit(()));
    };
    let allowed = capped(&bound, caps)?;
    let mut limit = allowed;
    let is_counted = covering().next().is_some();
    for _ in 0..TRIES {
        let amount = bound.cost_at(limit).unwrap_or(NanoUsd::MAX);
        let held = if is_counted { amount } else { NanoUsd::ZERO };
        let denied = match ledger.reserve(&spender, &external_id, held).await {
            Ok(reservation) => {
                exchange.first_bound = Some(amount);
                let wide = amount.saturating_add(another);
                let is_wide = is_counted && another > NanoUsd::ZERO && ledger.widen(&reservation, wide);
                let amount = if is_wide { wide } else { amount };
                exchange.hold(reservation, is_counted.then_some(amount));
                if limit != allowed {
                    // A shorter answer than equal requests may get from now on.
                    exchange.ticket = None;
                }
                if let Some(limit) = limit {
                    lower(exchange, candidate, outgoing, bound.asked_output(), limit);
                }
                return Ok(Permit(()));
            }
            Err(denied) => denied,
        };
        let lowered = match &denied {
            Denied::Clamp { most, .. } => bound.fit(*most),
            _ => None,
        };
        let Some(output) = lowered.filter(|output| limit.is_none_or(|limit| *output < limit)) else {
            let refusal = denied.refusal(exchange.record.created_at);
            note(exchange, None, Effect::Deny, &refusal.message);
            return Err(refusal);
        };
        limit = Some(output);
    }
    Err(Refusal::new(Code::BudgetReserved, "What is left of the budget changes too fast; try again."))
}

/// Holds a request to another candidate to what was reserved when it began: nothing is reserved after the opening, which a restart goes
/// by. Earlier attempts cost `lost` at most. The most that this one can cost; the error says why it may not go there.
pub fn again(
    exchange: &mut Exchange,
    bound: Option<Result<&Bound, &Refusal>>,
    caps: Caps,
    lost: NanoUsd,
    candidate: &Candidate,
    outgoing: &mut Outgoing,
) -> Result<Option<NanoUsd>, String> {
    let bound = match bound {
        Some(Ok(bound)) => bound,
        Some(Err(refusal)) if exchange.record.reserved.is_some() || caps != Caps::default() => {
            return Err(refusal.message.clone());
        }
        Some(Err(_)) | None => return Ok(None),
    };
    let limit = capped(bound, caps).map_err(|refusal| refusal.message)?;
    let cost = bound.cost_at(limit).unwrap_or(NanoUsd::MAX);
    if exchange.record.reserved.is_some_and(|held| lost.saturating_add(cost) > held) {
        return Err("it may cost more than is reserved".to_owned());
    }
    if let Some(limit) = limit {
        lower(exchange, candidate, outgoing, bound.asked_output(), limit);
    }
    Ok(Some(cost))
}

/// The limit on the output that policies say; `None` where the request's own is low enough.
fn capped(bound: &Bound, caps: Caps) -> Result<Option<u64>, Refusal> {
    let limit = caps.max_output_tokens;
    let Some(most) = caps.max_cost.filter(|most| bound.cost_at(limit).is_none_or(|cost| cost > *most)) else {
        return Ok(limit);
    };
    if let Some(output) = bound.fit(most) {
        return Ok(Some(limit.map_or(output, |limit| limit.min(output))));
    }
    let message =
        format!("Its input alone costs more than the {} USD that a policy allows.", most.to_usd_text());
    Err(Refusal::new(Code::PolicyDenied, message))
}

/// The most that a request can cost as it is sent, and what it is made from.
pub struct Bound {
    demand: Demand,
    model: Option<Model>,
    name: String,
    price: Price,
    provider: &'static Provider,
    most: ceiling::Bound,
    asked_output: Option<u64>,
}

impl Bound {
    /// The amount.
    pub const fn cost(&self) -> NanoUsd {
        self.most.cost
    }

    /// The tokens, in and out.
    pub const fn tokens(&self) -> u64 {
        self.most.input_tokens.saturating_add(self.most.output_tokens)
    }

    /// Output tokens of each answer at most, as asked for or as the model's own limit.
    const fn asked_output(&self) -> Option<u64> {
        self.asked_output
    }

    /// What it costs at most with another limit on the output of each answer.
    fn cost_at(&self, limit: Option<u64>) -> Option<NanoUsd> {
        let Some(limit) = limit else { return Some(self.most.cost) };
        match self.demand.lowered_to(limit).ceiling(&self.facts()) {
            Ceiling::Bounded(bound) => Some(bound.cost),
            Ceiling::Unbounded { .. } | Ceiling::Unpriced => None,
        }
    }

    /// The highest limit on the output with which it costs at most `room`.
    fn fit(&self, room: NanoUsd) -> Option<u64> {
        self.demand.fit(&self.facts(), room)
    }

    fn facts(&self) -> Facts<'_> {
        Facts::new(self.provider, &self.name, self.model.as_ref(), Some(&self.price))
    }
}

/// Finds the bound; the refusal says why there is none.
pub fn bound(
    prices: &Prices,
    exchange: &Exchange,
    key: &KeyEntry,
    parsed: &Parsed,
    candidate: &Candidate,
    outgoing: &Outgoing,
) -> Result<Bound, Refusal> {
    let catalogue = prices.load();
    let (provider, at) = (candidate.access.provider, exchange.record.created_at);
    let name = candidate.model.as_deref().unwrap_or_default();
    let model = catalogue.model(provider.id, name);
    let own = key.workspace.price(provider.id, name, at).map(|own| &own.price);
    let price = own.or_else(|| model.and_then(|model| model.price_at(at)));
    let operation = candidate.serving.operation;
    let demand = if candidate.serving.bridge.is_some() {
        let scan = request::scan(operation, None, outgoing.body()).map_err(|error| {
            Refusal::new(Code::InternalError, format!("the translated request cannot be read: {error}"))
        })?;
        Demand::read(operation, &scan, outgoing.body())
    } else {
        Demand::read(operation, &parsed.scan, &parsed.body)
    };
    let most = match demand.ceiling(&Facts::new(provider, name, model, price)) {
        Ceiling::Bounded(bound) => bound,
        Ceiling::Unpriced => {
            let message = format!(
                "No price is known of {}/{name}, and a budget cannot be held without one.",
                provider.id
            );
            return Err(Refusal::new(Code::UnpricedModel, message).param("model"));
        }
        Ceiling::Unbounded { field, why } => {
            let message = format!("{field}: {why}; a budget cannot be held without a bound.");
            return Err(Refusal::new(Code::UnboundedCost, message).param(field));
        }
    };
    let Some(price) = price.cloned() else {
        return Err(Refusal::new(Code::UnpricedModel, "No price is known of the model."));
    };
    let (model, name) = (model.cloned(), name.to_owned());
    let answers = u64::from(parsed.scan.choices.max(1));
    let asked_output = (most.output_tokens > 0).then_some(most.output_tokens / answers);
    Ok(Bound { demand, model, name, price, provider, most, asked_output })
}

/// Puts the lowered limit into the request, and says so.
fn lower(
    exchange: &mut Exchange,
    candidate: &Candidate,
    outgoing: &mut Outgoing,
    from: Option<u64>,
    to: u64,
) {
    if from.is_some_and(|from| from <= to) {
        return;
    }
    outgoing.limit_output(candidate, to);
    let from = from.map_or_else(String::new, |from| format!(";from={from}"));
    exchange.warn(&format!("max_tokens_lowered{from};to={to}"));
    note(exchange, None, Effect::Clamp, &format!("the output was limited to {to} tokens"));
}

fn deny(exchange: &mut Exchange, budget: &Budget, refusal: Refusal) -> Refusal {
    note(exchange, Some(budget), Effect::Deny, &refusal.message);
    refusal
}

fn note(exchange: &mut Exchange, budget: Option<&Budget>, effect: Effect, reason: &str) {
    exchange.record.decisions.push(Decision {
        policy_id: budget.map(|budget| budget.id().to_string()),
        policy_name: None,
        version: None,
        mode: None,
        rule: "budget".to_owned(),
        effect,
        reason: Some(reason.chars().take(500).collect()),
    });
}

/// Whose spend it is.
pub fn spender(exchange: &Exchange, key: &KeyEntry) -> Spender {
    let record = &exchange.record;
    Spender {
        exchange: record.id,
        created: record.created_at,
        workspace: record.workspace_id,
        agent: record.agent.id,
        virtual_key: Some(key.key.id()),
        session: record.attribution.session_id.clone(),
        run: record.attribution.run_id.clone(),
    }
}
