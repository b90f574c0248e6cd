//! How one entry lies in a segment file.
//!
//! A frame is a header of 44 bytes, then the record as JSON, then the bodies as they are. All numbers are
//! little-endian:
//!
//! | at | bytes | what |
//! |--:|--:|---|
//! | 0 | 4 | magic `F5 'R' 'G' 'J'`; `F5` is in no UTF-8 text |
//! | 4 | 1 | version of the format |
//! | 5 | 1 | kind: 1 opened, 2 closed, 3 trail; the content of a trail's entry stands in the place of the request's body |
//! | 6 | 2 | flags: per body one bit each for present, truncated, redacted; the request's in bits 0 to 2, the answer's in bits 3 to 5 |
//! | 8 | 8 | sequence |
//! | 16 | 8 | salt of the segment |
//! | 24 | 4 | length of the record |
//! | 28 | 4 | length of the request's body |
//! | 32 | 4 | length of the answer's body |
//! | 36 | 4 | CRC-32 of record and bodies |
//! | 40 | 4 | CRC-32 of the 40 bytes before |
//!
//! The header has a checksum of its own, so that its lengths can be trusted before anything is read by them, and so
//! that a frame with a damaged body can be stepped over. It also means that only 40 bytes are left to sum up once the
//! sequence is known. The salt is random per segment and never leaves the machine: bytes of a client's body that look
//! like a frame are not taken for one when the frame around them is damaged.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rungate_core::exchange::{Body, Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::ExchangeId;

/// The first bytes of every frame.
pub(super) const MAGIC: [u8; 4] = [0xF5, b'R', b'G', b'J'];

/// The format that is written.
const VERSION: u8 = 1;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 44;

/// No frame is larger: two bodies of the largest kind and their record.
pub(super) const MAX_FRAME_BYTES: u64 = 160 << 20;

const OPENED: u8 = 1;
const CLOSED: u8 = 2;
const TRAIL: u8 = 3;

const PRESENT: u16 = 1;
const TRUNCATED: u16 = 2;
const REDACTED: u16 = 4;
const RESPONSE_SHIFT: u16 = 3;
const KNOWN_FLAGS: u16 = 0b11_1111;

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// No header, or its checksum fails.
    #[error("not a frame")]
    Header,
    /// A header that holds, of a format this version does not know.
    #[error("format {0} is of a newer version")]
    Newer(u8),
    /// The header holds, but not the bytes behind it.
    #[error("the checksum fails")]
    Payload,
    /// Everything holds, but the record cannot be understood.
    #[error("the record cannot be read: {0}")]
    Record(#[from] serde_json::Error),
}

/// Whether the bodies are written too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodies {
    /// As they are.
    Kept,
    /// Marked as truncated, without a byte.
    LeftOut,
}

/// What a frame does to the exchanges that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It opens one.
    Open(ExchangeId),
    /// It closes one, or tells of one that was never open.
    Close(ExchangeId),
    /// Nothing.
    Tell,
}

impl Does {
    const fn kind(self) -> u8 {
        match self {
            Self::Open(_) => OPENED,
            Self::Close(_) => CLOSED,
            Self::Tell => TRAIL,
        }
    }
}

/// An entry made ready for writing: all but its header.
pub(super) struct Frame<'a> {
    /// What it does.
    pub(super) does: Does,
    record: String,
    request: &'a [u8],
    response: &'a [u8],
    flags: u16,
    record_crc: u32,
    payload_crc: u32,
}

impl<'a> Frame<'a> {
    /// An opening.
    pub(super) fn opening(record: &ExchangeRecord, request: Option<&'a Body>) -> io::Result<Self> {
        Self::new(Does::Open(record.id), record.to_json()?, request, None)
    }

    /// Any entry.
    pub(super) fn encode(entry: &'a Entry) -> io::Result<Self> {
        match entry {
            Entry::Opened { record, request } => Self::opening(record, request.as_ref()),
            Entry::Closed { record, request, response } => {
                Self::new(Does::Close(record.id), record.to_json()?, request.as_ref(), response.as_ref())
            }
            Entry::Trail { entry, content } => {
                Self::new(Does::Tell, entry.to_json()?, content.as_ref(), None)
            }
        }
    }

