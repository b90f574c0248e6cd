//! Modules of a crate import downwards: no ring of top-level modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::Findings;
use super::sources::{Source, code_of};

/// Which top-level module uses which, with the place that says so.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Every crate is checked for itself.
#[expect(clippy::unnecessary_wraps, reason = "every check has the same signature")]
pub fn check(_root: &Path, sources: &[Source], findings: &mut Findings) -> Result<()> {
    let mut crates: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is("rs")) {
        if let Some((name, file)) = source.path.split_once("/src/")
            && !is_test(file)
        {
            crates.entry(name).or_default().push((file, &source.text));
        }
    }
    for (name, files) in crates {
        if let Some(ring) = ring(&uses(name, &files)) {
            findings.fault(format!("{name}: {}", ring.join(", ")));
        }
    }
    Ok(())
}

/// Whether a file holds the unit tests of its module, which may use what the module itself must not.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The module and the place in it of a file: `a/b/c.rs` is in `a`, three deep; `a.rs` and `a/mod.rs` are one deep.
fn place(file: &str) -> (&str, usize) {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = match path {
        "lib" | "main" => 0,
        _ => path.split('/').count(),
    };
    (path.split('/').next().unwrap_or(path), depth)
}

fn uses(crate_name: &str, files: &[(&str, &str)]) -> Uses {
    let modules: BTreeSet<&str> = files
        .iter()
        .map(|(file, _)| place(file))
        .filter(|(_, depth)| *depth > 0)
        .map(|(name, _)| name)
        .collect();
    let mut uses = Uses::new();
    for (file, text) in files {
        let (module, depth) = place(file);
        if depth == 0 {
            continue;
        }
        let code = code_of(text);
        let to_root = "super::".repeat(depth);
        for prefix in ["crate::", to_root.as_str()] {
            for (at, used) in paths(&code, prefix) {
                if used != module && modules.contains(used) {
                    let line = code[..at].matches('\n').count() + 1;
                    let evidence = format!("{crate_name}/src/{file}:{line}");
                    uses.entry(module.to_owned()).or_default().entry(used.to_owned()).or_insert(evidence);
                }
            }
        }
    }
    uses
}

/// The first names after every `prefix`, of groups (`crate::{a, b::C}`) each, and where the prefix stands.
fn paths<'a>(code: &'a str, prefix: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(names_of_group(group).into_iter().map(|name| (at, name))),
            None => found.push((at, first_name(rest))),
        }
    }
    found
}

/// `a::B, c::{d, e}, f}` → a, c, f
fn names_of_group(group: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                names.push(first_name(&group[start..at]));
                start = at + 1;
            }
            '}' => {
                names.push(first_name(&group[start..at]));
                break;
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    &path[..end]
}

/// A ring as a list of steps, if there is one.
fn ring(uses: &Uses) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| search(module, uses, &mut Vec::new(), &mut done))
}

fn search<'a>(
    module: &'a str,
    uses: &'a Uses,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|earlier| *earlier == module) {
        let members = &way[start..];
        let next = members.iter().copied().cycle().skip(1);
        let step = |(from, to): (&&str, &str)| format!("{from} uses {to} ({})", uses[*from][to]);
        return Some(members.iter().zip(next).map(step).collect());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module);
    for used in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
        if let Some(ring) = search(used, uses, way, done) {
            return Some(ring);
        }
    }
    way.pop();
    done.insert(module);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_of(files: &[(&str, &str)]) -> Option<Vec<String>> {
        ring(&uses("c", files))
    }

    #[test]
    fn modules_that_import_downwards_have_no_ring() {
        let files = [
            ("lib.rs", "mod a; mod b; use crate::a; use crate::b;"),
            ("a.rs", "fn f() {}"),
            ("b/mod.rs", "use crate::a::X;\nuse self::c;"),
            ("b/c.rs", "use super::Y; use crate::b::Z;"),
        ];
        assert_eq!(ring_of(&files), None);
    }

    #[test]
    fn a_ring_is_found_with_its_places() {
        let files = [
            ("a.rs", "// crate::c is fine in a comment\nuse crate::b::X;"),
            ("b/mod.rs", "pub struct X;"),
            ("b/inner.rs", "fn f() {\n    crate::c::g();\n}"),
            ("c.rs", "use super::a;"),
        ];
        let ring = ring_of(&files).unwrap();
        assert_eq!(
            ring,
            ["a uses b (c/src/a.rs:2)", "b uses c (c/src/b/inner.rs:2)", "c uses a (c/src/c.rs:1)"]
        );
    }

    #[test]
    fn groups_and_parents_are_followed() {
        let group = [
            ("a.rs", "use crate::{\n    b::{X, a},\n    d,\n};"),
            ("b.rs", ""),
            ("d/e.rs", "use super::super::a;"),
        ];
        assert_eq!(ring_of(&group).unwrap(), ["a uses d (c/src/a.rs:1)", "d uses a (c/src/d/e.rs:1)"]);
    }

    #[test]
    fn unit_tests_and_names_of_other_crates_do_not_count() {
        let files = [
            ("a.rs", "use other_crate::b;\n#[cfg(test)]\nmod tests { use crate::b; }"),
            ("b.rs", "use crate::a;"),
        ];
        assert_eq!(ring_of(&files), None);
    }
}
