//! Which trails are in memory, and how the others come back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rungate_core::exchange::{Body, Entry, Run, RunFilter};
use rungate_core::id::{RunId, TraceId, TrailId, WorkspaceId};
use rungate_core::page::PageRequest;
use rungate_core::ports::{Clock, Entropy, Log, StoreError, fresh_uuid};
use rungate_core::trail::{TrailEntry, What};
use tokio::sync::OnceCell;

use super::{GivenIds, NewRun, Place, State, Told, Trail, TrailError};
use crate::journal::Journal;

/// Trails in memory; beyond it those that nobody uses leave, the ones that were quiet longest first.
const MAX_TRAILS: usize = 20_000;
/// How long the log may take to have what the journal has.
const PATIENCE: Duration = Duration::from_secs(2);
/// Runs that carry one trace are looked through for the one that was registered with it.
const SAME_TRACE: usize = 20;
/// Registrations of one run id are made one after the other; ids share a lock by chance.
const LOCKS: usize = 64;

type Key = (WorkspaceId, TraceId);

/// All trails. One per process.
pub struct Trails {
    pub(super) journal: Arc<Journal>,
    pub(super) log: Arc<dyn Log>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    known: Mutex<Known>,
    /// Trails whose events are in memory for checks; the ones that were read first leave first.
    pub(super) judged: Mutex<VecDeque<Weak<Trail>>>,
    registering: [tokio::sync::Mutex<()>; LOCKS],
}

#[derive(Default)]
struct Known {
    slots: HashMap<Key, Slot>,
    uses: u64,
}

/// A trail that is there or being read; read by one, however many ask.
struct Slot {
    trail: Arc<OnceCell<Option<Arc<Trail>>>>,
    used: u64,
}

impl Trails {
    /// Nothing in memory.
    pub fn new(
        journal: Arc<Journal>,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let registering = std::array::from_fn(|_| tokio::sync::Mutex::default());
        Self { journal, log, clock, entropy, known: Mutex::default(), judged: Mutex::default(), registering }
    }

