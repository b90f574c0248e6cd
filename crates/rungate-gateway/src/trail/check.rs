//! Checks of actions: a verdict over everything that was acknowledged before, on the record when it is given.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rungate_check::action::Action;
use rungate_check::decide::{self, DEFAULTS_VERSION, Verdict};
use rungate_check::facts::Facts;
use rungate_core::id::{TrailId, WorkspaceId};
use rungate_core::page::PageRequest;
use rungate_core::ports::{StoreError, fresh_uuid};
use rungate_core::time::Timestamp;
use rungate_core::trail::{
    Check, CheckDecision, Contents, FiredRule, Hold, Resolution, TrailFilter, TrailRow, What,
};
use uuid::Uuid;

use super::judged::{Judged, Reading, Standing};
use super::{Place, State, Told, Trail, TrailError, Trails};

/// A held action waits this long for somebody to say something.
const HELD_FOR: Duration = Duration::from_mins(15);
/// A run that says more while its trail is read is read on; beyond this many times nothing is said of its actions.
const READINGS: usize = 20;
/// Trails whose events are in memory, each with less than a megabyte.
const MAX_JUDGED: usize = 500;

/// An action that an agent asks about.
#[derive(Debug, Clone)]
pub struct AskedCheck {
    /// Where it belongs.
    pub place: Place,
    /// The action.
    pub action: Action,
    /// Its arguments, as they are kept.
    pub content: Vec<u8>,
    /// Its description, as text.
    pub schema: Option<String>,
    /// When it was asked, as the client says.
    pub reported_at: Option<Timestamp>,
    /// The hold that was approved for it.
    pub approval_id: Option<Uuid>,
    /// Nobody is going to act.
    pub is_dry_run: bool,
}

/// A check that is on the trail.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its id and time.
    pub told: Told,
    /// What it says.
    pub check: Check,
}

/// A check, and what became of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Whose it is.
    pub trail: Arc<Trail>,
    /// As it was answered.
    pub checked: Checked,
    /// Where it stands and what somebody said of it, if it was held.
    pub held: Option<(Standing, Option<Resolution>)>,
}

impl Outcome {
    /// What it comes to: a held action is allowed or denied in the end.
    pub fn decision(&self) -> CheckDecision {
        match &self.held {
            None => self.checked.check.decision,
            Some((Standing::Waiting, _)) => CheckDecision::Hold,
            Some((Standing::Allowed | Standing::Used, _)) => CheckDecision::Allow,
            Some((Standing::Denied | Standing::Expired, _)) => CheckDecision::Deny,
        }
    }
}

/// What somebody says of a held action.
#[derive(Debug, Clone)]
pub struct Resolving {
    /// The check.
    pub check_id: TrailId,
    /// Whether the action may go on.
    pub is_allowed: bool,
    /// Why, for people.
    pub note: Option<String>,
    /// Who.
    pub by: String,
}

impl Trails {
    /// Says whether an action may go on.
    ///
    /// # Errors
    /// When the run was ended, the approval is not for it, or what was told before cannot be read: nothing is allowed then.
    pub async fn check(&self, trail: &Arc<Trail>, asked: AskedCheck) -> Result<Checked, TrailError> {
        let started = self.clock.monotonic();
        self.with_judged(trail, |state| self.judge(trail, state, asked, started)).await
    }

    /// Allows or denies a held action, once.
    ///
    /// # Errors
    /// When no action is held by this check, or it was resolved before or ran out.
    pub async fn resolve(&self, trail: &Arc<Trail>, resolving: Resolving) -> Result<Resolution, TrailError> {
        self.with_judged(trail, |state| self.resolve_now(trail, state, resolving)).await
    }

