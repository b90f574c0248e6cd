//! The way of one request, from its first byte to its outcome. Reads like a table of contents: the stages do the work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use rungate_core::activity::CacheWish;
use rungate_core::activity::headers::Headers;
use rungate_core::code::Code;
use rungate_core::exchange::ExchangeRecord;
use rungate_core::money::NanoUsd;
use rungate_core::operation::{Dialect, Operation};
use rungate_core::ports::Log;
use rungate_core::secret::TokenHasher;
use rungate_core::usage::Usage;
use rungate_llm::request;

use crate::arrival::Arrival;
use crate::body::Body;
use crate::cache::{Cache, Found};
use crate::capture::Capture;
use crate::directory::{Directories, KeyEntry};
use crate::exchange::{Exchange, Keeper};
use crate::health::Health;
use crate::limit::Limiter;
use crate::memory::MemoryPool;
use crate::refusal::Refusal;
use crate::registrar::{NewAgent, Registrar};
use crate::route::{Call, Route};
use crate::runs::{Run, Runs};
use crate::stage::attempts::{Attempts, Routed, Way};
use crate::stage::dispatch::{Outgoing, Retries};
use crate::stage::parse::Parsed;
use crate::stage::{admit, cache, dispatch, govern, identify, parse, read, relay, reserve, ways};
use crate::upstream::Client;
use crate::{models, routing, stored};

/// What the pipeline works with.
pub struct Pipeline {
    /// What is known of all workspaces.
    pub directories: Arc<Directories>,
    /// Hashes tokens.
    pub hasher: TokenHasher,
    /// Records exchanges.
    pub keeper: Arc<Keeper>,
    /// Finds stored responses.
    pub log: Arc<dyn Log>,
    /// The way to providers.
    pub client: Client,
    /// The bytes that all exchanges together may hold.
    pub memory: MemoryPool,
    /// Counts for rate limits.
    pub limiter: Limiter,
    /// Answers that are kept for equal requests.
    pub cache: Arc<Cache>,
    /// Remembers what runs have done.
    pub runs: Runs,
    /// Remembers agents that nobody registered.
    pub registrar: Registrar,
    /// Which provider keys answer.
    pub health: Health,
    /// How failed attempts are repeated.
    pub retries: Retries,
    /// At most this many bytes of a body are kept.
    pub max_stored_body_bytes: usize,
}

impl Pipeline {
    /// Answers a request whose route is known.
    pub async fn handle<B>(&self, arrival: Arrival, route: Route, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (parts, mut body) = request.into_parts();
        let dialect = dialect_of(&route, &parts);
        let id = arrival.id;
        let key = match identify::key(&parts.headers, &self.directories.load(), &self.hasher, arrival.at) {
            Ok(key) => key,
            Err(refusal) => {
                // Nobody knows whose request it is, so there is no log it could stand in: the edge counts it.
                tracing::debug!(exchange = %id, code = %refusal.code, client = %arrival.client_ip, "refused");
                read::discard(&parts.headers, &mut body).await;
                return refusal.respond(dialect, id);
            }
        };
        let of_workspace = identify::workspace(&parts.headers, key.workspace.workspace.id());
        let answered = match route {
            Route::Call(call) => return self.call(arrival, call, key, &parts, body).await,
            Route::Models => {
                of_workspace.map(|()| models::list(&key, &self.keeper.prices.load(), parts.uri.query()))
            }
            Route::Model(model) => {
                of_workspace.and_then(|()| models::one(&key, &self.keeper.prices.load(), &model))
            }
        };
        answered.unwrap_or_else(|refusal| refusal.respond(dialect, id))
    }

    /// From now on an exchange that is dropped was dropped by us.
    pub fn stop(&self) {
        self.keeper.stopping.store(true, Ordering::Relaxed);
    }

    /// A call of an identified workspace: whatever happens, it is one exchange with one outcome.
    async fn call<B>(
        &self,
        arrival: Arrival,
        call: Call,
        key: Arc<KeyEntry>,
        parts: &Parts,
        mut body: B,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let id = arrival.id;
        let mut exchange = self.begin(arrival, &call, &key, parts);
        match self.prepared(&mut exchange, &call, &key, parts, &mut body).await {
            // On the heap, as below: every future around one that is awaited in place holds it twice, and copies it.
            Ok(Ready::ToSend(prepared)) => Box::pin(self.sent(exchange, *prepared, &key, parts)).await,
            Ok(Ready::Kept(found)) => Box::pin(relay::replay(exchange, found, call.operation)).await,
            Err(refusal) if refusal.code == Code::ClientClosed => {
                // Not refused by us: the guard records that the client left. Nobody reads the answer.
                drop(exchange);
                refusal.respond(call.operation.dialect(), id)
            }
            Err(refusal) => {
                read::discard(&parts.headers, &mut body).await;
                Box::pin(refused(exchange, &refusal, call.operation)).await
            }
        }
    }

