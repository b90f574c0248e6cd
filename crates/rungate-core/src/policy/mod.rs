//! Policies: what an operator decides about the requests of a workspace, an agent or a key.
//!
//! Policy is pure: the gateway gathers [`Facts`], a compiled [`PolicySet`] gives the rules that [apply](Applicable),
//! and these say what may be done. Nothing here reads a clock, counts, or keeps state. One type of rule is one file
//! and one line in [`rule_types`].
//!
//! Limiting rules combine and the strictest wins, so that a narrower policy can only tighten. `routing`, `caching`
//! and `logging` do not limit: there the narrowest target wins, then the lower priority.

mod caching;
mod config;
mod content_filter;
mod detect;
mod effective;
mod facts;
mod ip_allowlist;
mod logging;
mod masking;
mod model_access;
mod rate_limit;
mod replay;
mod request_limits;
mod resource;
mod routing;
mod rule_types;
mod run_limits;
mod schedule;
mod set;
#[cfg(test)]
mod tests;

pub use caching::{CacheRuling, CacheScope, CacheTerms, Caching};
pub use config::ConfigError;
pub use content_filter::{ContentFilter, FilterAction, FilterOn};
pub use detect::{Detector, detectors};
pub use effective::{Effective, EffectivePolicy};
pub use facts::{Denial, Facts, Finding, Judgement, RunFacts, Verdict};
pub use logging::Logging;
pub use masking::{MASK, mask_json, mask_text};
pub use rate_limit::{Per, RateLimit};
pub use replay::{Change, replay};
pub use resource::{Policy, PolicyVersion, Target, TargetError};
pub use routing::{Balance, Downgrade, Fallback, Retries, Retryable, Routing};
pub use rule_types::{Guard, Rule, RuleType, check, rule_types};
pub use set::{Applicable, BadPolicy, Bound, Filtered, Loggings, PolicySet};
