//! The files of the repository, and the words and lengths in them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Findings;

/// A file that people write.
#[derive(Debug)]
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Whether its name ends in `.ending`.
    pub fn is(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == ending)
    }
}

/// Endings of files that are read.
const ENDINGS: [&str; 7] = ["rs", "toml", "sql", "ts", "tsx", "py", "sh"];
/// Folders that hold nothing people write.
const NOT_OURS: [&str; 5] = ["target", "node_modules", "dist", "data", "__pycache__"];
/// Lines from which on a file is named.
const LONG_LINES: usize = 400;
/// Words that must not be committed, in halves so that this list is none of them.
const FORBIDDEN: [(&str, &str); 4] = [("FIX", "ME"), ("XX", "X"), ("TO", "DO"), ("db", "g!")];

/// Every source file below the root.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let hidden = name.starts_with('.') && name != ".cargo" && name != ".config";
            if !hidden && !NOT_OURS.contains(&name.as_str()) && !name.starts_with("target-") {
                walk(root, &path, sources)?;
            }
        } else if ENDINGS.iter().any(|ending| path.extension().is_some_and(|own| own == *ending)) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

/// Forbidden words are faults; long files are named.
#[expect(clippy::unnecessary_wraps, reason = "every check has the same signature")]
pub fn check(_root: &Path, sources: &[Source], findings: &mut Findings) -> Result<()> {
    for source in sources {
        let Source { path, text } = source;
        for (number, line) in text.lines().enumerate() {
            for (start, end) in FORBIDDEN {
                let word = format!("{start}{end}");
                if has_word(line, &word) {
                    findings.fault(format!("{path}:{}: {word}", number + 1));
                }
            }
        }
        let lines = text.lines().count();
        if source.is("rs") && lines > LONG_LINES {
            findings.warning(format!("{path} has {lines} lines; aim below {LONG_LINES}"));
        }
    }
    Ok(())
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
pub fn has_word(line: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = !word.ends_with('!') && line[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

/// The code of a file with comments and unit tests blanked out, so that positions stay: what a module really uses. Unit
/// tests stand at the end of a file, from `#[cfg(test)]` followed by `mod` on.
pub fn code_of(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut code = String::with_capacity(text.len());
    while let Some(line) = lines.next() {
        let tests_follow = lines.peek().is_some_and(|next| next.trim_start().starts_with("mod "));
        if line.trim() == "#[cfg(test)]" && tests_follow {
            break;
        }
        let comment = line.trim_start().starts_with("//");
        let end = if comment { 0 } else { line.find(" // ").unwrap_or(line.len()) };
        code.push_str(&line[..end]);
        code.push('\n');
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_words() {
        let word = format!("{}{}", FORBIDDEN[0].0, FORBIDDEN[0].1);
        assert!(has_word(&format!("// {word}: later"), &word));
        assert!(!has_word(&format!("let {word}S = 1;"), &word));
        let call = format!("{}{}", FORBIDDEN[3].0, FORBIDDEN[3].1);
        assert!(has_word(&format!("{call}(x)"), &call));
        assert!(!has_word(&format!("my_{call}(x)"), &call));
    }

    #[test]
    fn comments_and_unit_tests_are_no_code() {
        let text = "use a; // crate::b\n//! crate::c\nfn f() {}\n#[cfg(test)]\nmod tests { use crate::d; }\n";
        assert_eq!(code_of(text), "use a;\n\nfn f() {}\n");
    }
}
