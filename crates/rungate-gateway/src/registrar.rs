//! Remembers agents that nobody registered, off the path of the requests that named them.

use std::collections::HashSet;
use std::sync::Arc;

use rungate_core::agent::{Agent, AgentSource, AgentStatus, AgentType, Environment, Head, OwnLimits};
use rungate_core::id::{AgentRef, ExternalId, WorkspaceId};
use rungate_core::ports::{Catalog, CatalogError, Clock, Entropy, Write, fresh_uuid};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::directory::Directories;

/// More that wait than this are left out; their next request names them again.
const MAX_WAITING: usize = 1_024;

/// An agent as its first request named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewAgent {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The id it gave.
    pub external_id: ExternalId,
    /// The name it gave.
    pub name: Option<String>,
}

/// Where requests leave the agents they name.
#[derive(Debug, Clone)]
pub struct Registrar {
    sender: mpsc::Sender<NewAgent>,
}

/// The other end: see [`Registrations::run`].
#[derive(Debug)]
pub struct Registrations {
    receiver: mpsc::Receiver<NewAgent>,
}

/// Both ends.
pub fn registrar() -> (Registrar, Registrations) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    (Registrar { sender }, Registrations { receiver })
}

impl Registrar {
    /// Leaves an agent to be remembered. Never waits.
    pub fn leave(&self, agent: NewAgent) {
        // Full: the agent's next request comes by again.
        drop(self.sender.try_send(agent));
    }
}

impl Registrations {
    /// Writes agents into the catalog as they come, until `shutdown`. A workspace at its bound gets no more.
    pub async fn run(
        mut self,
        catalog: Arc<dyn Catalog>,
        directories: Arc<Directories>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        shutdown: CancellationToken,
    ) {
        let mut waiting = Vec::new();
        loop {
            waiting.clear();
            tokio::select! {
                () = shutdown.cancelled() => return,
                taken = self.receiver.recv_many(&mut waiting, 64) => if taken == 0 { return },
            }
            let mut seen = HashSet::new();
            for new in waiting.drain(..) {
                let directory = directories.load();
                let Some(workspace) = directory.workspace(new.workspace) else { continue };
                let known = workspace.agent(&AgentRef::External(new.external_id.clone())).is_some();
                let bound = workspace.workspace.settings.max_self_reported_agents as usize;
                let is_full = workspace.self_reported_agents() + seen.len() >= bound;
                if known || is_full || !seen.insert((new.workspace, new.external_id.clone())) {
                    continue;
                }
                if let Err(error) = insert(&*catalog, &*clock, &*entropy, new).await {
                    tracing::warn!(%error, "self-reported agent not remembered");
                }
            }
            if let Err(error) = directories.refresh(&*catalog).await {
                tracing::warn!(%error, "directory not refreshed");
            }
        }
    }
}

async fn insert(
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    new: NewAgent,
) -> Result<(), CatalogError> {
    let now = clock.now();
    let agent = Agent {
        limits: OwnLimits::default(),
        head: Head::new(fresh_uuid(entropy, now), new.workspace, now),
        agent_type: AgentType::AiAgent,
        name: new.name.unwrap_or_else(|| new.external_id.as_str().chars().take(100).collect()),
        external_id: new.external_id,
        description: String::new(),
        about: String::new(),
        environment: Environment::default(),
        framework: None,
        tags: Vec::new(),
        system_prompt: None,
        provider_key_id: None,
        default_model: None,
        allowed_models: Vec::new(),
        blocked_models: Vec::new(),
        require_run_tracking: false,
        bodies: None,
        status: AgentStatus::Active,
        source: AgentSource::SelfReported,
    };
    match catalog.commit(vec![Write::insert(&agent)?]).await {
        // Another node was faster.
        Ok(_) | Err(CatalogError::AlreadyExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
