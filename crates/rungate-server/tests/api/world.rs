//! An installation with two workspaces, and a client of its control API.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use rungate_core::agent::{
    Agent, AgentSource, AgentStatus, AgentType, Environment, ExpiryPreset, Head, KeyOwner, KeyStatus, Member,
    OwnLimits, Pat, Role, Scope, VirtualKey, Workspace, WorkspaceSettings,
};
use rungate_core::exchange::{Body, Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::{AgentId, ExternalId, MemberId, VirtualKeyId, WorkspaceId};
use rungate_core::keyring::Keyring;
use rungate_core::ports::{Clock, Entropy, Write};
use rungate_core::secret::{SealingKey, TokenHasher};
use rungate_core::time::Timestamp;
use rungate_gateway::budget::Ledger;
use rungate_gateway::cache::Cache;
use rungate_gateway::directory::Directories;
use rungate_gateway::egress::EgressRules;
use rungate_gateway::journal::{Durability, Journal, JournalConfig};
use rungate_gateway::prices::Prices;
use rungate_gateway::trail::Trails;
use rungate_gateway::upstream::{Client, Timeouts};
use rungate_gateway::webhook::{Outbox, Sender};
use rungate_llm::catalog::Catalogue;
use rungate_server::api;
use rungate_server::services::Services;
use rungate_store::{Database, DatabaseUrl, StoreConfig, Stores};
use rungate_testkit::TestDatabase;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    first_byte: Duration::from_secs(1),
    idle: Duration::from_secs(1),
    total: Duration::from_secs(1),
};

/// The workspace of most tests.
pub const OURS: WorkspaceId = WorkspaceId::new(Uuid::from_u128(0xA));
/// Another one.
pub const THEIRS: WorkspaceId = WorkspaceId::new(Uuid::from_u128(0xB));
/// The registered agent of our workspace.
pub const AGENT: AgentId = AgentId::new(Uuid::from_u128(0xA1));
/// The key bound to it.
pub const AGENT_KEY: VirtualKeyId = VirtualKeyId::new(Uuid::from_u128(0xA2));
/// The member of our workspace.
pub const MEMBER: MemberId = MemberId::new(Uuid::from_u128(0xA3));
/// The key bound to the member.
pub const MEMBER_KEY: VirtualKeyId = VirtualKeyId::new(Uuid::from_u128(0xA4));

/// The token of [`AGENT_KEY`].
pub const AGENT_TOKEN: &str = "vk-agent-0123456789abcdef0123456789abcdef";
/// The token of [`MEMBER_KEY`].
pub const MEMBER_TOKEN: &str = "vk-member-0123456789abcdef0123456789abcdef";

/// The token that may read a workspace.
pub fn pat(workspace: WorkspaceId) -> String {
    token(workspace, Scope::Read)
}

/// The token that has a scope in a workspace.
pub fn token(workspace: WorkspaceId, scope: Scope) -> String {
    format!("pat_ws{:06x}_{}", workspace.uuid().as_u128(), (scope as u8).to_string().repeat(64))
}

/// The external id of [`AGENT`].
pub fn agent_name() -> ExternalId {
    ExternalId::parse("agt_support_bot_8f3a").unwrap()
}

/// Noon of the day that all tests play on.
pub fn noon() -> Timestamp {
    Timestamp::parse("2026-11-23T12:00:00Z").unwrap()
}

struct SetClock(AtomicI64);
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap())
    }
}

struct Counting(AtomicU64);
impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            // Spread out, so that texts made of two bytes differ too.
            let spread = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&spread.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// The installation.
pub struct World {
    /// What the handlers work with.
    pub services: Arc<Services>,
    /// The control API.
    pub router: Router,
    stores: Option<Stores>,
    clock: Arc<SetClock>,
    sequence: AtomicU64,
    _dir: TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null when it has none.
    pub body: Value,
}

