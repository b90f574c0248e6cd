//! The smallest value that fits a JSON schema, for the arguments of tool calls and for structured output.

use serde_json::{Map, Value, json};

/// Values are made up to here; what a recursive or huge schema asks for beyond is `null`.
const MAX_VALUES: usize = 1024;
/// Deeper nesting than this ends in `null`.
const MAX_DEPTH: usize = 32;

/// A value that fits `schema`, as far as types, `enum`, `const`, `required` and minima say.
pub(crate) fn minimal(schema: &Value) -> Value {
    Maker { root: schema, left: MAX_VALUES }.value(schema, 0)
}

struct Maker<'a> {
    root: &'a Value,
    left: usize,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if self.left == 0 || depth > MAX_DEPTH {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth + 1));
        }
        for (key, pointer) in [("const", ""), ("default", ""), ("enum", "/0"), ("examples", "/0")] {
            if let Some(given) = schema.get(key).and_then(|given| given.pointer(pointer)) {
                return given.clone();
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(key).and_then(|choices| choices.get(0)) {
                return self.value(first, depth + 1);
            }
        }
        match schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str())) {
            Some("string") => text(schema).into(),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            Some("boolean") => true.into(),
            Some("null") => Value::Null,
            Some("array") => self.array(schema, depth),
            _ => self.object(schema, depth),
        }
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_VALUES as u64);
        let item = schema.get("items").unwrap_or(&Value::Null);
        (0..count).map(|_| self.value(item, depth + 1)).collect()
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return json!({});
        };
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_none_or(|names| names.iter().any(|given| given == name));
        let fields: Map<String, Value> = properties
            .iter()
            .filter(|(name, _)| is_required(name))
            .map(|(name, property)| (name.clone(), self.value(property, depth + 1)))
            .collect();
        fields.into()
    }
}

fn text(schema: &Value) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z".into(),
        Some("date") => "2026-01-01".into(),
        Some("time") => "00:00:00Z".into(),
        Some("email") => "sim@example.com".into(),
        Some("uri") => "https://example.com/".into(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".into(),
        _ => {
            let min = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(1024);
            let max = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
            let length = usize::try_from(min.max(3).min(max)).unwrap_or(3);
            "sim".chars().cycle().take(length).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_types() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "days": {"type": "integer", "minimum": 3},
                "tags": {"type": "array", "items": {"type": "string", "minLength": 5}, "minItems": 1},
                "deep": {"$ref": "#/$defs/deep"},
                "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "left_out": {"type": "string"},
            },
            "required": ["city", "unit", "days", "tags", "deep", "maybe"],
            "$defs": {"deep": {"type": ["object", "null"], "properties": {"on": {"type": "string", "format": "date"}}}},
        });
        let expected = json!({
            "city": "sim", "unit": "c", "days": 3, "tags": ["simsi"], "deep": {"on": "2026-01-01"}, "maybe": true,
        });
        assert_eq!(minimal(&schema), expected);
        assert_eq!(minimal(&Value::Null), json!({}));
    }

    #[test]
    fn a_recursive_schema_ends() {
        let schema = json!({"$ref": "#"});
        assert_eq!(minimal(&schema), Value::Null);
    }
}
