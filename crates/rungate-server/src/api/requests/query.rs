//! Reads the filters of a list. What is documented is what is accepted: other names are refused with those that are
//! known, and every wrong value is named.

use std::fmt::Display;

use rungate_core::id::{AgentId, AgentRef};
use rungate_gateway::directory::WorkspaceEntry;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::api::error::ApiError;
use crate::api::json::Checks;
use crate::api::paging::PagingParams;
use crate::api::params::Params;
use crate::services::Services;

/// How the filter on properties is documented.
const PROPERTY: &str = "property.<key>";
const PROPERTY_PREFIX: &str = "property.";
const MAX_TEXT_CHARS: usize = 200;
/// Say how much of a list is wanted, not which list.
const NOT_A_FILTER: [&str; 5] = ["limit", "cursor", "page", "pageSize", "count"];

/// The query of a list, while it is read.
pub struct Query<'a> {
    params: &'a Params,
    checks: Checks,
}

/// Agents by both of their ids.
#[derive(Debug, Default)]
pub struct Agents {
    /// In the registry.
    pub ids: Vec<AgentId>,
    /// Readable ones.
    pub external_ids: Vec<String>,
}

impl Agents {
    /// Adds one agent; by its other id too, where the registry has it.
    pub fn add(&mut self, reference: &AgentRef, workspace: &WorkspaceEntry) {
        match reference {
            AgentRef::Id(id) => self.ids.push(*id),
            AgentRef::External(id) => self.external_ids.push(id.to_string()),
        }
        if let Some(agent) = workspace.agent(reference) {
            self.ids.push(agent.id());
            self.external_ids.push(agent.external_id.to_string());
        }
    }
}

impl<'a> Query<'a> {
    /// Starts with the names: each must be one of `Filter` or of paging.
    pub fn open<Filter: IntoParams>(params: &'a Params) -> Self {
        Self::of(params, &[Filter::into_params(|| None), PagingParams::into_params(|| None)].concat())
    }

    /// The same of what has no pages.
    pub fn open_unpaged<Filter: IntoParams>(params: &'a Params) -> Self {
        Self::of(params, &Filter::into_params(|| None))
    }

    fn of(params: &'a Params, documented: &[Parameter]) -> Self {
        let names: Vec<&str> = documented.iter().map(|parameter| parameter.name.as_str()).collect();
        let is_known = |name: &str| {
            names.contains(&name) || (names.contains(&PROPERTY) && name.starts_with(PROPERTY_PREFIX))
        };
        let mut checks = Checks::default();
        for (name, _) in params.iter().filter(|(name, _)| !is_known(name)) {
            let message = format!("is not a parameter of this list; it has {}", names.join(", "));
            checks.fail(name, "unknown_parameter", message);
        }
        Self { params, checks }
    }

    /// Every value of a parameter, read by `read`, which says what is allowed.
    pub fn all<T, E: Display>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let mut values = Vec::new();
        for text in self.params.all(name) {
            match read(text) {
                Ok(value) => values.push(value),
                Err(allowed) => self.checks.fail(name, "format", allowed.to_string()),
            }
        }
        values
    }

    /// The value of a parameter that may come once.
    pub fn one<T, E: Display>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let mut values = self.all(name, read);
        if values.len() > 1 {
            self.checks.fail(name, "repeated", "may be given once");
        }
        values.pop()
    }

    /// A text to search for.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.one(name, any)?;
        self.checks.length(name, &text, 1..=MAX_TEXT_CHARS);
        Some(text)
    }

    /// The agents of `agentId`, by either id.
    pub fn agents(&mut self, workspace: &WorkspaceEntry) -> Agents {
        let mut agents = Agents::default();
        for reference in self.all("agentId", AgentRef::parse) {
            agents.add(&reference, workspace);
        }
        agents
    }

    /// The pairs of `property.<key>=<value>`. Keys are stored in lower case.
    pub fn properties(&mut self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (name, value) in self.params.iter() {
            let Some(key) = name.strip_prefix(PROPERTY_PREFIX) else { continue };
            let key = key.to_ascii_lowercase();
            if is_property_key(&key) {
                pairs.push((key, value.to_owned()));
            } else {
                let allowed = "a key has 1 to 64 characters of a-z 0-9 _ - and starts with a letter or digit";
                self.checks.fail(name, "format", allowed);
            }
        }
        pairs
    }

    /// Notes a rule that several values break together.
    pub fn fail(&mut self, name: &str, rule: &'static str, message: &str) {
        self.checks.fail(name, rule, message);
    }

    /// 400 naming everything that is wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        self.checks.finish()
    }
}

/// Whether a property may have this key, in lower case.
pub fn is_property_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.as_bytes()[0].is_ascii_alphanumeric()
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// Reads any text.
pub fn any(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

/// Reads one of our ids.
pub fn uuid<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "must be a UUID")
}

/// Reads a whole number from 0.
pub fn whole(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "must be a whole number from 0")
}

/// Reads `true` or `false`.
pub fn flag(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

/// Reads one name of a closed list.
pub fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| {
        let message = error.to_string();
        let allowed = message.split_once("expected ").map_or(&*message, |(_, allowed)| allowed);
        format!("must be {}", allowed.replace('`', ""))
    })
}

/// Names a list together with its filters, so that a cursor of other filters is refused.
pub fn list_name(services: &Services, params: &Params, list: &str) -> String {
    let mut filters: Vec<(&str, &str)> =
        params.iter().filter(|(name, _)| !NOT_A_FILTER.contains(name)).collect();
    filters.sort_unstable();
    let hash = services.hasher.hash(&json!(filters).to_string()).to_hex();
    format!("{list}:{}", &hash[..16])
}
