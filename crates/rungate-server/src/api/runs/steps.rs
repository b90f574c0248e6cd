//! The steps of a run, put together from what its requests say about themselves.

use std::collections::HashMap;

use rungate_core::exchange::{ExchangeRecord, Totals};
use rungate_core::id::CallerId;
use rungate_core::time::Timestamp;

use super::view::{StepView, milliseconds};

/// Steps further down stand at the top. Each level nests JSON twice, and common readers give up at 100 to 128.
const MAX_DEPTH: usize = 32;

/// One step: what its first request said about it, and sums over all of them.
struct Node<'a> {
    first: &'a ExchangeRecord,
    id: &'a CallerId,
    last_activity_at: Timestamp,
    requests: u64,
    totals: Totals,
}

/// The tree of steps, in order of appearance. A step whose parent is not known, or whose parents lead back to itself,
/// stands at the top.
pub fn tree(requests: &[ExchangeRecord]) -> Vec<StepView> {
    let nodes = nodes(requests);
    let places: HashMap<&CallerId, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
    let parent = |place: usize| {
        let id = nodes[place].first.attribution.step.parent_step_id.as_ref()?;
        places.get(id).copied()
    };
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

fn nodes(requests: &[ExchangeRecord]) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut places: HashMap<&CallerId, usize> = HashMap::new();
    for request in requests {
        let Some(id) = &request.attribution.step.step_id else { continue };
        let place = *places.entry(id).or_insert_with(|| {
            let last_activity_at = request.created_at;
            nodes.push(Node { first: request, id, last_activity_at, requests: 0, totals: Totals::default() });
            nodes.len() - 1
        });
        let node = &mut nodes[place];
        node.requests += 1;
        node.last_activity_at =
            node.last_activity_at.max(request.created_at).max(request.completed_at.unwrap_or_default());
        if request.is_closed() {
            node.totals.add(request);
        }
    }
    nodes
}

fn view(place: usize, nodes: &[Node<'_>], children: &[Vec<usize>]) -> StepView {
    let node = &nodes[place];
    let step = &node.first.attribution.step;
    StepView {
        step_id: node.id.clone(),
        parent_step_id: step.parent_step_id.clone(),
        step_kind: step.step_kind,
        step_source: step.step_source,
        graph_node: step.graph_node.clone(),
        started_at: node.first.created_at,
        last_activity_at: node.last_activity_at,
        duration_ms: milliseconds(node.first.created_at, node.last_activity_at),
        requests: node.requests,
        sums: (&node.totals).into(),
        children: children[place].iter().map(|child| view(*child, nodes, children)).collect(),
    }
}
