//! Routing: which provider key and which model serve the request.

use std::sync::Arc;

use rungate_core::code::Code;
use rungate_core::operation::{Kind, Operation};
use rungate_core::policy::{Fallback, Routing};
use rungate_llm::catalog::Catalogue;
use rungate_llm::provider::Serving;
use rungate_llm::providers;
use serde_json::json;

use crate::directory::{KeyEntry, ProviderAccess};
use crate::refusal::Refusal;

/// One way to serve a request.
#[derive(Clone)]
pub struct Candidate {
    /// The provider key.
    pub access: Arc<ProviderAccess>,
    /// The model as the provider calls it; `None` where the request goes out without one.
    pub model: Option<String>,
    /// The operation as it is sent, and the translation between.
    pub serving: Serving,
}

/// A planned request.
pub struct Planned {
    /// The way to serve it.
    pub candidate: Candidate,
}

/// Aliases may name aliases, this deep.
const MAX_ALIASES: usize = 8;

/// Resolves the model of a request to a provider key and the provider's own name of the model.
pub fn plan(
    operation: Operation,
    model: Option<&str>,
    key: &KeyEntry,
    catalogue: &Catalogue,
) -> Result<Planned, Refusal> {
    let resolver = Resolver { operation, key, catalogue };
    let (access, model) = match model.or_else(|| default_model(operation, key)) {
        Some(model) => resolver.named(resolver.unaliased(model))?,
        None => (resolver.without_model()?, None),
    };
    let Some(serving) = access.provider.serves(operation) else {
        let message = format!("{} does not serve this route.", access.provider.name);
        return Err(Refusal::new(Code::UnsupportedParameter, message).param("model"));
    };
    Ok(Planned { candidate: Candidate { access, model, serving } })
}

/// The ways that a policy gives a request, best first.
pub struct Ways {
    /// At least one.
    pub ways: Vec<Candidate>,
    /// Why something that the policy names is none now.
    pub left_out: Vec<String>,
}

/// Spreads the request over provider keys that serve `first` as well, and adds the policy's fallbacks. `balance` puts first whose
/// turn it is.
pub fn ways(
    operation: Operation,
    first: &Candidate,
    routing: &Routing,
    key: &KeyEntry,
    catalogue: &Catalogue,
    balance: impl FnOnce(&mut [Arc<ProviderAccess>]),
) -> Ways {
    let resolver = Resolver { operation, key, catalogue };
    let mut accesses = resolver.equals(first);
    balance(&mut accesses);
    let mut found = Ways { ways: Vec::new(), left_out: Vec::new() };
    for access in accesses {
        found.ways.push(Candidate { access, ..first.clone() });
    }
    for fallback in &routing.fallbacks {
        match resolver.fallback(fallback) {
            Ok(way) if found.ways.iter().any(|other| other.is_same(&way)) => {}
            Ok(way) => found.ways.push(way),
            Err(why) => found.left_out.push(format!("fallback to {}: {why}", shortened(&fallback.model))),
        }
    }
    found
}

/// Another model in the place of the one that was asked for.
pub fn instead(
    operation: Operation,
    model: &str,
    key: &KeyEntry,
    catalogue: &Catalogue,
) -> Result<Candidate, Refusal> {
    Ok(plan(operation, Some(model), key, catalogue)?.candidate)
}

impl Candidate {
    fn is_same(&self, other: &Self) -> bool {
        self.access.key.id() == other.access.key.id() && self.model == other.model
    }
}

/// The model of a text request that names none.
fn default_model(operation: Operation, key: &KeyEntry) -> Option<&str> {
    if !needs_model(operation) {
        return None;
    }
    let agents = key.agent.as_ref().and_then(|agent| agent.default_model.as_deref());
    agents.or(key.key.default_model.as_deref()).or(key.workspace.workspace.settings.default_model.as_deref())
}

fn needs_model(operation: Operation) -> bool {
    matches!(operation.kind(), Kind::Chat | Kind::Completion | Kind::Response | Kind::Message)
}

struct Resolver<'a> {
    operation: Operation,
    key: &'a KeyEntry,
    catalogue: &'a Catalogue,
}

