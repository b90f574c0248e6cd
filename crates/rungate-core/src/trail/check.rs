//! A verdict on an intended action, and what became of one that was held.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::id::TrailId;
use crate::time::Timestamp;

/// What a check says of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckDecision {
    /// Go on.
    Allow,
    /// Wait until somebody says so.
    Hold,
    /// Do not.
    Deny,
}

impl CheckDecision {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Hold, Self::Deny];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }

    /// The decision of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == name)
    }
}

/// Whether the record of a run is whole, as far as we can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Traffic that went through us agrees with what was reported.
    Confirmed,
    /// Only the agent says so.
    #[default]
    ReportedOnly,
    /// Traffic that went through us says otherwise.
    Contradicted,
}

/// A rule that spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FiredRule {
    /// Its id, such as `money.payee_provenance`.
    pub id: String,
    /// The version of the policy it stands in.
    pub version: u64,
    /// What it says.
    pub effect: CheckDecision,
    /// Whether it counts; a rule that only logs does not.
    pub enforced: bool,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The argument, as a JSON Pointer into the arguments.
    pub argument: String,
    /// Where its value comes from.
    pub provenance: String,
    /// The event it was first seen in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<TrailId>,
}

/// A held action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Its id, which is sent as `approval_id` once it is approved.
    pub id: Uuid,
    /// From then on it counts as denied.
    pub expires_at: Timestamp,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The name of the action.
    pub action: String,
    /// SHA-256 of the name and the arguments in canonical form, in hexadecimal: an approval is for exactly this action.
    pub arguments_hash: String,
    /// The answer.
    pub decision: CheckDecision,
    /// Whether the answer is the verdict; not so where what would have stopped the action only logs, or in a dry run.
    pub enforced: bool,
    /// The verdict, where the answer is another.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub would_be: Option<CheckDecision>,
    /// Why, by our template.
    pub reasoning: String,
    /// The rules that spoke.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<FiredRule>,
    /// What they rest on.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<Evidence>,
    /// The versions of the policies that decided.
    pub policy_version: String,
    /// Whether the record of the run is whole.
    pub completeness: Completeness,
    /// Where it is held, how.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hold: Option<Hold>,
    /// The approval that was used for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval_id: Option<Uuid>,
    /// Nobody is going to act: it only asks.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dry_run: bool,
    /// Everything the verdict was computed from.
    pub facts: Value,
    /// When it was asked, as the client says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reported_at: Option<Timestamp>,
    /// The description of the action, as text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<String>,
    /// Microseconds that it took to decide.
    pub took_us: u64,
}

/// What became of a held action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The check.
    pub check_id: TrailId,
    /// The hold.
    pub hold_id: Uuid,
    /// Allow or deny.
    pub decision: CheckDecision,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Who: `owner`, the name of a token, or the model that judged.
    pub by: String,
}
