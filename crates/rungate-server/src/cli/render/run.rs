//! Runs: as a list, and one as a timeline.

use super::facts::Facts;
use super::look::{Look, Paint};
use super::request;
use super::row::{Request, Run};
use super::table::{Cell, Column, Table};
use super::text;

const LIST: &[Column] = &[
    Column::new("STARTED (UTC)").expendable(2),
    Column::new("RUN").min(12),
    Column::new("STATUS"),
    Column::new("REQUESTS").right().expendable(1),
    Column::new("ERRORS").right().expendable(3),
    Column::new("TOKENS").right().expendable(5),
    Column::new("COST").right(),
    Column::new("DURATION").right().expendable(4),
    Column::new("AGENT").min(10).expendable(6),
    Column::new("SESSION").min(10).expendable(7),
];

const STEPS: &[Column] = &[
    Column::new("AT").right(),
    Column::new("STEP").min(8).expendable(2),
    Column::new("WHERE THE TIME WENT").expendable(5),
    Column::new("MODEL").min(10).expendable(1),
    Column::new("TOKENS").right().expendable(4),
    Column::new("LATENCY").right().expendable(3),
    Column::new("COST").decimal(),
    Column::new("STATUS").min(8),
];

const BAR: usize = 24;

/// The list.
pub fn table(runs: &[Run]) -> Table {
    let mut table = Table::new(LIST);
    for run in runs {
        let agents: Vec<&str> = run.agents.iter().flatten().map(super::row::Agent::shown).collect();
        let number = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        let tokens = run.tokens.unwrap_or_default();
        let errors = if run.errors > Some(0) { Paint::Bad } else { Paint::Plain };
        table.push(vec![
            Cell::painted(&text::time(run.started_at), Paint::Faint),
            run.run_id.as_str().into(),
            status(run),
            number(run.requests).into(),
            Cell::painted(&number(run.errors), errors),
            text::tokens(tokens.input, tokens.output).into(),
            total(run).into(),
            run.duration_ms.map(text::duration).unwrap_or_default().into(),
            agents.join(", ").into(),
            run.session_id.as_deref().unwrap_or_default().into(),
        ]);
    }
    table
}

/// One run: who and what, its requests on a common scale of time, and what they add up to. `steps` are oldest first;
/// `more` says that there are others.
pub fn timeline(run: &Run, steps: &[Request], more: bool, look: Look) -> String {
    let mut shown = heading(run, look);
    shown.push('\n');
    if steps.is_empty() {
        shown += "No requests of this run are kept any more.\n";
    } else {
        shown += &step_table(run, steps).render(look);
    }
    if more {
        shown += "…\n";
    }
    shown.push('\n');
    shown += &look.paint(Paint::Bold, &totals(run));
    shown.push('\n');
    shown
}

fn heading(run: &Run, look: Look) -> String {
    let title = format!("Run {}", text::clean(&run.run_id));
    let name = run.name.as_deref().map(text::clean).unwrap_or_default();
    let mut facts = Facts::new(look, 9);
    facts.add("id", &run.id);
    for agent in run.agents.iter().flatten() {
        let known = [&agent.external_id, &agent.name, &agent.trust];
        facts.add_parts("agent", &known.map(Option::as_deref));
    }
    facts.add_parts("session", &[run.session_id.as_deref()]);
    facts.add_parts("trace", &[run.trace_id.as_deref()]);
    facts.add_parts("status", &[run.status.as_deref()]);
    facts.add("started", &run.started_at.map(|at| at.to_string()).unwrap_or_default());
    let title = format!("{}  {name}", look.paint(Paint::Bold, &title));
    format!("{}\n{}", title.trim_end(), facts.into_text())
}

fn step_table(run: &Run, steps: &[Request]) -> Table {
    let start = steps.iter().filter_map(|step| step.created_at).chain(run.started_at).min();
    let from = |step: &Request| match (start, step.created_at) {
        (Some(start), Some(at)) => u64::try_from(at.since(start).as_millis()).unwrap_or(u64::MAX),
        _ => 0,
    };
    let end = |step: &Request| from(step).saturating_add(step.latency_ms.unwrap_or(0));
    let whole = steps.iter().map(end).max().unwrap_or(0);
    let mut table = Table::new(STEPS);
    for step in steps {
        let bar = text::bar(from(step), step.latency_ms.unwrap_or(0), whole, BAR);
        let name = match (&step.step_id, &step.step_kind) {
            (Some(id), Some(kind)) => format!("{id} {kind}"),
            (Some(only), None) | (None, Some(only)) => only.clone(),
            (None, None) => step.kind.clone().unwrap_or_default(),
        };
        table.push(vec![
            Cell::painted(&text::offset(from(step)), Paint::Faint),
            name.into(),
            Cell::painted(&bar, Paint::Faint),
            step.shown_model().into(),
            text::tokens(step.input(), step.output()).into(),
            step.latency_ms.map(text::duration).unwrap_or_default().into(),
            request::cost(step),
            request::status(step),
        ]);
    }
    table
}

/// The known costs of a run; unknown when none of them is known.
fn total(run: &Run) -> String {
    let unknown = run.unknown_cost_requests.unwrap_or(0);
    match run.cost_nano_usd {
        Some(cost) if unknown == 0 => text::usd(cost),
        Some(cost) if cost.nanos() > 0 => format!("{} + unknown", text::usd(cost)),
        _ => "unknown".to_owned(),
    }
}

fn totals(run: &Run) -> String {
    let mut parts = vec![text::count(run.requests.unwrap_or(0), "request")];
    if let Some(errors) = run.errors.filter(|errors| *errors > 0) {
        parts.push(text::count(errors, "error"));
    }
    let tokens = run.tokens.unwrap_or_default();
    let counted = text::tokens(tokens.input, tokens.output);
    if !counted.is_empty() {
        parts.push(format!("{counted} tokens"));
    }
    parts.extend(run.duration_ms.map(text::duration));
    parts.push(total(run));
    let unknown = match run.unknown_cost_requests {
        Some(unknown) if unknown > 0 => {
            format!(" ({} without a known cost)", text::count(unknown, "request"))
        }
        _ => String::new(),
    };
    format!("Total  {}{unknown}", parts.join(" · "))
}

fn status(run: &Run) -> Cell {
    let status = run.status.as_deref().unwrap_or_default();
    let paint = match status {
        "running" | "completed" => Paint::Good,
        "failed" => Paint::Bad,
        "cancelled" => Paint::Odd,
        _ => Paint::Faint,
    };
    Cell::painted(status, paint)
}
