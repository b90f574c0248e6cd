//! What was measured: one value per run, gathered into a median with its spread for each workload, contestant and figure.

use serde::{Deserialize, Serialize};

use crate::figures::Spread;

/// All values that a run of the rig has measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    workload: String,
    contestant: String,
    figure: String,
    runs: Vec<f64>,
}

impl Table {
    /// Adds the value of one run.
    pub fn add(&mut self, workload: &str, contestant: &str, figure: &str, value: f64) {
        let same =
            |row: &&mut Row| row.workload == workload && row.contestant == contestant && row.figure == figure;
        if let Some(row) = self.rows.iter_mut().find(same) {
            row.runs.push(value);
            return;
        }
        let text = str::to_owned;
        let (workload, contestant, figure) = (text(workload), text(contestant), text(figure));
        self.rows.push(Row { workload, contestant, figure, runs: vec![value] });
    }

    /// A figure over its runs; `None` when it was not measured.
    pub fn get(&self, workload: &str, contestant: &str, figure: &str) -> Option<Spread> {
        let same =
            |row: &&Row| row.workload == workload && row.contestant == contestant && row.figure == figure;
        Spread::of(self.rows.iter().find(same)?.runs.clone())
    }

    /// The contestants of a workload, in the order in which they were measured.
    pub fn contestants(&self, workload: &str) -> Vec<&str> {
        self.distinct(workload, |row| &row.contestant)
    }

    /// The figures of a workload, in the order in which they were measured.
    pub fn figures(&self, workload: &str) -> Vec<&str> {
        self.distinct(workload, |row| &row.figure)
    }

    fn distinct<'a>(&'a self, workload: &str, part: impl Fn(&'a Row) -> &'a String) -> Vec<&'a str> {
        let mut parts: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.workload == workload) {
            if !parts.contains(&part(row).as_str()) {
                parts.push(part(row));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_figure_are_gathered() {
        let mut table = Table::default();
        for value in [3.0, 1.0, 2.0] {
            table.add("small", "nginx", "cpu", value);
            table.add("small", "rungate", "cpu", value * 2.0);
        }
        table.add("small", "nginx", "p50", 9.0);
        assert_eq!(table.get("small", "nginx", "cpu"), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(table.get("small", "rungate", "cpu").unwrap().median.to_bits(), 4.0_f64.to_bits());
        assert_eq!(table.get("large", "nginx", "cpu"), None);
        assert_eq!(table.contestants("small"), ["nginx", "rungate"]);
        assert_eq!(table.figures("small"), ["cpu", "p50"]);
    }
}
