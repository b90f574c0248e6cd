//! Stage 7 where a policy routes: one way after another, until one answers. Nothing of an answer has gone to the client before.

use std::collections::VecDeque;
use std::time::Duration;

use http::{HeaderMap, Response};
use hyper::body::Incoming;
use rungate_core::exchange::{Decision, Effect};
use rungate_core::money::NanoUsd;
use rungate_core::policy::{self, Retryable};

use crate::directory::KeyEntry;
use crate::exchange::Exchange;
use crate::health::{Health, Place};
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::runs::Run;
use crate::stage::dispatch::{self, Failure, Outgoing, Retries, Tried};
use crate::stage::parse::Parsed;
use crate::stage::reserve::{self, Bound, Permit};
use crate::stage::{admit, govern};
use crate::upstream::{Client, SendError};

/// Where else a request may go, and how often it is tried where it is.
pub struct Routed {
    /// The policy, as it stands in decisions.
    pub policy: Decision,
    /// Further ways, in order.
    pub rest: VecDeque<Alternative>,
    /// Further tries at one place.
    pub retries: policy::Retries,
    /// For each attempt, until the head of its answer.
    pub patience: Duration,
    /// What the request's run had done before it.
    pub run: Option<Run>,
}

/// A way that is not taken yet.
pub struct Alternative {
    /// Where.
    pub candidate: Candidate,
    /// The most it can cost there; `None` where nobody asks.
    pub bound: Option<Result<Bound, Refusal>>,
}

/// A way that may be taken.
pub struct Way {
    /// Where.
    pub candidate: Candidate,
    /// What is sent there.
    pub outgoing: Outgoing,
    /// The most it can cost there; `None` where nobody asks.
    pub cost: Option<NanoUsd>,
}

/// What every attempt needs.
pub struct Attempts<'a> {
    /// The way to providers.
    pub client: &'a Client,
    /// Who answers.
    pub health: &'a Health,
    /// Who asks.
    pub key: &'a KeyEntry,
    /// What is asked.
    pub parsed: &'a Parsed,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// The client's query.
    pub query: Option<&'a str>,
    /// How long pauses are.
    pub pauses: Retries,
}

impl Attempts<'_> {
    /// Tries one way after another. The way that was tried last, and what came of it.
    pub async fn run(
        &self,
        permit: &Permit,
        exchange: &mut Exchange,
        mut way: Way,
        mut routed: Routed,
    ) -> (Way, Result<Response<Incoming>, Failure>) {
        loop {
            let key = way.candidate.access.key.id();
            let place = match self.health.enter(key, exchange.since_start()) {
                Some(place) => place,
                None => match self.instead(exchange, &way, &mut routed) {
                    Some(next) => {
                        way = next;
                        continue;
                    }
                    None => self.health.insist(key),
                },
            };
            let tried = self.at(permit, exchange, &way, place, &routed).await;
            let next = match failed(&tried.sent) {
                None => None,
                // What the provider says is kept until it is certain that somebody else is asked.
                Some(why) => self.after(exchange, &way, why, &mut routed),
            };
            let Some(next) = next else {
                let sent = tried.sent.map_err(|error| dispatch::failure(&error, &way.candidate));
                return (way, sent);
            };
            way = next;
        }
    }

    /// Tries at one place, again where the policy says so.
    async fn at(
        &self,
        permit: &Permit,
        exchange: &mut Exchange,
        way: &Way,
        mut place: Place<'_>,
        routed: &Routed,
    ) -> Tried {
        let key = way.candidate.access.key.id();
        let mut again = 0;
        loop {
            let Way { candidate, outgoing, .. } = way;
            let tried =
                dispatch::attempt(permit, exchange, self.client, outgoing, candidate, routed.patience).await;
            let now = exchange.since_start();
            let Some(why) = failed(&tried.sent) else {
                place.succeeded(now, tried.took);
                return tried;
            };
            let asked = tried.retry_after.map(Duration::from_secs);
            place.failed(now, asked);
            again += 1;
            let is_worth_it = why.retryable().is_some_and(|why| {
                again <= routed.retries.attempts
                    && (routed.retries.on.is_empty() || routed.retries.on.contains(&why))
            });
            let number = u32::try_from(again).unwrap_or(u32::MAX);
            let pause = self.pauses.pause_before(number, tried.retry_after, exchange);
            let Some(pause) = pause.filter(|_| is_worth_it && fits(exchange, way.cost, why.cost(way))) else {
                return tried;
            };
            exchange.left_behind(why.cost(way));
            drop(tried);
            tokio::time::sleep(pause).await;
            let entered = self.health.enter(key, exchange.since_start());
            place = entered.unwrap_or_else(|| self.health.insist(key));
        }
    }

    /// The way after `way`, which failed.
    fn after(&self, exchange: &mut Exchange, way: &Way, why: Failed, routed: &mut Routed) -> Option<Way> {
        let lost = why.cost(way);
        let total = exchange.lost().saturating_add(lost.unwrap_or(NanoUsd::ZERO));
        let next = self.next(exchange, total, true, routed)?;
        exchange.left_behind(lost);
        routed.left(exchange, way, &next, &format!("failed: {}", why.as_str()));
        Some(next)
    }

    /// The way in the place of `way`, whose provider key is left alone now; `None` where it is the one to ask all the same.
    fn instead(&self, exchange: &mut Exchange, way: &Way, routed: &mut Routed) -> Option<Way> {
        let now = exchange.since_start();
        let is_open = |other: &Alternative| self.health.is_open_to(other.candidate.access.key.id(), now);
        let since = |candidate: &Candidate| self.health.open_since(candidate.access.key.id());
        let may_skip = routed.rest.iter().any(is_open);
        if !may_skip {
            // All are left alone: asked is who has been for longest.
            routed.rest.make_contiguous().sort_by_key(|other| since(&other.candidate));
            let first = routed.rest.front()?;
            if since(&way.candidate) <= since(&first.candidate) {
                return None;
            }
        }
        let next = self.next(exchange, exchange.lost(), may_skip, routed)?;
        routed.left(exchange, way, &next, "has failed of late");
        Some(next)
    }

    /// The next way that may be taken; at most `lost` is spent by then. With `may_skip` provider keys that are left alone are passed
    /// over, as long as there is another.
    fn next(
        &self,
        exchange: &mut Exchange,
        lost: NanoUsd,
        may_skip: bool,
        routed: &mut Routed,
    ) -> Option<Way> {
        while let Some(alternative) = routed.rest.pop_front() {
            let may_skip = may_skip && !routed.rest.is_empty();
            match self.ready(exchange, &alternative, lost, may_skip, routed) {
                Ok(next) => return Some(next),
                Err(reason) => {
                    let reason = format!("not {}: {reason}", named(&alternative.candidate));
                    routed.note(exchange, Effect::Deny, &reason);
                }
            }
        }
        None
    }

    /// Holds a way to everything that the first one was held to.
    fn ready(
        &self,
        exchange: &mut Exchange,
        Alternative { candidate, bound }: &Alternative,
        lost: NanoUsd,
        may_skip: bool,
        routed: &Routed,
    ) -> Result<Way, String> {
        if may_skip && !self.health.is_open_to(candidate.access.key.id(), exchange.since_start()) {
            return Err("its provider key has failed of late".to_owned());
        }
        let has_run_id = exchange.record.attribution.run_id.is_some();
        let said = |refusal: Refusal| refusal.message;
        admit::admit(self.key, candidate, has_run_id, &mut exchange.record.decisions).map_err(said)?;
        let policies = govern::applicable(exchange, self.key).map_err(said)?;
        let known = bound.as_ref().and_then(|bound| bound.as_ref().ok());
        let run = routed.run.as_ref();
        let cost = known.map(Bound::cost);
        let caps = govern::judge(exchange, policies, run, self.parsed, candidate, cost).map_err(said)?;
        let mut outgoing =
            dispatch::prepare(exchange, self.parsed, candidate, None, self.headers, self.query)
                .map_err(said)?;
        let cost = reserve::again(
            exchange,
            bound.as_ref().map(Result::as_ref),
            caps,
            lost,
            candidate,
            &mut outgoing,
        )?;
        Ok(Way { candidate: candidate.clone(), outgoing, cost })
    }
}