type Resolved = (Arc<ProviderAccess>, Option<String>);

impl<'a> Resolver<'a> {
    /// The provider keys that serve `first` as well as its own, which is among them.
    fn equals(&self, first: &Candidate) -> Vec<Arc<ProviderAccess>> {
        if self.key.bound_provider_key().is_some() {
            return vec![Arc::clone(&first.access)];
        }
        let serves = |access: &&Arc<ProviderAccess>| {
            access.key.provider == first.access.key.provider
                // Two servers of one's own are not two keys of one provider.
                && (access.provider.id != "custom" || access.key.base_url == first.access.key.base_url)
                && first.model.as_deref().is_none_or(|model| access.lists(model) != Some(false))
        };
        self.usable().filter(serves).cloned().collect()
    }

    fn fallback(&self, fallback: &'a Fallback) -> Result<Candidate, String> {
        let model = self.unaliased(&fallback.model);
        let (access, model) = match fallback.provider_key_id {
            None => self.named(model).map_err(|refusal| refusal.message)?,
            Some(id) => {
                let access = self.key.workspace.provider_key(id);
                let access = access.ok_or("its provider key is missing or switched off")?;
                let own = model.split_once('/').filter(|(provider, _)| *provider == access.key.provider);
                (Arc::clone(access), Some(own.map_or(model, |(_, id)| id).to_owned()))
            }
        };
        let serving = access.provider.serves(self.operation);
        let serving = serving.ok_or_else(|| format!("{} does not serve this route", access.provider.name))?;
        Ok(Candidate { access, model, serving })
    }

