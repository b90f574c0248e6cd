//! What is aimed at, and how far off it is.

use crate::contestant::{NGINX, RUNGATE, RUNGATE_BODIES, RUNGATE_GOVERNED};
use crate::table::Table;

/// Names of workloads.
pub const SMALL: &str = "280-byte prompt, 64 connections";
/// See [`SMALL`].
pub const LARGE: &str = "32 KB prompt, unique bodies, 64 connections";
/// See [`SMALL`]. At one rate for all, which every contestant can hold.
pub const SMALL_EVEN: &str = "280-byte prompt, 5,000 requests/s over 64 connections";
/// See [`SMALL_EVEN`].
pub const LARGE_EVEN: &str = "32 KB prompt, unique bodies, 2,000 requests/s over 64 connections";
/// See [`SMALL`].
pub const LATENCY: &str = "280-byte prompt, 500 requests/s";
/// See [`SMALL`].
pub const FIRST_BYTE: &str = "streams, 50/s, time to first byte";
/// See [`SMALL`].
pub const CHUNKS: &str = "streams, 100 open, paced chunks";
/// See [`SMALL`].
pub const OPEN: &str = "streams, 1,000 open at once";

/// Names of figures.
pub const CPU_SERVING: &str = "CPU µs/request, without the drain";
/// See [`CPU_SERVING`].
pub const CPU_TOTAL: &str = "CPU µs/request, with the drain";
/// See [`CPU_SERVING`].
pub const RATE: &str = "requests/s";
/// See [`CPU_SERVING`].
pub const P50: &str = "p50 µs";
/// See [`CPU_SERVING`].
pub const P99: &str = "p99 µs";
/// See [`CPU_SERVING`].
pub const CPU_CHUNK: &str = "CPU µs/chunk";
/// See [`CPU_SERVING`].
pub const IDLE_MB: &str = "MB idle";
/// See [`CPU_SERVING`].
pub const OPEN_MB: &str = "MB with streams open";
/// See [`CPU_SERVING`].
pub const FAILURES: &str = "failures";

/// Names of workloads of reads.
pub const READS_SQLITE: &str = "reads, SQLite";
/// See [`READS_SQLITE`].
pub const READS_POSTGRES: &str = "reads, PostgreSQL";
/// The figures of a read.
pub const READ_P50: &str = "p50 ms";
/// See [`READ_P50`].
pub const READ_P99: &str = "p99 ms";
/// See [`READ_P50`].
pub const READ_MAX: &str = "max ms";

/// How a figure is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// At most so many times nginx's.
    Ratio,
    /// At most so much above nginx's.
    Added,
    /// At most so many times nginx's above what it takes ungoverned.
    Governing,
    /// At most so much.
    Absolute,
}

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Which workload.
    pub workload: &'static str,
    /// Whose.
    pub contestant: &'static str,
    /// Which figure.
    pub figure: &'static str,
    against: Against,
    limit: f64,
}

const fn target(
    workload: &'static str,
    contestant: &'static str,
    figure: &'static str,
    against: Against,
    limit: f64,
) -> Target {
    Target { workload, contestant, figure, against, limit }
}

/// Every target.
pub const TARGETS: [Target; 21] = [
    target(SMALL, RUNGATE, CPU_SERVING, Against::Ratio, 2.0),
    target(SMALL, RUNGATE, CPU_TOTAL, Against::Ratio, 3.0),
    target(SMALL, RUNGATE_BODIES, CPU_SERVING, Against::Ratio, 2.0),
    target(SMALL, RUNGATE_BODIES, CPU_TOTAL, Against::Ratio, 3.0),
    target(LARGE, RUNGATE, CPU_TOTAL, Against::Ratio, 3.0),
    target(LARGE, RUNGATE_BODIES, CPU_TOTAL, Against::Ratio, 10.0),
    target(SMALL_EVEN, RUNGATE, CPU_SERVING, Against::Ratio, 2.0),
    target(SMALL_EVEN, RUNGATE, CPU_TOTAL, Against::Ratio, 3.0),
    target(SMALL_EVEN, RUNGATE_BODIES, CPU_SERVING, Against::Ratio, 2.0),
    target(SMALL_EVEN, RUNGATE_BODIES, CPU_TOTAL, Against::Ratio, 3.0),
    target(LARGE_EVEN, RUNGATE, CPU_TOTAL, Against::Ratio, 3.0),
    target(LARGE_EVEN, RUNGATE_BODIES, CPU_TOTAL, Against::Ratio, 10.0),
    target(SMALL, RUNGATE_GOVERNED, CPU_SERVING, Against::Governing, 0.5),
    target(SMALL_EVEN, RUNGATE_GOVERNED, CPU_SERVING, Against::Governing, 0.5),
    target(LATENCY, RUNGATE, P50, Against::Added, 100.0),
    target(LATENCY, RUNGATE, P99, Against::Added, 1_000.0),
    target(LATENCY, RUNGATE_BODIES, P50, Against::Added, 100.0),
    target(LATENCY, RUNGATE_BODIES, P99, Against::Added, 1_000.0),
    target(FIRST_BYTE, RUNGATE_BODIES, P50, Against::Added, 100.0),
    target(CHUNKS, RUNGATE_BODIES, CPU_CHUNK, Against::Ratio, 1.5),
    target(OPEN, RUNGATE_BODIES, OPEN_MB, Against::Absolute, 100.0),
];