    /// Takes the checksums.
    fn new(
        does: Does,
        record: String,
        request: Option<&'a Body>,
        response: Option<&'a Body>,
    ) -> io::Result<Self> {
        let flags = body_flags(request) | body_flags(response) << RESPONSE_SHIFT;
        let request = request.map_or(&[][..], |body| &body.bytes);
        let response = response.map_or(&[][..], |body| &body.bytes);
        let mut crc = crc32fast::Hasher::new();
        crc.update(record.as_bytes());
        let record_crc = crc.clone().finalize();
        crc.update(request);
        crc.update(response);
        let payload_crc = crc.finalize();
        let frame = Self { does, record, request, response, flags, record_crc, payload_crc };
        if frame.bytes(Bodies::LeftOut) > MAX_FRAME_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is too large for a frame"));
        }
        Ok(frame)
    }

    /// Its size in the file.
    pub(super) fn bytes(&self, bodies: Bodies) -> u64 {
        let bodies = match bodies {
            Bodies::Kept => self.request.len() + self.response.len(),
            Bodies::LeftOut => 0,
        };
        (HEADER_BYTES + self.record.len() + bodies) as u64
    }

    /// The header, now that its place is known.
    pub(super) fn header(&self, sequence: u64, salt: u64, bodies: Bodies) -> [u8; HEADER_BYTES] {
        let (flags, request, response, crc) = match bodies {
            Bodies::Kept => (self.flags, self.request.len(), self.response.len(), self.payload_crc),
            Bodies::LeftOut => (self.lean_flags(), 0, 0, self.record_crc),
        };
        Header {
            kind: self.does.kind(),
            flags,
            sequence,
            salt,
            record: length(self.record.len()),
            request: length(request),
            response: length(response),
            payload_crc: crc,
        }
        .to_bytes()
    }

    /// The record as it stands in the frame.
    pub(super) fn json(&self) -> Arc<str> {
        Arc::from(self.record.as_str())
    }

    /// What follows the header.
    pub(super) fn payload(&self, bodies: Bodies) -> [&[u8]; 3] {
        match bodies {
            Bodies::Kept => [self.record.as_bytes(), self.request, self.response],
            Bodies::LeftOut => [self.record.as_bytes(), &[], &[]],
        }
    }

    fn lean_flags(&self) -> u16 {
        let mut flags = self.flags;
        if !self.request.is_empty() {
            flags |= TRUNCATED;
        }
        if !self.response.is_empty() {
            flags |= TRUNCATED << RESPONSE_SHIFT;
        }
        flags
    }
}

/// Every frame is held below [`MAX_FRAME_BYTES`] before its header is made.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn body_flags(body: Option<&Body>) -> u16 {
    body.map_or(0, |body| {
        PRESENT | if body.truncated { TRUNCATED } else { 0 } | if body.redacted { REDACTED } else { 0 }
    })
}

/// What stands before a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    kind: u8,
    flags: u16,
    /// The frame's place in the journal.
    pub(super) sequence: u64,
    /// The salt of its segment.
    pub(super) salt: u64,
    record: u32,
    request: u32,
    response: u32,
    payload_crc: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with. What follows need not be there.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(FrameError::Header)?;
        if bytes[..4] != MAGIC || u32_at(bytes, 40) != crc32fast::hash(&bytes[..40]) {
            return Err(FrameError::Header);
        }
        if bytes[4] != VERSION {
            return Err(FrameError::Newer(bytes[4]));
        }
        let header = Self {
            kind: bytes[5],
            flags: u16::from_le_bytes([bytes[6], bytes[7]]),
            sequence: u64_at(bytes, 8),
            salt: u64_at(bytes, 16),
            record: u32_at(bytes, 24),
            request: u32_at(bytes, 28),
            response: u32_at(bytes, 32),
            payload_crc: u32_at(bytes, 36),
        };
        let understood = matches!(header.kind, OPENED | CLOSED | TRAIL)
            && header.flags & !KNOWN_FLAGS == 0
            && header.frame_bytes() <= MAX_FRAME_BYTES;
        if understood { Ok(header) } else { Err(FrameError::Header) }
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.record) + u64::from(self.request) + u64::from(self.response)
    }

    /// Whether `frame`, the whole of it, holds what its header says.
    pub(super) fn verifies(&self, frame: &[u8]) -> bool {
        frame.len() as u64 == self.frame_bytes()
            && crc32fast::hash(&frame[HEADER_BYTES..]) == self.payload_crc
    }

    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.kind;
        bytes[6..8].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.record.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.request.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.response.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// Reads one whole frame. The bodies share its memory.
pub(super) fn decode(frame: &Bytes) -> Result<Sequenced, FrameError> {
    let header = Header::parse(frame)?;
    if !header.verifies(frame) {
        return Err(FrameError::Payload);
    }
    let record_end = HEADER_BYTES + header.record as usize;
    let request_end = record_end + header.request as usize;
    let json = str::from_utf8(&frame[HEADER_BYTES..record_end]).map_err(|_| FrameError::Payload)?;
    let request = body(header.flags, || frame.slice(record_end..request_end));
    let entry = match header.kind {
        OPENED => Entry::Opened { record: serde_json::from_str(json)?, request },
        TRAIL => Entry::Trail { entry: serde_json::from_str(json)?, content: request },
        _ => {
            let response = body(header.flags >> RESPONSE_SHIFT, || frame.slice(request_end..));
            Entry::Closed { record: serde_json::from_str(json)?, request, response }
        }
    };
    let sequence = Sequence(header.sequence);
    Ok(Sequenced { sequence, entry: Arc::new(entry), opening: None, json: Arc::from(json) })
}

fn body(flags: u16, bytes: impl FnOnce() -> Bytes) -> Option<Body> {
    (flags & PRESENT != 0).then(|| Body {
        bytes: bytes(),
        truncated: flags & TRUNCATED != 0,
        redacted: flags & REDACTED != 0,
    })
}
