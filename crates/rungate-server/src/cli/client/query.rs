//! Paths with queries.

/// A path with a query. Names and values are encoded, values that are absent left out.
#[derive(Debug, Clone)]
pub struct Query(String);

impl Query {
    /// Without parameters yet.
    pub fn of(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// Adds a parameter.
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encode(&value.to_string()));
        self
    }

    /// Adds a parameter for each value.
    pub fn with_each(self, name: &str, values: &[String]) -> Self {
        values.iter().fold(self, |query, value| query.with(name, value))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-encodes everything but the unreserved characters, for a segment of a path or a value of a query.
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