    /// Everything before money can be spent, up to and with the opening in the journal.
    async fn prepared<B>(
        &self,
        exchange: &mut Exchange,
        call: &Call,
        key: &KeyEntry,
        parts: &Parts,
        body: &mut B,
    ) -> Result<Ready, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        identify::workspace(&parts.headers, key.workspace.workspace.id())?;
        self.attribute(exchange, key, parts)?;
        let content_type = read::content_type(call.operation, &parts.headers)?;
        let received = read::body(call.operation, &parts.headers, body, &self.memory).await?;
        exchange.keep_request(&received.bytes);
        let parsed = parse::parse(call.operation, content_type.as_deref(), received.bytes)?;
        let parsed = filtered(exchange, key, parsed, content_type.as_deref())?;
        note_request(exchange, &parsed);
        let model = parsed.scan.model.as_deref();
        let candidate = match &call.path_id {
            Some(id) => {
                Box::pin(stored::plan(&*self.log, &self.keeper.journal, key, call.operation, id)).await?
            }
            None => routing::plan(call.operation, model, key, &self.keeper.prices.load())?.candidate,
        };
        let (candidate, mut routed) = match &call.path_id {
            Some(_) => (candidate, None),
            None => self.routed(exchange, &parsed, key, candidate)?,
        };
        exchange.chosen(&candidate);
        let has_run_id = exchange.record.attribution.run_id.is_some();
        let admitted = admit::admit(key, &candidate, has_run_id, &mut exchange.record.decisions)?;
        let path_id = call.path_id.as_deref();
        let query = parts.uri.query();
        let mut outgoing = dispatch::prepare(exchange, &parsed, &candidate, path_id, &parts.headers, query)?;
        let permit = if call.operation.is_free() {
            if exchange.cache_wish.asks() {
                exchange.warn("cache_disabled");
            }
            let asked = Asking { admitted: &admitted, key, parsed: &parsed, candidate: &candidate, parts };
            let free = Most { cost: Some(NanoUsd::ZERO), tokens: 0 };
            Box::pin(self.held(&asked, exchange, free)).await?;
            reserve::Permit::free(&admitted)
        } else {
            let asked = Asking { admitted: &admitted, key, parsed: &parsed, candidate: &candidate, parts };
            let governed = self.govern(asked, exchange, &mut outgoing, routed.as_deref_mut());
            match Box::pin(governed).await? {
                Governed::Permitted(permit) => permit,
                Governed::Kept(found) => return Ok(Ready::Kept(found)),
            }
        };
        exchange.open().await.map_err(|error| {
            tracing::warn!(%error, "request refused: nothing can be recorded");
            Refusal::new(Code::JournalUnavailable, "The exchange cannot be recorded now; nothing was sent.")
        })?;
        let room = received.room;
        Ok(Ready::ToSend(Box::new(Prepared { permit, parsed, candidate, outgoing, routed, room })))
    }

    /// The way that a policy gives the request.
    fn routed(
        &self,
        exchange: &mut Exchange,
        parsed: &Parsed,
        key: &KeyEntry,
        first: routing::Candidate,
    ) -> Result<(routing::Candidate, Option<Box<Routed>>), Refusal> {
        let known = ways::Known {
            key,
            catalogue: &self.keeper.prices.load(),
            health: &self.health,
            ledger: &self.keeper.ledger,
            patience: self.client.timeouts().first_byte,
        };
        ways::choose(exchange, &known, parsed, first)
    }

    /// Everything that depends on what others have done: policies, rate limits, budgets.
    async fn govern(
        &self,
        asking: Asking<'_>,
        exchange: &mut Exchange,
        outgoing: &mut Outgoing,
        routed: Option<&mut Routed>,
    ) -> Result<Governed, Refusal> {
        let Asking { admitted, key, parsed, candidate, parts } = asking;
        let policies = govern::applicable(exchange, key)?;
        let is_bounded = !(policies.is_empty() && key.workspace.budgets.is_empty());
        let bound = is_bounded
            .then(|| reserve::bound(&self.keeper.prices, exchange, key, parsed, candidate, outgoing));
        let known = bound.as_ref().and_then(|bound| bound.as_ref().ok());
        let most = Most {
            cost: known.map(reserve::Bound::cost),
            tokens: known.map_or(parsed.body.len() as u64, reserve::Bound::tokens),
        };
        let (run, caps) = self.held(&asking, exchange, most).await?;
        let found = cache::look(&self.cache, exchange, policies, parsed, candidate, outgoing, caps);
        if let Some(found) = found {
            return Ok(Governed::Kept(found));
        }
        let another = match routed {
            None => NanoUsd::ZERO,
            Some(routed) => {
                routed.run = run;
                let prices = &self.keeper.prices;
                ways::bound(routed, prices, exchange, key, parsed, &parts.headers, parts.uri.query())
            }
        };
        let asked = reserve::Asked { key, candidate, bound, caps, another };
        let permit = reserve::reserve(admitted, &self.keeper.ledger, exchange, asked, outgoing).await?;
        Ok(Governed::Permitted(permit))
    }

    /// Holds a request to its policies and rate limits, whatever it costs. What its run had done, and what it is held to.
    async fn held(
        &self,
        asking: &Asking<'_>,
        exchange: &mut Exchange,
        most: Most,
    ) -> Result<(Option<Run>, govern::Caps), Refusal> {
        let Asking { key, parsed, candidate, .. } = *asking;
        let policies = govern::applicable(exchange, key)?;
        let run = govern::history(exchange, policies, &self.runs, parsed).await?;
        let caps = govern::judge(exchange, policies, run.as_ref(), parsed, candidate, most.cost)?;
        if policies.rate_limits().next().is_some() || key.has_limits() {
            self.limiter.counted().await;
            govern::rate(exchange, policies, key, &self.limiter, most.tokens)?;
        }
        Ok((run, caps))
    }

    /// Everything after the opening.
    async fn sent(
        &self,
        mut exchange: Exchange,
        prepared: Prepared,
        key: &KeyEntry,
        parts: &Parts,
    ) -> Response<Body> {
        let Prepared { permit, parsed, candidate, outgoing, routed, room } = prepared;
        let (candidate, outgoing, sent) = match routed {
            None => {
                let client = &self.client;
                let sent =
                    dispatch::dispatch(&permit, &mut exchange, client, &outgoing, &candidate, self.retries);
                let sent = sent.await;
                (candidate, outgoing, sent)
            }
            Some(routed) => {
                let attempts = Attempts {
                    client: &self.client,
                    health: &self.health,
                    key,
                    parsed: &parsed,
                    headers: &parts.headers,
                    query: parts.uri.query(),
                    pauses: self.retries,
                };
                let way = Way { candidate, outgoing, cost: exchange.first_bound };
                let (way, sent) = Box::pin(attempts.run(&permit, &mut exchange, way, *routed)).await;
                (way.candidate, way.outgoing, sent)
            }
        };
        match sent {
            Ok(response) => {
                let timeouts = self.client.timeouts();
                let now = exchange.record.created_at;
                let elapsed = Duration::from_micros(exchange.elapsed_us());
                let plan = relay::Plan::new(&parsed, candidate, now, self.memory.clone(), timeouts, elapsed);
                // The request is out: its bytes need no room any more while the answer streams.
                drop((parsed, outgoing, room));
                Box::pin(relay::relay(exchange, plan, response)).await
            }
            Err(failure) => Box::pin(relay::fail(exchange, parsed.operation, failure)).await,
        }
    }

    /// The exchange with what the key alone says.
    fn begin(&self, arrival: Arrival, call: &Call, key: &Arc<KeyEntry>, parts: &Parts) -> Exchange {
        let workspace_id = key.workspace.workspace.id();
        let agent = identify::default_agent(key);
        let record = Box::new(ExchangeRecord {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().chars().take(500).collect(),
            request_id: arrival.request_id.clone(),
            virtual_key_label: key.key.label.clone(),
            key_prefix: key.key.key_prefix.clone(),
            member_id: key.member_id(),
            client_ip: Some(arrival.client_ip),
            country: arrival.country.clone(),
            ..ExchangeRecord::new(
                arrival.id,
                workspace_id,
                arrival.at,
                call.operation.kind(),
                agent,
                key.key.id(),
            )
        });
        let settings = &key.workspace.workspace.settings;
        let of_agent = key.agent.as_ref().and_then(|agent| agent.bodies).unwrap_or_default();
        let capture = Capture {
            mode: settings.bodies.stricter(of_agent),
            omit_request: false,
            omit_response: false,
            max_bytes: self.max_stored_body_bytes,
        };
        let malformed = arrival.request_id_malformed;
        let workspace = Arc::clone(&key.workspace);
        let mut exchange = Exchange::new(Arc::clone(&self.keeper), workspace, arrival, record, capture);
        if malformed {
            exchange.warn("x_request_id_malformed");
        }
        if call.operation.is_free() {
            exchange.free();
        }
        exchange
    }

    /// Adds what the headers say: agent, run, session, step, properties, what is kept.
    fn attribute(&self, exchange: &mut Exchange, key: &KeyEntry, parts: &Parts) -> Result<(), Refusal> {
        let mut headers = identify::attribution(&parts.headers)?;
        let caller = identify::agent(key, &mut headers)?;
        let Headers { attribution, cache, omit_request, omit_response, warnings, .. } = headers;
        for warning in warnings {
            exchange.warn(warning);
        }
        if caller.is_new {
            self.registrar.leave(NewAgent {
                workspace: key.workspace.workspace.id(),
                external_id: caller.agent.external_id.clone(),
                name: caller.agent.name.clone(),
            });
        }
        exchange.record.agent = caller.agent;
        exchange.record.attribution = attribution;
        exchange.capture.mode = exchange.capture.mode.stricter(govern::bodies(exchange, key));
        exchange.capture.omit_request = omit_request;
        exchange.capture.omit_response = omit_response;
        exchange.cache_wish = CacheWish { control: identify::cache_control(&parts.headers), ..cache };
        Ok(())
    }
}