    /// A check by its id, and where it stands if it was held. Waits up to `patience` for somebody to say something.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn outcome(
        &self,
        workspace: WorkspaceId,
        check_id: TrailId,
        patience: Duration,
    ) -> Result<Option<Outcome>, TrailError> {
        let Some((trail, checked)) = self.stored_check(workspace, check_id).await? else { return Ok(None) };
        let Some(hold) = checked.check.hold.clone() else {
            return Ok(Some(Outcome { trail, checked, held: None }));
        };
        let until = self.clock.monotonic() + patience;
        let resolutions = Arc::clone(&trail.resolved);
        loop {
            // Before it is looked at, so that nothing is missed in between.
            let resolved = resolutions.notified();
            let now = self.clock.now();
            let look = |state: &mut State| {
                let action = state.judged.as_ref().and_then(|judged| judged.held.get(&hold.id));
                let action = action.ok_or(TrailError::NotHeld)?;
                let resolution = action.resolved.as_ref().map(|(said, _)| said.clone());
                Ok((action.standing(now), resolution))
            };
            let (standing, resolution) = self.with_judged(&trail, look).await?;
            let left = until.saturating_sub(self.clock.monotonic()).min(hold.expires_at.since(now));
            if standing != Standing::Waiting || left.is_zero() {
                return Ok(Some(Outcome { trail, checked, held: Some((standing, resolution)) }));
            }
            let _ = tokio::time::timeout(left, resolved).await;
        }
    }

    async fn stored_check(
        &self,
        workspace: WorkspaceId,
        check_id: TrailId,
    ) -> Result<Option<(Arc<Trail>, Checked)>, TrailError> {
        self.catch_up(&check_id.to_string()).await?;
        let filter = TrailFilter { ids: vec![check_id], ..TrailFilter::default() };
        let page = PageRequest { limit: 1, ..PageRequest::default() };
        let found = self.log.trail(workspace, &filter, Contents::LeftOut, &page).await?.items;
        let Some(TrailRow { entry, .. }) = found.into_iter().next() else { return Ok(None) };
        let (What::Check(check), Some(trace_id)) = (entry.what, entry.trace_id) else { return Ok(None) };
        let told = Told { id: entry.id, at: entry.at };
        let trail = self.find(workspace, &trace_id).await?;
        Ok(trail.map(|trail| (trail, Checked { told, check: *check })))
    }

    /// Does something under the lock of a trail, once everything that was told of it is known.
    async fn with_judged<T>(
        &self,
        trail: &Arc<Trail>,
        act: impl FnOnce(&mut State) -> Result<T, TrailError>,
    ) -> Result<T, TrailError> {
        let mut reading = Reading::default();
        for _ in 0..READINGS {
            let added = {
                let mut state = trail.state();
                if state.judged.is_some() {
                    return act(&mut state);
                }
                state.added
            };
            reading = self.read_on(trail, reading).await?;
            let acted = {
                let mut state = trail.state();
                if state.judged.is_none() && state.added == added {
                    state.judged = Some(std::mem::take(&mut reading.judged));
                    act(&mut state)
                } else {
                    continue;
                }
            };
            self.keep_judged(trail);
            return acted;
        }
        Err(StoreError::Unavailable("the run says more faster than it can be read".to_owned()).into())
    }

    /// One more is in memory; beyond the bound the first is read again when it is asked for.
    fn keep_judged(&self, trail: &Arc<Trail>) {
        let leaves = {
            let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
            judged.push_back(Arc::downgrade(trail));
            (judged.len() > MAX_JUDGED).then(|| judged.pop_front()).flatten()
        };
        // Under no other lock: nobody holds two trails.
        if let Some(trail) = leaves.and_then(|trail| trail.upgrade()) {
            trail.state().judged = None;
        }
    }

    fn judge(
        &self,
        trail: &Trail,
        state: &mut State,
        asked: AskedCheck,
        started: Duration,
    ) -> Result<Checked, TrailError> {
        if let Some(status) = state.end {
            return Err(TrailError::Ended(status));
        }
        let Some(judged) = &state.judged else {
            return Err(StoreError::Unavailable("the trail was not read".to_owned()).into());
        };
        let AskedCheck { place, action, content, schema, reported_at, approval_id, is_dry_run } = asked;
        let now = self.clock.now();
        let arguments_hash = action.hash();
        let facts = Facts::of(&judged.run, &action)?;
        let mut verdict = decide::defaults(&facts);
        let mut used = None;
        if let Some(hold_id) = approval_id {
            approved(judged, hold_id, &arguments_hash, now, &mut verdict)?;
            used = (verdict.decision == CheckDecision::Allow && !is_dry_run).then_some(hold_id);
        }
        let hold = (verdict.decision == CheckDecision::Hold && !is_dry_run)
            .then(|| Hold { id: fresh_uuid(&*self.entropy, now), expires_at: now.plus(HELD_FOR) });
        let Verdict { decision, reasoning, rules, evidence } = verdict;
        let check = Check {
            action: facts.action.clone(),
            arguments_hash,
            decision,
            enforced: !is_dry_run,
            would_be: None,
            reasoning,
            rules,
            evidence,
            policy_version: format!("defaults-{DEFAULTS_VERSION}"),
            completeness: facts.completeness,
            hold,
            approval_id: used,
            dry_run: is_dry_run,
            facts: serde_json::to_value(&facts).unwrap_or_default(),
            reported_at,
            schema,
            took_us: u64::try_from((self.clock.monotonic().saturating_sub(started)).as_micros())
                .unwrap_or(u64::MAX),
        };
        let what = What::Check(Box::new(check.clone()));
        let told = self.append(trail, state, None, place, what, content)?;
        Ok(Checked { told, check })
    }

    fn resolve_now(
        &self,
        trail: &Trail,
        state: &mut State,
        resolving: Resolving,
    ) -> Result<Resolution, TrailError> {
        let Resolving { check_id, is_allowed, note, by } = resolving;
        let now = self.clock.now();
        let found = state
            .judged
            .iter()
            .flat_map(|judged| &judged.held)
            .find(|(_, held)| held.check_id == check_id)
            .map(|(hold_id, held)| (*hold_id, held.standing(now)));
        let Some((hold_id, standing)) = found else { return Err(TrailError::NotHeld) };
        let decision = if is_allowed { CheckDecision::Allow } else { CheckDecision::Deny };
        let resolution = Resolution { check_id, hold_id, decision, note, by };
        match standing {
            Standing::Waiting => {
                let what = What::Resolved(resolution.clone());
                self.append(trail, state, None, Place::default(), what, Vec::new())?;
                trail.resolved.notify_waiters();
                Ok(resolution)
            }
            standing => Err(TrailError::ResolvedBefore(standing)),
        }
    }
}

