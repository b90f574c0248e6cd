//! `model_access`: which models and providers may be used.

use globset::GlobSet;
use serde::Deserialize;
use serde_json::Value;

use crate::code::Code;
use crate::policy::config::{ConfigError, globs, is_plain, read};
use crate::policy::facts::{Facts, Judgement};
use crate::policy::rule_types::{Guard, Rule};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Config {
    allow_models: Vec<String>,
    deny_models: Vec<String>,
    allow_providers: Vec<String>,
    deny_providers: Vec<String>,
}

/// Globs of models are held against the bare id and `provider/id`; a denial wins.
#[derive(Debug)]
struct ModelAccess {
    config: Config,
    allow_models: Option<GlobSet>,
    deny_models: Option<GlobSet>,
    allow_providers: Option<GlobSet>,
    deny_providers: Option<GlobSet>,
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let config: Config = read(config)?;
    let access = ModelAccess {
        allow_models: globs("allowModels", &config.allow_models)?,
        deny_models: globs("denyModels", &config.deny_models)?,
        allow_providers: globs("allowProviders", &config.allow_providers)?,
        deny_providers: globs("denyProviders", &config.deny_providers)?,
        config,
    };
    Ok(Rule::Guard(Box::new(access)))
}

/// A denial wins; an absent list says nothing.
fn allows(allow: Option<&GlobSet>, deny: Option<&GlobSet>, hit: impl Fn(&GlobSet) -> bool) -> bool {
    !deny.is_some_and(&hit) && allow.is_none_or(hit)
}

impl Guard for ModelAccess {
    fn judge(&self, facts: &Facts<'_>) -> Judgement {
        if let Some(provider) = facts.provider {
            let hit = |set: &GlobSet| set.is_match(provider);
            if !allows(self.allow_providers.as_ref(), self.deny_providers.as_ref(), hit) {
                let reason = format!("the provider `{provider}` is not allowed");
                return Judgement::deny(Code::ProviderNotAllowed, reason);
            }
        }
        if let Some(model) = facts.model {
            let qualified = facts.provider.map(|provider| format!("{provider}/{model}"));
            let hit = |set: &GlobSet| {
                set.is_match(model) || qualified.as_ref().is_some_and(|name| set.is_match(name))
            };
            if !allows(self.allow_models.as_ref(), self.deny_models.as_ref(), hit) {
                return Judgement::deny(Code::ModelNotAllowed, format!("the model `{model}` is not allowed"));
            }
        }
        Judgement::allow()
    }

    fn models(&self) -> Vec<(String, &str)> {
        let lists = [("allowModels", &self.config.allow_models), ("denyModels", &self.config.deny_models)];
        let named = lists.into_iter().flat_map(|(path, list)| {
            list.iter().enumerate().map(move |(index, model)| (format!("{path}[{index}]"), model.as_str()))
        });
        named.filter(|(_, model)| is_plain(model)).collect()
    }
}
