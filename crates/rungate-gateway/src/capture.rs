//! Which bodies of an exchange are kept, and the copy that is.

use bytes::{Bytes, BytesMut};
use rungate_core::agent::BodyCapture;
use rungate_core::exchange::Body;

use crate::memory::{MemoryPool, Room};
use crate::redact::redact;

/// What is kept of the bodies of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Capture {
    /// The strictest of what workspace, agent and headers say.
    pub mode: BodyCapture,
    /// The request's body is left out.
    pub omit_request: bool,
    /// The answer's body is left out.
    pub omit_response: bool,
    /// At most this many bytes of each.
    pub max_bytes: usize,
}

impl Capture {
    /// The copy of the request's body that is kept.
    pub fn request(&self, bytes: &Bytes) -> Option<Body> {
        if self.omit_request { None } else { self.keep(bytes, false) }
    }

    /// The copy of the answer's body that is kept.
    pub fn response(&self, bytes: &Bytes, truncated: bool) -> Option<Body> {
        if self.omit_response { None } else { self.keep(bytes, truncated) }
    }

    /// A preview of a body that is kept, as it may be.
    pub fn preview(&self, preview: &str) -> String {
        match self.mode {
            BodyCapture::Full => preview.to_owned(),
            BodyCapture::Redacted => {
                String::from_utf8_lossy(&redact(&Bytes::copy_from_slice(preview.as_bytes())).0).into_owned()
            }
            BodyCapture::None => String::new(),
        }
    }

    /// Whether anything of the request's body is kept.
    pub fn wants_request(&self) -> bool {
        !self.omit_request && self.mode != BodyCapture::None
    }

    /// Whether anything of the answer's body is kept.
    pub fn wants_response(&self) -> bool {
        !self.omit_response && self.mode != BodyCapture::None
    }

    fn keep(&self, bytes: &Bytes, truncated: bool) -> Option<Body> {
        if self.mode == BodyCapture::None || bytes.is_empty() {
            return None;
        }
        let truncated = truncated || bytes.len() > self.max_bytes;
        let bytes = bytes.slice(..bytes.len().min(self.max_bytes));
        let (bytes, redacted) =
            if self.mode == BodyCapture::Redacted { redact(&bytes) } else { (bytes, false) };
        Some(Body { bytes, truncated, redacted })
    }
}

/// Gathers the pieces of a streamed answer for the copy that is kept. Bounded in bytes, by itself and by the pool.
#[derive(Debug)]
pub struct Gathered {
    wanted: bool,
    max_bytes: usize,
    bytes: BytesMut,
    truncated: bool,
    pool: MemoryPool,
    room: Room,
}

impl Gathered {
    /// Nothing yet.
    pub fn new(capture: &Capture, pool: MemoryPool) -> Self {
        Self {
            wanted: capture.wants_response(),
            max_bytes: capture.max_bytes,
            bytes: BytesMut::new(),
            truncated: false,
            pool,
            room: Room::default(),
        }
    }

    /// Adds a piece, as far as there is room.
    pub fn add(&mut self, piece: &[u8]) {
        if !self.wanted || self.truncated {
            return;
        }
        let length = self.bytes.len() + piece.len();
        if length > self.max_bytes || self.pool.grow(&mut self.room, length).is_err() {
            self.truncated = true;
            return;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// What was gathered, and whether something is missing.
    pub fn take(&mut self) -> (Bytes, bool) {
        (std::mem::take(&mut self.bytes).freeze(), self.truncated)
    }
}
