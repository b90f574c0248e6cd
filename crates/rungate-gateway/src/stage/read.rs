//! Stage 2: the body, within its limit and within the memory there is.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt as _;
use rungate_core::code::Code;
use rungate_core::operation::Operation;
use tokio::time::Instant;

use crate::memory::{MemoryPool, Room};
use crate::refusal::Refusal;

/// A client that sends nothing of its body for this long is told so.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it must send on average beyond that, since the body takes room from others while it comes.
const MIN_BYTES_PER_SECOND: usize = 16 << 10;

/// What a refused client still sends is read for this long.
const DISCARD_PATIENCE: Duration = Duration::from_secs(1);

/// A body with the memory it takes.
pub struct Received {
    /// All of it.
    pub bytes: Bytes,
    /// Held as long as the body is.
    pub room: Room,
}

/// Checks the content type: JSON, or a form where the operation takes one.
pub fn content_type(operation: Operation, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let unsupported =
        |message: String| Refusal::new(Code::UnsupportedMediaType, message).param("content-type");
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").to_owned());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let message = format!("Content-Encoding {encoding} is not read; send the body uncompressed.");
        return Err(Refusal::new(Code::UnsupportedMediaType, message).param("content-encoding"));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| unsupported("Content-Type is not ASCII.".to_owned()))?;
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json && charset.as_deref().is_none_or(|charset| charset == "utf-8" || charset == "utf8") {
        return Ok(Some(text.to_owned()));
    }
    if is_json {
        return Err(unsupported("The charset must be utf-8.".to_owned()));
    }
    if essence == "multipart/form-data" && operation.allows_multipart() {
        return Ok(Some(text.to_owned()));
    }
    let also = if operation.allows_multipart() { " or multipart/form-data" } else { "" };
    Err(unsupported(format!("Content-Type must be application/json{also}.")))
}

/// Collects the body.
pub async fn body<B>(
    operation: Operation,
    headers: &HeaderMap,
    mut body: B,
    pool: &MemoryPool,
) -> Result<Received, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let limit = operation.max_body_bytes();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut room = Room::default();
    let mut bytes = BytesMut::new();
    if let Some(length) = announced {
        pool.grow(&mut room, length).map_err(|_| no_room())?;
        // Its room is taken, and pages that a client announces but never sends are never touched.
        bytes.reserve(length);
    }
    let started = Instant::now();
    loop {
        let earned = Duration::from_secs((bytes.len() / MIN_BYTES_PER_SECOND) as u64);
        let until = (Instant::now() + PATIENCE).min(started + PATIENCE + earned);
        let frame = tokio::time::timeout_at(until, body.frame())
            .await
            .map_err(|_| Refusal::new(Code::RequestTimeout, "The body did not arrive in time."))?;
        let Some(frame) = frame else { return Ok(Received { bytes: bytes.freeze(), room }) };
        let Ok(frame) = frame else {
            return Err(Refusal::new(Code::ClientClosed, "The client left before its body was complete."));
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        pool.grow(&mut room, bytes.len() + data.len()).map_err(|_| no_room())?;
        bytes.extend_from_slice(&data);
    }
}

/// Reads the rest of a refused request's body and drops it, for a moment: a client that is still writing when the
/// connection closes sees a broken pipe and never the reason. One that waits for `100 Continue` sends nothing.
pub async fn discard<B>(headers: &HeaderMap, body: &mut B)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if headers.contains_key(EXPECT) {
        return;
    }
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Longer is not waited: then the client has to live with the broken pipe.
    let _ = tokio::time::timeout(DISCARD_PATIENCE, rest).await;
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(
        Code::PayloadTooLarge,
        format!("The body is larger than the {} MiB this route takes.", limit >> 20),
    )
}

fn no_room() -> Refusal {
    Refusal::new(Code::Overloaded, "The gateway holds as many bytes as it may; try again in a moment.")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use http_body::Frame;
    use tokio::time::Interval;

    use super::*;

    /// Gives a piece each time the interval says so, so many times.
    struct Paced {
        interval: Interval,
        piece: Bytes,
        left: usize,
    }

    impl http_body::Body for Paced {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.interval.poll_tick(context));
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
        }
    }

    async fn read(bytes: usize, times: usize, every: Duration) -> Result<usize, Code> {
        let body = Paced {
            interval: tokio::time::interval(every),
            piece: Bytes::from(vec![b' '; bytes]),
            left: times,
        };
        let pool = MemoryPool::new(64 << 20);
        let received = super::body(Operation::ChatCompletions, &HeaderMap::new(), body, &pool).await;
        received.map(|received| received.bytes.len()).map_err(|refusal| refusal.code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_slowly_but_not_for_ever() {
        assert_eq!(read(1 << 20, 8, Duration::from_secs(29)).await, Ok(8 << 20));
        assert_eq!(read(1, 5, Duration::from_secs(5)).await, Ok(5));
        assert_eq!(read(1, 1_000, Duration::from_secs(5)).await, Err(Code::RequestTimeout));
        assert_eq!(read(1 << 20, 2, Duration::from_secs(31)).await, Err(Code::RequestTimeout));
    }
}
