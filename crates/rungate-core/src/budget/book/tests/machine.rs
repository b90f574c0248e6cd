//! Any interleaving of everything that can happen, held against the naive model after each step.

use std::sync::Arc;

use proptest::prelude::*;

use super::model::{Model, moment, who};
use super::{agent, budget, each_run, nano, virtual_key, workspace};
use crate::budget::{Budget, BudgetAction, Limit, Owner, Refused, Scope, Window, Zone};
use crate::exchange::Sequence;

#[derive(Debug, Clone)]
enum Step {
    /// Reserve; load what is wanted first when `patient`, and lower the amount where a budget clamps.
    Reserve {
        who: u8,
        at: u16,
        amount: i64,
        patient: bool,
    },
    Resize {
        exchange: usize,
        amount: i64,
    },
    Close {
        exchange: usize,
        percent: i64,
    },
    Settle {
        exchange: usize,
        percent: i64,
    },
    Unknown {
        exchange: usize,
    },
    Release {
        exchange: usize,
    },
    Apply {
        by: u64,
    },
    Ask {
        who: u8,
        at: u16,
    },
    Load {
        load: usize,
    },
    Put {
        budget: usize,
        limit: i64,
        window: usize,
        zone: bool,
        action: usize,
        enabled: bool,
    },
    Restart,
}

const ACTIONS: [BudgetAction; 4] =
    [BudgetAction::BlockRequests, BudgetAction::Clamp, BudgetAction::AlertOnly, BudgetAction::DisableKey];
const WINDOWS: [Window; 3] = [Window::Daily, Window::Weekly, Window::Total];

fn budgets() -> Vec<Budget> {
    let session = Scope::Session(crate::id::SessionId::parse("s1").unwrap());
    vec![
        budget(1, Scope::Workspace(workspace()), 300),
        budget(2, Scope::Agent(agent(1)), 200),
        budget(3, Scope::VirtualKey(virtual_key(1)), 150),
        budget(4, session, 100),
        budget(5, each_run(None), 80),
        budget(6, Scope::EachSession(Some(Owner::Agent(agent(1)))), 90),
        Budget {
            action: BudgetAction::AlertOnly,
            ..budget(7, each_run(Some(Owner::VirtualKey(virtual_key(1)))), 20)
        },
    ]
}

