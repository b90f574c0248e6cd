//! What the gateway knows of all workspaces, held in memory: keys, agents, provider keys, prices.
//!
//! A [`Directory`] is an immutable picture of one catalog revision. A node that changes the catalog takes a new picture
//! before it answers; every node polls the revision, so that a change is in force everywhere within a second.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use globset::{Glob, GlobSet, GlobSetBuilder};
use rungate_core::agent::{
    Agent, AgentSource, AgentStatus, KeyOwner, Pat, PriceOverride, ProviderKey, ProviderKeyStatus, Resource,
    VirtualKey, Workspace,
};
use rungate_core::budget::Budget;
use rungate_core::id::{AgentId, AgentRef, ExternalId, MemberId, ProviderKeyId, WorkspaceId};
use rungate_core::keyring::Keyring;
use rungate_core::policy::{Policy, PolicySet};
use rungate_core::ports::{Catalog, Revision, StoreError};
use rungate_core::secret::{SealError, Secret, TokenHash};
use rungate_core::time::Timestamp;
use rungate_llm::provider::Provider;
use rungate_llm::providers;

use crate::budget::Ledger;
use crate::prices::{DatedPrice, OwnPrices, Prices};

/// The current picture, shared by all requests.
pub struct Directories {
    current: ArcSwap<Directory>,
    keyring: Keyring,
    prices: Arc<Prices>,
    ledger: Arc<Ledger>,
    refreshing: tokio::sync::Mutex<()>,
}

/// One picture of the catalog.
#[derive(Default)]
pub struct Directory {
    revision: Revision,
    workspaces: HashMap<WorkspaceId, Arc<WorkspaceEntry>>,
    keys: HashMap<TokenHash, Arc<KeyEntry>>,
    pats: HashMap<TokenHash, Arc<Pat>>,
}

/// A workspace with everything that requests need of it.
pub struct WorkspaceEntry {
    /// The workspace itself.
    pub workspace: Workspace,
    /// Its usable provider keys, best first.
    pub provider_keys: Vec<Arc<ProviderAccess>>,
    agents: HashMap<AgentId, Arc<Agent>>,
    agents_by_external_id: HashMap<ExternalId, Arc<Agent>>,
    /// Its policies; `None` when one of them cannot be read, so that nobody knows what they would say.
    pub policies: Option<PolicySet>,
    /// Its budgets.
    pub budgets: Vec<Arc<Budget>>,
    prices: OwnPrices,
}

/// A virtual key with everything that requests need of it.
pub struct KeyEntry {
    /// The key itself.
    pub key: VirtualKey,
    /// Its workspace.
    pub workspace: Arc<WorkspaceEntry>,
    /// The agent it is bound to, if it is.
    pub agent: Option<Arc<Agent>>,
    /// What the key and its agent allow.
    pub models: Vec<ModelRule>,
    /// Until when this token works, when it is the one before a rotation.
    pub previous_until: Option<Timestamp>,
}

/// Which models a key or an agent may use.
pub struct ModelRule {
    /// Names the rule on decisions: `key.models` or `agent.models`.
    pub name: &'static str,
    allowed: Option<GlobSet>,
    blocked: GlobSet,
}

/// A provider key, opened.
pub struct ProviderAccess {
    /// The key as stored.
    pub key: ProviderKey,
    /// Its provider.
    pub provider: &'static Provider,
    /// The credential.
    pub secret: Secret,
    models: Option<GlobSet>,
}