    fn unaliased(&self, model: &'a str) -> &'a str {
        let aliases = &self.key.workspace.workspace.settings.model_aliases;
        let mut model = model;
        for _ in 0..MAX_ALIASES {
            match aliases.get(model) {
                Some(target) => model = target,
                None => break,
            }
        }
        model
    }

    fn named(&self, model: &str) -> Result<Resolved, Refusal> {
        let bound = self.bound()?;
        let split = model.split_once('/');
        if let Some(access) = bound {
            return self.named_of_bound(access, model, split);
        }
        if let Some((provider, id)) = split {
            let of_provider = self.usable().filter(|access| access.key.provider == provider);
            if let Some(access) = of_provider.clone().find(|access| access.lists(id) != Some(false)) {
                return Ok((Arc::clone(access), Some(id.to_owned())));
            }
            if of_provider.count() > 0 {
                return Err(not_found(model));
            }
        }
        self.bare(model)
    }

    /// The model under the only provider key that this key may use.
    fn named_of_bound(
        &self,
        access: &Arc<ProviderAccess>,
        model: &str,
        split: Option<(&str, &str)>,
    ) -> Result<Resolved, Refusal> {
        let offered = |id: &str| match access.lists(id) {
            Some(false) => Err(not_found(model)),
            _ => Ok((Arc::clone(access), Some(id.to_owned()))),
        };
        if access.provider.id == "custom" {
            return offered(model);
        }
        if let Some((provider, id)) = split {
            if provider == access.key.provider {
                return offered(id);
            }
            let takes_it_whole = access.provider.any_model
                || access.lists(model) == Some(true)
                || self.catalogue.model(access.provider.id, model).is_some();
            let is_elsewhere =
                self.key.workspace.provider_keys.iter().any(|other| other.key.provider == provider);
            if !takes_it_whole && is_elsewhere {
                let message =
                    format!("The key is bound to {}; it may not use {provider}.", access.provider.name);
                return Err(Refusal::new(Code::ProviderNotAllowed, message).param("model"));
            }
        }
        offered(model)
    }

    /// A bare id: whoever offers it.
    fn bare(&self, model: &str) -> Result<Resolved, Refusal> {
        let mut offering: Vec<&Arc<ProviderAccess>> =
            self.usable().filter(|access| self.offers(access, model)).collect();
        if offering.is_empty() {
            // A model newer than the catalogue: unambiguous where there is one provider key without a list.
            let mut open = self.usable().filter(|access| access.lists(model).is_none());
            match (open.next(), open.next()) {
                (Some(access), None) => offering.push(access),
                _ => return Err(self.nobody_offers(model)),
            }
        }
        let access = self.preferred(&offering).ok_or_else(|| ambiguous(model, &offering))?;
        Ok((Arc::clone(access), Some(model.to_owned())))
    }

    /// The best of several: all of one provider, or the first in the workspace's order.
    fn preferred<'b>(&self, offering: &[&'b Arc<ProviderAccess>]) -> Option<&'b Arc<ProviderAccess>> {
        let first = *offering.first()?;
        if offering.iter().all(|access| access.key.provider == first.key.provider) {
            return Some(first);
        }
        let order = &self.key.workspace.workspace.settings.provider_order;
        order
            .iter()
            .find_map(|provider| offering.iter().copied().find(|access| access.key.provider == *provider))
    }

    fn offers(&self, access: &ProviderAccess, model: &str) -> bool {
        match access.lists(model) {
            Some(listed) => listed,
            None => access.provider.any_model || self.catalogue.model(access.provider.id, model).is_some(),
        }
    }

    fn without_model(&self) -> Result<Arc<ProviderAccess>, Refusal> {
        if needs_model(self.operation) {
            let message =
                "Name a model: neither the request nor the agent, the key or the workspace has one.";
            return Err(Refusal::new(Code::ModelRequired, message).param("model"));
        }
        if let Some(access) = self.bound()? {
            return Ok(Arc::clone(access));
        }
        let offering: Vec<_> = self.usable().collect();
        match self.preferred(&offering) {
            Some(access) => Ok(Arc::clone(access)),
            None if offering.is_empty() => Err(self.no_provider_key()),
            None => {
                let message = "Name a model: several provider keys could serve this request.";
                Err(Refusal::new(Code::ModelRequired, message).param("model"))
            }
        }
    }

    /// The provider key that the key or its agent is bound to, if it is bound.
    fn bound(&self) -> Result<Option<&'a Arc<ProviderAccess>>, Refusal> {
        let Some(id) = self.key.bound_provider_key() else { return Ok(None) };
        match self.key.workspace.provider_key(id) {
            Some(access) => Ok(Some(access)),
            None => Err(self.no_provider_key()),
        }
    }

    /// Provider keys that serve the operation at all.
    fn usable(&self) -> impl Iterator<Item = &'a Arc<ProviderAccess>> + Clone {
        let operation = self.operation;
        self.key
            .workspace
            .provider_keys
            .iter()
            .filter(move |access| access.provider.serves(operation).is_some())
    }

    fn no_provider_key(&self) -> Refusal {
        let message = "No usable provider key: the one this key is bound to is missing or switched off.";
        let message = if self.key.bound_provider_key().is_some() {
            message
        } else {
            "No usable provider key: add one at /api/v1/provider-keys."
        };
        Refusal::new(Code::ProviderKeyMissing, message)
    }

    fn nobody_offers(&self, model: &str) -> Refusal {
        if self.usable().next().is_none() {
            return self.no_provider_key();
        }
        match model.split_once('/') {
            Some((provider, _)) if providers::find(provider).is_some() => {
                let message =
                    format!("No usable provider key for {provider}: add one at /api/v1/provider-keys.");
                Refusal::new(Code::ProviderKeyMissing, message)
            }
            _ => not_found(model),
        }
    }
}

fn not_found(model: &str) -> Refusal {
    let message = format!("No provider key of this workspace offers the model `{}`.", shortened(model));
    Refusal::new(Code::ModelNotFound, message).param("model")
}

fn ambiguous(model: &str, offering: &[&Arc<ProviderAccess>]) -> Refusal {
    let mut candidates: Vec<String> =
        offering.iter().map(|access| format!("{}/{model}", access.key.provider)).collect();
    candidates.dedup();
    let message = format!(
        "Several providers offer the model `{}`: name one of the candidates, or set the workspace's providerOrder.",
        shortened(model)
    );
    Refusal::new(Code::ModelAmbiguous, message).param("model").details(json!({ "candidates": candidates }))
}

/// A name as it may stand in a message.
fn shortened(model: &str) -> String {
    model.chars().take(200).filter(|character| !character.is_control()).collect()
}
