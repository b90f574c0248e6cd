//! Stage 3: what is asked for.

use bytes::Bytes;
use rungate_core::code::Code;
use rungate_core::operation::Operation;
use rungate_llm::request::{self, Scan, ScanError};

use crate::exchange::MAX_NAME_BYTES;
use crate::refusal::Refusal;

/// A request whose body has been read.
pub struct Parsed {
    /// What is asked.
    pub operation: Operation,
    /// The client's bytes.
    pub body: Bytes,
    /// What they say.
    pub scan: Scan,
    /// Characters to be read aloud, where that is what is asked.
    pub characters: Option<u64>,
}

/// Reads the body of a call; calls without one (stored responses) have an empty scan.
pub fn parse(operation: Operation, content_type: Option<&str>, body: Bytes) -> Result<Parsed, Refusal> {
    if operation.has_no_body() {
        return Ok(Parsed { operation, body, scan: Scan::default(), characters: None });
    }
    match request::scan(operation, content_type, &body) {
        Ok(scan) => {
            model(scan.model.as_deref())?;
            let characters = if operation == Operation::Speech { spoken(&body) } else { None };
            Ok(Parsed { operation, body, scan, characters })
        }
        Err(error) => Err(refusal(&error)),
    }
}

/// A model's name stands in the log, in messages and in a header: it is short, and one line.
fn model(name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name else { return Ok(()) };
    if name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control) {
        return Ok(());
    }
    let message = format!("model: must be at most {MAX_NAME_BYTES} bytes without control characters");
    Err(Refusal::new(Code::InvalidParameter, message).param("model"))
}

/// Speech is charged by what is read aloud, and its answer does not say how much that was.
fn spoken(body: &Bytes) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Spoken {
        input: String,
    }
    serde_json::from_slice::<Spoken>(body).ok().map(|spoken| spoken.input.chars().count() as u64)
}

fn refusal(error: &ScanError) -> Refusal {
    match error {
        ScanError::InvalidJson(_) | ScanError::InvalidMultipart(_) => {
            Refusal::new(Code::InvalidJson, error.to_string())
        }
        ScanError::InvalidField { field, .. } => {
            Refusal::new(Code::InvalidParameter, error.to_string()).param(field.clone())
        }
    }
}
