//! Stage 4: do the key, its agent and the workspace allow it?

use rungate_core::code::Code;
use rungate_core::exchange::{Decision, Effect};

use crate::directory::KeyEntry;
use crate::refusal::Refusal;
use crate::routing::Candidate;

/// Proof that the key, its agent and the workspace let the exchange pass. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Admitted(());

/// Asks every rule that applies. The decisions are kept on the record, also when one of them denies.
pub fn admit(
    key: &KeyEntry,
    candidate: &Candidate,
    has_run_id: bool,
    decisions: &mut Vec<Decision>,
) -> Result<Admitted, Refusal> {
    run_id(key, has_run_id, decisions)?;
    if let Some(model) = &candidate.model {
        for rule in &key.models {
            let allowed = rule.allows(candidate.access.provider.id, model);
            decisions.push(decision(rule.name, allowed, model));
            if !allowed {
                let message = format!("{} does not allow the model `{model}`.", rule.name);
                return Err(Refusal::new(Code::ModelNotAllowed, message).param("model"));
            }
        }
    }
    Ok(Admitted(()))
}

fn run_id(key: &KeyEntry, has_run_id: bool, decisions: &mut Vec<Decision>) -> Result<(), Refusal> {
    let of_agent = key.agent.as_ref().is_some_and(|agent| agent.require_run_tracking);
    if !of_agent && !key.workspace.workspace.settings.require_run_id {
        return Ok(());
    }
    let rule = if of_agent { "agent.require_run_tracking" } else { "workspace.require_run_id" };
    decisions.push(decision(rule, has_run_id, if has_run_id { "sent" } else { "no run id was sent" }));
    if has_run_id {
        return Ok(());
    }
    let message = "Run tracking is on: send the run's id in the header Alephant-Run-Id.";
    Err(Refusal::new(Code::RunIdRequired, message).param("alephant-run-id"))
}

fn decision(rule: &str, allowed: bool, reason: &str) -> Decision {
    Decision {
        policy_id: None,
        policy_name: None,
        version: None,
        mode: None,
        rule: rule.to_owned(),
        effect: if allowed { Effect::Allow } else { Effect::Deny },
        reason: Some(reason.to_owned()),
    }
}