impl Answer {
    /// The data of an answer that succeeded.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert_eq!((&self.body["code"], &self.body["message"]), (&0.into(), &"ok".into()));
        &self.body["data"]
    }

    /// The data of an answer that something was made.
    #[track_caller]
    pub fn created(&self) -> &Value {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.body);
        assert_eq!((&self.body["code"], &self.body["message"]), (&0.into(), &"ok".into()));
        &self.body["data"]
    }

    /// Checks that it succeeded and has no body.
    #[track_caller]
    pub fn empty(&self) {
        assert_eq!((self.status, &self.body), (StatusCode::NO_CONTENT, &Value::Null));
    }

    /// Checks the status, that the number in the body is `code`, and that the header names a documented code.
    #[track_caller]
    pub fn refused(&self, code: u32) -> &Value {
        assert_eq!(self.body["code"], code, "{}", self.body);
        assert_eq!(u32::from(self.status.as_u16()), code / 100);
        assert_eq!(self.body["data"], Value::Null);
        let error = &self.body["error"];
        let named = self.headers["rungate-error-code"].to_str().unwrap();
        assert_eq!(error["code"], named);
        let page = format!("{}/../../docs/errors/{named}.md", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&page).exists(), "{named} has no page");
        error
    }

    /// Checks that a field broke a rule.
    #[track_caller]
    pub fn broke(&self, field: &str, rule: &str) {
        let error = self.refused(40001);
        let first = &error["details"]["fields"][0];
        assert_eq!(
            (&error["field"], &first["field"], &first["rule"]),
            (&field.into(), &field.into(), &rule.into())
        );
    }

    /// Checks that a field was refused because its effect comes later.
    #[track_caller]
    pub fn later(&self, field: &str) {
        let error = self.refused(40007);
        assert_eq!((&error["code"], &error["field"]), (&"not_supported_yet".into(), &field.into()));
        assert_eq!(error["details"]["fields"][0]["field"], field);
    }

    /// The ids of the rows of a list, in order.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let rows = self.data()["data"].as_array().unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl World {
    /// A new installation at noon.
    pub async fn new() -> Self {
        Self::open(&[], None).await
    }

    /// The same with what the operator opens to tenants, and in a database where one is given.
    pub async fn open(egress: &[&str], database: Option<&TestDatabase>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = StoreConfig::folder(dir.path().join("data"));
        config.database = database.map(|database| Database {
            url: DatabaseUrl::parse(&database.url()).unwrap(),
            node: Uuid::from_u128(0xC0),
            patience: Duration::from_secs(5),
        });
        let stores = rungate_store::open(&config).await.unwrap();
        let journal = JournalConfig {
            dir: dir.path().join("journal"),
            durability: Durability::Process,
            max_bytes: 64 << 20,
            segment_bytes: 4 << 20,
        };
        let clock = Arc::new(SetClock(AtomicI64::new(noon().micros())));
        let hasher = TokenHasher::new([7; 32]);
        stores.catalog.commit(tenants(&hasher)).await.unwrap();
        let prices = Arc::new(Prices::new(Catalogue::embedded().unwrap()));
        let journal = Arc::new(Journal::open(journal).unwrap());
        let (ledger, _) = Ledger::new(Arc::clone(&stores.log), Arc::clone(&journal), Duration::ZERO);
        let ledger = Arc::new(ledger);
        let keyring = Keyring::new(SealingKey::from_bytes([1; 32]));
        let directories = Directories::new(keyring, Arc::clone(&prices), Arc::clone(&ledger));
        directories.refresh(&*stores.catalog).await.unwrap();
        let egress = Arc::new(EgressRules::parse(egress).unwrap());
        let clock_of_services: Arc<dyn Clock> = clock.clone();
        let entropy: Arc<dyn Entropy> = Arc::new(Counting(AtomicU64::new(1)));
        let keyring = Keyring::new(SealingKey::from_bytes([1; 32]));
        let (catalog, now) = (Arc::clone(&stores.catalog), Arc::clone(&clock_of_services));
        let outbox = Outbox::new(catalog, Arc::clone(&now), Arc::clone(&entropy), Arc::new(()));
        let sender = Sender::new(Arc::clone(&egress), keyring.clone(), now, TIMEOUTS.first_byte);
        let trails = Trails::new(
            Arc::clone(&journal),
            Arc::clone(&stores.log),
            Arc::clone(&clock_of_services),
            Arc::clone(&entropy),
        );
        let services = Arc::new(Services {
            trails: Arc::new(trails),
            outbox: Arc::new(outbox),
            sender: Arc::new(sender.unwrap()),
            catalog: Arc::clone(&stores.catalog),
            log: Arc::clone(&stores.log),
            directories: Arc::new(directories),
            ledger,
            journal,
            cache: Arc::new(Cache::new(0)),
            prices,
            client: Client::new(Arc::clone(&egress), TIMEOUTS).unwrap(),
            egress,
            keyring,
            hasher,
            clock: clock_of_services,
            entropy,
        });
        let router = api::router(Arc::clone(&services));
        Self { services, router, stores: Some(stores), clock, sequence: AtomicU64::new(0), _dir: dir }
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// Puts entries into the log.
    pub async fn apply(&self, entries: impl IntoIterator<Item = Entry>) {
        let batch: Vec<Sequenced> = entries
            .into_iter()
            .map(|entry| {
                let sequence = Sequence(self.sequence.fetch_add(1, Ordering::Relaxed) + 1);
                Sequenced::new(sequence, entry).unwrap()
            })
            .collect();
        self.services.log.apply(&batch).await.unwrap();
    }

    /// Puts exchanges that have ended into the log.
    pub async fn log(&self, records: &[ExchangeRecord]) {
        self.apply(records.iter().map(closed)).await;
    }

    /// Closes the store under the server.
    pub async fn close_store(&mut self) {
        self.stores.take().unwrap().close().await;
    }

    /// Reads as the holder of our workspace's token.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(&pat(OURS), path).await
    }

    /// Reads as the holder of a token.
    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(HttpBody::empty()).unwrap()).await
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<HttpBody>) -> Answer {
        send(self.router.clone(), request).await
    }
}

