//! Relays an answer that comes piece by piece.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderValue, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::exchange::Outcome;
use rungate_core::operation::{Dialect, Operation};
use rungate_llm::bridge::StreamTranslator;
use rungate_llm::meter::{EventKind, Meter};
use rungate_llm::sse::{Event, Splitter};
use serde_json::json;
use tokio::time::{Instant, Sleep};

use super::screen::Screen;
use super::{Plan, head as head_of};
use crate::body::{Body, BrokenOff, Source};
use crate::cache::Gathering;
use crate::capture::Gathered;
use crate::exchange::{Charge, Exchange};
use crate::refusal::Refusal;
use crate::stage::cache;

/// A provider that does not end its body this soon after its last event loses its connection.
const DRAIN_PATIENCE: Duration = Duration::from_millis(50);
/// The longest event that is held.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// Relays server-sent events.
pub fn events(exchange: Exchange, plan: Plan, head: &Parts, body: Incoming) -> Response<Body> {
    let translator = plan.candidate.serving.bridge.map(|bridge| bridge.stream(plan.context()));
    // The usage that the client did not ask for is ours alone.
    let hides_usage = translator.is_none() && !plan.include_usage && plan.operation != Operation::Responses;
    let mode =
        Mode::Events(Box::new(Events { splitter: Splitter::new(MAX_EVENT_BYTES), translator, hides_usage }));
    start(exchange, plan, head, body, mode)
}

/// Relays bytes whose form does not matter, such as sound.
pub fn bytes(exchange: Exchange, plan: Plan, head: &Parts, body: Incoming) -> Response<Body> {
    start(exchange, plan, head, body, Mode::Bytes { held: None })
}

fn start(mut exchange: Exchange, plan: Plan, head: &Parts, body: Incoming, mode: Mode) -> Response<Body> {
    exchange.record.stream = true;
    let response = head_of(&exchange, head.status, &head.headers, false);
    let relay = Relay {
        status: head.status.as_u16(),
        meter: Meter::new(plan.candidate.serving.operation),
        gathered: Gathered::new(&exchange.capture, plan.pool.clone()),
        gathering: cache::gather(&exchange, &plan.pool),
        screen: match &mode {
            Mode::Events(_) => Screen::of(&exchange, &plan.pool),
            // Sound is not looked at.
            Mode::Bytes { .. } => None,
        },
        content_type: head.headers.get(CONTENT_TYPE).filter(|_| exchange.ticket.is_some()).cloned(),
        exchange: Some(exchange),
        upstream: body,
        mode,
        out: VecDeque::new(),
        last: None,
        sent_bytes: 0,
        ended_well: false,
        state: State::Flowing,
        idle: Box::pin(tokio::time::sleep(plan.timeouts.idle)),
        deadline: Box::pin(tokio::time::sleep_until(plan.deadline)),
        plan,
    };
    response.map(|()| Body::Streamed(Box::new(relay)))
}

struct Events {
    splitter: Splitter,
    translator: Option<StreamTranslator>,
    hides_usage: bool,
}

enum Mode {
    Events(Box<Events>),
    /// The last piece waits, since only the end shows that it is the last.
    Bytes {
        held: Option<Bytes>,
    },
}

enum State {
    Flowing,
    /// The outcome is being recorded; whether it could be.
    Closing(Pin<Box<dyn Future<Output = bool> + Send>>),
    /// The client has everything; the provider's body is read to its end, so that its connection can be used again.
    Draining,
    Ended,
}

/// One stream on its way to the client.
struct Relay {
    exchange: Option<Exchange>,
    plan: Plan,
    status: u16,
    upstream: Incoming,
    mode: Mode,
    meter: Meter,
    gathered: Gathered,
    /// What may be kept for equal requests, and its content type.
    gathering: Option<Gathering>,
    content_type: Option<HeaderValue>,
    screen: Option<Screen>,
    out: VecDeque<Bytes>,
    /// Sent when the outcome is recorded.
    last: Option<Bytes>,
    sent_bytes: u64,
    ended_well: bool,
    state: State,
    idle: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
}

