//! Reading the configuration of a rule: what is wrong is said with where it stands.

use std::ops::RangeInclusive;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A configuration that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ConfigError {
    /// Where, from the policy's root: `config.windows[1].from`.
    pub path: String,
    /// What is wrong, for people.
    pub reason: String,
}

impl ConfigError {
    /// `path` is below `config`; empty for the configuration itself.
    pub(super) fn at(path: impl AsRef<str>, reason: impl Into<String>) -> Self {
        let path = match path.as_ref() {
            "" | "." => "config".to_owned(),
            inner => format!("config.{inner}"),
        };
        Self { path, reason: reason.into() }
    }
}

/// At most this many entries in a list of a configuration.
const MAX_ENTRIES: usize = 500;
/// At most this many bytes in one glob.
const MAX_GLOB_BYTES: usize = 256;

/// Reads a configuration; fields that are not known are refused with those that are.
pub(super) fn read<T: DeserializeOwned>(config: &Value) -> Result<T, ConfigError> {
    if !config.is_object() {
        return Err(ConfigError::at("", "must be an object"));
    }
    serde_path_to_error::deserialize(config)
        .map_err(|error| ConfigError::at(error.path().to_string(), error.inner().to_string()))
}

/// Refuses a number outside of `range`.
pub(super) fn within(path: &str, value: Option<u64>, range: RangeInclusive<u64>) -> Result<(), ConfigError> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(ConfigError::at(path, format!("must be {} to {}", range.start(), range.end())))
        }
        _ => Ok(()),
    }
}

/// Refuses a list that is longer than anybody needs.
pub(super) fn bounded<T>(path: &str, list: &[T]) -> Result<(), ConfigError> {
    if list.len() > MAX_ENTRIES {
        return Err(ConfigError::at(path, format!("at most {MAX_ENTRIES} entries")));
    }
    Ok(())
}

/// Globs as one set; `None` for an empty list, which says nothing.
pub(super) fn globs(path: &str, patterns: &[String]) -> Result<Option<GlobSet>, ConfigError> {
    bounded(path, patterns)?;
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let at = || format!("{path}[{index}]");
        if pattern.is_empty() || pattern.len() > MAX_GLOB_BYTES {
            return Err(ConfigError::at(at(), format!("must be 1 to {MAX_GLOB_BYTES} bytes")));
        }
        set.add(Glob::new(pattern).map_err(|error| ConfigError::at(at(), error.kind().to_string()))?);
    }
    set.build().map(Some).map_err(|error| ConfigError::at(path, error.kind().to_string()))
}

/// Whether a pattern names exactly one thing.
pub(super) fn is_plain(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}
