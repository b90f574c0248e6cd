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
pub enum EdgeBody {
    /// From the data plane, or from the edge itself.
    Gateway(rungate_gateway::body::Body),
    /// From the control plane.
    Control(axum::body::Body),
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BodyError;

    /// A panic while a body is made breaks off this answer alone, not the others on its connection.
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = || match self.get_mut() {
            Self::Gateway(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from))),
            Self::Control(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::from))),
        };
        catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| Poll::Ready(Some(Err(BrokenOff.into()))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Gateway(body) => body.is_end_stream(),
            Self::Control(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Gateway(body) => body.size_hint(),
            Self::Control(body) => body.size_hint(),
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
        let body = EdgeBody::Gateway(rungate_gateway::body::Body::Streamed(Box::new(Panics)));
        assert!(body.collect().await.is_err());
    }
}