/// Sends a request to the control API.
pub async fn send(router: Router, request: Request<HttpBody>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status: parts.status, headers: parts.headers, body }
}

/// The end of an exchange.
pub fn closed(record: &ExchangeRecord) -> Entry {
    Entry::Closed { record: Arc::new(record.clone()), request: None, response: None }
}

/// A body as it is kept.
pub fn body(bytes: &'static [u8]) -> Body {
    Body { bytes: bytes.into(), truncated: false, redacted: false }
}

fn tenants(hasher: &TokenHasher) -> Vec<Write> {
    let mut writes = Vec::new();
    for workspace in [OURS, THEIRS] {
        writes.push(Write::insert(&Workspace {
            head: Head::new(workspace.uuid(), workspace, noon()),
            name: "Acme".to_owned(),
            slug: format!("acme-{workspace}"),
            timezone: "UTC".to_owned(),
            settings: WorkspaceSettings::default(),
        }));
        let member = member(workspace);
        writes.push(Write::insert(&Member {
            head: Head::new(member.uuid(), workspace, noon()),
            name: "Owner".to_owned(),
            email: None,
            role: Role::Owner,
        }));
        for scope in [Scope::Read, Scope::Write, Scope::Admin] {
            let token = token(workspace, scope);
            let id = workspace.uuid().as_u128() << 16 | u128::from(scope as u8);
            writes.push(Write::insert(&Pat {
                head: Head::new(Uuid::from_u128(id), workspace, noon()),
                name: scope.as_str().to_owned(),
                token_prefix: token[..16].to_owned(),
                token_hash: hasher.hash(&token),
                scopes: vec![scope],
                member_id: member,
                is_owner_token: false,
                expires_at: None,
                revoked_at: None,
            }));
        }
    }
    writes.push(Write::insert(&agent()));
    let keys = [
        (AGENT_KEY, KeyOwner::Agent(AGENT), AGENT_TOKEN),
        (MEMBER_KEY, KeyOwner::Member(MEMBER), MEMBER_TOKEN),
    ];
    writes.extend(keys.map(|(id, owner, token)| Write::insert(&virtual_key(id, owner, token, hasher))));
    writes.into_iter().collect::<Result<_, _>>().unwrap()
}

/// The member of a workspace.
pub fn member(workspace: WorkspaceId) -> MemberId {
    if workspace == OURS { MEMBER } else { MemberId::new(Uuid::from_u128(0xB3)) }
}

fn agent() -> Agent {
    Agent {
        limits: OwnLimits::default(),
        head: Head::new(AGENT.uuid(), OURS, noon()),
        agent_type: AgentType::AiAgent,
        name: "Support Bot".to_owned(),
        external_id: agent_name(),
        description: String::new(),
        about: String::new(),
        environment: Environment::Production,
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
        source: AgentSource::Manual,
    }
}

fn virtual_key(id: VirtualKeyId, owner: KeyOwner, token: &str, hasher: &TokenHasher) -> VirtualKey {
    VirtualKey {
        limits: OwnLimits::default(),
        run_api: rungate_core::agent::RunApiLimits::default(),
        head: Head::new(id.uuid(), OURS, noon()),
        label: "key".to_owned(),
        key_prefix: token[..12].to_owned(),
        token_hash: hasher.hash(token),
        previous: None,
        status: KeyStatus::Active,
        disabled_by: None,
        owner,
        provider_key_id: None,
        default_model: None,
        allowed_models: Vec::new(),
        blocked_models: Vec::new(),
        expires_at: None,
        expiry_preset: ExpiryPreset::Never,
    }
}
