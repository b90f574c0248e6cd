//! Stage 6, before anything is reserved: an answer that is kept from an equal request takes the provider's place.
//!
//! It comes after every policy and rate limit that can refuse the request, and costs nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use rungate_core::activity::Trust;
use rungate_core::exchange::{CacheUse, Effect};
use rungate_core::operation::Operation;
use rungate_core::policy::{Applicable, CacheRuling, CacheScope, CacheTerms, Finding};
use rungate_llm::meter::Report;
use rungate_llm::replay;

use crate::cache::{Answer, Cache, Found, Gathering, Identity, Key, Sharing, Ticket};
use crate::exchange::Exchange;
use crate::memory::MemoryPool;
use crate::routing::Candidate;
use crate::stage::dispatch::Outgoing;
use crate::stage::govern::Caps;
use crate::stage::parse::Parsed;

/// Looks for a kept answer to what would be sent, on which policies put the limits of `caps`. Where there is none, the exchange
/// gets the right to leave one.
pub fn look(
    cache: &Arc<Cache>,
    exchange: &mut Exchange,
    policies: Applicable<'_>,
    parsed: &Parsed,
    candidate: &Candidate,
    outgoing: &Outgoing,
    caps: Caps,
) -> Option<Found> {
    let policy = policies.caching();
    let ruling = CacheRuling::of(policy.map(|(_, caching)| caching), &exchange.cache_wish);
    let mut terms = match ruling {
        CacheRuling::Unasked => return None,
        CacheRuling::Denied => {
            exchange.warn("cache_disabled");
            return None;
        }
        CacheRuling::Granted(terms) => terms,
    };
    let is_possible = cache.is_on() && replay::is_repeatable(parsed.operation, &parsed.scan, &parsed.body);
    if !is_possible && exchange.cache_wish.asks() {
        exchange.warn("cache_disabled");
    }
    // What is not to be stored is not kept either.
    terms.save &= !exchange.capture.omit_response;
    if !is_possible || !(terms.read || terms.save) {
        exchange.record.cache = Some(CacheUse::Bypass);
        return None;
    }
    let key = key(exchange, terms, parsed, candidate, outgoing, caps);
    let (found, free) = if terms.read { search(cache, exchange, key, terms) } else { (Vec::new(), None) };
    // Until a bucket is full, requests that may fill it do.
    if let Some(found) = chosen(exchange, found).filter(|_| free.is_none() || !terms.save) {
        exchange.record.cache = Some(CacheUse::Hit);
        if let Some((policy, _)) = policy {
            let reason = format!("an answer kept {} s ago", found.age.as_secs());
            let finding = Finding { policy, effect: Effect::Allow, reason: Some(reason.into()) };
            exchange.record.decisions.push(finding.decision());
        }
        return Some(found);
    }
    exchange.record.cache = Some(CacheUse::Miss);
    if terms.save {
        exchange.ticket = Some(Box::new(Ticket {
            cache: Arc::clone(cache),
            key: key.at(free.unwrap_or(0)),
            ttl: Duration::from_secs(terms.ttl_seconds),
            way: (candidate.access.key.id(), candidate.model.clone()),
        }));
    }
    None
}

/// The answers of a bucket that can be given, and its first place without one.
fn search(cache: &Cache, exchange: &Exchange, key: Key, terms: CacheTerms) -> (Vec<Found>, Option<u8>) {
    let (now, max_age) = (exchange.since_start(), Duration::from_secs(terms.max_age_seconds));
    let mut free = None;
    let mut found = Vec::new();
    for place in 0..exchange.cache_wish.bucket.unwrap_or(1) {
        match cache.find(&key.at(place), now, max_age) {
            Some(answer) => found.push(answer),
            None => free = free.or(Some(place)),
        }
    }
    (found, free)
}

/// One of them, by the random part of the exchange's id.
fn chosen(exchange: &Exchange, mut found: Vec<Found>) -> Option<Found> {
    let random = usize::from(exchange.record.id.uuid().as_bytes()[15]);
    if found.is_empty() { None } else { Some(found.swap_remove(random % found.len())) }
}

fn key(
    exchange: &Exchange,
    terms: CacheTerms,
    parsed: &Parsed,
    candidate: &Candidate,
    outgoing: &Outgoing,
    caps: Caps,
) -> Key {
    let record = &exchange.record;
    let by_key = Sharing::Key(record.virtual_key_id);
    // An agent that nobody registered is as good as its key: anybody may say that he is it.
    let is_sure = matches!(record.agent.trust, Trust::AuthBound | Trust::RegistryVerified);
    let sharing = match terms.scope {
        CacheScope::Key => by_key,
        CacheScope::Agent => record.agent.id.filter(|_| is_sure).map_or(by_key, Sharing::Agent),
        CacheScope::Workspace => Sharing::Workspace,
    };
    let identity = Identity {
        workspace: record.workspace_id,
        sharing,
        provider_key: candidate.access.key.id().uuid(),
        operations: [parsed.operation.kind().as_str(), candidate.serving.operation.kind().as_str()],
        uri: &outgoing.uri().to_string(),
        headers: outgoing.headers(),
        body: outgoing.body(),
        limits: (caps.max_output_tokens, caps.max_cost),
        model: parsed.scan.model.as_deref(),
        stream: [parsed.scan.stream, parsed.scan.include_usage],
        seed: exchange.cache_wish.seed.as_deref(),
    };
    identity.key()
}

/// What is gathered of a stream that the exchange may leave.
pub fn gather(exchange: &Exchange, pool: &MemoryPool) -> Option<Gathering> {
    let ticket = exchange.ticket.as_ref()?;
    Some(Gathering::new(ticket.cache.largest(), pool.clone()))
}

/// Keeps the pieces of a stream that has ended well.
pub fn keep_stream(
    exchange: &mut Exchange,
    gathering: Option<Gathering>,
    content_type: Option<HeaderValue>,
    report: &Report,
) {
    let Some(ticket) = exchange.ticket.take() else { return };
    let Some((body, ends)) = gathering.and_then(Gathering::take) else { return };
    keep(exchange, &ticket, (body, Some(ends)), content_type, report);
}

/// Keeps a whole answer, as it is before answers are filtered.
pub fn keep_whole(
    exchange: &mut Exchange,
    body: &Bytes,
    content_type: Option<&HeaderValue>,
    operation: Operation,
    report: &Report,
) {
    let Some(ticket) = exchange.ticket.take() else { return };
    if body.len() > ticket.cache.largest() || !replay::is_answer(operation, body) {
        return;
    }
    // A copy: the answer's own memory may be larger than the answer, and counts as that of an exchange.
    let body = Bytes::copy_from_slice(body);
    keep(exchange, &ticket, (body, None), content_type.cloned(), report);
}

fn keep(
    exchange: &Exchange,
    ticket: &Ticket,
    (body, pieces): (Bytes, Option<Box<[usize]>>),
    content_type: Option<HeaderValue>,
    report: &Report,
) {
    let record = &exchange.record;
    let is_expected = record
        .attempts
        .last()
        .is_some_and(|last| (last.provider_key_id, &last.model) == (ticket.way.0, &ticket.way.1));
    // What somebody else answered, since the first failed, is no answer to the same request the next time.
    if !is_expected {
        return;
    }
    let preview = report.preview.clone();
    let answer =
        Answer { body, pieces, content_type, model: record.model.clone(), preview, cost: record.cost };
    ticket.cache.keep(ticket.key, answer, exchange.since_start(), ticket.ttl);
}
