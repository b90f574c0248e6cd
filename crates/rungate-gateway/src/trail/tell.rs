//! What is added to a trail.

use rungate_core::id::TrailId;
use rungate_core::page::PageRequest;
use rungate_core::ports::fresh_uuid;
use rungate_core::time::Timestamp;
use rungate_core::trail::{Contents, End, Event, TrailEntry, TrailFilter, What};

use super::known::entry_of;
use super::{GivenIds, Place, State, Told, Trail, TrailError, Trails};

/// Given ids that are remembered of one trail; beyond it the log is asked.
const MAX_GIVEN_IDS: usize = 4_096;

impl Trails {
    /// Adds an event. One that comes again with the id that its caller gave it is answered as the first time.
    pub async fn event(
        &self,
        trail: &Trail,
        given: Option<TrailId>,
        place: Place,
        event: Event,
        content: Vec<u8>,
    ) -> Result<Told, TrailError> {
        let sum = sum_of(&event.fingerprint);
        if let Some(id) = given
            && let Some(before) = self.sum_before(trail, id).await?
        {
            return self.again(trail, id, before == sum).await;
        }
        let what = What::Event(Box::new(event));
        match told_once(trail, given, sum, |state| self.append(trail, state, given, place, what, content)) {
            Ok(told) => told,
            // Told by another request while this one looked.
            Err((id, before)) => self.again(trail, id, before == sum).await,
        }
    }

    /// The answer to an id that was told before, of an event that is the same or another.
    async fn again(&self, trail: &Trail, id: TrailId, is_same: bool) -> Result<Told, TrailError> {
        if !is_same {
            return Err(TrailError::IdConflict);
        }
        let at = self.stored(trail, id).await?.map(|entry| entry.at);
        Ok(Told { id, at: at.unwrap_or(trail.registered_at) })
    }

    /// What was told with an id before, summed up; `None` when nothing was.
    async fn sum_before(&self, trail: &Trail, id: TrailId) -> Result<Option<u64>, TrailError> {
        let (known, is_cut) = {
            let state = trail.state();
            (state.ids.known.get(&id).copied(), state.ids.is_cut)
        };
        if known.is_some() || !is_cut {
            return Ok(known);
        }
        Ok(self.stored(trail, id).await?.map(|entry| match entry.what {
            What::Event(event) => sum_of(&event.fingerprint),
            // An id of ours that something else has.
            _ => 0,
        }))
    }

    /// Ends the run. Again with the same status is as the first time.
    pub fn end(&self, trail: &Trail, place: Place, end: End) -> Result<Timestamp, TrailError> {
        let mut state = trail.state();
        match state.end {
            Some(status) if status == end.status => Ok(state.last_at),
            Some(status) => Err(TrailError::EndedBefore(status)),
            None => {
                let status = end.status;
                let told = self.append(trail, &mut state, None, place, What::Ended(end), Vec::new())?;
                state.end = Some(status);
                Ok(told.at)
            }
        }
    }

    /// Appends an entry behind all others of its trail.
    pub(super) fn append(
        &self,
        trail: &Trail,
        state: &mut State,
        id: Option<TrailId>,
        place: Place,
        what: What,
        content: Vec<u8>,
    ) -> Result<Told, TrailError> {
        let at = self.clock.now().max(Timestamp::from_micros(state.last_at.micros() + 1));
        let id = id.unwrap_or_else(|| TrailId::new(fresh_uuid(&*self.entropy, at)));
        let told = Told { id, at };
        let entry = trail.entry(told, place, state.end.is_some(), what);
        let seen = state.judged.is_some().then(|| (entry.clone(), content.clone()));
        self.journal.append_now(entry_of(entry, content))?;
        state.last_at = at;
        state.added += 1;
        if let (Some(judged), Some((entry, content))) = (&mut state.judged, seen) {
            judged.see(&entry, Some(&content));
        }
        Ok(told)
    }

    async fn stored(&self, trail: &Trail, id: TrailId) -> Result<Option<TrailEntry>, TrailError> {
        self.catch_up(&id.to_string()).await?;
        let filter =
            TrailFilter { ids: vec![id], run_id: Some(trail.run_id.clone()), ..TrailFilter::default() };
        let page = PageRequest { limit: 1, ..PageRequest::default() };
        let found = self.log.trail(trail.workspace, &filter, Contents::LeftOut, &page).await?;
        Ok(found.items.into_iter().next().map(|row| row.entry))
    }
}

impl Trail {
    pub(super) fn entry(&self, told: Told, place: Place, after_end: bool, what: What) -> TrailEntry {
        let Place { virtual_key_id, step_id, parent_step_id, tool_call_id } = place;
        TrailEntry {
            id: told.id,
            workspace_id: self.workspace,
            at: told.at,
            run_id: self.run_id.clone(),
            trace_id: Some(self.trace_id.clone()),
            session_id: self.session_id.clone(),
            agent: self.agent.clone(),
            virtual_key_id,
            step_id,
            parent_step_id,
            tool_call_id,
            after_end,
            what,
        }
    }
}

impl GivenIds {
    fn note(&mut self, id: TrailId, sum: u64) {
        if self.known.len() >= MAX_GIVEN_IDS {
            self.known.clear();
            self.is_cut = true;
        }
        self.known.insert(id, sum);
    }
}

/// The start of a fingerprint, as a number.
fn sum_of(fingerprint: &str) -> u64 {
    fingerprint.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok()).unwrap_or(0)
}

/// Tells something unless its id was told meanwhile: with what, summed up.
fn told_once(
    trail: &Trail,
    given: Option<TrailId>,
    sum: u64,
    tell: impl FnOnce(&mut State) -> Result<Told, TrailError>,
) -> Result<Result<Told, TrailError>, (TrailId, u64)> {
    let mut state = trail.state();
    if let Some((id, before)) = given.and_then(|id| Some((id, *state.ids.known.get(&id)?))) {
        return Err((id, before));
    }
    let told = tell(&mut state);
    if let (Some(id), Ok(_)) = (given, &told) {
        state.ids.note(id, sum);
    }
    Ok(told)
}
