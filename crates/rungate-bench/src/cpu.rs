//! The processor time and the memory of a process and of all its descendants, as `/proc` has them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Of `utime` and `stime`; Linux has had no other on any common machine.
const TICK_NANOS: u64 = 10_000_000;
/// What schedstat and the ticks may differ by before threads that ended must be the reason.
const TOLERANCE_NANOS: u64 = 3 * TICK_NANOS;

/// What a process and its descendants have used since they started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds by process, thread and the thread's name.
    threads: BTreeMap<(u32, u32, String), u64>,
    /// Nanoseconds of all threads, those that ended included; to the tick.
    ticked: u64,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Nanoseconds of the threads that serve requests.
    pub serving: u64,
    /// Nanoseconds of all other threads: what happens behind the answers.
    pub behind: u64,
}

impl Spent {
    /// Both.
    pub const fn total(self) -> u64 {
        self.serving + self.behind
    }
}

impl Usage {
    /// Reads it.
    pub fn of(root: u32) -> Result<Self> {
        let mut usage = Self::default();
        for process in family(root)? {
            let folder = format!("/proc/{process}");
            usage.ticked += ticks(&fs::read_to_string(format!("{folder}/stat"))?)? * TICK_NANOS;
            for thread in fs::read_dir(format!("{folder}/task"))? {
                let folder = thread?.path();
                // A thread may end while it is looked at.
                if let Some((thread, name, nanos)) = thread_of(&folder) {
                    usage.threads.insert((process, thread, name), nanos);
                }
            }
        }
        Ok(usage)
    }

    /// What was used since `earlier`. `serves` tells by its name whether a thread serves requests. The time of threads
    /// that ended in between, which only the ticks know, is counted as spent behind.
    pub fn since(&self, earlier: &Self, serves: impl Fn(&str) -> bool) -> Spent {
        let mut spent = Spent::default();
        for (thread, nanos) in &self.threads {
            let nanos = nanos.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0));
            if serves(&thread.2) {
                spent.serving += nanos;
            } else {
                spent.behind += nanos;
            }
        }
        let ticked = self.ticked.saturating_sub(earlier.ticked);
        let of_ended = ticked.saturating_sub(spent.total());
        if of_ended > TOLERANCE_NANOS {
            spent.behind += of_ended;
        }
        spent
    }
}

/// Resident memory of a process and its descendants, in bytes.
pub fn resident_bytes(root: u32) -> Result<u64> {
    let sizes = family(root)?.into_iter().map(|process| {
        resident(&fs::read_to_string(format!("/proc/{process}/status"))?).context("no VmRSS in /proc")
    });
    sizes.sum()
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// A process and its descendants.
fn family(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat"))
            && let Some(parent) = fields(&stat).and_then(|mut fields| fields.nth(1)?.parse::<u32>().ok())
        {
            parents.push((process, parent));
        }
    }
    let mut family = vec![root];
    let mut looked_at = 0;
    while let Some(process) = family.get(looked_at).copied() {
        family.extend(parents.iter().filter(|(_, parent)| *parent == process).map(|(child, _)| child));
        looked_at += 1;
    }
    Ok(family)
}

/// The fields of a `stat` from the third on: the second is a name in brackets, which may hold anything.
fn fields(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// User and system time of a `stat`, in ticks.
fn ticks(stat: &str) -> Result<u64> {
    let mut times = fields(stat).context("no name in /proc stat")?.skip(11);
    let mut time = || times.next().and_then(|time| time.parse::<u64>().ok()).context("no time in /proc stat");
    Ok(time()? + time()?)
}

fn thread_of(folder: &Path) -> Option<(u32, String, u64)> {
    let thread = folder.file_name()?.to_str()?.parse().ok()?;
    let name = fs::read_to_string(folder.join("comm")).ok()?.trim_end().to_owned();
    let nanos = fs::read_to_string(folder.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()?;
    Some((thread, name, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 3 0 100 1000 10 18446744073709551615";

    #[test]
    fn times_are_found_behind_any_name() {
        assert_eq!(ticks(STAT).unwrap(), 300);
        assert_eq!(fields(STAT).unwrap().nth(1), Some("7"));
        assert!(ticks("42 (cut) S 7").is_err());
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nRssAnon: 1 kB\n"), Some(2_097_152));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    fn usage(threads: &[(u32, &str, u64)], ticked: u64) -> Usage {
        let threads = threads.iter().map(|(thread, name, nanos)| ((1, *thread, (*name).to_owned()), *nanos));
        Usage { threads: threads.collect(), ticked }
    }

    #[test]
    fn time_is_told_apart_by_the_names_of_threads() {
        let before = usage(&[(1, "serve", 5_000), (2, "write", 7_000)], 0);
        let after = usage(&[(1, "serve", 9_000), (2, "write", 8_000), (3, "write", 100)], 0);
        let spent = after.since(&before, |name| name == "serve");
        assert_eq!(spent, Spent { serving: 4_000, behind: 1_100 });
        assert_eq!(spent.total(), 5_100);
    }

    #[test]
    fn threads_that_ended_are_not_forgotten() {
        let before = usage(&[(1, "serve", 0), (2, "write", 0)], 0);
        let after = usage(&[(1, "serve", 100_000_000)], 900_000_000);
        let spent = after.since(&before, |name| name == "serve");
        assert_eq!(spent, Spent { serving: 100_000_000, behind: 800_000_000 });
        let rounding = usage(&[(1, "serve", 100_000_000)], 120_000_000);
        assert_eq!(rounding.since(&before, |name| name == "serve").behind, 0);
    }

    #[test]
    fn this_process_is_measured() {
        let own = std::process::id();
        let before = Usage::of(own).unwrap();
        let mut sum = 0_u64;
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let spent = Usage::of(own).unwrap().since(&before, |_| true);
        assert!(spent.serving > 1_000_000, "{spent:?}");
        assert!(resident_bytes(own).unwrap() > 1 << 20);
    }
}
