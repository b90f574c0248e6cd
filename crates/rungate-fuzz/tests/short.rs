//! The short run over every target, in plain Rust. `FUZZ_SECONDS` makes it longer, `FUZZ_SEED` takes it elsewhere.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, takes its seed from the environment and tells it"
)]

use std::time::Duration;

use rungate_fuzz::{runner, target};

/// Fixed, so that a run that passes here passes everywhere; new ground is for `make fuzz`.
const SEED: u64 = 0x5275_6E67;
const SECONDS: f64 = 2.0;

fn short(name: &str) {
    let number = |name: &str| std::env::var(name).ok();
    let seed = number("FUZZ_SEED").map_or(SEED, |text| text.parse().unwrap());
    let seconds = number("FUZZ_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let outcome = runner::short(target(name).unwrap(), seed, Duration::from_secs_f64(seconds));
    assert!(outcome.is_ok(), "FUZZ_SEED={seed}: {}", outcome.unwrap_err());
    let summary = outcome.unwrap();
    println!("{name}: {} of the corpus, {} mutated, FUZZ_SEED={seed}", summary.replayed, summary.mutated);
    assert!(summary.replayed > 0, "{name} has no corpus");
}

macro_rules! short {
    ($($name:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            short(stringify!($name));
        })*
    };
}

short![bridge, headers, journal, meter, price, request, sse];

#[test]
fn every_target_has_its_test() {
    assert!(rungate_fuzz::ALL.iter().map(|target| target.name).eq(NAMES.iter().copied()));
}
