//! `caching`: which answers are kept for the next equal request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::activity::{CacheControl, CacheWish};
use crate::policy::config::{ConfigError, read, within};
use crate::policy::rule_types::Rule;

/// For so many seconds an answer is kept where only a header asks for it, and says nothing else.
const TTL_BY_HEADER: u64 = 604_800;
/// No answer is kept longer.
const MAX_TTL: u64 = 31_536_000;

/// Who shares a kept answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// Requests with the same key.
    Key,
    /// Requests of the same agent.
    #[default]
    Agent,
    /// All of the workspace.
    Workspace,
}

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Caching {
    /// Whether they are; true unless said otherwise.
    pub enabled: bool,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
    /// Who shares them.
    pub scope: CacheScope,
}

impl Default for Caching {
    fn default() -> Self {
        Self { enabled: true, ttl_seconds: 3_600, scope: CacheScope::Agent }
    }
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let caching: Caching = read(config)?;
    within("ttlSeconds", Some(caching.ttl_seconds), 1..=MAX_TTL)?;
    Ok(Rule::Caching(caching))
}

/// What holds for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRuling {
    /// Nobody asks for caching.
    Unasked,
    /// The request asks for it, and a policy switches it off.
    Denied,
    /// Caching is on, on these terms.
    Granted(CacheTerms),
}

/// On which terms a request takes and leaves answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTerms {
    /// Who shares them.
    pub scope: CacheScope,
    /// How many seconds they are kept.
    pub ttl_seconds: u64,
    /// How many seconds one may be old that is taken.
    pub max_age_seconds: u64,
    /// Whether the request takes one.
    pub read: bool,
    /// Whether it leaves one.
    pub save: bool,
}

