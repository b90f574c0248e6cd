//! The environment: the only place where it is read.

use std::path::PathBuf;

use rungate_core::secret::Secret;

use crate::config::error::{ConfigError, Origin};

/// Starts the name of every variable of ours.
pub const PREFIX: &str = "RUNGATE_";

/// Variables of ours that are no configuration: credentials of the first start, and what the command line's client
/// commands use.
const OTHER_VARIABLES: [&str; 6] = [
    "RUNGATE_OWNER_TOKEN",
    "RUNGATE_OWNER_TOKEN_FILE",
    "RUNGATE_SEALING_KEY",
    "RUNGATE_SEALING_KEY_FILE",
    "RUNGATE_URL",
    "RUNGATE_TOKEN",
];

/// The variables of ours that are set. An empty one counts as not set.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

/// Secrets that are given to the process itself and kept in no file of ours.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The owner token to use instead of a random one.
    pub owner_token: Option<Secret>,
    /// The sealing key to use instead of the file in the data folder.
    pub sealing_key: Option<Secret>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::from_variables(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// From variables, whoever set them.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.is_empty();
        let mut variables: Vec<_> = variables.into_iter().filter(ours).collect();
        variables.sort();
        Self { variables }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The credentials, each from its variable or from the file that its `_FILE` variable names.
    pub fn credentials(&self) -> Result<Credentials, ConfigError> {
        Ok(Credentials {
            owner_token: self.secret("RUNGATE_OWNER_TOKEN")?,
            sealing_key: self.secret("RUNGATE_SEALING_KEY")?,
        })
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        if let Some(value) = self.get(name) {
            return Ok(Some(Secret::new(value.trim().to_owned())));
        }
        self.get(&format!("{name}_FILE")).map(|path| read_secret(&PathBuf::from(path))).transpose()
    }

    /// The variables that set keys of the configuration, by `name`, and those of ours that mean nothing.
    pub fn split<'a>(&'a self, names: &[String]) -> (Vec<(&'a str, &'a str)>, Vec<&'a str>) {
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for (name, value) in &self.variables {
            if names.contains(name) {
                known.push((name.as_str(), value.as_str()));
            } else if !OTHER_VARIABLES.contains(&name.as_str()) {
                unknown.push(name.as_str());
            }
        }
        (known, unknown)
    }
}

/// Reads a secret from a file, without the line's end.
pub fn read_secret(path: &std::path::Path) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(ConfigError::Value {
            origin: Origin::File(path.to_owned()),
            key: "the secret".to_owned(),
            value: "empty".to_owned(),
            allowed: "text".into(),
        });
    }
    Ok(Secret::new(text.to_owned()))
}
