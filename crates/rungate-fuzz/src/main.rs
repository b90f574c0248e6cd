//! The coverage-guided driver: libFuzzer over one target, named by `RUNGATE_FUZZ_TARGET`. Built and started by
//! `scripts/fuzz.sh`, which gives the compiler the flags that count coverage.

#![no_main]
#![expect(
    clippy::disallowed_methods,
    reason = "libFuzzer has the arguments: the target comes by the environment"
)]
#![expect(clippy::expect_used, reason = "without a target there is nothing to run")]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rungate_fuzz::Target;

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("RUNGATE_FUZZ_TARGET").expect("RUNGATE_FUZZ_TARGET names a target");
        rungate_fuzz::target(&name).expect("a target of this name")
    });
    (target.run)(data);
});