/// What comes next.
enum Ready {
    /// It goes to the provider.
    ToSend(Box<Prepared>),
    /// Nothing is sent: an equal request's answer is kept.
    Kept(Found),
}

/// What came of policies, limits, cache and budgets.
enum Governed {
    Permitted(reserve::Permit),
    Kept(Found),
}

/// Ready to be sent: the opening is in the journal.
struct Prepared {
    permit: reserve::Permit,
    parsed: Parsed,
    candidate: routing::Candidate,
    outgoing: Outgoing,
    routed: Option<Box<Routed>>,
    room: crate::memory::Room,
}

/// The most that a request can take.
#[derive(Debug, Clone, Copy)]
struct Most {
    /// Of money; `None` where nobody knows.
    cost: Option<NanoUsd>,
    tokens: u64,
}

/// Who asks for what.
struct Asking<'a> {
    admitted: &'a admit::Admitted,
    key: &'a KeyEntry,
    parsed: &'a Parsed,
    candidate: &'a routing::Candidate,
    parts: &'a Parts,
}

/// The request as content filters let it go on, which is also what is kept of it.
fn filtered(
    exchange: &mut Exchange,
    key: &KeyEntry,
    parsed: Parsed,
    content_type: Option<&str>,
) -> Result<Parsed, Refusal> {
    let policies = govern::applicable(exchange, key)?;
    let Some(body) = govern::filter(exchange, policies, &parsed)? else { return Ok(parsed) };
    let parsed = parse::parse(parsed.operation, content_type, Bytes::from(body))?;
    exchange.keep_request(&parsed.body);
    Ok(parsed)
}

