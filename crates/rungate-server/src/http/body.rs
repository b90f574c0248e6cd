//! The body of any response: the gateway's own, or one that axum made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rungate_gateway::body::BrokenOff;

/// Why a body ended before its end.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way to a client.
pub struct EdgeBody {
    made_by: Maker,
    broken: Option<BodyError>,
}

enum Maker {
    Gateway(rungate_gateway::body::Body),
    Control(axum::body::Body),
}

impl EdgeBody {
    /// From the data plane, or from the edge itself.
    pub const fn gateway(body: rungate_gateway::body::Body) -> Self {
        Self { made_by: Maker::Gateway(body), broken: None }
    }

    /// From the control plane.
    pub const fn control(body: axum::body::Body) -> Self {
        Self { made_by: Maker::Control(body), broken: None }
    }
}

impl Maker {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Gateway(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from))),
            Self::Control(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from))),
        }
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    /// A panic while a body is made breaks off this answer alone, not the others on its connection.
    ///
    /// hyper throws away what it has buffered when a body fails. The failure is therefore held back for one turn, in
    /// which hyper sends what it has: the client gets the error event that stands before the break.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let made = catch_unwind(AssertUnwindSafe(|| self.made_by.poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Some(Err(BrokenOff.into()))));
        match made {
            Poll::Ready(Some(Err(error))) => {
                self.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            made => made,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.made_by {
            Maker::Gateway(body) => body.is_end_stream(),
            Maker::Control(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.made_by {
            Maker::Gateway(body) => body.size_hint(),
            Maker::Control(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use rungate_gateway::body::Source;

    use super::*;

    struct Panics;

    impl Source for Panics {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
            panic!("while streaming");
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_body_breaks_it_off() {
        let body = EdgeBody::gateway(rungate_gateway::body::Body::Streamed(Box::new(Panics)));
        assert!(body.collect().await.is_err());
    }
}
