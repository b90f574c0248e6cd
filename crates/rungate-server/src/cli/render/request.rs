//! Requests: as a list, and one in full.

use super::facts::{Facts, joined};
use super::look::{Look, Paint};
use super::row::Request;
use super::table::{Cell, Column, Table};
use super::text;

/// The columns of the list.
pub const COLUMNS: &[Column] = &[
    Column::new("TIME (UTC)").expendable(1),
    Column::new("STATUS").min(8),
    Column::new("MODEL").min(12),
    Column::new("TOKENS").right().expendable(3),
    Column::new("COST").decimal(),
    Column::new("LATENCY").right().expendable(2),
    Column::new("AGENT").min(10).expendable(5),
    Column::new("RUN").min(10).expendable(4),
    Column::new("ID").expendable(6),
];

/// The list.
pub fn table(requests: &[Request]) -> Table {
    let mut table = Table::new(COLUMNS);
    for request in requests {
        table.push(cells(request));
    }
    table
}

/// A row of the list.
pub fn cells(request: &Request) -> Vec<Cell> {
    vec![
        Cell::painted(&text::time(request.created_at), Paint::Faint),
        status(request),
        request.shown_model().into(),
        text::tokens(request.input(), request.output()).into(),
        cost(request),
        request.latency_ms.map(text::duration).unwrap_or_default().into(),
        request.agent_external_id.as_deref().unwrap_or_default().into(),
        request.run_id.as_deref().unwrap_or_default().into(),
        Cell::painted(&request.id, Paint::Faint),
    ]
}

/// Its status: what the client got, and why when that was an error.
pub fn status(request: &Request) -> Cell {
    if request.is_pending() {
        return Cell::painted("pending", Paint::Odd);
    }
    let outcome = request.outcome.as_deref().unwrap_or_default();
    let went_well = outcome == "succeeded";
    let code = request.status.map(|status| status.to_string());
    let why = request.error_code.as_deref().or((!went_well).then_some(outcome));
    let text: Vec<&str> = code.as_deref().into_iter().chain(why).collect();
    let paint = match outcome {
        "succeeded" => Paint::Good,
        "client_closed" | "refused" => Paint::Odd,
        _ => Paint::Bad,
    };
    Cell::painted(&text.join(" "), paint)
}

/// Its cost.
pub fn cost(request: &Request) -> Cell {
    let text = text::cost(request.cost_nano_usd, request.cost_status.as_deref());
    let paint = if request.cost_nano_usd.is_none() { Paint::Odd } else { Paint::Plain };
    Cell::painted(&text, paint)
}

/// One request, a fact per line.
pub fn detail(request: &Request, look: Look) -> String {
    let mut facts = Facts::new(look, 14);
    let status = request.status.map(|status| status.to_string());
    facts.add("id", &request.id);
    facts.add_parts("x-request-id", &[request.request_id.as_deref()]);
    facts.add("started", &request.created_at.map(|at| at.to_string()).unwrap_or_default());
    let call = [&request.method, &request.path].map(|part| part.as_deref().unwrap_or_default());
    facts.add("call", call.join(" ").trim());
    facts.add_parts(
        "outcome",
        &[request.outcome.as_deref(), status.as_deref(), request.error_code.as_deref()],
    );
    facts.add("warnings", &request.warnings.iter().flatten().cloned().collect::<Vec<_>>().join(", "));
    facts.gap();
    let agent = [&request.agent_external_id, &request.agent_name, &request.agent_trust];
    facts.add_parts("agent", &agent.map(Option::as_deref));
    facts.add_parts("run", &[request.run_id.as_deref()]);
    facts.add_parts("session", &[request.session_id.as_deref(), request.session_name.as_deref()]);
    facts.add_parts("trace", &[request.trace_id.as_deref()]);
    facts.add_parts("step", &[request.step_id.as_deref(), request.step_kind.as_deref()]);
    facts.add_parts("after step", &[request.parent_step_id.as_deref()]);
    facts.add_parts("virtual key", &[request.virtual_key_label.as_deref(), request.key_prefix.as_deref()]);
    for (name, value) in request.properties.iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        facts.add("property", &format!("{name} = {value}"));
    }
    facts.gap();
    facts.add_parts("model asked", &[request.requested_model.as_deref()]);
    facts.add_parts("model", &[request.model.as_deref(), request.provider.as_deref()]);
    facts.add("stream", request.stream.map_or("", |stream| if stream { "yes" } else { "no" }));
    facts.add("tokens", &tokens(request));
    let cost = text::cost(request.cost_nano_usd, request.cost_status.as_deref());
    let prices = request.price_snapshot_id.as_ref().map(|id| format!("prices {id}"));
    facts.add_parts("cost", &[Some(&cost), prices.as_deref()]);
    facts.gap();
    facts.add("latency", &latency(request));
    for attempt in request.attempts.iter().flatten() {
        let status = attempt.status.map(|status| status.to_string());
        let took = attempt.latency_ms.map(text::duration);
        let parts = [
            &attempt.provider,
            &attempt.model,
            &status,
            &attempt.error_code,
            &took,
            &attempt.upstream_request_id,
        ];
        facts.add_parts("attempt", &parts.map(Option::as_deref));
    }
    facts.into_text()
}

fn tokens(request: &Request) -> String {
    let tokens = request.tokens.unwrap_or_default();
    let named = [
        ("input", tokens.input),
        ("output", tokens.output),
        ("cached", tokens.cached_input.filter(|count| *count > 0)),
        ("cache write", tokens.cache_write.filter(|count| *count > 0)),
        ("reasoning", tokens.reasoning.filter(|count| *count > 0)),
    ];
    let counts = named.map(|(name, count)| count.map(|count| format!("{count} {name}")));
    let [input, output, cached, cache_write, reasoning] = counts.each_ref().map(Option::as_deref);
    let source = request.usage_source.as_deref().filter(|source| *source != "reported");
    joined(&[input, output, cached, cache_write, reasoning, source])
}

fn latency(request: &Request) -> String {
    let parts = [
        request.latency_ms.map(text::duration),
        request.ttft_ms.map(|ms| format!("first byte after {}", text::duration(ms))),
        request.overhead_ms.map(|ms| format!("{ms} ms of it the gateway's own")),
    ];
    joined(&parts.each_ref().map(Option::as_deref))
}
