//! A record as JSON, written by hand: to write it twice is a large part of what recording an exchange takes.
//!
//! The text is the one that serde makes of the same record, which a test sees to. Structs are taken apart in full, so that a new
//! field does not compile until it is written here. What is seldom there, or short, is left to serde.

use serde::Serialize;
use uuid::Uuid;

use super::record::{Attempt, Decision, ExchangeRecord};
use crate::activity::{AgentStamp, Attribution, Step};

/// What a record takes, mostly.
const BYTES: usize = 2 << 10;

impl ExchangeRecord {
    /// The record as JSON.
    ///
    /// # Errors
    /// None that is known: it holds nothing that JSON has no form for.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut out = Vec::with_capacity(BYTES);
        record(&mut Object::begin(&mut out), self)?;
        out.push(b'}');
        String::from_utf8(out).map_err(serde::ser::Error::custom)
    }
}

type Written = Result<(), serde_json::Error>;

fn record(json: &mut Object<'_>, record: &ExchangeRecord) -> Written {
    let ExchangeRecord {
        id,
        workspace_id,
        created_at,
        completed_at,
        kind,
        method,
        path,
        request_id,
        agent,
        attribution,
        virtual_key_id,
        virtual_key_label,
        key_prefix,
        member_id,
        client_ip,
        country,
        outcome,
        status,
        error_code,
        error_message,
        warnings,
        decisions,
        requested_model,
        model,
        provider,
        provider_key_id,
        stream,
        attempts,
        usage,
        usage_source,
        cost,
        cost_status,
        reserved,
        price_snapshot_id,
        cache,
        cache_saved,
        latency_ms,
        ttft_ms,
        overhead_us,
        request_bytes,
        response_bytes,
        preview_in,
        preview_out,
        response_id,
    } = record;
    json.uuid("id", id.uuid());
    json.uuid("workspaceId", workspace_id.uuid());
    json.value("createdAt", &created_at.precise())?;
    json.some("completedAt", completed_at.as_ref())?;
    json.word("kind", kind.as_str());
    json.text("method", method)?;
    json.text("path", path)?;
    json.some_word("requestId", request_id.as_ref().map(|id| id.as_str()));
    json.object("agent", |json| stamp(json, agent))?;
    self::attribution(json, attribution)?;
    json.uuid("virtualKeyId", virtual_key_id.uuid());
    json.text("virtualKeyLabel", virtual_key_label)?;
    json.text("keyPrefix", key_prefix)?;
    json.some_uuid("memberId", member_id.map(|id| id.uuid()));
    json.some("clientIp", client_ip.as_ref())?;
    json.some_text("country", country.as_deref())?;
    json.word("outcome", outcome.as_str());
    json.some("status", status.as_ref())?;
    json.some_word("errorCode", error_code.map(|code| code.as_str()));
    json.some_text("errorMessage", error_message.as_deref())?;
    if !warnings.is_empty() {
        json.value("warnings", warnings)?;
    }
    json.list("decisions", decisions, decision)?;
    json.some_text("requestedModel", requested_model.as_deref())?;
    json.some_text("model", model.as_deref())?;
    json.some_text("provider", provider.as_deref())?;
    json.some_uuid("providerKeyId", provider_key_id.map(|id| id.uuid()));
    json.value("stream", stream)?;
    json.list("attempts", attempts, attempt)?;
    json.some("usage", usage.as_ref())?;
    json.value("usageSource", usage_source)?;
    json.some("cost", cost.as_ref())?;
    json.value("costStatus", cost_status)?;
    json.some("reserved", reserved.as_ref())?;
    json.some_text("priceSnapshotId", price_snapshot_id.as_deref())?;
    json.some_word("cache", cache.map(|cache| cache.as_str()));
    json.some("cacheSaved", cache_saved.as_ref())?;
    json.some("latencyMs", latency_ms.as_ref())?;
    json.some("ttftMs", ttft_ms.as_ref())?;
    json.some("overheadUs", overhead_us.as_ref())?;
    json.value("requestBytes", request_bytes)?;
    json.value("responseBytes", response_bytes)?;
    json.some_text("previewIn", Some(&**preview_in).filter(|text| !text.is_empty()))?;
    json.some_text("previewOut", Some(&**preview_out).filter(|text| !text.is_empty()))?;
    json.some_text("responseId", response_id.as_deref())
}

fn stamp(json: &mut Object<'_>, stamp: &AgentStamp) -> Written {
    let AgentStamp { id, external_id, name, trust } = stamp;
    json.some_uuid("id", id.map(|id| id.uuid()));
    json.word("externalId", external_id.as_str());
    json.some_text("name", name.as_deref())?;
    json.value("trust", trust)
}

fn attribution(json: &mut Object<'_>, attribution: &Attribution) -> Written {
    let Attribution {
        run_id,
        session_id,
        session_path,
        session_name,
        trace_id,
        otel_trace_id,
        user_id,
        step,
        properties,
    } = attribution;
    json.some_word("runId", run_id.as_ref().map(|id| id.as_str()));
    json.some_word("sessionId", session_id.as_ref().map(|id| id.as_str()));
    json.some_text("sessionPath", session_path.as_deref())?;
    json.some_text("sessionName", session_name.as_deref())?;
    json.some_word("traceId", trace_id.as_ref().map(|id| id.as_str()));
    json.some_text("otelTraceId", otel_trace_id.as_deref())?;
    json.some_word("userId", user_id.as_ref().map(|id| id.as_str()));
    self::step(json, step)?;
    if properties.is_empty() {
        return Ok(());
    }
    json.object("properties", |json| {
        properties.iter().try_for_each(|(key, value)| {
            json.name(key)?;
            string(json.out, value)
        })
    })
}