/// Steps, with changes of budgets and restarts among them or without.
fn steps(with_changes: bool) -> impl Strategy<Value = Vec<Step>> {
    let exchange = || any::<usize>();
    let step = prop_oneof![
        30 => (any::<u8>(), any::<u16>(), 0..60_i64, prop::bool::weighted(0.8))
            .prop_map(|(who, at, amount, patient)| Step::Reserve { who, at, amount, patient }),
        4 => (exchange(), 0..90_i64).prop_map(|(exchange, amount)| Step::Resize { exchange, amount }),
        8 => (exchange(), 0..=100_i64).prop_map(|(exchange, percent)| Step::Close { exchange, percent }),
        20 => (exchange(), 0..=100_i64).prop_map(|(exchange, percent)| Step::Settle { exchange, percent }),
        4 => exchange().prop_map(|exchange| Step::Unknown { exchange }),
        4 => exchange().prop_map(|exchange| Step::Release { exchange }),
        8 => (0..6_u64).prop_map(|by| Step::Apply { by }),
        8 => (any::<u8>(), any::<u16>()).prop_map(|(who, at)| Step::Ask { who, at }),
        10 => any::<usize>().prop_map(|load| Step::Load { load }),
        4 => (0..7_usize, 0..400_i64, 0..8_usize, prop::bool::weighted(0.1), 0..4_usize, prop::bool::weighted(0.8))
            .prop_map(|(budget, limit, window, zone, action, enabled)|
                Step::Put { budget, limit, window, zone, action, enabled }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..150).prop_map(move |mut steps| {
        steps.retain(|step| with_changes || !matches!(step, Step::Put { .. } | Step::Restart));
        steps
    })
}

impl Model {
    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Reserve { who: number, at, amount, patient } => {
                let spender = who(number, moment(at));
                match self.reserve(&spender, amount) {
                    Err(Refused::Unknown(_)) if patient => {
                        self.load_all(&spender);
                        if let Err(refused) = self.reserve(&spender, amount) {
                            assert!(!matches!(refused, Refused::Unknown(_)), "all was loaded");
                        }
                    }
                    Err(Refused::Clamp { most, .. }) => {
                        assert!(most > nano(0) && most < nano(amount));
                        self.reserve(&spender, most.nanos()).unwrap();
                    }
                    _ => {}
                }
            }
            Step::Resize { exchange, amount } => {
                let Some(exchange) = self.pick(exchange) else { return };
                let it = &mut self.exchanges[exchange];
                let Some((reservation, held)) = it.open.as_mut().filter(|_| it.closed.is_none()) else {
                    return;
                };
                let grows = amount > *held;
                if self.book.resize(reservation, nano(amount)).is_ok() {
                    *held = amount;
                    let spender = Arc::clone(&it.spender);
                    self.assert_within_limits(&spender, i64::from(grows));
                }
            }
            Step::Close { exchange, percent } => {
                let Some(exchange) = self.pick(exchange) else { return };
                self.close_at(exchange, percent);
            }
            Step::Settle { exchange, percent } => {
                let Some(exchange) = self.pick(exchange) else { return };
                let at = self.close_at(exchange, percent);
                let it = &mut self.exchanges[exchange];
                let (reservation, _) = it.open.take().unwrap();
                let settled = self.book.settle(reservation, nano(it.closed.unwrap().1), Sequence(at));
                assert_eq!(settled.excess, nano(0));
                self.report(settled.notices);
            }
            Step::Unknown { exchange } => {
                let Some(exchange) = self.pick(exchange) else { return };
                if self.exchanges[exchange].closed.is_some() {
                    return;
                }
                let at = self.close_at(exchange, 100);
                let (reservation, amount) = self.exchanges[exchange].open.take().unwrap();
                let settled = self.book.settle_unknown(reservation, Sequence(at));
                assert_eq!(settled.spent, nano(amount));
                self.report(settled.notices);
            }
            Step::Release { exchange } => {
                let Some(exchange) = self.pick(exchange) else { return };
                let it = &mut self.exchanges[exchange];
                if it.closed.is_none() {
                    self.book.release(it.open.take().unwrap().0);
                }
            }
            Step::Apply { by } => self.applied = self.journal.min(self.applied + by),
            Step::Ask { who: number, at } => {
                for wanted in self.book.missing(&who(number, moment(at))) {
                    self.start_load(wanted);
                }
            }
            Step::Load { load } => {
                if !self.loads.is_empty() {
                    self.finish_load(load % self.loads.len());
                }
            }
            Step::Put { budget, limit, window, zone, action, enabled } => {
                let mut changed = self.budgets[budget].clone();
                changed.limit = Limit::new(nano(limit)).unwrap();
                changed.window = WINDOWS.get(window).copied().unwrap_or(changed.window);
                if zone {
                    changed.timezone = Zone::parse("Asia/Kolkata").unwrap();
                }
                changed.action = ACTIONS[action];
                changed.enabled = enabled;
                self.put(budget, &changed);
            }
            Step::Restart => self.restart(),
        }
    }

    fn pick(&self, number: usize) -> Option<usize> {
        let open: Vec<usize> =
            (0..self.exchanges.len()).filter(|it| self.exchanges[*it].open.is_some()).collect();
        (!open.is_empty()).then(|| open[number % open.len()])
    }

    fn close_at(&mut self, exchange: usize, percent: i64) -> u64 {
        let amount = self.exchanges[exchange].open.as_ref().unwrap().1;
        self.close(exchange, amount * percent / 100)
    }

    fn load_all(&mut self, spender: &crate::budget::Spender) {
        for wanted in self.book.missing(spender) {
            self.applied = self.applied.max(wanted.from.0);
            self.start_load(wanted);
            self.finish_load(self.loads.len() - 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn w_050_no_interleaving_exceeds_a_limit_or_miscounts(steps in steps(true)) {
        let mut model = Model::new(budgets());
        for step in &steps {
            model.step(step);
            model.check();
        }
    }

    /// Without changes of budgets, every window of every hard account is within its limit at every moment.
    #[test]
    fn w_050_spent_and_reserved_never_exceed_the_limit_by_one_nano(steps in steps(false)) {
        let mut model = Model::new(budgets());
        for step in &steps {
            model.step(step);
            model.assert_never_exceeded();
        }
    }
}