impl Directories {
    /// An empty picture; see [`Directories::refresh`]. `prices` and `ledger` follow the catalog in the same step.
    pub fn new(keyring: Keyring, prices: Arc<Prices>, ledger: Arc<Ledger>) -> Self {
        Self {
            current: ArcSwap::default(),
            keyring,
            prices,
            ledger,
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    /// The current picture.
    pub fn load(&self) -> Arc<Directory> {
        self.current.load_full()
    }

    /// Takes a new picture if the catalog has moved on. After it returns, every commit that was answered before the call
    /// is in force here.
    pub async fn refresh(&self, catalog: &dyn Catalog) -> Result<Revision, StoreError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let revision = catalog.revision().await?;
        let current = self.current.load();
        if revision != Revision::default() && revision == current.revision {
            return Ok(revision);
        }
        let directory = Directory::read(catalog, &self.keyring, revision).await?;
        self.prices.refresh(catalog).await?;
        let budgets = directory.workspaces.values().flat_map(|entry| &entry.budgets);
        self.ledger.follow(budgets.map(|budget| Budget::clone(budget)));
        self.current.store(Arc::new(directory));
        Ok(revision)
    }
}

impl Directory {
    async fn read(catalog: &dyn Catalog, keyring: &Keyring, revision: Revision) -> Result<Self, StoreError> {
        let mut builders: HashMap<WorkspaceId, WorkspaceEntry> = HashMap::new();
        for workspace in all::<Workspace>(catalog).await? {
            builders.insert(workspace.id(), WorkspaceEntry::new(workspace));
        }
        for agent in all::<Agent>(catalog).await? {
            if let Some(entry) = builders.get_mut(&agent.head.workspace_id) {
                entry.add_agent(agent);
            }
        }
        for key in all::<ProviderKey>(catalog).await? {
            if let Some(entry) = builders.get_mut(&key.head.workspace_id) {
                entry.add_provider_key(key, keyring);
            }
        }
        for price in all::<PriceOverride>(catalog).await? {
            if let Some(entry) = builders.get_mut(&price.head.workspace_id)
                && price.deleted_at.is_none()
            {
                entry.prices.add(price);
            }
        }
        let policies = all::<Policy>(catalog).await?;
        for (id, entry) in &mut builders {
            let own = policies.iter().filter(|policy| policy.head.workspace_id == *id);
            entry.policies = PolicySet::compile(own)
                .inspect_err(
                    |bad| tracing::error!(policy = %bad.id, error = %bad.error, "a policy cannot be read"),
                )
                .ok();
        }
        for budget in all::<Budget>(catalog).await? {
            if let Some(entry) = builders.get_mut(&budget.head.workspace_id) {
                entry.budgets.push(Arc::new(budget));
            }
        }
        let mut directory = Self { revision, ..Self::default() };
        for (id, mut entry) in builders {
            entry
                .provider_keys
                .sort_by_key(|access| (access.key.priority, access.key.head.created_at, access.key.head.id));
            directory.workspaces.insert(id, Arc::new(entry));
        }
        for key in all::<VirtualKey>(catalog).await? {
            directory.add_key(key);
        }
        for pat in all::<Pat>(catalog).await? {
            directory.pats.insert(pat.token_hash, Arc::new(pat));
        }
        Ok(directory)
    }

    fn add_key(&mut self, key: VirtualKey) {
        let Some(workspace) = self.workspaces.get(&key.head.workspace_id) else { return };
        let agent = match key.owner {
            KeyOwner::Agent(id) => workspace.agents.get(&id).cloned(),
            KeyOwner::Member(_) => None,
        };
        let entry = |key: VirtualKey, previous_until| {
            let mut models = Vec::new();
            models.extend(ModelRule::new("key.models", &key.allowed_models, &key.blocked_models));
            if let Some(agent) = &agent {
                models.extend(ModelRule::new("agent.models", &agent.allowed_models, &agent.blocked_models));
            }
            Arc::new(KeyEntry {
                key,
                workspace: Arc::clone(workspace),
                agent: agent.clone(),
                models,
                previous_until,
            })
        };
        if let Some(previous) = &key.previous {
            let until = Some(previous.expires_at);
            let hash = previous.hash;
            let previous = entry(key.clone(), until);
            self.keys.insert(hash, previous);
        }
        self.keys.insert(key.token_hash, entry(key, None));
    }

    /// The revision it shows.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The virtual key of a token, whether it is usable or not.
    pub fn key(&self, token: &TokenHash) -> Option<&Arc<KeyEntry>> {
        self.keys.get(token)
    }

    /// The personal access token, whether it is usable or not.
    pub fn pat(&self, token: &TokenHash) -> Option<&Arc<Pat>> {
        self.pats.get(token)
    }

    /// A workspace.
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Arc<WorkspaceEntry>> {
        self.workspaces.get(&id)
    }

    /// The oldest workspace: that of whoever runs the installation.
    pub fn home(&self) -> Option<WorkspaceId> {
        let oldest = self.workspaces.values().min_by_key(|entry| {
            let head = &entry.workspace.head;
            (head.created_at, head.id)
        });
        oldest.map(|entry| entry.workspace.id())
    }

    /// Every virtual key, by whichever token.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<KeyEntry>> {
        self.keys.values()
    }

    /// Every workspace.
    pub fn workspaces(&self) -> impl Iterator<Item = &Arc<WorkspaceEntry>> {
        self.workspaces.values()
    }
}

impl KeyEntry {
    /// Whether a rate limit stands on it or on its agent.
    pub fn has_limits(&self) -> bool {
        !self.key.limits.is_empty() || self.agent.as_ref().is_some_and(|agent| !agent.limits.is_empty())
    }