/// Notes what the body says.
fn note_request(exchange: &mut Exchange, parsed: &Parsed) {
    let scan = &parsed.scan;
    exchange.record.requested_model.clone_from(&scan.model);
    exchange.record.stream = scan.stream;
    if exchange.capture.wants_request() {
        let preview = request::preview(parsed.operation, scan, &parsed.body);
        exchange.record.preview_in = exchange.capture.preview(&preview);
    }
    if let Some(characters) = parsed.characters {
        exchange.request_usage(Usage { characters, ..Usage::default() });
    }
}

/// Records a refusal, then answers it.
async fn refused(exchange: Exchange, refusal: &Refusal, operation: Operation) -> Response<Body> {
    let id = exchange.record.id;
    let mut response = refusal.respond(operation.dialect(), id);
    relay::add_ours(response.headers_mut(), &exchange, false);
    if let Err(error) = exchange.refuse(refusal).await {
        // Nothing was spent, so the refusal stands; it is missing from the log, which is said here.
        tracing::error!(exchange = %id, %error, "a refusal could not be recorded");
    }
    response
}

/// Whose error shape the client expects. `/v1/models` serves both: Anthropic's SDK says which version it speaks.
fn dialect_of(route: &Route, parts: &Parts) -> Dialect {
    match route {
        Route::Call(call) => call.operation.dialect(),
        Route::Models | Route::Model(_) if parts.headers.contains_key("anthropic-version") => {
            Dialect::Anthropic
        }
        _ => Dialect::OpenAi,
    }
}
