//! Writes exchanges: what a batch does to each is decided from what is stored of it, then copied in at once.

use std::collections::{HashMap, HashSet};

use rungate_core::code::Code;
use rungate_core::exchange::{ExchangeRecord, Sequence};
use rungate_core::id::{
    AgentId, ExchangeId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId,
};
use rungate_core::money::NanoUsd;
use rungate_core::ports::StoreError;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::error::column;
use super::copy::{CopyRows, Field, some};
use super::days::{OPEN, day_of};
use crate::block::Location;
use crate::change::Change;
use crate::record::integer;

/// The columns of [`Kept`].
pub(crate) const KEPT: &str =
    "id, day, opened_sequence, request_block, request_offset, request_length, request_flags";

/// What is stored of an exchange before a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    is_open: bool,
    opened: Option<i64>,
    request_at: Option<Location>,
}

impl Kept {
    /// Reads the columns.
    pub fn read(row: &Row) -> Result<(ExchangeId, Self), StoreError> {
        let kept = Self {
            is_open: column::<i32>(row, 1)? == OPEN,
            opened: column(row, 2)?,
            request_at: location(row, 3)?,
        };
        Ok((ExchangeId::new(column(row, 0)?), kept))
    }
}

/// The location in four columns from `first` on.
pub(crate) fn location(row: &Row, first: usize) -> Result<Option<Location>, StoreError> {
    let Some(block) = column(row, first)? else { return Ok(None) };
    Ok(Some(Location {
        block,
        offset: column(row, first + 1)?,
        length: column(row, first + 2)?,
        flags: column(row, first + 3)?,
    }))
}

/// What a batch does to the tables of exchanges.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Rows of exchanges.
    pub exchanges: CopyRows,
    /// Rows of their properties.
    pub properties: CopyRows,
    /// Exchanges that were open and are closed.
    pub closed: Vec<Uuid>,
}

/// Decides what `changes` do to what is stored; entries that repeat what was done before are added to `repeated`.
pub(crate) fn plan(
    node: &str,
    changes: &[Change],
    stored: &HashMap<ExchangeId, Kept>,
    repeated: &mut HashSet<Sequence>,
) -> Plan {
    let mut plan = Plan {
        exchanges: CopyRows::new(EXCHANGE.len()),
        properties: CopyRows::new(PROPERTY.len()),
        closed: Vec::new(),
    };
    for change in changes {
        let record = change.record();
        match stored.get(&record.id) {
            None => {
                let opened = change.opened.map(|sequence| integer(sequence.0));
                plan.exchanges.push(exchange(node, change, opened, change.request_at));
                for property in &record.attribution.properties {
                    plan.properties.push(properties(record, property));
                }
            }
            Some(kept) => {
                repeated.extend(change.opened);
                if kept.is_open && change.closed.is_some() {
                    plan.closed.push(record.id.uuid());
                    let request_at = change.request_at.or(kept.request_at);
                    plan.exchanges.push(exchange(node, change, kept.opened, request_at));
                } else {
                    repeated.extend(change.closed);
                }
            }
        }
    }
    plan
}

/// The columns of [`exchange`].
pub(crate) const EXCHANGE: [&str; 38] = [
    "day",
    "status",
    "is_error",
    "created_at",
    "opened_sequence",
    "closed_sequence",
    "cost",
    "latency_ms",
    "request_block",
    "request_offset",
    "request_length",
    "request_flags",
    "response_block",
    "response_offset",
    "response_length",
    "response_flags",
    "id",
    "workspace",
    "agent_id",
    "member_id",
    "virtual_key_id",
    "provider_key_id",
    "node",
    "request_id",
    "run_id",
    "session_id",
    "trace_id",
    "agent_external_id",
    "model",
    "requested_model",
    "provider",
    "kind",
    "outcome",
    "error_code",
    "user_id",
    "response_id",
    "search",
    "record",
];

/// The columns of [`properties`].
pub(crate) const PROPERTY: [&str; 6] = ["day", "created_at", "workspace", "exchange", "key", "value"];

/// The statement that copies columns into a table.
pub(crate) fn copy(table: &str, columns: &[&str]) -> String {
    format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", columns.join(", "))
}

fn exchange<'a>(
    node: &'a str,
    change: &'a Change,
    opened: Option<i64>,
    request_at: Option<Location>,
) -> [Field<'a>; 38] {
    let record = change.record();
    let attribution = &record.attribution;
    let big = |value: Option<i64>| some(value, Field::Big);
    let id = |value: Option<Uuid>| some(value, Field::Uuid);
    let text = |value: Option<&'a str>| some(value, Field::Text);
    let place = |at: Option<Location>| {
        [
            big(at.map(|at| at.block)),
            big(at.map(|at| at.offset)),
            big(at.map(|at| at.length)),
            big(at.map(|at| at.flags)),
        ]
    };
    let [request_block, request_offset, request_length, request_flags] = place(request_at);
    let [response_block, response_offset, response_length, response_flags] = place(change.response_at);
    [
        Field::Integer(if change.closed.is_some() { day_of(record).days() } else { OPEN }),
        some(record.status, |status| Field::Integer(i32::from(status))),
        Field::Small(i16::from(record.is_error())),
        Field::Big(record.created_at.micros()),
        big(opened),
        big(change.closed.map(|sequence| integer(sequence.0))),
        big(record.cost.map(NanoUsd::nanos)),
        big(record.latency_ms.map(integer)),
        request_block,
        request_offset,
        request_length,
        request_flags,
        response_block,
        response_offset,
        response_length,
        response_flags,
        Field::Uuid(record.id.uuid()),
        Field::Uuid(record.workspace_id.uuid()),
        id(record.agent.id.map(AgentId::uuid)),
        id(record.member_id.map(MemberId::uuid)),
        Field::Uuid(record.virtual_key_id.uuid()),
        id(record.provider_key_id.map(ProviderKeyId::uuid)),
        Field::Text(node),
        text(record.request_id.as_ref().map(RequestId::as_str)),
        text(attribution.run_id.as_ref().map(RunId::as_str)),
        text(attribution.session_id.as_ref().map(SessionId::as_str)),
        text(attribution.trace_id.as_ref().map(TraceId::as_str)),
        Field::Text(record.agent.external_id.as_str()),
        some(record.model.as_deref(), Field::Indexed),
        some(record.requested_model.as_deref(), Field::Indexed),
        some(record.provider.as_deref(), Field::Indexed),
        Field::Text(record.kind.as_str()),
        Field::Text(record.outcome.as_str()),
        text(record.error_code.map(Code::as_str)),
        text(attribution.user_id.as_ref().map(UserId::as_str)),
        some(record.response_id.as_deref(), Field::Indexed),
        Field::Text(&change.search),
        Field::Text(change.json()),
    ]
}

fn properties<'a>(record: &ExchangeRecord, (key, value): (&'a String, &'a String)) -> [Field<'a>; 6] {
    [
        Field::Integer(day_of(record).days()),
        Field::Big(record.created_at.micros()),
        Field::Uuid(record.workspace_id.uuid()),
        Field::Uuid(record.id.uuid()),
        Field::Indexed(key),
        Field::Indexed(value),
    ]
}
