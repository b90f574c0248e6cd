//! The guard of one exchange: whatever happens to it, it ends with exactly one outcome in the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rungate_core::activity::CacheWish;
use rungate_core::budget::Reservation;
use rungate_core::code::Code;
use rungate_core::exchange::{Attempt, Body, CostStatus, Entry, ExchangeRecord, Outcome, Sequence};
use rungate_core::money::NanoUsd;
use rungate_core::ports::Clock;
use rungate_core::usage::{Usage, UsageSource};
use rungate_llm::meter::Report;

use crate::arrival::Arrival;
use crate::budget::Ledger;
use crate::cache::Ticket;
use crate::capture::Capture;
use crate::directory::WorkspaceEntry;
use crate::journal::{Journal, JournalError};
use crate::limit::{Admission, Standing};
use crate::observe::Observer;
use crate::prices::{self, Prices};
use crate::refusal::Refusal;
use crate::routing::Candidate;

/// The longest name of a model or a response, in bytes; real ones are below 200.
pub const MAX_NAME_BYTES: usize = 512;

/// What every exchange needs to be recorded.
pub struct Keeper {
    /// Where it is made durable.
    pub journal: Arc<Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Models and prices.
    pub prices: Arc<Prices>,
    /// Holds requests to their budgets.
    pub ledger: Arc<Ledger>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Set at shutdown: an exchange dropped from then on was dropped by us, not left by its client.
    pub stopping: AtomicBool,
}

/// An open exchange. Dropped without an outcome, it is recorded as left by its client (or as abandoned, when the
/// gateway itself is at fault).
pub struct Exchange {
    /// What is known so far.
    pub record: Box<ExchangeRecord>,
    /// What may be kept of its bodies.
    pub capture: Capture,
    keeper: Arc<Keeper>,
    workspace: Arc<WorkspaceEntry>,
    arrival: Arrival,
    request: Option<Body>,
    response: Option<Body>,
    request_usage: Option<Usage>,
    held: Option<Reservation>,
    /// How the tightest rate limit stands.
    pub standing: Option<Standing>,
    admission: Option<Admission>,
    /// What its request says of caching.
    pub cache_wish: CacheWish,
    /// The right to leave its answer in the cache.
    pub ticket: Option<Box<Ticket>>,
    /// The most that the first attempt can cost; `None` where nobody asks.
    pub first_bound: Option<NanoUsd>,
    /// What earlier attempts cost at most.
    lost: Option<NanoUsd>,
    is_free: bool,
    is_dispatched: bool,
    /// When the attempt that waits for an answer was sent.
    waiting_since: Option<Duration>,
    /// What is owed for the last attempt if nothing more is heard of it.
    owed: Charge,
    is_closed: bool,
}

/// What is certain of what an answer used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// The provider answered with an error, or was never reached: nothing.
    Nothing,
    /// As the answer says; estimated where it says nothing or breaks off.
    AsReported,
    /// The request went out and no answer came.
    Unknown,
}

impl Exchange {
    /// Starts to guard a record.
    pub fn new(
        keeper: Arc<Keeper>,
        workspace: Arc<WorkspaceEntry>,
        arrival: Arrival,
        record: Box<ExchangeRecord>,
        capture: Capture,
    ) -> Self {
        Self {
            record,
            capture,
            keeper,
            workspace,
            arrival,
            request: None,
            response: None,
            request_usage: None,
            held: None,
            standing: None,
            admission: None,
            cache_wish: CacheWish::default(),
            ticket: None,
            first_bound: None,
            lost: None,
            is_free: false,
            is_dispatched: false,
            waiting_since: None,
            owed: Charge::Nothing,
            is_closed: false,
        }
    }

    /// Its workspace, as it was when the exchange began.
    pub fn workspace(&self) -> Arc<WorkspaceEntry> {
        Arc::clone(&self.workspace)
    }

    /// Keeps the request's body, as far as it may be kept.
    pub fn keep_request(&mut self, body: &Bytes) {
        self.record.request_bytes = body.len() as u64;
        self.request = self.capture.request(body);
    }

