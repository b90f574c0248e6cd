//! A request as clients of the older log reader know it: the row of the control API with its names in snake_case, and
//! beside them the older names.

use rungate_core::activity::{StepKind, StepSource, Trust};
use rungate_core::exchange::ExchangeRecord;
use rungate_core::id::{
    AgentId, CallerId, ExchangeId, ExternalId, MemberId, ProviderKeyId, RunId, VirtualKeyId, WorkspaceId,
};
use rungate_core::money::NanoUsd;
use rungate_core::ports::Row;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::envelope::to_json;
use crate::api::error::ApiError;
use crate::api::requests::view::{RequestView, TokensView};

const USD: &str = "USD";

/// The requests that an id names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestLog {
    /// The newest one: every field of `Request` in snake_case, and these.
    #[schema(value_type = OlderNames)]
    row: Value,
    /// What it cost, in US dollars; null while that is unknown.
    #[schema(value_type = Option<f64>)]
    cost: Option<Number>,
    /// The same as `cost`.
    #[schema(value_type = Option<f64>)]
    total_cost: Option<Number>,
    /// Always `USD`.
    currency: &'static str,
    /// How many requests the id names, at most 1 000.
    matches: usize,
    /// The others, newest first.
    #[schema(value_type = Vec<OlderNames>)]
    rows: Vec<Value>,
}

impl RequestLog {
    /// Puts rows on the wire, newest first; `None` when there are none.
    pub fn of(rows: Vec<Row>) -> Result<Option<Self>, ApiError> {
        let matches = rows.len();
        let cost = rows.first().and_then(|row| row.record.cost).map(NanoUsd::to_usd_number);
        let mut rows = rows.into_iter().map(row).collect::<Result<Vec<_>, _>>()?.into_iter();
        let Some(newest) = rows.next() else { return Ok(None) };
        Ok(Some(Self {
            row: newest,
            total_cost: cost.clone(),
            cost,
            currency: USD,
            matches,
            rows: rows.collect(),
        }))
    }
}

fn row(row: Row) -> Result<Value, ApiError> {
    let older = to_json(&OlderNames::from(&row.record))?;
    let mut row = snake(to_json(&RequestView::from(row))?);
    if let (Value::Object(row), Value::Object(older)) = (&mut row, older) {
        row.extend(older);
    }
    Ok(row)
}

/// Writes the names of fields in snake_case. Properties are named by the caller and stay as they are.
fn snake(value: Value) -> Value {
    let field = |(name, value): (String, Value)| {
        let value = if name == "properties" { value } else { snake(value) };
        (snake_name(&name), value)
    };
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>()),
        Value::Array(items) => Value::Array(items.into_iter().map(snake).collect()),
        plain => plain,
    }
}

fn snake_name(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// The older names of what a row says, and what only older clients ask for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestLogRow)]
struct OlderNames {
    /// The client's `x-request-id`, else our id.
    request_id: String,
    /// Our id.
    #[schema(value_type = Uuid)]
    response_id: ExchangeId,
    #[schema(value_type = String, format = DateTime)]
    request_created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    response_created_at: Option<Timestamp>,
    /// In US dollars; null while it is unknown.
    #[schema(value_type = Option<f64>)]
    cost: Option<Number>,
    /// Always `USD`.
    currency: &'static str,
    /// In milliseconds.
    latency: Option<u64>,
    /// In milliseconds.
    time_to_first_token: Option<u64>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_cache_read_tokens: Option<u64>,
    prompt_cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    prompt_audio_tokens: Option<u64>,
    completion_audio_tokens: Option<u64>,
    #[schema(value_type = Uuid)]
    proxy_key_id: VirtualKeyId,
    proxy_key_name: String,
    proxy_key_prefix: String,
    #[schema(value_type = Option<Uuid>)]
    master_key_id: Option<ProviderKeyId>,
    #[schema(value_type = Uuid)]
    workspace_id: WorkspaceId,
    /// `agent` or `member`.
    entity_type: &'static str,
    entity_id: Option<Uuid>,
    entity_name: Option<String>,
    country_code: Option<String>,
    /// Whether caching was asked for, by a policy or a header.
    cache_enabled: bool,
    /// Both bodies together.
    size_bytes: u64,
    /// The external id.
    #[schema(value_type = String)]
    alephant_agent_id: ExternalId,
    alephant_agent_name: Option<String>,
    #[schema(value_type = String)]
    alephant_agent_trust_level: Trust,
    #[schema(value_type = Option<String>)]
    alephant_run_id: Option<RunId>,
    #[schema(value_type = Option<String>)]
    alephant_step_id: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    alephant_graph_node: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    alephant_step_kind: Option<StepKind>,
    #[schema(value_type = Option<String>)]
    alephant_step_source: Option<StepSource>,
    /// Always null in this version.
    policy_event_type: Option<String>,
}

impl From<&ExchangeRecord> for OlderNames {
    fn from(record: &ExchangeRecord) -> Self {
        let (agent, attribution) = (&record.agent, &record.attribution);
        let step = attribution.step.clone();
        let tokens = TokensView::from(record.usage);
        let request_id =
            record.request_id.as_ref().map_or_else(|| record.id.to_string(), ToString::to_string);
        let (entity_type, entity_id, entity_name) = match record.member_id {
            Some(member) => ("member", Some(MemberId::uuid(member)), None),
            None => ("agent", agent.id.map(AgentId::uuid), agent.name.clone()),
        };
        Self {
            request_id,
            response_id: record.id,
            request_created_at: record.created_at,
            response_created_at: record.completed_at,
            cost: record.cost.map(NanoUsd::to_usd_number),
            currency: USD,
            latency: record.latency_ms,
            time_to_first_token: record.ttft_ms,
            prompt_tokens: tokens.input,
            completion_tokens: tokens.output,
            prompt_cache_read_tokens: tokens.cached_input,
            prompt_cache_write_tokens: tokens.cache_write,
            reasoning_tokens: tokens.reasoning,
            prompt_audio_tokens: tokens.audio_input,
            completion_audio_tokens: tokens.audio_output,
            proxy_key_id: record.virtual_key_id,
            proxy_key_name: record.virtual_key_label.clone(),
            proxy_key_prefix: record.key_prefix.clone(),
            master_key_id: record.provider_key_id,
            workspace_id: record.workspace_id,
            entity_type,
            entity_id,
            entity_name,
            country_code: record.country.clone(),
            cache_enabled: record.cache.is_some(),
            size_bytes: record.request_bytes + record.response_bytes,
            alephant_agent_id: agent.external_id.clone(),
            alephant_agent_name: agent.name.clone(),
            alephant_agent_trust_level: agent.trust,
            alephant_run_id: attribution.run_id.clone(),
            alephant_step_id: step.step_id,
            alephant_graph_node: step.graph_node,
            alephant_step_kind: step.step_kind,
            alephant_step_source: step.step_source,
            policy_event_type: None,
        }
    }
}
