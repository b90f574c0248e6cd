//! Whether a content fits the JSON Schema that came with it.

use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value;

/// Schemas that are kept compiled: agents send the same few again and again.
const MAX_KEPT: usize = 1_024;
/// What the pattern of a schema may compile to, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A text that is no JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotASchema(pub String);

/// Compiles schemas, and keeps those that came last.
#[derive(Debug, Default)]
pub struct Schemas {
    kept: Mutex<HashMap<u64, Arc<Compiled>>>,
    hasher: RandomState,
}

/// A schema that contents are held against.
#[derive(Debug)]
pub struct Compiled {
    validator: Validator,
}

/// Nothing is fetched: what is elsewhere holds for everything.
struct Elsewhere;

impl Retrieve for Elsewhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(Value::Bool(true))
    }
}

impl Schemas {
    /// The schema in this text.
    ///
    /// # Errors
    /// When it is none.
    pub fn compile(&self, text: &str) -> Result<Arc<Compiled>, NotASchema> {
        let key = self.hasher.hash_one(text);
        if let Some(known) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(Compiled::new(text)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}

impl Compiled {
    fn new(text: &str) -> Result<Self, NotASchema> {
        let schema: Value = serde_json::from_str(text).map_err(|error| NotASchema(error.to_string()))?;
        if !schema.is_object() {
            return Err(NotASchema("a JSON Schema is an object".to_owned()));
        }
        // Patterns take linear time: there is no backtracking.
        let patterns =
            PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .with_retriever(Elsewhere)
            .build(&schema)
            .map_err(|error| NotASchema(shortened(&error.to_string())))?;
        Ok(Self { validator })
    }

    /// Whether a content fits.
    pub fn fits(&self, content: &Value) -> bool {
        self.validator.is_valid(content)
    }
}

/// Messages quote what is wrong, however long it is.
fn shortened(message: &str) -> String {
    message.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_fit_or_do_not() {
        let schemas = Schemas::default();
        let text = r#"{"type": "object", "required": ["to"], "properties": {"to": {"type": "string", "pattern": "^a+$"}}}"#;
        let schema = schemas.compile(text).unwrap();
        assert!(schema.fits(&json!({"to": "aaa"})));
        assert!(!schema.fits(&json!({"to": "b"})) && !schema.fits(&json!({})));
        assert!(Arc::ptr_eq(&schema, &schemas.compile(text).unwrap()));
    }

    #[test]
    fn what_is_no_schema_says_why() {
        let schemas = Schemas::default();
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "object"),
            (r#"{"type": "nothing"}"#, "nothing"),
            (r#"{"pattern": "("}"#, ""),
        ] {
            let error = schemas.compile(text).unwrap_err();
            assert!(error.0.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_schema_refers_to_elsewhere_is_not_fetched_and_holds_for_everything() {
        let schemas = Schemas::default();
        let schema = schemas.compile(r#"{"$ref": "http://127.0.0.1:1/schema.json"}"#).unwrap();
        assert!(schema.fits(&json!({"anything": 1})));
        let own = r##"{"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}"##;
        let schema = schemas.compile(own).unwrap();
        assert!(schema.fits(&json!({"x": "y"})) && !schema.fits(&json!({"x": 1})));
    }

    #[test]
    fn patterns_made_to_be_slow_take_no_time() {
        let schema = Schemas::default().compile(r#"{"properties": {"x": {"pattern": "^(a+)+$"}}}"#).unwrap();
        assert!(!schema.fits(&json!({"x": format!("{}!", "a".repeat(50_000))})));
    }
}