fn step(json: &mut Object<'_>, step: &Step) -> Written {
    let Step {
        step_id,
        parent_step_id,
        tool_call_id,
        handoff_id,
        graph_node,
        state_hash,
        step_input_hash,
        iteration,
        step_attempt,
        step_kind,
        step_source,
    } = step;
    json.some_word("stepId", step_id.as_ref().map(|id| id.as_str()));
    json.some_word("parentStepId", parent_step_id.as_ref().map(|id| id.as_str()));
    json.some_word("toolCallId", tool_call_id.as_ref().map(|id| id.as_str()));
    json.some_word("handoffId", handoff_id.as_ref().map(|id| id.as_str()));
    json.some_word("graphNode", graph_node.as_ref().map(|id| id.as_str()));
    json.some_word("stateHash", state_hash.as_ref().map(|id| id.as_str()));
    json.some_word("stepInputHash", step_input_hash.as_ref().map(|id| id.as_str()));
    json.some("iteration", iteration.as_ref())?;
    json.some("stepAttempt", step_attempt.as_ref())?;
    json.some("stepKind", step_kind.as_ref())?;
    json.some("stepSource", step_source.as_ref())
}

fn decision(json: &mut Object<'_>, decision: &Decision) -> Written {
    let Decision { policy_id, policy_name, version, mode, rule, effect, reason } = decision;
    json.some_text("policyId", policy_id.as_deref())?;
    json.some_text("policyName", policy_name.as_deref())?;
    json.some("version", version.as_ref())?;
    json.some("mode", mode.as_ref())?;
    json.text("type", rule)?;
    json.value("effect", effect)?;
    json.some_text("reason", reason.as_deref())
}

fn attempt(json: &mut Object<'_>, attempt: &Attempt) -> Written {
    let Attempt {
        provider,
        model,
        provider_key_id,
        status,
        upstream_request_id,
        latency_ms,
        error_code,
        cost,
    } = attempt;
    json.text("provider", provider)?;
    json.some_text("model", model.as_deref())?;
    json.uuid("providerKeyId", provider_key_id.uuid());
    json.some("status", status.as_ref())?;
    json.some_text("upstreamRequestId", upstream_request_id.as_deref())?;
    json.value("latencyMs", latency_ms)?;
    json.some_word("errorCode", error_code.map(|code| code.as_str()));
    json.some("cost", cost.as_ref())
}

/// An object of which the end is still to be written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out }
    }

    /// The name of the next field, which needs no escaping.
    fn key(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A name that somebody else chose.
    fn name(&mut self, name: &str) -> Written {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        string(self.out, name)?;
        self.out.push(b':');
        Ok(())
    }

    fn text(&mut self, name: &str, text: &str) -> Written {
        self.key(name);
        string(self.out, text)
    }

    fn some_text(&mut self, name: &str, text: Option<&str>) -> Written {
        text.map_or(Ok(()), |text| self.text(name, text))
    }

    /// A text whose grammar has nothing that needs escaping.
    fn word(&mut self, name: &str, word: &str) {
        self.key(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    fn some_word(&mut self, name: &str, word: Option<&str>) {
        if let Some(word) = word {
            self.word(name, word);
        }
    }

    fn uuid(&mut self, name: &str, id: Uuid) {
        self.word(name, id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }

    fn some_uuid(&mut self, name: &str, id: Option<Uuid>) {
        if let Some(id) = id {
            self.uuid(name, id);
        }
    }

    /// Anything, as serde has it.
    fn value<T: Serialize>(&mut self, name: &str, value: &T) -> Written {
        self.key(name);
        serde_json::to_writer(&mut *self.out, value)
    }

    fn some<T: Serialize>(&mut self, name: &str, value: Option<&T>) -> Written {
        value.map_or(Ok(()), |value| self.value(name, value))
    }

    fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>) -> Written) -> Written {
        self.key(name);
        write(&mut Object::begin(self.out))?;
        self.out.push(b'}');
        Ok(())
    }

    /// A list of objects; none where it is empty.
    fn list<T>(&mut self, name: &str, list: &[T], write: fn(&mut Object<'_>, &T) -> Written) -> Written {
        if list.is_empty() {
            return Ok(());
        }
        self.key(name);
        self.out.push(b'[');
        for (place, element) in list.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            write(&mut Object::begin(self.out), element)?;
            self.out.push(b'}');
        }
        self.out.push(b']');
        Ok(())
    }
}

/// A string. Most have nothing to escape, which is seen many bytes at a time.
fn string(out: &mut Vec<u8>, text: &str) -> Written {
    let needs_escape = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    if text.as_bytes().iter().fold(false, |found, byte| found | needs_escape(byte)) {
        return serde_json::to_writer(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests;
