//! `bench/RESULTS.md`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::contestant::NGINX;
use crate::figures::Spread;
use crate::instructions::Instructions;
use crate::machine::Machine;
use crate::table::Table;
use crate::target::{
    CHUNKS, FAILURES, FIRST_BYTE, LARGE, LARGE_EVEN, LATENCY, OPEN, READS_POSTGRES, READS_SQLITE, SMALL,
    SMALL_EVEN, TARGETS, Verdict, read_verdicts,
};

/// Runs that differ by more than this part of their median are marked.
const WIDE: f64 = 0.25;

/// Everything a run of the rig found out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// When, as RFC 3339.
    pub at: String,
    /// The command that repeats it.
    pub command: String,
    /// Runs of each contestant and seconds of each run.
    pub effort: String,
    /// The figures.
    pub table: Table,
    /// Instructions of the pipeline; empty without valgrind.
    pub instructions: Vec<Instructions>,
    /// What a reader should know beside the figures.
    pub notes: Vec<String>,
}

impl Results {
    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Machine { cpu, cores, memory_mb, kernel, rustc, nginx, commit, load } = &self.machine;
        let [before, after] = load;
        writeln!(out, "# Benchmark results\n")?;
        writeln!(
            out,
            "Written by `{}`; [docs/benchmarks.md](../docs/benchmarks.md) says how to read it.\n",
            self.command
        )?;
        writeln!(out, "| | |\n|---|---|")?;
        writeln!(out, "| date | {} |", self.at)?;
        writeln!(out, "| commit | {commit} |")?;
        writeln!(out, "| machine | {cpu}, {cores} cores, {memory_mb} MB, {kernel} |")?;
        writeln!(out, "| built with | {rustc}, dist profile; nginx {nginx} |")?;
        writeln!(out, "| effort | {} |", self.effort)?;
        writeln!(out, "| load average | {before} before, {after} after |\n")?;
        self.write_targets(out)?;
        for workload in [SMALL, SMALL_EVEN, LARGE, LARGE_EVEN, LATENCY, FIRST_BYTE, CHUNKS, OPEN] {
            self.write_workload(out, workload, "")?;
        }
        for workload in [READS_SQLITE, READS_POSTGRES] {
            self.write_workload(out, workload, "read")?;
        }
        self.write_instructions(out)?;
        if !self.notes.is_empty() {
            writeln!(out, "## Notes\n")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "- {note}"))
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts: Vec<_> = TARGETS.iter().filter_map(|target| target.verdict(&self.table)).collect();
        for workload in [READS_SQLITE, READS_POSTGRES] {
            verdicts.extend(read_verdicts(&self.table, workload));
        }
        verdicts
    }

    fn write_targets(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "## Targets\n\n| target | measured | |\n|---|--:|---|")?;
        for verdict in self.verdicts() {
            let met = if verdict.is_met() { "met" } else { "**missed**" };
            let percent = verdict.part * 100.0;
            writeln!(
                out,
                "| {} | {} | {met}, at {percent:.0} % of the limit |",
                verdict.aim, verdict.measured
            )?;
        }
        writeln!(out)
    }

    fn write_workload(&self, out: &mut String, workload: &str, first_column: &str) -> std::fmt::Result {
        let contestants = self.table.contestants(workload);
        if contestants.is_empty() {
            return Ok(());
        }
        let mut figures = self.table.figures(workload);
        let failed = |contestant: &&str| {
            self.table.get(workload, contestant, FAILURES).is_some_and(|failures| failures.max > 0.0)
        };
        if !contestants.iter().any(failed) {
            figures.retain(|figure| *figure != FAILURES);
        }
        writeln!(out, "## {workload}\n\n| {first_column} | {} |", figures.join(" | "))?;
        writeln!(out, "|---|{}", "--:|".repeat(figures.len()))?;
        for contestant in contestants {
            write!(out, "| {contestant} |")?;
            for figure in &figures {
                let own = self.table.get(workload, contestant, figure);
                let nginx = self.table.get(workload, NGINX, figure).filter(|_| contestant != NGINX);
                write!(out, " {} |", own.map_or_else(|| "–".to_owned(), |own| cell(own, nginx)))?;
            }
            writeln!(out)?;
        }
        writeln!(out)
    }

    fn write_instructions(&self, out: &mut String) -> std::fmt::Result {
        if self.instructions.is_empty() {
            return Ok(());
        }
        writeln!(out, "## Instructions of one request in the pipeline (callgrind)\n")?;
        writeln!(
            out,
            "| request | pipeline | of it, client and upstream alone | Rungate's own |\n|---|--:|--:|--:|"
        )?;
        for Instructions { request, pipeline, bare } in &self.instructions {
            let own = pipeline.saturating_sub(*bare);
            writeln!(out, "| {request} | {pipeline} | {bare} | {own} |")?;
        }
        writeln!(out)
    }
}

/// The median, how far the runs went, and how it stands to nginx's.
fn cell(own: Spread, nginx: Option<Spread>) -> String {
    let Spread { median, min, max } = own;
    let digits = usize::from(median < 100.0);
    let mut text = format!("**{median:.digits$}** ({min:.digits$}–{max:.digits$})");
    if let Some(nginx) = nginx.filter(|nginx| nginx.median > 0.0) {
        let _ = write!(text, " {:.2} ×", median / nginx.median);
    }
    if own.is_wide(WIDE) {
        text.push_str(" ~");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::RUNGATE;
    use crate::target::{CPU_SERVING, LOOKUP, READ_P99};

    #[test]
    fn results_say_what_is_met_what_is_missed_and_what_is_unsteady() {
        let mut table = Table::default();
        for value in [20.0, 21.0, 19.0] {
            table.add(SMALL, NGINX, CPU_SERVING, value);
        }
        for value in [50.0, 90.0, 40.0] {
            table.add(SMALL, RUNGATE, CPU_SERVING, value);
        }
        table.add(SMALL, RUNGATE, FAILURES, 0.0);
        table.add(READS_SQLITE, LOOKUP, READ_P99, 2.0);
        let results = Results {
            machine: Machine::of_here(),
            at: "2026-11-25T00:00:00Z".to_owned(),
            command: "make bench".to_owned(),
            effort: "quick".to_owned(),
            table,
            instructions: vec![Instructions { request: "280 B".to_owned(), pipeline: 900, bare: 400 }],
            notes: vec!["Noted.".to_owned()],
        };
        let text = results.to_markdown();
        assert!(
            text.contains("at most 2 × nginx's | 2.50 × | **missed**, at 125 % of the limit |"),
            "{text}"
        );
        assert!(text.contains("at most 5 | 2.0 | met, at 40 % of the limit |"), "{text}");
        assert!(text.contains("| nginx | **20.0** (19.0–21.0) |"), "{text}");
        assert!(text.contains("| rungate | **50.0** (40.0–90.0) 2.50 × ~ |"), "{text}");
        assert!(text.contains("| 280 B | 900 | 400 | 500 |"), "{text}");
        assert!(!text.contains(FAILURES) && !text.contains(LARGE), "{text}");
        let again: Results = serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
        assert_eq!(again.to_markdown(), text);
    }
}
