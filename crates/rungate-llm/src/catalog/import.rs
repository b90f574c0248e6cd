//! Price lists of others, read into a catalogue.

use rungate_core::time::Day;

use super::{Catalogue, CatalogueError};

/// What a list was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A catalogue of our own form.
    Rungate,
}

impl Format {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rungate => "a Rungate catalogue",
        }
    }
}

/// A list that was read.
#[derive(Debug)]
pub struct Imported {
    /// What it was recognised as.
    pub format: Format,
    /// The catalogue; its id ends in the hash of what is in it.
    pub catalogue: Catalogue,
    /// What was left out, and why, for people.
    pub notes: Vec<String>,
}

/// Reads a list in any form that is known. `day` is put into the ids of lists that have none of their own.
pub fn read(text: &str, day: Day) -> Result<Imported, CatalogueError> {
    let _ = day;
    let catalogue = Catalogue::parse(text)?.sealed();
    Ok(Imported { format: Format::Rungate, catalogue, notes: Vec::new() })
}
