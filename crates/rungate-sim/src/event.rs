//! Events of a stream as text, before they are played.

use serde_json::Value;

/// Stands for a value that a [`Template`] fills in. No model name that is served holds this character.
pub(crate) const HOLE: &str = "\u{0}";
const HOLE_JSON: &str = "\"\\u0000\"";

/// One server-sent event as it goes on the wire, with LF line ends.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its lines, up to and including the empty one.
    pub text: String,
    /// Whether it carries the reason why the answer ended, which `nofinish` leaves out.
    pub is_finish: bool,
}

impl Event {
    /// An event without a name.
    pub fn data(data: &Value) -> Self {
        Self { text: format!("data: {data}\n\n"), is_finish: false }
    }

    /// An event named after the `type` inside it.
    pub fn named(name: &str, data: &Value) -> Self {
        Self { text: format!("event: {name}\ndata: {data}\n\n"), is_finish: false }
    }

    /// The terminator of OpenAI's older streams.
    pub fn done() -> Self {
        Self { text: "data: [DONE]\n\n".into(), is_finish: false }
    }

    /// The same event, marked as the one that ends the answer.
    pub fn finish(self) -> Self {
        Self { is_finish: true, ..self }
    }
}

/// An event that differs from its siblings in a few values only: rendered once, filled in many times.
pub(crate) struct Template {
    parts: Vec<String>,
}

impl Template {
    /// Remembers `event`, each [`HOLE`] in it to be filled.
    pub fn new(event: &Event) -> Self {
        Self { parts: event.text.split(HOLE_JSON).map(str::to_owned).collect() }
    }

    /// The event with `values`, each a JSON text, in its holes.
    pub fn fill<const N: usize>(&self, values: [&str; N]) -> Event {
        let mut text = String::with_capacity(
            self.parts.iter().map(String::len).sum::<usize>()
                + values.iter().map(|value| value.len()).sum::<usize>(),
        );
        let mut values = values.into_iter();
        for part in &self.parts {
            text.push_str(part);
            text.push_str(values.next().unwrap_or_default());
        }
        Event { text, is_finish: false }
    }
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_fills_its_holes() {
        let template = Template::new(&Event::named("delta", &json!({"a": HOLE, "b": 1, "c": HOLE})));
        let event = template.fill([&quoted("x\"y"), "7"]);
        assert_eq!(event.text, "event: delta\ndata: {\"a\":\"x\\\"y\",\"b\":1,\"c\":7}\n\n");
    }
}
