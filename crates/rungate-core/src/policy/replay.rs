//! What a change of policies would change on requests of the past.

use crate::code::Code;
use crate::policy::facts::{Facts, Verdict};
use crate::policy::set::Applicable;

/// How a verdict would differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// As it is.
    Same,
    /// Allowed now, refused then.
    Refused(Code),
    /// Refused now, allowed then.
    Allowed(Code),
    /// Refused both times, for another reason: now and then.
    OtherReason(Code, Code),
    /// Allowed both times, with other limits.
    OtherLimits,
}

/// What differs when `draft` takes the place of `current`, on one request.
///
/// Counts that a request of the past left behind are in its facts; rate limits and bodies are not looked at.
pub fn replay(current: Applicable<'_>, draft: Applicable<'_>, facts: &Facts<'_>) -> Change {
    let (now, then) = (current.judge(facts), draft.judge(facts));
    let code = |verdict: &Verdict<'_>| verdict.denial.as_ref().map(|denial| denial.code);
    match (code(&now), code(&then)) {
        (None, Some(code)) => Change::Refused(code),
        (Some(code), None) => Change::Allowed(code),
        (Some(now), Some(then)) if now != then => Change::OtherReason(now, then),
        (None, None) if (now.max_output_tokens, now.max_cost) != (then.max_output_tokens, then.max_cost) => {
            Change::OtherLimits
        }
        _ => Change::Same,
    }
}
