//! The steps of a run, put together from what its requests, events and checks say about themselves.

use std::collections::HashMap;

use rungate_core::exchange::{ExchangeRecord, Totals};
use rungate_core::id::CallerId;
use rungate_core::time::Timestamp;
use rungate_core::trail::TrailEntry;

use super::view::{StepView, milliseconds};

/// Steps further down stand at the top. Each level nests JSON twice, and common readers give up at 100 to 128.
const MAX_DEPTH: usize = 32;

/// One step: what the first part of it said about it, and sums over all of them.
struct Node<'a> {
    id: &'a CallerId,
    first: Part<'a>,
    last_activity_at: Timestamp,
    requests: u64,
    events: u64,
    totals: Totals,
}

/// A request, event or check that names a step.
#[derive(Clone, Copy)]
struct Part<'a> {
    at: Timestamp,
    until: Timestamp,
    parent: Option<&'a CallerId>,
    request: Option<&'a ExchangeRecord>,
}

/// The tree of steps, in order of appearance. A step whose parent is not known, or whose parents lead back to itself,
/// stands at the top.
pub fn tree(requests: &[ExchangeRecord], told: &[TrailEntry]) -> Vec<StepView> {
    let nodes = nodes(requests, told);
    let places: HashMap<&CallerId, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
    let parent = |place: usize| places.get(nodes[place].first.parent?).copied();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut top = Vec::new();
    for place in 0..nodes.len() {
        match parent(place) {
            Some(above) if ends(above, parent) => children[above].push(place),
            _ => top.push(place),
        }
    }
    top.into_iter().map(|place| view(place, &nodes, &children)).collect()
}

/// Whether the chain of parents from `place` ends, within the depth of a tree.
fn ends(place: usize, parent: impl Fn(usize) -> Option<usize>) -> bool {
    let mut at = Some(place);
    for _ in 1..MAX_DEPTH {
        let Some(place) = at else { return true };
        at = parent(place);
    }
    at.is_none()
}

fn nodes<'a>(requests: &'a [ExchangeRecord], told: &'a [TrailEntry]) -> Vec<Node<'a>> {
    let of_request = |request: &'a ExchangeRecord| {
        let step = &request.attribution.step;
        let until = request.created_at.max(request.completed_at.unwrap_or_default());
        let parent = step.parent_step_id.as_ref();
        let part = Part { at: request.created_at, until, parent, request: Some(request) };
        Some((step.step_id.as_ref()?, part))
    };
    let of_entry = |entry: &'a TrailEntry| {
        let parent = entry.parent_step_id.as_ref();
        Some((entry.step_id.as_ref()?, Part { at: entry.at, until: entry.at, parent, request: None }))
    };
    let mut parts: Vec<(&CallerId, Part<'_>)> =
        requests.iter().filter_map(of_request).chain(told.iter().filter_map(of_entry)).collect();
    parts.sort_by_key(|(_, part)| part.at);
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut places: HashMap<&CallerId, usize> = HashMap::new();
    for (id, part) in parts {
        let place = *places.entry(id).or_insert_with(|| {
            let last_activity_at = part.at;
            nodes.push(Node {
                id,
                first: part,
                last_activity_at,
                requests: 0,
                events: 0,
                totals: Totals::default(),
            });
            nodes.len() - 1
        });
        let node = &mut nodes[place];
        node.last_activity_at = node.last_activity_at.max(part.until);
        match part.request {
            None => node.events += 1,
            Some(request) => {
                node.requests += 1;
                if request.is_closed() {
                    node.totals.add(request);
                }
            }
        }
    }
    nodes
}

fn view(place: usize, nodes: &[Node<'_>], children: &[Vec<usize>]) -> StepView {
    let node = &nodes[place];
    let step = node.first.request.map(|request| &request.attribution.step);
    StepView {
        step_id: node.id.clone(),
        parent_step_id: node.first.parent.cloned(),
        step_kind: step.and_then(|step| step.step_kind),
        step_source: step.and_then(|step| step.step_source),
        graph_node: step.and_then(|step| step.graph_node.clone()),
        started_at: node.first.at,
        last_activity_at: node.last_activity_at,
        duration_ms: milliseconds(node.first.at, node.last_activity_at),
        requests: node.requests,
        events: node.events,
        sums: (&node.totals).into(),
        children: children[place].iter().map(|child| view(*child, nodes, children)).collect(),
    }
}