impl Routed {
    /// Another way is taken than `way`, and why.
    fn left(&self, exchange: &mut Exchange, way: &Way, next: &Way, why: &str) {
        exchange.chosen(&next.candidate);
        exchange.warn("fallback_used");
        let reason = format!("{} {why}; then {}", named(&way.candidate), named(&next.candidate));
        self.note(exchange, Effect::Flag, &reason);
    }

    fn note(&self, exchange: &mut Exchange, effect: Effect, reason: &str) {
        let reason = Some(reason.chars().take(500).collect());
        exchange.record.decisions.push(Decision { effect, reason, ..self.policy.clone() });
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    /// Nothing was sent.
    Connect,
    /// It was sent, and nobody knows what came of it.
    Unanswered,
    RateLimited,
    ServerError,
    /// The provider refuses the provider key.
    Key,
}

/// Why an attempt is none that a client should see; `None` where it is.
fn failed(sent: &Result<Response<Incoming>, SendError>) -> Option<Failed> {
    match sent {
        Err(SendError::Egress(_) | SendError::Connect(_)) => Some(Failed::Connect),
        Err(SendError::Broken(_) | SendError::Timeout(_)) => Some(Failed::Unanswered),
        Ok(response) => match response.status().as_u16() {
            429 => Some(Failed::RateLimited),
            401..=403 => Some(Failed::Key),
            500..=599 => Some(Failed::ServerError),
            _ => None,
        },
    }
}

impl Failed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Unanswered => "no answer",
            Self::RateLimited => "rate limited",
            Self::ServerError => "server error",
            Self::Key => "the provider key is refused",
        }
    }

    /// As what a policy names it.
    const fn retryable(self) -> Option<Retryable> {
        match self {
            Self::Connect => Some(Retryable::Connect),
            Self::Unanswered => Some(Retryable::Timeout),
            Self::RateLimited => Some(Retryable::RateLimited),
            Self::ServerError => Some(Retryable::ServerError),
            Self::Key => None,
        }
    }

    /// What it cost at most; `None` where nobody knows.
    const fn cost(self, way: &Way) -> Option<NanoUsd> {
        match self {
            Self::Unanswered => way.cost,
            _ => Some(NanoUsd::ZERO),
        }
    }
}

/// Whether another attempt of at most `cost` is within what is held, after one that cost at most `lost`.
fn fits(exchange: &Exchange, cost: Option<NanoUsd>, lost: Option<NanoUsd>) -> bool {
    let [cost, lost] = [cost, lost].map(|amount| amount.unwrap_or(NanoUsd::ZERO));
    let total = exchange.lost().saturating_add(lost).saturating_add(cost);
    exchange.record.reserved.is_none_or(|held| total <= held)
}

fn named(candidate: &Candidate) -> String {
    let Candidate { access, model, .. } = candidate;
    let model = model.as_deref().unwrap_or_default();
    format!("{}/{model} ({})", access.provider.id, access.key.name)
}
