//! What the book is told and what it answers.

use crate::budget::scope::Scope;
use crate::budget::window::{Span, Window};
use crate::exchange::Sequence;
use crate::id::{BudgetId, VirtualKeyId, WorkspaceId};
use crate::money::NanoUsd;

/// What a budget keeps one account for: everything it covers, or one session or run of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountKey {
    /// The budget.
    pub budget: BudgetId,
    /// The session or run, where each has an account of its own.
    pub instance: Option<Box<str>>,
}

/// Money held for one exchange. It is given back by settling or releasing it, exactly once: it cannot be copied. Only
/// the book that made it knows it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "money stays reserved until this is settled or released"]
pub struct Reservation {
    pub(super) slot: usize,
}

/// A reservation that was made.
#[derive(Debug)]
pub struct Held {
    /// To settle or release.
    pub reservation: Reservation,
    /// Accounts of budgets that only alert, whose past spend is not known yet. The request need not wait for it.
    pub wanted: Vec<Wanted>,
}

/// Past spend that the book has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The account.
    pub account: AccountKey,
    /// Whose spend it is: the budget's workspace.
    pub workspace: WorkspaceId,
    /// Whose spend it is: the budget's scope, narrowed by the account's instance.
    pub scope: Scope,
    /// Exchanges created in this window.
    pub window: Span,
    /// The sum must include all closings up to this one in the journal, so the log must have come as far. It may be further.
    pub from: Sequence,
    /// Names the question: an answer to an older one is not taken for it.
    pub(super) ticket: u64,
}

/// Past spend as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// What exchanges created in the window cost whose closings are at `cut` or before, the reserved amount
    /// standing in for a cost that is not known.
    pub spent: NanoUsd,
    /// How far the log was when it made this sum.
    pub cut: Sequence,
    /// The highest percentage of the present limit that was reported in this window; 0: none.
    pub notified: u16,
}

/// What became of past spend that the book was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It is in the book. The thresholds that it passes and that nobody was told of.
    Known(Vec<Notice>),
    /// The log was not as far as it has to be: sum again from here on.
    Stale(Sequence),
    /// The book does not ask for it (any more).
    Unneeded,
}

/// Why nothing was reserved. No account is changed by a refusal.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Past spend is not known: load it and ask again.
    Unknown(Vec<Wanted>),
    /// It would fit but for money reserved by requests in flight: wait until one settles and ask again.
    Reserved(Box<Shortfall>),
    /// It does not fit, whatever becomes of the requests in flight.
    Exhausted {
        /// The account.
        shortfall: Box<Shortfall>,
        /// The key to switch off, where a `disable_key` budget is used up: a request that a fresh window could
        /// hold does not fit what is left. A request that no window could hold is refused and disables nothing.
        disable_key: Option<VirtualKeyId>,
    },
    /// It does not fit a `clamp` budget. Every account has room for `most`: lower the output limit until the request
    /// costs at most that, and ask again. Where it cannot be lowered so far, refuse it with the shortfall.
    Clamp {
        /// More than zero.
        most: NanoUsd,
        /// The account with the least room.
        shortfall: Box<Shortfall>,
    },
}

/// The account that refuses, with all that the answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The account.
    pub account: AccountKey,
    /// The scope's `type`.
    pub scope: &'static str,
    /// The scope's id, or the session or run where each has an account of its own.
    pub scope_id: String,
    /// The budget's limit.
    pub limit: NanoUsd,
    /// Spent in the window.
    pub spent: NanoUsd,
    /// Reserved by requests in flight.
    pub reserved: NanoUsd,
    /// The limit without both; not below zero.
    pub remaining: NanoUsd,
    /// What was asked for.
    pub required: NanoUsd,
    /// The budget's window.
    pub window: Window,
    /// The window that the exchange belongs to; `resetsAt` is its end. The end can be past already: an exchange
    /// that was created just before it belongs to the window before.
    pub span: Span,
}

/// What settling did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What was counted as spent.
    pub spent: NanoUsd,
    /// How much more that is than was reserved. Above zero, the bound was wrong, and a limit may be exceeded by it.
    pub excess: NanoUsd,
    /// Thresholds that were passed now.
    pub notices: Vec<Notice>,
    /// The key to switch off, since a `disable_key` budget is spent to its limit.
    pub disable_key: Option<VirtualKeyId>,
}

/// A threshold was passed: once for each account, window and percentage, so these three name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The account.
    pub account: AccountKey,
    /// The window.
    pub window: Span,
    /// The threshold.
    pub percent: u16,
    /// The limit at that time.
    pub limit: NanoUsd,
    /// Spent by then.
    pub spent: NanoUsd,
}

/// What an account holds, to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The budget's limit.
    pub limit: NanoUsd,
    /// Spent in the window.
    pub spent: NanoUsd,
    /// Reserved by requests in flight.
    pub reserved: NanoUsd,
    /// The window.
    pub window: Span,
    /// How much of the limit is spent.
    pub status: UsageStatus,
}

/// How much of a limit is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageStatus {
    /// Less than the first threshold.
    Ok,
    /// A threshold is passed.
    Warning,
    /// All of it.
    Exhausted,
}
