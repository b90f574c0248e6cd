//! Multipart forms as the JSON object they stand for, so that endpoints read one kind of body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::memmem;
use serde_json::{Map, Value, json};

/// The fields of a form: text as a string, a file as `{"bytes": <length>}`, a repeated name (`image[]`) as an array.
/// `None` when the body is not a well-formed form.
pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let boundary = kind.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    let mut fields = Map::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = finder.find(part)?;
        let (name, value) = field(&part[..end])?;
        match fields.get_mut(&name) {
            None => {
                fields.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
        rest = &part[end + delimiter.len()..];
    }
    rest.starts_with(b"--").then_some(fields.into())
}

fn field(part: &[u8]) -> Option<(String, Value)> {
    let head_end = memmem::find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..head_end]).ok()?;
    let content = &part[head_end + 4..];
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = parameter(disposition, "name")?.trim_end_matches("[]").to_owned();
    let value = match parameter(disposition, "filename") {
        Some(_) => json!({"bytes": content.len()}),
        None => std::str::from_utf8(content).ok()?.into(),
    };
    Some((name, value))
}

fn parameter<'a>(disposition: &'a str, name: &str) -> Option<&'a str> {
    disposition
        .split(';')
        .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        .map(|v| v.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Option<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=XX".parse().unwrap());
        parse(&headers, body.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn fields_files_and_repeats() {
        let body = "--XX\nContent-Disposition: form-data; name=\"model\"\n\nwhisper-1\n\
            --XX\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\nContent-Type: image/png\n\nabc\n\
            --XX\ncontent-disposition: form-data; name=\"image[]\"; filename=\"b.png\"\n\n\n--XX--\n";
        let expected = json!({"model": "whisper-1", "image": [{"bytes": 3}, {"bytes": 0}]});
        assert_eq!(form(body), Some(expected));
    }

    #[test]
    fn a_broken_form_is_none() {
        for body in ["", "--XX\n", "--XX\nContent-Disposition: form-data; name=\"a\"\n\nx", "--YY\n--YY--"] {
            assert_eq!(form(body), None, "{body}");
        }
    }
}