    /// The trail with this trace; `None` where no run was registered with it.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        trace_id: &TraceId,
    ) -> Result<Option<Arc<Trail>>, StoreError> {
        let slot = self.known().slot((workspace, trace_id.clone()));
        let found = slot.get_or_try_init(|| self.load(workspace, trace_id)).await?.clone();
        if found.is_none() {
            // Whoever asks for what is not there leaves nothing behind.
            self.known().slots.remove(&(workspace, trace_id.clone()));
        }
        Ok(found)
    }

    /// The trail of a run by the caller's id; `None` where it was not registered.
    pub async fn find_run(
        &self,
        workspace: WorkspaceId,
        run_id: &RunId,
    ) -> Result<Option<Arc<Trail>>, StoreError> {
        self.catch_up(run_id.as_str()).await?;
        let run = self.log.run(workspace, run_id).await?;
        match run.filter(|run| run.registered_at.is_some()).and_then(|run| run.trace_id) {
            Some(trace_id) => self.find(workspace, &trace_id).await,
            None => Ok(None),
        }
    }

    /// Registers a run, on disk when it returns. One whose id was registered before is given as it is.
    pub async fn register(&self, new: NewRun) -> Result<Arc<Trail>, TrailError> {
        // Held until the new trail can be found, so that an id is registered once.
        let _one_at_a_time = match &new.run_id {
            None => None,
            Some(run_id) => {
                let held = self.registering[lock_of(run_id)].lock().await;
                if let Some(known) = self.find_run(new.workspace, run_id).await? {
                    return Ok(known);
                }
                Some(held)
            }
        };
        let now = self.clock.now();
        let trace = fresh_uuid(&*self.entropy, now);
        let named = |text: &str| RunId::parse(text).ok().zip(TraceId::parse(text).ok());
        let Some((own_id, trace_id)) = named(&trace.to_string()) else {
            return Err(StoreError::Unavailable("an id of ours is none".to_owned()).into());
        };
        let trail = Arc::new(Trail {
            workspace: new.workspace,
            run_id: new.run_id.unwrap_or(own_id),
            trace_id: trace_id.clone(),
            session_id: new.session_id,
            agent: new.agent,
            registered_at: now,
            state: Mutex::new(State {
                last_at: now,
                end: None,
                ids: GivenIds::default(),
                added: 0,
                judged: None,
            }),
            resolved: Arc::default(),
        });
        let place = Place { virtual_key_id: new.virtual_key_id, ..Place::default() };
        let told = Told { id: TrailId::new(trace), at: now };
        let entry = trail.entry(told, place, false, What::Registered(new.registration));
        self.journal.append_synced(entry_of(entry, new.system_prompt.into_bytes())).await?;
        let slot = self.known().slot((new.workspace, trace_id));
        // Nobody can have asked for an id that was just made.
        let _ = slot.set(Some(Arc::clone(&trail)));
        Ok(trail)
    }

    async fn load(
        &self,
        workspace: WorkspaceId,
        trace_id: &TraceId,
    ) -> Result<Option<Arc<Trail>>, StoreError> {
        self.catch_up(trace_id.as_str()).await?;
        let filter = RunFilter { trace_ids: vec![trace_id.clone()], ..RunFilter::default() };
        let page = PageRequest { limit: SAME_TRACE, ..PageRequest::default() };
        let runs = self.log.runs(workspace, &filter, &page).await?.items;
        Ok(runs.into_iter().find_map(|run| restored(run, trace_id)).map(Arc::new))
    }

    /// Waits until the log has all that the journal may say of an id.
    pub(super) async fn catch_up(&self, id: &str) -> Result<(), StoreError> {
        if !self.journal.may_say(id) || self.journal.wait_applied(self.journal.last(), PATIENCE).await {
            return Ok(());
        }
        Err(StoreError::Unavailable("the log is behind the journal".to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn slot(&mut self, key: Key) -> Arc<OnceCell<Option<Arc<Trail>>>> {
        self.uses += 1;
        if self.slots.len() >= MAX_TRAILS && !self.slots.contains_key(&key) {
            self.forget();
        }
        let slot = self.slots.entry(key).or_insert_with(|| Slot { trail: Arc::default(), used: 0 });
        slot.used = self.uses;
        Arc::clone(&slot.trail)
    }

    /// Lets the quieter half go, as far as nobody is using it: two of one trail would each count for themselves.
    fn forget(&mut self) {
        let mut uses: Vec<u64> = self.slots.values().map(|slot| slot.used).collect();
        let middle = uses.len() / 2;
        let (_, middle, _) = uses.select_nth_unstable(middle);
        let middle = *middle;
        self.slots.retain(|_, slot| {
            let is_used = match slot.trail.get() {
                Some(Some(trail)) => Arc::strong_count(trail) > 1,
                Some(None) => false,
                None => true,
            };
            slot.used > middle || is_used || Arc::strong_count(&slot.trail) > 1
        });
    }
}

/// What is known of a trail after a restart, or when it was quiet for long.
fn restored(run: Run, trace_id: &TraceId) -> Option<Trail> {
    let registered_at = run.registered_at?;
    let agent = run.agents.into_iter().next()?;
    Some(Trail {
        workspace: run.workspace_id,
        run_id: run.run_id,
        trace_id: trace_id.clone(),
        session_id: run.session_id,
        agent,
        registered_at,
        state: Mutex::new(State {
            last_at: run.last_activity_at,
            end: run.end.map(|end| end.status),
            ids: GivenIds { known: HashMap::new(), is_cut: true },
            added: 0,
            judged: None,
        }),
        resolved: Arc::default(),
    })
}

/// An entry of the journal.
pub(super) fn entry_of(entry: TrailEntry, content: Vec<u8>) -> Entry {
    let content =
        (!content.is_empty()).then(|| Body { bytes: content.into(), truncated: false, redacted: false });
    Entry::Trail { entry: Box::new(entry), content }
}

fn lock_of(run_id: &RunId) -> usize {
    let sum = run_id.as_str().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    sum % LOCKS
}