    /// Whether the token may be used now: switched on, not expired, not past its grace, its agent active.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        let agent_is_active = match (&self.key.owner, &self.agent) {
            (KeyOwner::Agent(_), agent) => {
                agent.as_ref().is_some_and(|agent| agent.status == AgentStatus::Active)
            }
            (KeyOwner::Member(_), _) => true,
        };
        agent_is_active && self.key.is_usable(now) && self.previous_until.is_none_or(|until| now < until)
    }

    /// The member it is bound to, if it is.
    pub const fn member_id(&self) -> Option<MemberId> {
        match self.key.owner {
            KeyOwner::Member(id) => Some(id),
            KeyOwner::Agent(_) => None,
        }
    }

    /// The provider key it is confined to, by itself or by its agent.
    pub fn bound_provider_key(&self) -> Option<ProviderKeyId> {
        self.key.provider_key_id.or_else(|| self.agent.as_ref()?.provider_key_id)
    }
}

impl WorkspaceEntry {
    fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            provider_keys: Vec::new(),
            agents: HashMap::new(),
            agents_by_external_id: HashMap::new(),
            policies: Some(PolicySet::default()),
            budgets: Vec::new(),
            prices: OwnPrices::default(),
        }
    }

    fn add_agent(&mut self, agent: Agent) {
        let agent = Arc::new(agent);
        self.agents_by_external_id.insert(agent.external_id.clone(), Arc::clone(&agent));
        self.agents.insert(agent.id(), agent);
    }

    fn add_provider_key(&mut self, key: ProviderKey, keyring: &Keyring) {
        if key.status != ProviderKeyStatus::Active {
            return;
        }
        let id = key.id();
        match ProviderAccess::open(key, keyring) {
            Ok(access) => self.provider_keys.push(Arc::new(access)),
            Err(error) => tracing::error!(provider_key = %id, %error, "provider key left out"),
        }
    }

    /// An agent by either of its ids.
    pub fn agent(&self, reference: &AgentRef) -> Option<&Arc<Agent>> {
        match reference {
            AgentRef::Id(id) => self.agents.get(id),
            AgentRef::External(id) => self.agents_by_external_id.get(id),
        }
    }

    /// How many agents are known only from traffic.
    pub fn self_reported_agents(&self) -> usize {
        self.agents.values().filter(|agent| agent.source == AgentSource::SelfReported).count()
    }

    /// A usable provider key.
    pub fn provider_key(&self, id: ProviderKeyId) -> Option<&Arc<ProviderAccess>> {
        self.provider_keys.iter().find(|access| access.key.id() == id)
    }

    /// The workspace's own price of a model at a time.
    pub fn price(&self, provider: &str, model: &str, at: Timestamp) -> Option<&DatedPrice> {
        self.prices.at(provider, model, at)
    }
}

impl ModelRule {
    fn new(name: &'static str, allowed: &[String], blocked: &[String]) -> Option<Self> {
        if allowed.is_empty() && blocked.is_empty() {
            return None;
        }
        let allowed = if allowed.is_empty() { None } else { Some(globs(allowed)) };
        Some(Self { name, allowed, blocked: globs(blocked) })
    }

    /// Whether a model may be used. A pattern may name it as `provider/id` or by its bare id.
    pub fn allows(&self, provider: &str, model: &str) -> bool {
        let qualified = format!("{provider}/{model}");
        let hit = |set: &GlobSet| set.is_match(&qualified) || set.is_match(model);
        !hit(&self.blocked) && self.allowed.as_ref().is_none_or(hit)
    }
}

/// Why a provider key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// This version does not know its provider.
    #[error("no provider {0} is known")]
    UnknownProvider(String),
    /// Its secret does not open.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

impl ProviderAccess {
    /// Opens a provider key.
    pub fn open(key: ProviderKey, keyring: &Keyring) -> Result<Self, AccessError> {
        let provider = providers::find(&key.provider)
            .ok_or_else(|| AccessError::UnknownProvider(key.provider.clone()))?;
        let secret = keyring.open(&key.secret, &ProviderKey::seal_context(key.id()))?;
        let models = if key.models.is_empty() { None } else { Some(globs(&key.models)) };
        Ok(Self { key, provider, secret, models })
    }

    /// Whether its list of models, if it has one, names this model.
    pub fn lists(&self, model: &str) -> Option<bool> {
        let set = self.models.as_ref()?;
        Some(set.is_match(model) || set.is_match(format!("{}/{model}", self.key.provider)))
    }
}

/// Patterns were checked when they were saved; one that still does not compile matches nothing.
fn globs(patterns: &[String]) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for glob in patterns.iter().filter_map(|pattern| Glob::new(pattern).ok()) {
        builder.add(glob);
    }
    builder.build().unwrap_or_default()
}

async fn all<R: Resource>(catalog: &dyn Catalog) -> Result<Vec<R>, StoreError> {
    let documents = catalog.all(R::KIND).await?;
    // One damaged resource must not lock out everybody else: it is left out, loudly.
    let read = |document: &rungate_core::ports::Document| match document.read::<R>() {
        Ok(resource) => Some(resource),
        Err(error) => {
            tracing::error!(%error, "resource left out");
            None
        }
    };
    Ok(documents.iter().filter_map(read).collect())
}
