//! Not a test: `cargo test --release -p rungate-gateway -- --ignored --nocapture journal::tests::speed`.

use rungate_core::exchange::Entry;

use super::{config, open, opened};
use crate::journal::JournalConfig;

#[test]
#[ignore = "measures"]
fn one_append() {
    const APPENDS: u32 = 20_000;
    // With the record and header 700 B and 8 KB a frame.
    for body in [140, 7_540] {
        let folder = tempfile::tempdir().unwrap();
        let base = config(folder.path());
        let journal = open(&JournalConfig { max_bytes: 4 << 30, segment_bytes: 16 << 20, ..base });
        let entries: Vec<Entry> = (0..APPENDS).map(|number| opened(number.into(), body)).collect();
        let (wall, cpu) = (std::time::Instant::now(), thread_cpu_us());
        for entry in &entries {
            journal.append_now(entry.clone()).unwrap();
        }
        let (wall, cpu) = (wall.elapsed(), thread_cpu_us() - cpu);
        let bytes = journal.undrained_bytes() / u64::from(APPENDS);
        let per = |total: f64| total / f64::from(APPENDS);
        println!("{bytes} B a frame: {:.2} CPU us, {:.2} wall us", per(cpu), per(wall.as_secs_f64() * 1e6));
    }
}

/// What this thread has used.
fn thread_cpu_us() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}
