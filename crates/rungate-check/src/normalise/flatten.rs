//! The values of a JSON object, each with its place.

use serde_json::Value;

/// Leaves of one object.
const MAX_LEAVES: usize = 2_000;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where it stands, as a JSON Pointer.
    pub path: String,
    /// The member it is the value of, or in whose list it stands.
    pub name: String,
    /// Its text; a number or truth value as JSON writes it.
    pub text: String,
    /// Whether it is a string.
    pub is_text: bool,
}

/// More values than are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has more values or destinations than are looked at")]
pub struct TooMuch;

/// Every value of `object`; empty strings and nulls say nothing.
///
/// # Errors
/// When there are too many.
pub fn flatten(object: &Value) -> Result<Vec<Leaf>, TooMuch> {
    let mut leaves = Vec::new();
    walk(object, &mut String::new(), "", &mut leaves)?;
    Ok(leaves)
}

fn walk(value: &Value, path: &mut String, name: &str, leaves: &mut Vec<Leaf>) -> Result<(), TooMuch> {
    let before = path.len();
    let mut leaf = |text: String, is_text: bool| {
        if leaves.len() >= MAX_LEAVES {
            return Err(TooMuch);
        }
        leaves.push(Leaf { path: path.clone(), name: name.to_owned(), text, is_text });
        Ok(())
    };
    match value {
        Value::Null => {}
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => leaf(text.clone(), true)?,
        Value::Number(_) | Value::Bool(_) => leaf(value.to_string(), false)?,
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                path.push('/');
                path.push_str(&place.to_string());
                walk(item, path, name, leaves)?;
                path.truncate(before);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                walk(value, path, name, leaves)?;
                path.truncate(before);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let leaves = flatten(&json!({"to": ["a", "b"], "x/y": {"n": 1.5}, "empty": "", "no": null})).unwrap();
        let found: Vec<_> =
            leaves.iter().map(|it| (it.path.as_str(), it.name.as_str(), it.text.as_str())).collect();
        assert_eq!(found, [("/to/0", "to", "a"), ("/to/1", "to", "b"), ("/x~1y/n", "n", "1.5")]);
        assert_eq!(flatten(&json!(vec![1; 2_001])), Err(TooMuch));
    }
}
