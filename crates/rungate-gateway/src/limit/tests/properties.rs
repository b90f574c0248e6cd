use proptest::prelude::*;

use super::*;

/// Requests at arbitrary times: nanoseconds since the one before, tokens, and the share of them used in the end.
fn any_requests() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let pause = prop_oneof![
        3 => 0..3_u64,
        3 => 0..2_000_000_000_u64,
        2 => (0..3_u64).prop_map(|minutes| minutes * 60_000_000_000),
        1 => 0..70_000_000_000_u64,
    ];
    prop::collection::vec((pause, 0..40_u64, 0..50_u64), 1..200)
}

proptest! {
    #[test]
    fn a_small_limit_admits_exactly_what_a_list_of_all_admissions_would(
        requests in any_requests(), requests_most in 1..12_u64, tokens_most in 1..200_u64,
    ) {
        let limiter = Limiter::new(MIB);
        let limits =
            [limit(Unit::RequestsPerMinute, requests_most), limit(Unit::TokensPerMinute, tokens_most)];
        let mut now = Duration::ZERO;
        let mut list: Vec<(Duration, u64)> = Vec::new();
        for (pause, tokens, used) in requests {
            now += Duration::from_nanos(pause);
            let inside = || list.iter().filter(|(at, _)| *at + MINUTE > now);
            let sum: u64 = inside().map(|(_, tokens)| tokens).sum();
            let fits = inside().count() < usize::try_from(requests_most).unwrap() && sum + tokens <= tokens_most;
            match limiter.admit(now, WORKSPACE, &limits, tokens) {
                Ok(mut admission) => {
                    prop_assert!(fits, "admitted at {now:?}");
                    admission.settle_tokens(used.min(tokens));
                    list.push((now, used.min(tokens)));
                }
                Err(Refused::Reached { retry_after, .. }) => {
                    prop_assert!(!fits, "refused at {now:?}");
                    let Some(wait) = retry_after else {
                        prop_assert!(tokens > tokens_most);
                        continue;
                    };
                    // The wait is long enough, and a nanosecond less is not.
                    let fits_at = |then: Duration| {
                        let inside = || list.iter().filter(move |(at, _)| *at + MINUTE > then);
                        inside().count() < usize::try_from(requests_most).unwrap()
                            && inside().map(|(_, tokens)| tokens).sum::<u64>() + tokens <= tokens_most
                    };
                    prop_assert!(fits_at(now + wait));
                    prop_assert!(!fits_at((now + wait).saturating_sub(Duration::from_nanos(1))));
                }
                Err(Refused::Crowded) => prop_assert!(false, "there is room"),
            }
        }
    }

    /// Whatever the memory, never more than the limit in any window; with enough of it, no less than an exact log with
    /// a window longer by a 1024th admits.
    #[test]
    fn a_large_limit_admits_at_most_a_little_less(
        requests in any_requests(), most in 1_025..3_000_u64, roomy: bool,
    ) {
        let limits = [limit(Unit::TokensPerMinute, most)];
        // Without room, a log has no more than the four entries that it begins with.
        let begun = Limiter::new(MIB);
        begun.admit(Duration::ZERO, WORKSPACE, &limits, 1).unwrap().settle_tokens(1);
        let limiter = Limiter::new(if roomy { MIB } else { begun.bytes() });
        let longer = MINUTE + MINUTE.div_f64(1024.0) + Duration::from_nanos(2);
        let mut now = Duration::ZERO;
        let mut list: Vec<(Duration, u64)> = Vec::new();
        for (pause, tokens, used) in requests {
            now += Duration::from_nanos(pause);
            let tokens = tokens * 40;
            let sum = |window: Duration| -> u64 {
                list.iter().filter(|(at, _)| *at + window > now).map(|(_, tokens)| tokens).sum()
            };
            match limiter.admit(now, WORKSPACE, &limits, tokens) {
                Ok(mut admission) => {
                    prop_assert!(sum(MINUTE) + tokens <= most);
                    let used = (used * 40).min(tokens);
                    admission.settle_tokens(used);
                    list.push((now, used));
                }
                Err(Refused::Reached { retry_after, .. }) => {
                    prop_assert!(!roomy || sum(longer) + tokens > most, "refused too early at {now:?}");
                    if let Some(wait) = retry_after {
                        now += wait;
                        prop_assert!(admits(&limiter, now, &limits, tokens), "after {wait:?}");
                        list.push((now, tokens));
                    }
                }
                Err(Refused::Crowded) => prop_assert!(false, "there is room"),
            }
        }
    }
}
