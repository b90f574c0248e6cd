//! Aligned columns that fit the width there is.

use super::look::{Look, Paint};
use super::text;

const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
    /// Amounts stand with their decimal points below each other.
    pub decimal: bool,
    /// It may be shortened to this many characters; `None` keeps it whole.
    pub min: Option<usize>,
    /// Columns with a higher number are left out first; those with 0 never.
    pub expendable: u8,
}

impl Column {
    /// A column that is kept whole and never left out.
    pub const fn new(title: &'static str) -> Self {
        Self { title, right: false, decimal: false, min: None, expendable: 0 }
    }

    /// With values at the right.
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// With amounts.
    pub const fn decimal(mut self) -> Self {
        self.right = true;
        self.decimal = true;
        self
    }

    /// That may be shortened.
    pub const fn min(mut self, characters: usize) -> Self {
        self.min = Some(characters);
        self
    }

    /// That may be left out.
    pub const fn expendable(mut self, order: u8) -> Self {
        self.expendable = order;
        self
    }
}

/// A value with its colour.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A value in a colour.
    pub fn painted(text: &str, paint: Paint) -> Self {
        Self { text: text::clean(text), paint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text.as_ref(), Paint::Plain)
    }
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub struct Table {
    columns: &'static [Column],
    rows: Vec<Vec<Cell>>,
}

/// How wide each column is; `None` leaves it out.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: &'static [Column],
    widths: Vec<Option<usize>>,
    /// How many decimals the amounts of each column have at most.
    decimals: Vec<usize>,
    look: Look,
}

/// An amount with blanks in place of the decimals that it lacks.
fn point_aligned(text: &str, most: usize) -> String {
    let lacking = if text.contains('.') { most.saturating_sub(decimals(text)) } else { 0 };
    format!("{text}{}", " ".repeat(lacking))
}

/// The digits after the point.
fn decimals(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, digits)| digits.chars().count())
}

impl Table {
    /// Without rows yet. Rows have a cell for each column.
    pub const fn new(columns: &'static [Column]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The text, headings included. Columns without a single value are left out.
    pub fn render(&self, look: Look) -> String {
        let layout = self.layout(look, false);
        layout.headings() + &self.lines(&layout)
    }

    /// The rows alone.
    pub fn lines(&self, layout: &Layout) -> String {
        self.rows.iter().map(|row| layout.line(row)).collect()
    }

    /// Widths that fit. With `more_to_come`, columns that are empty so far are kept.
    pub fn layout(&self, look: Look, more_to_come: bool) -> Layout {
        let of_column = |index: usize| self.rows.iter().map(move |row| row[index].text.as_str());
        let decimals: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                of_column(index).map(decimals).max().filter(|_| self.columns[index].decimal).unwrap_or(0)
            })
            .collect();
        let mut widths: Vec<Option<usize>> = (0..self.columns.len())
            .map(|index| {
                let values =
                    of_column(index).map(|text| point_aligned(text, decimals[index]).chars().count());
                let widest = values.max().unwrap_or(0);
                let is_needed = more_to_come || widest > 0;
                is_needed.then(|| widest.max(self.columns[index].title.chars().count()))
            })
            .collect();
        while !self.fit(&mut widths, look.width) {
            let kept = (0..widths.len()).filter(|index| widths[*index].is_some());
            let least = kept
                .filter(|index| self.columns[*index].expendable > 0)
                .max_by_key(|index| self.columns[*index].expendable);
            match least {
                Some(index) => widths[index] = None,
                None => break,
            }
        }
        Layout { columns: self.columns, widths, decimals, look }
    }

    /// Shortens the widest columns until all fit; leaves `widths` alone and says no when that is not enough.
    fn fit(&self, widths: &mut [Option<usize>], room: usize) -> bool {
        let mut tried = widths.to_vec();
        loop {
            let kept = tried.iter().flatten().count();
            let total = tried.iter().flatten().sum::<usize>() + GAP * kept.saturating_sub(1);
            if total <= room {
                widths.copy_from_slice(&tried);
                return true;
            }
            let spare = |index: usize| {
                let min = self.columns[index].min?.max(self.columns[index].title.chars().count());
                tried[index]?.checked_sub(min).filter(|spare| *spare > 0)
            };
            let Some(widest) =
                (0..tried.len()).filter(|index| spare(*index).is_some()).max_by_key(|index| tried[*index])
            else {
                return false;
            };
            let less = spare(widest).unwrap_or(0).min(total - room).min(8);
            tried[widest] = tried[widest].map(|width| width - less);
        }
    }
}

