//! Which budgets apply to a spender.

use std::collections::HashMap;

use crate::budget::scope::{Owner, Scope, Spender};
use crate::id::{AgentId, RunId, SessionId, VirtualKeyId, WorkspaceId};

/// Slots of budgets by what they cover. Maps that are empty cost a lookup nothing.
#[derive(Debug, Default)]
pub(super) struct Index {
    workspaces: HashMap<WorkspaceId, Scopes>,
}

#[derive(Debug, Default)]
struct Scopes {
    whole: Vec<usize>,
    agents: HashMap<AgentId, Vec<usize>>,
    virtual_keys: HashMap<VirtualKeyId, Vec<usize>>,
    sessions: HashMap<SessionId, Vec<usize>>,
    runs: HashMap<RunId, Vec<usize>>,
    each_session: HashMap<Option<Owner>, Vec<usize>>,
    each_run: HashMap<Option<Owner>, Vec<usize>>,
}

impl Index {
    pub(super) fn insert(&mut self, workspace: WorkspaceId, scope: &Scope, slot: usize) {
        let scopes = self.workspaces.entry(workspace).or_default();
        match scope {
            // A budget is read and written in its own workspace, whose spend alone it can limit.
            Scope::Workspace(id) if *id != workspace => {}
            Scope::Workspace(_) => scopes.whole.push(slot),
            Scope::Agent(id) => scopes.agents.entry(*id).or_default().push(slot),
            Scope::VirtualKey(id) => scopes.virtual_keys.entry(*id).or_default().push(slot),
            Scope::Session(id) => scopes.sessions.entry(id.clone()).or_default().push(slot),
            Scope::Run(id) => scopes.runs.entry(id.clone()).or_default().push(slot),
            Scope::EachSession(of) => scopes.each_session.entry(*of).or_default().push(slot),
            Scope::EachRun(of) => scopes.each_run.entry(*of).or_default().push(slot),
        }
    }

    pub(super) fn remove(&mut self, workspace: WorkspaceId, scope: &Scope, slot: usize) {
        fn drop_slot<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<usize>>, key: &K, slot: usize) {
            if let Some(slots) = map.get_mut(key) {
                slots.retain(|other| *other != slot);
                if slots.is_empty() {
                    map.remove(key);
                }
            }
        }
        let Some(scopes) = self.workspaces.get_mut(&workspace) else { return };
        match scope {
            Scope::Workspace(_) => scopes.whole.retain(|other| *other != slot),
            Scope::Agent(id) => drop_slot(&mut scopes.agents, id, slot),
            Scope::VirtualKey(id) => drop_slot(&mut scopes.virtual_keys, id, slot),
            Scope::Session(id) => drop_slot(&mut scopes.sessions, id, slot),
            Scope::Run(id) => drop_slot(&mut scopes.runs, id, slot),
            Scope::EachSession(of) => drop_slot(&mut scopes.each_session, of, slot),
            Scope::EachRun(of) => drop_slot(&mut scopes.each_run, of, slot),
        }
    }

    /// Adds the slots of all budgets that cover the spender.
    pub(super) fn covering(&self, spender: &Spender, slots: &mut Vec<usize>) {
        fn add<K: std::hash::Hash + Eq>(
            map: &HashMap<K, Vec<usize>>,
            key: Option<&K>,
            slots: &mut Vec<usize>,
        ) {
            if let Some(found) = key.and_then(|key| map.get(key)) {
                slots.extend_from_slice(found);
            }
        }
        let Some(scopes) = self.workspaces.get(&spender.workspace) else { return };
        slots.extend_from_slice(&scopes.whole);
        add(&scopes.agents, spender.agent.as_ref(), slots);
        add(&scopes.virtual_keys, spender.virtual_key.as_ref(), slots);
        add(&scopes.sessions, spender.session.as_ref(), slots);
        add(&scopes.runs, spender.run.as_ref(), slots);
        let agent = spender.agent.map(Owner::Agent).map(Some);
        let key = spender.virtual_key.map(Owner::VirtualKey).map(Some);
        for (named, each) in
            [(spender.session.is_some(), &scopes.each_session), (spender.run.is_some(), &scopes.each_run)]
        {
            if named && !each.is_empty() {
                add(each, Some(&None), slots);
                add(each, agent.as_ref(), slots);
                add(each, key.as_ref(), slots);
            }
        }
    }
}
