//! How a record is kept: as JSON beside the columns that lists filter by.

use rungate_core::exchange::{Entry, ExchangeRecord, Run, Session};
use rungate_core::id::{ExchangeId, RequestId, RunId, SessionId, TraceId, UserId};
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The partition an exchange belongs to: the day inside its id, so that a replay lands in the same place.
pub(crate) fn partition(record: &ExchangeRecord) -> Day {
    record.id.started_at().unwrap_or(record.created_at).day()
}

/// The partition of an entry of the journal.
pub(crate) fn partition_of_entry(entry: &Entry) -> Day {
    match entry {
        Entry::Opened { record, .. } | Entry::Closed { record, .. } => partition(record),
        Entry::Trail { entry, .. } => entry.day(),
    }
}

/// The partition of an id alone; `None` when the id does not say.
pub(crate) fn partition_of_id(id: ExchangeId) -> Option<Day> {
    id.started_at().map(Timestamp::day)
}

/// Encodes anything that is kept as JSON.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<String, StoreError> {
    // Not damage: nothing that is stored already is at fault.
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Reads a record. Its JSON has milliseconds; the column beside it knows when it started to the microsecond.
pub(crate) fn decode_record(json: &str, created_at: i64) -> Result<ExchangeRecord, StoreError> {
    let mut record: ExchangeRecord = decode(json)?;
    record.created_at = Timestamp::from_micros(created_at);
    Ok(record)
}

/// Reads a run; its times are those of the columns beside it.
pub(crate) fn decode_run(json: &str, started_at: i64, last_at: i64) -> Result<Run, StoreError> {
    let mut run: Run = decode(json)?;
    run.started_at = Timestamp::from_micros(started_at);
    run.last_activity_at = Timestamp::from_micros(last_at);
    Ok(run)
}

/// Reads a session; its times are those of the columns beside it.
pub(crate) fn decode_session(json: &str, started_at: i64, last_at: i64) -> Result<Session, StoreError> {
    let mut session: Session = decode(json)?;
    session.first_at = Timestamp::from_micros(started_at);
    session.last_at = Timestamp::from_micros(last_at);
    Ok(session)
}

/// What a text search looks in, in lower case: ids, agent, models, property values, error, previews.
pub(crate) fn search_text(record: &ExchangeRecord) -> String {
    let attribution = &record.attribution;
    let (id, key) = (record.id.to_string(), record.virtual_key_id.to_string());
    let parts = [
        Some(id.as_str()),
        record.request_id.as_ref().map(RequestId::as_str),
        attribution.run_id.as_ref().map(RunId::as_str),
        attribution.session_id.as_ref().map(SessionId::as_str),
        attribution.trace_id.as_ref().map(TraceId::as_str),
        attribution.otel_trace_id.as_deref(),
        attribution.user_id.as_ref().map(UserId::as_str),
        record.response_id.as_deref(),
        Some(record.agent.external_id.as_str()),
        record.agent.name.as_deref(),
        Some(key.as_str()),
        Some(record.virtual_key_label.as_str()),
        record.requested_model.as_deref(),
        record.model.as_deref(),
        record.provider.as_deref(),
        record.error_code.map(rungate_core::code::Code::as_str),
        record.error_message.as_deref(),
        Some(record.preview_in.as_str()),
        Some(record.preview_out.as_str()),
    ];
    lower_lines(parts.into_iter().flatten().chain(attribution.properties.values().map(String::as_str)))
}

/// Joins texts, one a line so that a search does not match across two of them, in lower case.
pub(crate) fn lower_lines<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::with_capacity(512);
    for part in parts.filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(part);
    }
    text.to_lowercase()
}

/// An unsigned number as a database keeps it, held at the end of the range: what a provider reports is not ours to
/// trust, and must not stop the log.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number that [`integer`] made.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
