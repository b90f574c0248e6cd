//! How long what is kept: by `logging` policies, else by the workspace's settings, else by the installation.
//!
//! Each row has one term, that of the narrowest target that has a policy: its key's, its agent's, or the workspace's. A day goes
//! whole when the longest term of all has passed; before that, what has passed its own term is taken out of it.

use rungate_core::agent::WorkspaceSettings;
use rungate_core::id::{AgentId, VirtualKeyId, WorkspaceId};
use rungate_core::policy::{Logging, Loggings};
use rungate_core::ports::{Expiring, Expiry};
use rungate_core::time::Day;

use crate::config::Retention;

/// Days that something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its rows.
    pub row_days: u32,
    /// Its bodies; no longer than its rows.
    pub body_days: u32,
}

/// The terms of one workspace.
#[derive(Debug, PartialEq, Eq)]
pub struct Terms {
    workspace: WorkspaceId,
    own: Term,
    agents: Vec<(AgentId, Term)>,
    keys: Vec<(VirtualKeyId, Term)>,
}

impl Term {
    /// The installation's, from the configuration, which keeps the numbers in bounds.
    pub fn of(config: &Retention) -> Self {
        let days = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { row_days: days(config.row_days.get()), body_days: days(config.body_days.get()) }
    }

    fn of_workspace(self, settings: &WorkspaceSettings) -> Self {
        let row_days = settings.retention_days.unwrap_or(self.row_days);
        Self { row_days, body_days: settings.body_retention_days.unwrap_or(self.body_days).min(row_days) }
    }

    fn of_policy(self, logging: &Logging) -> Self {
        let days = |number: Option<u64>| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let row_days = days(logging.retention_days).unwrap_or(self.row_days);
        let body_days = days(logging.body_retention_days).unwrap_or(self.body_days);
        Self { row_days, body_days: body_days.min(row_days) }
    }

    fn longer(self, other: Self) -> Self {
        Self { row_days: self.row_days.max(other.row_days), body_days: self.body_days.max(other.body_days) }
    }

    /// What has passed on a day.
    fn passed(self, day: Day, today: Day) -> Option<Expiring> {
        let is_before = |days: u32| day < first_day(today, days);
        match (is_before(self.row_days), is_before(self.body_days)) {
            (true, _) => Some(Expiring::Rows),
            (false, true) => Some(Expiring::Bodies),
            (false, false) => None,
        }
    }
}

impl Terms {
    /// Those of a workspace with these settings and policies. Without policies that can be read, its settings count.
    pub fn new(
        installation: Term,
        workspace: WorkspaceId,
        settings: &WorkspaceSettings,
        policies: Option<Loggings<'_>>,
    ) -> Self {
        let settings = installation.of_workspace(settings);
        let Loggings { workspace: own, agents, keys } = policies.unwrap_or_default();
        Self {
            workspace,
            own: own.map_or(settings, |logging| settings.of_policy(logging)),
            agents: agents.into_iter().map(|(id, logging)| (id, settings.of_policy(logging))).collect(),
            keys: keys.into_iter().map(|(id, logging)| (id, settings.of_policy(logging))).collect(),
        }
    }

    /// The longest of them.
    pub fn longest(&self) -> Term {
        let narrower = self.agents.iter().map(|(_, term)| term).chain(self.keys.iter().map(|(_, term)| term));
        narrower.fold(self.own, |longest, term| longest.longer(*term))
    }

    /// What is due on a day, in an order that is the same each time.
    pub fn due(&self, day: Day, today: Day) -> Vec<Expiry> {
        let sorted = |mut ids: Vec<_>| {
            ids.sort_unstable();
            ids
        };
        let named_keys: Vec<VirtualKeyId> = sorted(self.keys.iter().map(|(id, _)| *id).collect());
        let mut named_agents: Vec<AgentId> = self.agents.iter().map(|(id, _)| *id).collect();
        named_agents.sort_unstable();
        let expiry = |what| Expiry {
            workspace: self.workspace,
            key: None,
            agent: None,
            except_keys: Vec::new(),
            except_agents: Vec::new(),
            what,
        };
        let mut due = Vec::new();
        for (id, term) in &self.keys {
            due.extend(term.passed(day, today).map(|what| Expiry { key: Some(*id), ..expiry(what) }));
        }
        for (id, term) in &self.agents {
            due.extend(term.passed(day, today).map(|what| Expiry {
                agent: Some(*id),
                except_keys: named_keys.clone(),
                ..expiry(what)
            }));
        }
        due.extend(self.own.passed(day, today).map(|what| Expiry {
            except_keys: named_keys.clone(),
            except_agents: named_agents,
            ..expiry(what)
        }));
        due.sort_by_key(|expiry| (expiry.key, expiry.agent));
        due
    }
}

