//! The rig runs end to end, at a size at which its figures mean nothing.

use std::path::Path;
use std::process::Command;

use rungate_bench::contestant::{NGINX, RUNGATE, RUNGATE_BODIES, RUNGATE_DISK};
use rungate_bench::report::Results;
use rungate_bench::target::{
    CHUNKS, CPU_CHUNK, CPU_SERVING, CPU_TOTAL, FAILURES, FIRST_BYTE, LARGE, LATENCY, LOOKUP, OPEN, OPEN_MB,
    P50, READ_P99, READS_SQLITE, SMALL, TARGETS,
};

#[test]
fn everything_runs_and_nothing_fails() {
    let own = Path::new(env!("CARGO_BIN_EXE_rungate-bench"));
    let rungate = own.with_file_name("rungate");
    if !rungate.exists() {
        eprintln!("SKIPPED: {} is not built; `cargo build -p rungate-server` builds it", rungate.display());
        return;
    }
    if !Path::new("/usr/sbin/nginx").exists() {
        eprintln!("SKIPPED: nginx is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("RESULTS.md");
    let ran = Command::new(own)
        .args(["run", "--length", "smoke", "--rungate"])
        .arg(&rungate)
        .arg("--out")
        .arg(&out)
        .arg("--folder")
        .arg(folder.path())
        .env_remove("RUNGATE_STORE_URL")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let results = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
    let results: Results = serde_json::from_str(&results).unwrap();
    let table = &results.table;
    for (workload, contestant, figure) in [
        (SMALL, NGINX, CPU_TOTAL),
        (SMALL, RUNGATE, CPU_SERVING),
        (LARGE, RUNGATE_BODIES, CPU_TOTAL),
        (LATENCY, RUNGATE_DISK, P50),
        (FIRST_BYTE, RUNGATE_BODIES, P50),
        (CHUNKS, NGINX, CPU_CHUNK),
        (OPEN, RUNGATE_BODIES, OPEN_MB),
        (READS_SQLITE, LOOKUP, READ_P99),
    ] {
        let measured = table.get(workload, contestant, figure).unwrap_or_default();
        assert!(measured.median > 0.0, "{workload}; {contestant}; {figure}");
    }
    for workload in [SMALL, LARGE, LATENCY, FIRST_BYTE, CHUNKS, OPEN] {
        for contestant in table.contestants(workload) {
            let failures = table.get(workload, contestant, FAILURES).unwrap();
            assert!(failures.max <= 0.0, "{workload}; {contestant}: {failures:?}");
        }
    }
    // The drain's threads are told apart from those that serve.
    let total = table.get(SMALL, RUNGATE, CPU_TOTAL).unwrap().median;
    assert!(table.get(SMALL, RUNGATE, CPU_SERVING).unwrap().median < total);
    assert!(TARGETS.iter().all(|target| target.verdict(table).is_some()));
    assert!(std::fs::read_to_string(&out).unwrap().contains("## Targets"));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the results stay: {left:?}");
}