/// What an approval makes of a verdict: it lets through what would be held, exactly that action and once, and nothing that is denied.
fn approved(
    judged: &Judged,
    hold_id: Uuid,
    arguments_hash: &str,
    now: Timestamp,
    verdict: &mut Verdict,
) -> Result<(), TrailError> {
    let held = judged.held.get(&hold_id).filter(|held| held.arguments_hash == arguments_hash);
    let held = held.ok_or(TrailError::ApprovalMismatch)?;
    let (decision, rule, reason) = match held.standing(now) {
        Standing::Used => return Err(TrailError::ApprovalUsed),
        Standing::Waiting => return Ok(()),
        Standing::Allowed => {
            (CheckDecision::Allow, "approval.allowed", "somebody allowed exactly this action")
        }
        Standing::Denied => (CheckDecision::Deny, "approval.denied", "somebody denied it"),
        Standing::Expired => (CheckDecision::Deny, "approval.expired", "the approval ran out"),
    };
    if verdict.decision == CheckDecision::Deny {
        return Ok(());
    }
    verdict.decision = decision;
    verdict.reasoning = format!("{}: {rule}@{DEFAULTS_VERSION}: {reason}", decision.as_str());
    let version = DEFAULTS_VERSION;
    verdict.rules.push(FiredRule { id: rule.to_owned(), version, effect: decision, enforced: true });
    Ok(())
}
