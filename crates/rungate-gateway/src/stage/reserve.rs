//! Stage 5: what the request may cost is reserved in every budget that covers it.

use std::sync::Arc;

use rungate_core::budget::{Budget, Spender};
use rungate_core::code::Code;
use rungate_core::exchange::{Decision, Effect};
use rungate_core::money::NanoUsd;
use rungate_llm::catalog::Price;
use rungate_llm::ceiling::{Capacity, Ceiling, limit_field};
use rungate_llm::request::{self, Scan};

use crate::budget::{Denied, Ledger};
use crate::directory::KeyEntry;
use crate::exchange::Exchange;
use crate::prices::Prices;
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::stage::dispatch::Outgoing;
use crate::stage::govern::Caps;
use crate::stage::parse::Parsed;

/// A lowered limit is tried so often; each time the room may have become smaller.
const TRIES: u32 = 4;

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
}

/// Reserves, and lowers the limit on the output where a budget or a policy says so.
pub async fn reserve(
    ledger: &Ledger,
    exchange: &mut Exchange,
    asked: Asked<'_>,
    outgoing: &mut Outgoing,
) -> Result<(), Refusal> {
    let Asked { key, candidate, bound, caps } = asked;
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
    let Some(Bound { ceiling, price, scan }) = bound else {
        // Counted from now on all the same: a budget may come while it is open.
        let reservation = ledger.reserve(&spender, &external_id, NanoUsd::ZERO).await;
        let reservation = reservation.map_err(|denied| denied.refusal(exchange.record.created_at))?;
        exchange.hold(reservation, None);
        return Ok(());
    };
    let wanted = ceiling.output();
    let mut ceiling = capped(ceiling, &price, caps)?;
    let is_counted = covering().next().is_some();
    for _ in 0..TRIES {
        let amount = ceiling.cost(&price).unwrap_or(NanoUsd::MAX);
        let held = if is_counted { amount } else { NanoUsd::ZERO };
        let denied = match ledger.reserve(&spender, &external_id, held).await {
            Ok(reservation) => {
                exchange.hold(reservation, is_counted.then_some(amount));
                if ceiling.output() < wanted {
                    lower(exchange, candidate, outgoing, &scan, wanted, ceiling.output());
                }
                return Ok(());
            }
            Err(denied) => denied,
        };
        let lowered = match &denied {
            Denied::Clamp { most, .. } => ceiling.fit(&price, *most),
            _ => None,
        };
        let Some(output) = lowered.filter(|output| *output < ceiling.output()) else {
            let refusal = denied.refusal(exchange.record.created_at);
            note(exchange, None, Effect::Deny, &refusal.message);
            return Err(refusal);
        };
        ceiling = ceiling.with_output(output);
    }
    Err(Refusal::new(Code::BudgetReserved, "What is left of the budget changes too fast; try again."))
}

/// As far down as policies say.
fn capped(ceiling: Ceiling, price: &Price, caps: Caps) -> Result<Ceiling, Refusal> {
    let output = caps.max_output_tokens.map_or(ceiling.output(), |most| most.min(ceiling.output()));
    let ceiling = ceiling.with_output(output);
    let Some(most) = caps.max_cost.filter(|most| ceiling.cost(price).is_none_or(|cost| cost > *most)) else {
        return Ok(ceiling);
    };
    if let Some(output) = ceiling.fit(price, most) {
        return Ok(ceiling.with_output(output));
    }
    let message =
        format!("Its input alone costs more than the {} USD that a policy allows.", most.to_usd_text());
    Err(Refusal::new(Code::PolicyDenied, message))
}

/// The most that a request can cost, and what it is made from.
pub struct Bound {
    ceiling: Ceiling,
    price: Price,
    scan: Scan,
}

impl Bound {
    /// The amount.
    pub fn cost(&self) -> Option<NanoUsd> {
        self.ceiling.cost(&self.price)
    }

    /// The tokens, in and out.
    pub const fn tokens(&self) -> u64 {
        self.ceiling.tokens()
    }
}

/// The most that the request can cost, as it is sent.
pub fn bound(
    prices: &Prices,
    exchange: &Exchange,
    key: &KeyEntry,
    parsed: &Parsed,
    candidate: &Candidate,
    outgoing: &Outgoing,
) -> Result<Bound, Refusal> {
    let catalogue = prices.load();
    let (provider, at) = (candidate.access.provider.id, exchange.record.created_at);
    let known = candidate.model.as_deref().and_then(|model| catalogue.model(provider, model));
    let own = candidate.model.as_deref().and_then(|model| key.workspace.price(provider, model, at));
    let price = own.map(|own| &own.price).or_else(|| known.and_then(|model| model.price_at(at)));
    let unpriced = || {
        let model = candidate.model.as_deref().unwrap_or("the provider's own choice of model");
        let message =
            format!("No price is known of {provider}/{model}, and a budget cannot be held without one.");
        Refusal::new(Code::UnpricedModel, message).param("model")
    };
    let price = price.ok_or_else(unpriced)?.clone();
    let capacity = Capacity {
        context_window: known.and_then(|model| model.context_window),
        max_output: known.and_then(|model| model.max_output_tokens),
    };
    let scan = match candidate.serving.bridge {
        None => parsed.scan.clone(),
        Some(_) => request::scan(candidate.serving.operation, None, outgoing.body()).map_err(|error| {
            Refusal::new(Code::InternalError, format!("the translated request cannot be read: {error}"))
        })?,
    };
    let body = if candidate.serving.bridge.is_some() { outgoing.body() } else { &parsed.body };
    let ceiling = Ceiling::of(candidate.serving.operation, &scan, body, parsed.characters, capacity);
    let ceiling = ceiling.map_err(|unbounded| {
        let message = format!("{unbounded}; a budget cannot be held without a bound.");
        Refusal::new(Code::UnboundedCost, message).param(unbounded.field)
    })?;
    ceiling.cost(&price).ok_or_else(unpriced)?;
    Ok(Bound { ceiling, price, scan })
}

/// Puts the lowered limit into the request.
fn lower(
    exchange: &mut Exchange,
    candidate: &Candidate,
    outgoing: &mut Outgoing,
    scan: &Scan,
    from: u64,
    to: u64,
) {
    outgoing.limit_output(candidate, scan, (limit_field(candidate.serving.operation), to));
    exchange.warn(&format!("max_tokens_lowered;from={from};to={to}"));
    note(exchange, None, Effect::Clamp, &format!("the output was limited to {to} tokens instead of {from}"));
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

fn spender(exchange: &Exchange, key: &KeyEntry) -> Spender {
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