impl Source for Relay {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Draining => {
                    ready!(self.poll_drained(context));
                    self.state = State::Ended;
                }
                State::Closing(recorded) => {
                    let recorded = ready!(recorded.as_mut().poll(context));
                    self.state = if self.ended_well { State::Draining } else { State::Ended };
                    self.idle.as_mut().reset(Instant::now() + DRAIN_PATIENCE);
                    let last = self.last.take();
                    if !recorded || (last.is_none() && matches!(self.mode, Mode::Bytes { .. })) {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(BrokenOff)));
                    }
                    self.out.extend(last);
                }
                State::Flowing => match ready!(self.poll_upstream(context)) {
                    Ok(Some(bytes)) => self.take(&bytes),
                    Ok(None) => self.end(),
                    Err(why) => self.fail(why),
                },
            }
        }
    }
}

impl Relay {
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, &'static str>> {
        // Asked each time: for a client that reads slowly the next piece is always there, and nothing is waited for.
        if self.plan.deadline <= Instant::now() {
            return Poll::Ready(Err("it took too long"));
        }
        loop {
            match Pin::new(&mut self.upstream).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err("the connection broke")),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.idle.as_mut().reset(Instant::now() + self.plan.timeouts.idle);
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Poll::Pending => {
                    if self.idle.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Err("it went silent"));
                    }
                    if self.deadline.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Err("it took too long"));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when nothing more comes, or nothing came in time.
    fn poll_drained(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.idle.as_mut().poll(context),
            }
        }
    }

    /// Takes a piece of the provider's answer.
    fn take(&mut self, bytes: &Bytes) {
        let events = match &mut self.mode {
            Mode::Bytes { held } => {
                let earlier = held.replace(bytes.clone());
                return self.send(earlier.unwrap_or_default());
            }
            Mode::Events(mode) => {
                let mut events = Vec::new();
                match mode.splitter.push(bytes, &mut events) {
                    Ok(()) => events,
                    Err(_) => return self.fail("an event was too long"),
                }
            }
        };
        for event in &events {
            if !matches!(self.state, State::Flowing) {
                return;
            }
            self.take_event(event);
        }
    }

    fn take_event(&mut self, event: &Event) {
        let Ok(kind) = self.meter.event(event) else {
            return self.fail("an event was not of the wire format");
        };
        if let Some(screen) = &mut self.screen
            && screen.see(event).is_err()
        {
            return self.fail("the gateway has no memory to look at all of it");
        }
        let Mode::Events(mode) = &mut self.mode else { return };
        if kind == EventKind::Terminator && !self.meter.report().complete {
            return self.fail("it ended without a finish reason");
        }
        let bytes = match &mut mode.translator {
            Some(translator) => {
                let mut out = Vec::new();
                if translator.event(event, &mut out).is_err() {
                    return self.fail("an event could not be translated");
                }
                Bytes::from(out)
            }
            None if kind == EventKind::UsageOnly && mode.hides_usage => return,
            None => event.raw.clone(),
        };
        match kind {
            EventKind::Content | EventKind::UsageOnly => self.send(bytes),
            EventKind::Terminator => self.finish(bytes),
            EventKind::Error => {
                let said = self.meter.report().error.clone().unwrap_or_default();
                let message = format!(
                    "{} reported an error in the stream: {said}",
                    self.plan.candidate.access.provider.name
                );
                if let Some(exchange) = &mut self.exchange {
                    exchange.fail(Code::UpstreamStreamFailed, &message);
                }
                self.close(Outcome::UpstreamFailed, bytes);
            }
        }
    }

    /// The provider's answer is at its end.
    fn end(&mut self) {
        if let Mode::Bytes { held } = &mut self.mode {
            let last = held.take().unwrap_or_default();
            return self.close(Outcome::Succeeded, last);
        }
        // An event without its closing blank line may still be the terminator.
        let rest = match &mut self.mode {
            Mode::Events(mode) => mode.splitter.finish(),
            Mode::Bytes { .. } => None,
        };
        if let Some(event) = rest {
            self.take_event(&event);
        }
        if matches!(self.state, State::Flowing) {
            self.fail("it ended without its terminator");
        }
    }

    /// Ends the stream with one error event, never with a terminator.
    fn fail(&mut self, why: &str) {
        let message = format!("The stream of {} failed: {why}.", self.plan.candidate.access.provider.name);
        let refusal = Refusal::new(Code::UpstreamStreamFailed, message);
        let Some(exchange) = &mut self.exchange else { return };
        exchange.fail(refusal.code, &refusal.message);
        let last = error_event(self.plan.operation, &refusal, exchange);
        match &mut self.mode {
            Mode::Events(_) => self.close(Outcome::UpstreamFailed, last),
            Mode::Bytes { held } => {
                *held = None;
                self.close_with(Outcome::UpstreamFailed, None);
            }
        }
    }

    /// The provider's answer is whole: it goes on, unless a filter refuses it.
    fn finish(&mut self, last: Bytes) {
        let Some((screen, exchange)) = self.screen.take().zip(self.exchange.as_mut()) else {
            return self.close(Outcome::Succeeded, last);
        };
        match screen.done(exchange) {
            Ok(waiting) => {
                for piece in waiting {
                    self.send(piece);
                }
                self.close(Outcome::Succeeded, last);
            }
            Err(refusal) => {
                // It was paid for, and nobody gets it.
                exchange.fail(refusal.code, &refusal.message);
                exchange.capture.omit_response = true;
                let last = error_event(self.plan.operation, &refusal, exchange);
                self.close(Outcome::Refused, last);
            }
        }
    }

    fn send(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let Some(bytes) = (match &mut self.screen {
            Some(screen) => screen.hold(bytes),
            None => Some(bytes),
        }) else {
            return;
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.first_byte();
        }
        self.sent_bytes += bytes.len() as u64;
        self.gathered.add(&bytes);
        if let Some(gathering) = &mut self.gathering {
            gathering.add(&bytes);
        }
        self.out.push_back(bytes);
    }

    fn close(&mut self, outcome: Outcome, last: Bytes) {
        self.close_with(outcome, Some(last));
    }

    /// Records the outcome; `last` goes out when that is done.
    fn close_with(&mut self, outcome: Outcome, last: Option<Bytes>) {
        if let Some(last) = &last {
            self.sent_bytes += last.len() as u64;
            self.gathered.add(last);
            if let Some(gathering) = &mut self.gathering {
                gathering.add(last);
            }
        }
        self.last = last;
        self.ended_well = outcome == Outcome::Succeeded;
        let Some(mut exchange) = self.settled() else { return };
        if self.ended_well {
            let (gathering, content_type) = (self.gathering.take(), self.content_type.take());
            cache::keep_stream(&mut exchange, gathering, content_type, self.meter.report());
        }
        let status = self.status;
        self.state = State::Closing(Box::pin(async move {
            let id = exchange.record.id;
            let recorded = exchange.close(outcome, status).await;
            if let Err(error) = &recorded {
                tracing::error!(exchange = %id, %error, "the outcome could not be recorded; the stream is broken off");
            }
            recorded.is_ok()
        }));
    }

    /// The exchange with everything on its record but the outcome.
    fn settled(&mut self) -> Option<Exchange> {
        let mut exchange = self.exchange.take()?;
        // Of a stream that broke off too: what was seen of it is marked.
        if let Some(screen) = self.screen.take()
            && screen.done(&mut exchange).is_err()
        {
            exchange.capture.omit_response = true;
        }
        exchange.record.response_bytes = self.sent_bytes;
        exchange.settle(Charge::AsReported, self.meter.report());
        let (bytes, truncated) = self.gathered.take();
        exchange.keep_response(&bytes, truncated);
        Some(exchange)
    }
}

impl Drop for Relay {
    /// The client left in the middle: what was produced is charged, and the exchange's own guard records the outcome.
    fn drop(&mut self) {
        drop(self.settled());
    }
}

/// The error event of a dialect.
fn error_event(operation: Operation, refusal: &Refusal, exchange: &Exchange) -> Bytes {
    let body = refusal.body(operation.dialect(), exchange.record.id);
    let body = String::from_utf8_lossy(&body).into_owned();
    let is_response = operation.kind() == rungate_core::operation::Kind::Response;
    let event = match operation.dialect() {
        Dialect::Anthropic => format!("event: error\ndata: {body}\n\n"),
        Dialect::OpenAi if is_response => {
            let data = json!({
                "type": "error",
                "code": refusal.code.as_str(),
                "message": refusal.message,
                "param": null,
                "sequence_number": 0,
            });
            format!("event: error\ndata: {data}\n\n")
        }
        Dialect::OpenAi => format!("data: {body}\n\n"),
    };
    Bytes::from(event)
}