/// Lookups by request id at p99, in milliseconds.
const LOOKUP_MS: f64 = 5.0;
/// List pages at p99, in milliseconds.
const PAGE_MS: f64 = 50.0;
/// The read that looks one request up.
pub const LOOKUP: &str = "lookup by request id";

/// How a target came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What was aimed at.
    pub aim: String,
    /// What was measured.
    pub measured: String,
    /// Measured by limit: at most 1 is met.
    pub part: f64,
}

impl Verdict {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        self.part <= 1.0
    }
}

impl Target {
    /// How it came out; `None` when it was not measured.
    pub fn verdict(&self, table: &Table) -> Option<Verdict> {
        let Self { workload, contestant, figure, limit, .. } = *self;
        let own = table.get(workload, contestant, figure)?.median;
        let nginx = || Some(table.get(workload, NGINX, figure)?.median);
        let what = format!("{workload}; {contestant}; {figure}");
        let (aim, value, measured) = match self.against {
            Against::Ratio => {
                let ratio = own / nginx()?;
                (format!("{what}: at most {limit} × nginx's"), ratio, format!("{ratio:.2} ×"))
            }
            Against::Added => {
                let added = own - nginx()?;
                (format!("{what}: at most {limit} more than nginx's"), added, format!("{added:+.0}"))
            }
            Against::Governing => {
                let ratio = (own - table.get(workload, RUNGATE, figure)?.median) / nginx()?;
                let aim = format!("{what}: at most {limit} × nginx's more than {RUNGATE}");
                (aim, ratio, format!("{ratio:+.2} ×"))
            }
            Against::Absolute => (format!("{what}: at most {limit}"), own, format!("{own:.1}")),
        };
        Some(Verdict { aim, measured, part: (value / limit).max(0.0) })
    }
}

/// The verdicts on the reads of one store.
pub fn read_verdicts(table: &Table, workload: &str) -> Vec<Verdict> {
    let verdict = |read: &&str| {
        let limit = if *read == LOOKUP { LOOKUP_MS } else { PAGE_MS };
        let measured = table.get(workload, read, READ_P99)?.median;
        let aim = format!("{workload}; {read}; {READ_P99}: at most {limit}");
        Some(Verdict { aim, measured: format!("{measured:.1}"), part: measured / limit })
    };
    table.contestants(workload).iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        table.add(SMALL, NGINX, CPU_SERVING, 20.0);
        table.add(SMALL, RUNGATE, CPU_SERVING, 50.0);
        table.add(SMALL, RUNGATE_GOVERNED, CPU_SERVING, 58.0);
        table.add(LATENCY, NGINX, P50, 180.0);
        table.add(LATENCY, RUNGATE, P50, 230.0);
        table.add(OPEN, RUNGATE_BODIES, OPEN_MB, 80.0);
        table.add(READS_SQLITE, LOOKUP, READ_P99, 10.0);
        table.add(READS_SQLITE, "newest page", READ_P99, 10.0);
        table
    }

    #[test]
    fn targets_are_judged_against_nginx_of_the_same_run() {
        let table = table();
        let verdicts: Vec<_> = TARGETS.iter().filter_map(|target| target.verdict(&table)).collect();
        let short: Vec<_> =
            verdicts.iter().map(|verdict| (verdict.measured.as_str(), verdict.is_met())).collect();
        assert_eq!(short, [("2.50 ×", false), ("+0.40 ×", true), ("+50", true), ("80.0", true)]);
        assert_eq!(verdicts[0].part.to_bits(), 1.25_f64.to_bits());
    }

    #[test]
    fn a_gateway_that_is_faster_than_nginx_meets_its_target() {
        let mut table = Table::default();
        table.add(LATENCY, NGINX, P99, 900.0);
        table.add(LATENCY, RUNGATE, P99, 700.0);
        let verdict = TARGETS.iter().find_map(|target| target.verdict(&table)).unwrap();
        assert_eq!((verdict.measured.as_str(), verdict.is_met()), ("-200", true));
    }

    #[test]
    fn lookups_and_pages_have_limits_of_their_own() {
        let met: Vec<_> = read_verdicts(&table(), READS_SQLITE).iter().map(Verdict::is_met).collect();
        assert_eq!(met, [false, true]);
    }
}
