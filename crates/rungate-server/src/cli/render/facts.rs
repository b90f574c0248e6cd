//! Facts, a name and a value per line.

use super::look::{Look, Paint};
use super::text;

/// Lines of facts. What has no value is left out.
pub struct Facts {
    look: Look,
    /// Of the names.
    width: usize,
    lines: String,
}

impl Facts {
    /// Without facts yet.
    pub const fn new(look: Look, width: usize) -> Self {
        Self { look, width, lines: String::new() }
    }

    /// Adds one.
    pub fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.lines += &self.look.paint(Paint::Faint, &format!("{name:<width$}", width = self.width));
            self.lines += &text::clean(value);
            self.lines.push('\n');
        }
    }

    /// Adds one of several parts.
    pub fn add_parts(&mut self, name: &str, parts: &[Option<&str>]) {
        self.add(name, &joined(parts));
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        if !self.lines.is_empty() && !self.lines.ends_with("\n\n") {
            self.lines.push('\n');
        }
    }

    /// The lines.
    pub fn into_text(self) -> String {
        self.lines
    }
}

/// The parts that there are, ` · ` between them.
pub fn joined(parts: &[Option<&str>]) -> String {
    let parts: Vec<&str> = parts.iter().flatten().copied().filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}
