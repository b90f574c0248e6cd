//! Inserts many rows with few statements: what a statement costs by itself is shared by its rows, and an index that grows at
//! its end stays there from row to row instead of being searched anew for each.

use rusqlite::{Statement, ToSql, Transaction};

/// Rows of a statement; what is left over goes with the smaller ones. Few sizes, so that each is prepared once.
const SIZES: [usize; 3] = [64, 8, 1];

/// The values of one statement, in order.
pub(crate) struct Values<'a, 'c> {
    statement: &'a mut Statement<'c>,
    bound: usize,
}

impl Values<'_, '_> {
    /// Binds the next value.
    pub fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }
}

/// Inserts `rows` into the `columns` of `table`; `bind` binds the values of a row, one for each column. A violated
/// constraint ends the transaction with everything in it: nothing has to be kept for undoing one statement alone.
pub(crate) fn insert<T>(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &str,
    mut rows: &[T],
    mut bind: impl FnMut(&mut Values<'_, '_>, &T) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let width = columns.split(',').count();
    for size in SIZES {
        if rows.len() < size {
            continue;
        }
        let row = format!("({})", vec!["?"; width].join(","));
        let sql = format!("INSERT OR ROLLBACK INTO {table} ({columns}) VALUES {}", vec![row; size].join(","));
        let mut statement = transaction.prepare_cached(&sql)?;
        while let Some((some, rest)) = rows.split_at_checked(size) {
            rows = rest;
            let mut values = Values { statement: &mut statement, bound: 0 };
            some.iter().try_for_each(|row| bind(&mut values, row))?;
            statement.raw_execute()?;
        }
    }
    Ok(())
}
