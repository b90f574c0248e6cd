//! The body of an answer as a script: what is written when, and how it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::directives::{Directives, Ending};
use crate::event::Event;
use crate::stats::InFlight;

/// Sizes of the pieces that ragged streams are cut into: small enough to fall inside line ends and characters.
const RAGGED: [usize; 9] = [1, 2, 13, 3, 1, 7, 2, 31, 5];

/// What a connection and the body played on it share: whether it is to end by a reset.
#[derive(Debug, Default)]
pub(crate) struct Link {
    reset: AtomicBool,
}

impl Link {
    /// Whether the connection is to be reset rather than closed.
    pub fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }
}

/// One step of a script.
#[derive(Debug)]
enum Step {
    Write(Bytes),
    /// Lets what was written reach the socket before the next step.
    Flush,
    Wait(Duration),
    /// Resets the connection.
    Reset,
    /// Does nothing, for ever.
    Silence,
}

/// The body of an answer.
pub(crate) struct Script {
    steps: std::vec::IntoIter<Step>,
    /// The bytes still to come, where they are known.
    size: Option<u64>,
    waiting: Option<Pin<Box<Sleep>>>,
    is_silent: bool,
    link: Arc<Link>,
    in_flight: Option<InFlight>,
}

impl Script {
    /// A body that is written at once.
    pub fn whole(body: Bytes, link: &Arc<Link>) -> Self {
        let size = Some(body.len() as u64);
        let steps = if body.is_empty() { Vec::new() } else { vec![Step::Write(body)] };
        Self::new(steps, size, link, None)
    }

    /// A body that is not a stream, which goes wrong half way where `directives` say so.
    pub fn body(body: Bytes, directives: &Directives, link: &Arc<Link>, in_flight: InFlight) -> Self {
        let ending = match directives.ending {
            Some(Ending::Cut(_) | Ending::Close(_)) => Step::Reset,
            Some(Ending::Stall(_)) => Step::Silence,
            _ => return Self::whole(body, link),
        };
        let half = body.slice(..body.len() / 2);
        Self::new(
            vec![Step::Write(half), Step::Flush, ending],
            Some(body.len() as u64),
            link,
            Some(in_flight),
        )
    }

    /// A stream of `events`, played as `directives` say. `error` makes the event that `errorevent` sends
    /// after so many others.
    pub fn stream(
        mut events: Vec<Event>,
        error: impl FnOnce(usize) -> Event,
        directives: &Directives,
        link: &Arc<Link>,
        in_flight: InFlight,
    ) -> Self {
        let mut last = None;
        match directives.ending {
            Some(Ending::Cut(count)) => {
                events.truncate(count);
                last = Some(Step::Reset);
            }
            Some(Ending::Stall(count)) => {
                events.truncate(count);
                last = Some(Step::Silence);
            }
            Some(Ending::Close(count)) => events.truncate(count),
            Some(Ending::ErrorEvent(count)) => {
                events.truncate(count);
                events.push(error(events.len()));
            }
            Some(Ending::NoFinish) => events.retain(|event| !event.is_finish),
            None => {}
        }
        let mut steps = Vec::with_capacity(events.len() * 2 + 2);
        let mut cuts = RAGGED.iter().copied().cycle();
        for (index, event) in events.into_iter().enumerate() {
            if index > 0 && !directives.chunk.is_zero() {
                steps.push(Step::Wait(directives.chunk));
            }
            let text = if directives.crlf { event.text.replace('\n', "\r\n") } else { event.text };
            let mut rest = Bytes::from(text);
            while directives.ragged && !rest.is_empty() {
                let cut = ragged_cut(&rest, cuts.next().unwrap_or(1));
                steps.push(Step::Write(rest.split_to(cut)));
                steps.push(Step::Flush);
            }
            if !rest.is_empty() {
                steps.push(Step::Write(rest));
            }
        }
        if let Some(last) = last {
            steps.extend([Step::Flush, last]);
        }
        Self::new(steps, None, link, Some(in_flight))
    }

    fn new(steps: Vec<Step>, size: Option<u64>, link: &Arc<Link>, in_flight: Option<InFlight>) -> Self {
        Self {
            steps: steps.into_iter(),
            size,
            waiting: None,
            is_silent: false,
            link: Arc::clone(link),
            in_flight,
        }
    }

    /// Told once nothing more will be written: what is dropped before was cancelled by the client.
    fn finish_if_done(&mut self) {
        if self.steps.len() == 0
            && let Some(in_flight) = self.in_flight.take()
        {
            in_flight.finish();
        }
    }
}

/// Where to cut: after at most `size` bytes, and always after the first byte of a longer character.
fn ragged_cut(rest: &[u8], size: usize) -> usize {
    let next = &rest[..size.min(rest.len())];
    next.iter().position(|byte| *byte >= 0xc0).map_or(next.len(), |lead| lead + 1)
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            if this.is_silent {
                return Poll::Pending;
            }
            if let Some(waiting) = &mut this.waiting {
                ready!(waiting.as_mut().poll(cx));
                this.waiting = None;
            }
            match this.steps.next() {
                None => {
                    this.finish_if_done();
                    return Poll::Ready(None);
                }
                Some(Step::Write(bytes)) => {
                    this.size = this.size.map(|size| size.saturating_sub(bytes.len() as u64));
                    this.finish_if_done();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Flush) => {
                    // hyper flushes whenever the body has nothing ready.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Wait(wait)) => this.waiting = Some(Box::pin(sleep_until(Instant::now() + wait))),
                Some(Step::Reset) => {
                    this.link.reset.store(true, Ordering::Release);
                    this.finish_if_done();
                    return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
                }
                Some(Step::Silence) => this.is_silent = true,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.len() == 0 && !self.is_silent
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
