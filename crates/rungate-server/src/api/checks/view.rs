//! A check as the API shows it.

use rungate_core::id::{RunId, TraceId, TrailId};
use rungate_core::time::Timestamp;
use rungate_core::trail::{CheckDecision, Completeness, Evidence, FiredRule};
use rungate_gateway::trail::Outcome;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The action that was asked about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// Its name.
    pub name: String,
    /// SHA-256 of the name and the arguments in canonical form: an approval is for exactly this action.
    pub arguments_hash: String,
}

/// A held action.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldView {
    /// Its id, which is sent as `approval_id` once it is approved.
    pub id: Uuid,
    /// `open`, `approved`, `denied` or `expired`.
    pub status: &'static str,
    /// From then on an open one counts as denied.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Who allowed or denied it; null while nobody did.
    pub resolved_by: Option<String>,
    /// Why, for people.
    pub note: Option<String>,
}

/// A rule that spoke.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// The version of what it stands in.
    pub version: u64,
    /// What it says: `allow`, `hold` or `deny`.
    #[schema(value_type = String)]
    pub effect: CheckDecision,
    /// Whether it counts.
    pub enforced: bool,
}

/// What a verdict rests on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceView {
    /// The argument, as a JSON Pointer into the arguments.
    pub argument: String,
    /// Where its value comes from.
    pub provenance: String,
    /// The event it was first seen in.
    #[schema(value_type = Option<Uuid>)]
    pub event_id: Option<TrailId>,
}

/// A verdict on an action.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: TrailId,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The run.
    #[schema(value_type = String)]
    pub run_id: RunId,
    /// The trace.
    #[schema(value_type = String)]
    pub trace_id: TraceId,
    /// The agent, by external id.
    pub agent: String,
    /// The action.
    pub action: ActionView,
    /// What it comes to: `allow`, `hold` or `deny`. That of a held action is what became of it.
    #[schema(value_type = String)]
    pub decision: CheckDecision,
    /// Whether the answer was the verdict.
    pub enforced: bool,
    /// Why.
    pub reasoning: String,
    /// The rules that spoke.
    pub rules: Vec<RuleView>,
    /// What they rest on.
    pub evidence: Vec<EvidenceView>,
    /// Everything the verdict was computed from.
    pub facts: Value,
    /// The versions of the rules that decided.
    pub policy_version: String,
    /// `confirmed`, `reported_only` or `contradicted`.
    #[schema(value_type = String)]
    pub completeness: Completeness,
    /// Where it was held.
    pub hold: Option<HeldView>,
    /// The approval that was used for it.
    pub approval_id: Option<Uuid>,
    /// Nobody was going to act.
    pub dry_run: bool,
}

impl From<Outcome> for CheckView {
    fn from(outcome: Outcome) -> Self {
        let decision = outcome.decision();
        let Outcome { trail, checked, held } = outcome;
        let check = checked.check;
        let hold = check.hold.zip(held).map(|(hold, (standing, said))| HeldView {
            id: hold.id,
            status: standing.as_str(),
            expires_at: hold.expires_at,
            resolved_by: said.as_ref().map(|said| said.by.clone()),
            note: said.and_then(|said| said.note),
        });
        Self {
            id: checked.told.id,
            at: checked.told.at,
            run_id: trail.run_id.clone(),
            trace_id: trail.trace_id.clone(),
            agent: trail.agent.external_id.to_string(),
            action: ActionView { name: check.action, arguments_hash: check.arguments_hash },
            decision,
            enforced: check.enforced,
            reasoning: check.reasoning,
            rules: check.rules.into_iter().map(RuleView::from).collect(),
            evidence: check.evidence.into_iter().map(EvidenceView::from).collect(),
            facts: check.facts,
            policy_version: check.policy_version,
            completeness: check.completeness,
            hold,
            approval_id: check.approval_id,
            dry_run: check.dry_run,
        }
    }
}

impl From<FiredRule> for RuleView {
    fn from(rule: FiredRule) -> Self {
        let FiredRule { id, version, effect, enforced } = rule;
        Self { id, version, effect, enforced }
    }
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        let Evidence { argument, provenance, event_id } = evidence;
        Self { argument, provenance, event_id }
    }
}