impl Layout {
    /// The line of headings.
    pub fn headings(&self) -> String {
        let row: Vec<Cell> =
            self.columns.iter().map(|column| Cell::painted(column.title, Paint::Faint)).collect();
        self.line(&row)
    }

    /// A row as a line.
    pub fn line(&self, row: &[Cell]) -> String {
        let columns = self.columns.iter().zip(&self.widths).zip(&self.decimals);
        let shown = row.iter().zip(columns).filter_map(|(cell, ((column, width), decimals))| {
            let (text, width) = (point_aligned(&cell.text, *decimals), (*width)?);
            let text = if column.min.is_some() { text::shorten(&text, width) } else { text };
            Some((text, cell.paint, column.right, width))
        });
        let mut line = String::new();
        for (index, (text, paint, right, width)) in shown.enumerate() {
            if index > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let pad = " ".repeat(width.saturating_sub(text.chars().count()));
            let text = self.look.paint(paint, &text);
            if right {
                line.push_str(&pad);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                line.push_str(&pad);
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("NAME").min(6),
        Column::new("COST").right(),
        Column::new("NOTE").min(4).expendable(1),
        Column::new("EMPTY"),
    ];

    fn table() -> Table {
        let mut table = Table::new(COLUMNS);
        table.push(vec!["a".into(), "$0.000012".into(), "first".into(), Cell::default()]);
        table.push(vec![
            "a-long-name-here".into(),
            Cell::painted("unknown", Paint::Odd),
            "second one".into(),
            Cell::default(),
        ]);
        table
    }

    fn at(width: usize) -> String {
        table().render(Look { width, colour: false })
    }

    #[test]
    fn wide_enough_shows_all() {
        let expected = "\
NAME                   COST  NOTE
a                 $0.000012  first
a-long-name-here    unknown  second one
";
        assert_eq!(at(80), expected);
        assert_eq!(table().render(Look::PLAIN), expected);
    }

    #[test]
    fn narrow_shortens_then_leaves_out() {
        let expected = "\
NAME           COST  NOTE
a         $0.000012  first
a-long-…    unknown  second …
";
        assert_eq!(at(29), expected);
        let expected = "\
NAME            COST
a          $0.000012
a-long-n…    unknown
";
        assert_eq!(at(20), expected);
        // What cannot fit is shown all the same.
        assert!(at(3).contains("$0.000012"));
    }

    #[test]
    fn decimal_points_stand_below_each_other() {
        const COLUMNS: &[Column] = &[Column::new("X"), Column::new("COST").decimal()];
        let mut table = Table::new(COLUMNS);
        for cost in ["$0.00003315", "$12.000264", "$0", "unknown"] {
            table.push(vec!["x".into(), cost.into()]);
        }
        let expected = "\
X          COST
x   $0.00003315
x  $12.000264
x            $0
x       unknown
";
        assert_eq!(table.render(Look::PLAIN), expected);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in 17..90 {
            for line in at(width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn colours_do_not_move_columns() {
        let coloured = table().render(Look { width: 80, colour: true });
        assert!(coloured.contains("\u{1b}[33munknown\u{1b}[0m"));
        let plain = coloured.replace("\u{1b}[33m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, at(80));
    }
}
