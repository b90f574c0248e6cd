//! What is spent and reserved on budgets right now, as the ledger has it.

use rungate_core::budget::{AccountKey, Budget, Scope, Spender, Usage};
use rungate_core::id::{AgentRef, ExchangeId, ExternalId};
use uuid::Uuid;

use crate::api::agents;
use crate::services::Services;

/// The figures of a budget. `None` where there are none: on a budget that is not in force or that limits each session or
/// run by itself, and while the log cannot be asked.
pub async fn usage(services: &Services, budget: &Budget) -> Option<Usage> {
    if !budget.enabled || budget.scope.is_each() {
        return None;
    }
    let workspace = budget.head.workspace_id;
    let mut spender = Spender {
        exchange: ExchangeId::new(Uuid::nil()),
        created: services.clock.now(),
        workspace,
        agent: None,
        virtual_key: None,
        session: None,
        run: None,
    };
    // Only the account of an agent is looked up by a name.
    let mut name = ExternalId::parse("nobody").ok()?;
    match &budget.scope {
        Scope::Agent(id) => {
            name = agents::find(services, workspace, &AgentRef::Id(*id)).await.ok()?.external_id;
            spender.agent = Some(*id);
        }
        Scope::VirtualKey(id) => spender.virtual_key = Some(*id),
        Scope::Session(id) => spender.session = Some(id.clone()),
        Scope::Run(id) => spender.run = Some(id.clone()),
        Scope::Workspace(_) | Scope::EachSession(_) | Scope::EachRun(_) => {}
    }
    let account = AccountKey { budget: budget.id(), instance: None };
    match services.ledger.usage(&spender, &name, &account).await {
        Ok(usage) => usage,
        Err(error) => {
            tracing::warn!(%error, "the figures of a budget are answered as unknown: the log is away");
            None
        }
    }
}
