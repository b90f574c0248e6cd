//! Changes single values of a body and leaves every other byte as it is.

use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

use super::Scan;
use super::json::{StreamOptions, is_null, is_whitespace, span};

const INCLUDE_USAGE: &str = "\"include_usage\":true";

/// Bytes that stand in for those of a range; the range is empty where something is put in.
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// The body with another model, and with the usage of its stream asked for when `ask_usage` is set and it is not asked
/// for already. Every other byte stays as it is; without a change the same bytes are shared.
///
/// `scan` must be of this very body. A model for a multipart body must have no line end in it.
pub fn rewrite(body: &Bytes, scan: &Scan, model: Option<&str>, ask_usage: bool) -> Bytes {
    let model = model.filter(|model| scan.model.as_deref() != Some(model));
    let edits = if scan.multipart {
        model.map(|model| set_form_model(body, scan, model)).into_iter().collect()
    } else {
        json_edits(body, scan, model, ask_usage && !scan.include_usage)
    };
    apply(body, edits)
}

fn json_edits(body: &Bytes, scan: &Scan, model: Option<&str>, ask_usage: bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut new_members = Vec::new();
    if let Some(model) = model {
        let text = Value::from(model).to_string();
        match &scan.model_span {
            Some(at) => edits.push(Edit { at: at.clone(), text }),
            None => new_members.push(format!("\"model\":{text}")),
        }
    }
    if ask_usage {
        match &scan.stream_options_span {
            Some(at) => edits.extend(add_include_usage(body, at)),
            None => new_members.push(format!("\"stream_options\":{{{INCLUDE_USAGE}}}")),
        }
    }
    if !new_members.is_empty() {
        edits.extend(insert_members(body, 0, &new_members.join(",")));
    }
    edits
}

/// Sets `include_usage` in the value of `stream_options`.
fn add_include_usage(body: &[u8], at: &Range<usize>) -> Option<Edit> {
    let options = std::str::from_utf8(&body[at.clone()]).ok()?;
    if options == "null" {
        return Some(Edit { at: at.clone(), text: format!("{{{INCLUDE_USAGE}}}") });
    }
    let fields: StreamOptions<'_> = serde_json::from_str(options).ok()?;
    let Some(value) = fields.include_usage else { return insert_members(body, at.start, INCLUDE_USAGE) };
    debug_assert!(is_null(value) || value.get() == "false");
    let within = span(options, value);
    Some(Edit { at: at.start + within.start..at.start + within.end, text: "true".to_owned() })
}

/// Puts members at the front of the object that begins at or, after white space, behind `from`.
pub(super) fn insert_members(body: &[u8], from: usize, members: &str) -> Option<Edit> {
    let inside = from + memchr::memchr(b'{', &body[from..])? + 1;
    let empty = body[inside..].iter().find(|&&byte| !is_whitespace(char::from(byte))) == Some(&b'}');
    let text = if empty { members.to_owned() } else { format!("{members},") };
    Some(Edit { at: inside..inside, text })
}

/// Sets the model of a form: its field's content, or a field of its own in front of all others.
fn set_form_model(body: &[u8], scan: &Scan, model: &str) -> Edit {
    if let Some(at) = &scan.model_span {
        return Edit { at: at.clone(), text: model.to_owned() };
    }
    let start = body.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
    let length = memchr::memchr(b'\r', &body[start..]).unwrap_or(0);
    let delimiter = String::from_utf8_lossy(&body[start..start + length]);
    let text = format!(
        "{}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n",
        delimiter.trim_end_matches([' ', '\t'])
    );
    Edit { at: start..start, text }
}

pub(super) fn apply(body: &Bytes, mut edits: Vec<Edit>) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_by_key(|edit| edit.at.start);
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut rewritten = Vec::with_capacity(body.len() + added);
    let mut copied = 0;
    for edit in edits {
        rewritten.extend_from_slice(&body[copied..edit.at.start]);
        rewritten.extend_from_slice(edit.text.as_bytes());
        copied = edit.at.end;
    }
    rewritten.extend_from_slice(&body[copied..]);
    rewritten.into()
}
