//! The configuration of the process: one TOML file, environment variables, flags, in rising precedence.
//!
//! Each section is one file beside this one, and one line in [`Config::sections_mut`]. A key's documentation, type and
//! default stand in one place; the example file, the names of the environment variables and the errors come from there.

mod egress;
mod environment;
mod error;
mod example;
mod journal;
mod limits;
mod log;
mod metrics;
mod retention;
mod section;
mod server;
mod setting;
mod store;
mod upstream;

use std::path::{Path, PathBuf};

pub use egress::Egress;
pub use environment::{Credentials, Environment, read_secret};
pub use error::{ConfigError, Origin};
pub use example::example;
pub use journal::Journal;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use metrics::Metrics;
pub use retention::Retention;
pub use section::{Key, Refused, Section};
pub use server::Server;
pub use setting::{EgressEntry, Given, LevelFilter, Setting, Size, Whole};
pub use store::Store;
pub use upstream::Upstream;

/// The configuration. `boot` makes the parts of the server from it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[journal]`
    pub journal: Journal,
    /// `[limits]`
    pub limits: Limits,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[egress]`
    pub egress: Egress,
    /// `[retention]`
    pub retention: Retention,
    /// `[log]`
    pub log: Log,
    /// `[metrics]`
    pub metrics: Metrics,
}

/// Where values come from, weakest first.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub environment: Environment,
    /// Flags: section, key, value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// A configuration, and what is odd about where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// For people: variables that look like ours and mean nothing.
    pub warnings: Vec<String>,
}

/// The environment variable of a key.
fn variable(section: &str, key: &str) -> String {
    format!("{}{section}_{key}", environment::PREFIX).to_ascii_uppercase()
}

impl Config {
    /// Reads all sources and checks what they say together.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = &sources.file {
            config.read_file(path)?;
        }
        let warnings = config.read_environment(&sources.environment)?;
        for (section, key, value) in &sources.flags {
            let origin = Origin::Flag(format!("--{}", key.replace('_', "-")));
            config.set(origin, section, key, Given::Text(value))?;
        }
        config.check()?;
        if let Some(path) = config.metrics.token_file.take() {
            config.metrics.token = Some(read_secret(&path)?);
        }
        Ok(Loaded { config, warnings })
    }

    /// The sections by name, in the order of the example file.
    pub fn sections_mut(&mut self) -> [(&'static str, &mut dyn Section); 9] {
        [
            ("server", &mut self.server),
            ("store", &mut self.store),
            ("journal", &mut self.journal),
            ("limits", &mut self.limits),
            ("upstream", &mut self.upstream),
            ("egress", &mut self.egress),
            ("retention", &mut self.retention),
            ("log", &mut self.log),
            ("metrics", &mut self.metrics),
        ]
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // The error's own text would show the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() }
        })?;
        let origin = || Origin::File(path.to_owned());
        for (section, keys) in &table {
            let Some(keys) = keys.as_table() else { return Err(self.unknown(origin(), section.clone())) };
            if keys.is_empty() && !self.sections_mut().iter().any(|(name, _)| name == section) {
                return Err(self.unknown(origin(), section.clone()));
            }
            for (key, value) in keys {
                self.set(origin(), section, key, Given::Toml(value))?;
            }
        }
        Ok(())
    }

    fn read_environment(&mut self, environment: &Environment) -> Result<Vec<String>, ConfigError> {
        let mut names = Vec::new();
        for (section, keys) in self.sections_mut() {
            names.extend(keys.keys().into_iter().map(|key| (variable(section, key.name), section, key.name)));
        }
        let variables: Vec<String> = names.iter().map(|(variable, ..)| variable.clone()).collect();
        let (known, unknown) = environment.split(&variables);
        for (name, value) in known {
            if let Some((_, section, key)) = names.iter().find(|(variable, ..)| variable == name) {
                self.set(Origin::Environment(name.to_owned()), section, key, Given::Text(value))?;
            }
        }
        let warn = |name: &&str| {
            let hint = error::nearest(name, variables.iter().map(String::as_str))
                .map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
            format!("environment variable {name} means nothing{hint}")
        };
        Ok(unknown.iter().map(warn).collect())
    }

    fn set(&mut self, origin: Origin, section: &str, key: &str, given: Given<'_>) -> Result<(), ConfigError> {
        let path = format!("{section}.{key}");
        let mut sections = self.sections_mut();
        let Some((_, keys)) = sections.iter_mut().find(|(name, _)| *name == section) else {
            return Err(self.unknown(origin, path));
        };
        match keys.set(key, given) {
            Ok(()) => Ok(()),
            Err(Refused::UnknownKey) => Err(self.unknown(origin, path)),
            Err(Refused::Value { value, allowed }) => {
                Err(ConfigError::Value { origin, key: path, value, allowed })
            }
        }
    }

    fn unknown(&mut self, origin: Origin, key: String) -> ConfigError {
        let mut known = Vec::new();
        for (section, keys) in self.sections_mut() {
            known.push(section.to_owned());
            known.extend(keys.keys().into_iter().map(|key| format!("{section}.{}", key.name)));
        }
        let nearest = error::nearest(&key, known.iter().map(String::as_str)).map(str::to_owned);
        ConfigError::UnknownKey { origin, key, nearest }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message| Err(ConfigError::Contradiction(message));
        if self.server.tls_cert.is_some() != self.server.tls_key.is_some() {
            return wrong("`server.tls_cert` and `server.tls_key` must be set together");
        }
        if self.retention.body_days.get() > self.retention.row_days.get() {
            return wrong("`retention.body_days` must not be above `retention.row_days`");
        }
        if self.journal.segment_bytes.bytes() > self.journal.max_bytes.bytes() / 2 {
            return wrong("`journal.segment_bytes` must be at most half of `journal.max_bytes`");
        }
        if self.metrics.token.is_some() && self.metrics.token_file.is_some() {
            return wrong("only one of `metrics.token` and `metrics.token_file` may be set");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
