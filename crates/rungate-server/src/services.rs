//! Everything the server's parts share, made once in `boot` and passed in.

use std::sync::Arc;

use rungate_core::keyring::Keyring;
use rungate_core::ports::{Catalog, Clock, Entropy, Log};
use rungate_core::secret::TokenHasher;
use rungate_gateway::budget::Ledger;
use rungate_gateway::cache::Cache;
use rungate_gateway::directory::Directories;
use rungate_gateway::egress::EgressRules;
use rungate_gateway::journal::Journal;
use rungate_gateway::prices::Prices;
use rungate_gateway::trail::Trails;
use rungate_gateway::upstream::Client;
use rungate_gateway::webhook::{Outbox, Sender};

/// The parts that handlers and jobs work with.
pub struct Services {
    /// Agents, keys, workspaces.
    pub catalog: Arc<dyn Catalog>,
    /// Exchanges, runs, sessions.
    pub log: Arc<dyn Log>,
    /// What requests need of the catalog, in memory.
    pub directories: Arc<Directories>,
    /// Holds requests to their budgets.
    pub ledger: Arc<Ledger>,
    /// What is told of registered runs.
    pub trails: Arc<Trails>,
    /// What the log has not taken over yet.
    pub journal: Arc<Journal>,
    /// Answers that are kept for equal requests.
    pub cache: Arc<Cache>,
    /// Models and prices.
    pub prices: Arc<Prices>,
    /// Where tenants' addresses may lead.
    pub egress: Arc<EgressRules>,
    /// The way to providers.
    pub client: Client,
    /// Where events are left for webhooks.
    pub outbox: Arc<Outbox>,
    /// The way to webhooks.
    pub sender: Arc<Sender>,
    /// Seals provider keys and the secrets of webhooks.
    pub keyring: Keyring,
    /// Hashes tokens.
    pub hasher: TokenHasher,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