    /// Keeps the answer's body, as far as it may be kept.
    pub fn keep_response(&mut self, body: &Bytes, truncated: bool) {
        self.response = self.capture.response(body, truncated);
    }

    /// What the request alone says it will use, for answers that say nothing.
    pub fn request_usage(&mut self, usage: Usage) {
        self.request_usage = Some(usage);
    }

    /// Notes the way the request will take.
    pub fn chosen(&mut self, candidate: &Candidate) {
        let record = &mut self.record;
        record.provider = Some(candidate.access.provider.id.to_owned());
        record.provider_key_id = Some(candidate.access.key.id());
        record.model.clone_from(&candidate.model);
        let Some(model) = candidate.model.as_deref() else { return };
        let provider = candidate.access.provider.id;
        let has_price = self.workspace.price(provider, model, self.record.created_at).is_some()
            || self.keeper.prices.load().model(provider, model).is_some_and(|model| !model.prices.is_empty());
        if !has_price && !self.is_free {
            self.warn("unpriced_model");
        }
    }

    /// Nothing this operation does is charged by the token.
    pub fn free(&mut self) {
        self.is_free = true;
    }

    /// Takes what was reserved for it; settled or given back when it ends. `amount` is what a budget held for it.
    pub fn hold(&mut self, reservation: Reservation, amount: Option<NanoUsd>) {
        self.record.reserved = amount;
        self.held = Some(reservation);
    }

    /// Takes its places in rate limits, which it gives back when it ends.
    pub fn admitted(&mut self, admission: Admission) {
        self.standing = admission.standing().copied();
        self.admission = Some(admission);
    }

    /// The time since the process started, now.
    pub fn since_start(&self) -> Duration {
        self.keeper.clock.monotonic()
    }

    /// Adds a warning, once.
    pub fn warn(&mut self, warning: &str) {
        if !self.record.warnings.iter().any(|known| known == warning) {
            self.record.warnings.push(warning.to_owned());
        }
    }

    /// Microseconds since the request arrived.
    pub fn elapsed_us(&self) -> u64 {
        let elapsed = self.keeper.clock.monotonic().saturating_sub(self.arrival.started);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes the opening: from here on money can be spent.
    pub async fn open(&mut self) -> Result<(), JournalError> {
        let request = self.request.take();
        self.keeper.journal.open_exchange(&self.record, request).await.map(drop)
    }

    /// An attempt is on its way to the provider. It is on the record from here on, so that one which nobody waited for is known too.
    pub fn dispatched(&mut self, attempt: Attempt) {
        if !self.is_dispatched {
            self.is_dispatched = true;
            self.record.overhead_us = Some(self.elapsed_us());
        }
        self.waiting_since = Some(self.since_start());
        self.owed = Charge::Unknown;
        self.record.attempts.push(attempt);
    }

    /// The attempt that was on its way came to something: fills in what, beside the time, which is returned.
    pub fn came(&mut self, owed: Charge, fill: impl FnOnce(&mut Attempt)) -> Duration {
        let now = self.since_start();
        let took = now.saturating_sub(self.waiting_since.take().unwrap_or(now));
        self.owed = owed;
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            fill(attempt);
        }
        took
    }