/// The first day that is kept of `days`.
pub fn first_day(today: Day, days: u32) -> Day {
    today.plus(-i32::try_from(days).unwrap_or(i32::MAX))
}

/// The first days that are kept whole, of rows and of bodies.
pub fn first_days(installation: Term, today: Day, all: &[Terms]) -> (Day, Day) {
    let longest = all.iter().map(Terms::longest).reduce(Term::longer).unwrap_or(installation);
    let rows = first_day(today, longest.row_days);
    (rows, rows.max(first_day(today, longest.body_days)))
}

#[cfg(test)]
mod tests {
    use rungate_core::policy::Logging;
    use uuid::Uuid;

    use super::*;

    const INSTALLATION: Term = Term { row_days: 90, body_days: 30 };

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn settings(rows: Option<u32>, bodies: Option<u32>) -> WorkspaceSettings {
        WorkspaceSettings {
            retention_days: rows,
            body_retention_days: bodies,
            ..WorkspaceSettings::default()
        }
    }

    fn terms(settings: &WorkspaceSettings, policies: Loggings<'_>) -> Terms {
        Terms::new(INSTALLATION, WorkspaceId::new(Uuid::from_u128(1)), settings, Some(policies))
    }

    fn whole_days(all: &[(Option<u32>, Option<u32>)]) -> (String, String) {
        let all: Vec<Terms> =
            all.iter().map(|(rows, bodies)| terms(&settings(*rows, *bodies), Loggings::default())).collect();
        let (rows, bodies) = first_days(INSTALLATION, day("2026-11-23"), &all);
        (rows.to_string(), bodies.to_string())
    }

    #[test]
    fn a_day_goes_whole_when_the_longest_keeping_lets_it() {
        let installation = ("2026-08-25".to_owned(), "2026-10-24".to_owned());
        assert_eq!(whole_days(&[]), installation);
        assert_eq!(whole_days(&[(Some(7), Some(1)), (None, None)]), installation);
        assert_eq!(whole_days(&[(Some(7), None), (Some(365), None)]).0, "2025-11-23");
        assert_eq!(whole_days(&[(Some(7), Some(1))]), ("2026-11-16".to_owned(), "2026-11-22".to_owned()));
        // Bodies do not outlive their rows.
        let (rows, bodies) = whole_days(&[(None, Some(4_000))]);
        assert_eq!((rows.as_str(), bodies.as_str()), ("2026-08-25", "2026-08-25"));
    }

    #[test]
    fn the_narrowest_policy_decides_shorter_or_longer() {
        let (agent, key) = (AgentId::new(Uuid::from_u128(2)), VirtualKeyId::new(Uuid::from_u128(3)));
        let of_agent = Logging { retention_days: Some(5), ..Logging::default() };
        let of_key =
            Logging { retention_days: Some(200), body_retention_days: Some(2), ..Logging::default() };
        let policies =
            Loggings { workspace: None, agents: vec![(agent, &of_agent)], keys: vec![(key, &of_key)] };
        let terms = terms(&settings(None, None), policies);
        assert_eq!(terms.longest(), Term { row_days: 200, body_days: 30 });
        let today = day("2026-11-23");
        let due = |at: &str| terms.due(day(at), today);
        assert_eq!(due("2026-11-23"), []);
        assert_eq!(due("2026-11-21"), []);
        let what = |at: &str| due(at).into_iter().map(|it| (it.key, it.agent, it.what)).collect::<Vec<_>>();
        assert_eq!(what("2026-11-20"), [(Some(key), None, Expiring::Bodies)]);
        let both = [(None, Some(agent), Expiring::Rows), (Some(key), None, Expiring::Bodies)];
        assert_eq!(what("2026-11-17"), both);
        let old = due("2026-08-01");
        assert_eq!(old.len(), 3);
        assert_eq!((&old[0].except_keys, &old[0].except_agents), (&vec![key], &vec![agent]));
        assert_eq!((old[0].what, &old[1].except_keys), (Expiring::Rows, &vec![key]));
    }
}