impl CacheRuling {
    /// What the policy in force and the request's headers come to. Headers ask for caching where no policy speaks of it, and
    /// for less than a policy gives; never for more.
    pub fn of(policy: Option<&Caching>, wish: &CacheWish) -> Self {
        let limit = match policy {
            None if !wish.asks() => return Self::Unasked,
            None => Caching { enabled: false, ttl_seconds: MAX_TTL, scope: CacheScope::Agent },
            Some(Caching { enabled: false, .. }) if wish.asks() => return Self::Denied,
            Some(Caching { enabled: false, .. }) => return Self::Unasked,
            Some(policy) => *policy,
        };
        let ttl_seconds = match (wish.max_age, policy) {
            (Some(asked), _) => asked.min(limit.ttl_seconds),
            (None, Some(policy)) => policy.ttl_seconds,
            (None, None) => TTL_BY_HEADER,
        };
        let unless_said = wish.enabled.unwrap_or(limit.enabled);
        let CacheControl { no_store, no_cache, max_age } = wish.control;
        let max_age_seconds = max_age.map_or(ttl_seconds, |max_age| max_age.min(ttl_seconds));
        Self::Granted(CacheTerms {
            scope: limit.scope,
            ttl_seconds,
            max_age_seconds,
            read: wish.read.unwrap_or(unless_said) && max_age_seconds > 0 && !no_store && !no_cache,
            save: wish.save.unwrap_or(unless_said) && ttl_seconds > 0 && !no_store,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms(scope: CacheScope, ttl_seconds: u64, read: bool, save: bool) -> CacheRuling {
        CacheRuling::Granted(CacheTerms { scope, ttl_seconds, max_age_seconds: ttl_seconds, read, save })
    }

    #[test]
    fn a_bad_configuration_is_refused_with_its_place() {
        for (config, path) in [
            (json!({ "ttlSeconds": 0 }), "config.ttlSeconds"),
            (json!({ "ttlSeconds": 31_536_001 }), "config.ttlSeconds"),
            (json!({ "ttlSeconds": -1 }), "config.ttlSeconds"),
            (json!({ "scope": "everybody" }), "config.scope"),
            (json!({ "enabled": "yes" }), "config.enabled"),
            (json!({ "ttl": 5 }), "config.ttl"),
            (json!([]), "config"),
        ] {
            let error = compile(&config).unwrap_err();
            assert_eq!(error.path, path, "{config}: {}", error.reason);
        }
        let Rule::Caching(caching) = compile(&json!({})).unwrap() else { panic!("another rule") };
        assert_eq!(caching, Caching::default());
    }

    #[test]
    fn headers_ask_where_no_policy_speaks() {
        let wish = CacheWish::default();
        assert_eq!(CacheRuling::of(None, &wish), CacheRuling::Unasked);
        assert_eq!(
            CacheRuling::of(None, &CacheWish { enabled: Some(false), ..wish.clone() }),
            CacheRuling::Unasked
        );
        let asked = CacheWish { enabled: Some(true), ..wish.clone() };
        assert_eq!(CacheRuling::of(None, &asked), terms(CacheScope::Agent, 604_800, true, true));
        let only_read = CacheWish { read: Some(true), ..wish.clone() };
        assert_eq!(CacheRuling::of(None, &only_read), terms(CacheScope::Agent, 604_800, true, false));
        let unsaved = CacheWish { save: Some(false), max_age: Some(9), ..asked };
        assert_eq!(CacheRuling::of(None, &unsaved), terms(CacheScope::Agent, 9, true, false));
        let nothing = CacheWish { enabled: Some(true), max_age: Some(0), ..wish };
        assert_eq!(CacheRuling::of(None, &nothing), terms(CacheScope::Agent, 0, false, false));
    }

    #[test]
    fn cache_control_takes_away_and_gives_nothing() {
        let with = |control| CacheWish { control, ..CacheWish::default() };
        let fresh = CacheControl { no_cache: true, ..CacheControl::default() };
        assert_eq!(CacheRuling::of(None, &with(fresh)), CacheRuling::Unasked);
        let on = Caching { ttl_seconds: 60, ..Caching::default() };
        let of = |control| CacheRuling::of(Some(&on), &with(control));
        assert_eq!(of(fresh), terms(CacheScope::Agent, 60, false, true));
        let unstored = CacheControl { no_store: true, ..CacheControl::default() };
        assert_eq!(of(unstored), terms(CacheScope::Agent, 60, false, false));
        for (max_age, read) in [(0, false), (9, true), (90, true)] {
            let CacheRuling::Granted(terms) =
                of(CacheControl { max_age: Some(max_age), ..CacheControl::default() })
            else {
                panic!("caching is on");
            };
            assert_eq!((terms.max_age_seconds, terms.ttl_seconds), (max_age.min(60), 60));
            assert_eq!((terms.read, terms.save), (read, true));
        }
    }

    #[test]
    fn headers_never_widen_what_a_policy_says() {
        let off = Caching { enabled: false, ..Caching::default() };
        let asked = CacheWish { enabled: Some(true), max_age: Some(MAX_TTL), ..CacheWish::default() };
        assert_eq!(CacheRuling::of(Some(&off), &asked), CacheRuling::Denied);
        assert_eq!(CacheRuling::of(Some(&off), &CacheWish::default()), CacheRuling::Unasked);
        let on = Caching { enabled: true, ttl_seconds: 60, scope: CacheScope::Key };
        assert_eq!(CacheRuling::of(Some(&on), &asked), terms(CacheScope::Key, 60, true, true));
        assert_eq!(CacheRuling::of(Some(&on), &CacheWish::default()), terms(CacheScope::Key, 60, true, true));
        let less = CacheWish { max_age: Some(5), read: Some(false), ..CacheWish::default() };
        assert_eq!(CacheRuling::of(Some(&on), &less), terms(CacheScope::Key, 5, false, true));
        let none = CacheWish { enabled: Some(false), ..CacheWish::default() };
        assert_eq!(CacheRuling::of(Some(&on), &none), terms(CacheScope::Key, 60, false, false));
    }
}