    /// The last attempt has failed and another is made. It cost at most `most`; `None` where nobody knows.
    pub fn left_behind(&mut self, most: Option<NanoUsd>) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.cost = most;
        }
        self.owed = if most.is_none() { Charge::Unknown } else { Charge::Nothing };
        match most {
            Some(NanoUsd::ZERO) => {}
            Some(most) => self.lost = Some(self.lost() + most),
            // Nobody asked for its bound, so no budget counts it.
            None => self.lost = Some(self.lost()),
        }
    }

    /// What earlier attempts cost at most.
    pub fn lost(&self) -> NanoUsd {
        self.lost.unwrap_or(NanoUsd::ZERO)
    }

    /// The first byte of the answer's body is here.
    pub fn first_byte(&mut self) {
        if self.record.ttft_ms.is_none() {
            self.record.ttft_ms = Some(self.elapsed_us() / 1_000);
        }
    }

    /// Settles what was used and what it cost.
    pub fn settle(&mut self, charge: Charge, report: &Report) {
        // Names that no provider gives are not taken over: they stand in every row, and in a header.
        if let Some(model) = report.model.as_ref().filter(|name| name.len() <= MAX_NAME_BYTES) {
            self.record.model = Some(model.clone());
        }
        if let Some(id) = report.response_id.as_ref().filter(|id| id.len() <= MAX_NAME_BYTES) {
            self.record.response_id = Some(id.clone());
        }
        if self.capture.wants_response() {
            self.record.preview_out = self.capture.preview(&report.preview);
        }
        if self.is_free || charge == Charge::Nothing {
            self.set_cost(Some(NanoUsd::ZERO), CostStatus::Final);
            return;
        }
        if charge == Charge::Unknown {
            self.set_cost(None, CostStatus::Unknown);
            return;
        }
        let (usage, source) = match self.request_usage {
            Some(usage) if report.usage.is_none() => (Some(usage), UsageSource::Reported),
            _ => usage_of(&self.record, report),
        };
        self.record.usage = usage;
        self.record.usage_source = source;
        let cost = usage.and_then(|usage| self.price(&usage));
        let status = match (cost, source) {
            (None, _) | (_, UsageSource::Unknown) => CostStatus::Unknown,
            (Some(_), UsageSource::Estimated) => CostStatus::Estimated,
            (Some(_), UsageSource::Reported) => CostStatus::Final,
        };
        self.set_cost(cost, status);
    }

    /// What `usage` costs.
    fn price(&mut self, usage: &Usage) -> Option<NanoUsd> {
        let catalogue = self.keeper.prices.load();
        let at = self.record.created_at;
        let own = |provider: &str, model: &str| self.workspace.price(provider, model, at);
        let chosen = prices::choose(&self.record, own, &catalogue)?;
        let cost = chosen.cost(usage);
        self.record.price_snapshot_id = Some(chosen.snapshot_id.to_owned());
        cost
    }

    fn set_cost(&mut self, cost: Option<NanoUsd>, status: CostStatus) {
        if let [.., _, last] = &mut self.record.attempts[..] {
            last.cost = last.cost.or(cost);
        }
        let (cost, status) = match self.lost {
            None => (cost, status),
            Some(lost) if status == CostStatus::Final => {
                (cost.map(|cost| cost + lost), CostStatus::Estimated)
            }
            Some(lost) => (cost.map(|cost| cost + lost), status),
        };
        if cost > self.record.reserved && self.record.reserved.is_some() {
            // A finding: the provider counts more than can be, or a bound is wrong.
            tracing::warn!(exchange = %self.record.id, ?cost, reserved = ?self.record.reserved, "more was spent than can be");
            self.warn("cost_above_bound");
        }
        self.record.cost = cost;
        self.record.cost_status = status;
    }

    /// Refuses: nothing was sent upstream. The answer must not leave before this returns.
    pub async fn refuse(mut self, refusal: &Refusal) -> Result<(), JournalError> {
        self.fail(refusal.code, &refusal.message);
        self.settle(Charge::Nothing, &Report::default());
        self.close(Outcome::Refused, refusal.code.status()).await
    }

    /// Notes an error.
    pub fn fail(&mut self, code: Code, message: &str) {
        self.record.error_code = Some(code);
        self.record.error_message = Some(message.chars().take(500).collect());
    }

    /// Writes the outcome. The last byte of the answer must not leave before this returns.
    ///
    /// The entry is with the kernel when the future has been polled once; only the wait for the disk, where one is
    /// configured, comes after.
    pub async fn close(mut self, outcome: Outcome, status: u16) -> Result<(), JournalError> {
        let entry = Arc::new(self.closing(outcome, status));
        let written = self.keeper.journal.append_now(Arc::clone(&entry));
        // Before any wait: a client that leaves meanwhile drops this future, and what was reserved must not stay so.
        self.ended(&entry, written.as_ref().ok());
        self.keeper.journal.wait_durable(written?).await.map(drop)
    }

    /// What follows from a closing that is in the journal at `at`.
    fn ended(&mut self, closing: &Entry, at: Option<&Sequence>) {
        let Some(record) = closing.record() else { return };
        self.account(record, at);
        self.keeper.observer.exchange_closed(record);
    }

    /// Settles what was reserved, once the closing is in the journal at `at`. Without a closing nobody will ever know what it
    /// cost: what was sent stays reserved until the next start, which counts it as spent.
    fn account(&mut self, record: &ExchangeRecord, at: Option<&Sequence>) {
        if let (Some(mut admission), Some(usage)) = (self.admission.take(), &record.usage) {
            admission.settle_tokens(usage.input.saturating_add(usage.output));
        }
        let Some(held) = self.held.take() else { return };
        match at {
            Some(at) => self.keeper.ledger.settle(record.workspace_id, held, record.cost, *at),
            None if !self.is_dispatched => self.keeper.ledger.release(held),
            None => {}
        }
    }

    fn closing(&mut self, outcome: Outcome, status: u16) -> Entry {
        self.is_closed = true;
        let record = &mut self.record;
        record.outcome = outcome;
        record.status = Some(status);
        record.completed_at = Some(self.keeper.clock.now().to_millisecond());
        let elapsed = self.keeper.clock.monotonic().saturating_sub(self.arrival.started);
        record.latency_ms = Some(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        let spent = ExchangeRecord::new(
            record.id,
            record.workspace_id,
            record.created_at,
            record.kind,
            record.agent.clone(),
            record.virtual_key_id,
        );
        let record = std::mem::replace(record, Box::new(spent));
        Entry::Closed { record: record.into(), request: self.request.take(), response: self.response.take() }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        let ours = self.keeper.stopping.load(Ordering::Relaxed) || std::thread::panicking();
        let (outcome, code) = if ours {
            (Outcome::Abandoned, Code::InternalError)
        } else {
            (Outcome::ClientClosed, Code::ClientClosed)
        };
        if self.record.error_code.is_none() {
            self.record.error_code = Some(code);
        }
        if self.waiting_since.is_some() {
            self.came(Charge::Unknown, |attempt| attempt.error_code = Some(code));
        }
        if self.record.cost_status == CostStatus::Pending {
            self.settle(self.owed, &Report::default());
        }
        let entry = Arc::new(self.closing(outcome, Code::ClientClosed.status()));
        let written = self.keeper.journal.append_now(Arc::clone(&entry));
        self.ended(&entry, written.as_ref().ok());
        if let Err(error) = written {
            tracing::error!(exchange = %self.record.id, %error, "the outcome of an exchange could not be recorded");
        }
    }
}

/// Bytes of text per token, where a provider does not report its count: measured as 4.1 over mixed English and JSON.
const BYTES_PER_TOKEN: u64 = 4;

/// What was used: as reported, completed by an estimate where the answer broke off, or estimated throughout.
fn usage_of(record: &ExchangeRecord, report: &Report) -> (Option<Usage>, UsageSource) {
    use rungate_core::operation::Kind;
    let broke_off = record.stream && !report.complete;
    if let Some(usage) = report.usage
        && !broke_off
    {
        return (Some(usage), UsageSource::Reported);
    }
    let is_text = matches!(
        record.kind,
        Kind::Chat | Kind::Completion | Kind::Response | Kind::Message | Kind::Embedding
    );
    if !is_text {
        return (
            report.usage,
            if report.usage.is_some() { UsageSource::Estimated } else { UsageSource::Unknown },
        );
    }
    let mut usage = report.usage.unwrap_or_default();
    if usage.input == 0 {
        usage.input = record.request_bytes.div_ceil(BYTES_PER_TOKEN);
    }
    usage.output = usage.output.max(report.output_text_bytes.div_ceil(BYTES_PER_TOKEN));
    (Some(usage), UsageSource::Estimated)
}
