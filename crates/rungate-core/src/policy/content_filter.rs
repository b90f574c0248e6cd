//! `content_filter`: what must not be in requests and answers.

use serde::Deserialize;
use serde_json::Value;

use crate::policy::config::{ConfigError, read};
use crate::policy::detect::{Detector, detectors};
use crate::policy::masking::{finds_in_json, mask_json, mask_text};
use crate::policy::rule_types::Rule;

/// What happens to a body in which something is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterAction {
    /// The request is refused, or its answer withheld.
    Refuse,
    /// What is found is masked.
    Redact,
    /// It is recorded.
    Flag,
}

/// Which bodies are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterOn {
    /// Those of requests.
    #[default]
    Request,
    /// Those of answers.
    Response,
    /// Either.
    Both,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    detectors: Vec<Value>,
    #[serde(default)]
    on: FilterOn,
    action: FilterAction,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pattern {
    name: String,
    regex: String,
}

/// Looks for data in bodies.
#[derive(Debug)]
pub struct ContentFilter {
    /// What happens.
    pub action: FilterAction,
    /// In which bodies.
    pub on: FilterOn,
    detectors: Vec<Detector>,
}

const MAX_DETECTORS: usize = 32;

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let config: Config = read(config)?;
    if config.detectors.is_empty() || config.detectors.len() > MAX_DETECTORS {
        return Err(ConfigError::at("detectors", format!("must have 1 to {MAX_DETECTORS} entries")));
    }
    if config.action == FilterAction::Redact && config.on != FilterOn::Request {
        let reason =
            "answers cannot be redacted, since they may be streamed: use refuse or flag, or on: request";
        return Err(ConfigError::at("on", reason));
    }
    let mut chosen: Vec<Detector> = Vec::new();
    for (index, entry) in config.detectors.iter().enumerate() {
        let path = format!("detectors[{index}]");
        let detector = detector(&path, entry)?;
        if chosen.iter().any(|other| other.name() == detector.name()) {
            return Err(ConfigError::at(path, format!("{} stands twice", detector.name())));
        }
        chosen.push(detector);
    }
    let filter = ContentFilter { action: config.action, on: config.on, detectors: chosen };
    Ok(Rule::ContentFilter(Box::new(filter)))
}

fn detector(path: &str, entry: &Value) -> Result<Detector, ConfigError> {
    let names = || detectors().iter().map(Detector::name);
    if let Some(name) = entry.as_str() {
        return detectors().iter().find(|detector| detector.name() == name).cloned().ok_or_else(|| {
            let known = names().collect::<Vec<_>>().join(", ");
            ConfigError::at(path, format!("no such detector: use {known}, or {{name, regex}}"))
        });
    }
    let pattern: Pattern = serde_path_to_error::deserialize(entry)
        .map_err(|error| ConfigError::at(path, format!("{}: {}", error.path(), error.inner())))?;
    if !(1..=64).contains(&pattern.name.chars().count()) || names().any(|name| name == pattern.name) {
        let reason = "must be 1 to 64 characters and no built-in detector's name";
        return Err(ConfigError::at(format!("{path}.name"), reason));
    }
    Detector::pattern(&pattern.name, &pattern.regex)
        .map_err(|reason| ConfigError::at(format!("{path}.regex"), reason))
}

impl ContentFilter {
    /// Whether it looks at requests.
    pub fn on_request(&self) -> bool {
        self.on != FilterOn::Response
    }

    /// Whether it looks at answers.
    pub fn on_response(&self) -> bool {
        self.on != FilterOn::Request
    }

    /// The names of the detectors that find something; with `json` only inside string values.
    pub fn finds(&self, body: &str, json: bool) -> Vec<&str> {
        let finds =
            |detector: &&Detector| if json { finds_in_json(body, detector) } else { detector.finds(body) };
        self.detectors.iter().filter(finds).map(Detector::name).collect()
    }

    /// The body with everything masked that is found; with `json` only inside string values.
    pub fn mask(&self, body: &str, json: bool) -> String {
        if json {
            return mask_json(body, &self.detectors).unwrap_or_else(|| body.to_owned());
        }
        mask_text(body, &self.detectors).into_owned()
    }
}
