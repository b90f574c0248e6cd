//! Scans a `multipart/form-data` body (RFC 7578) for the few text fields that matter. Files are passed over.
//!
//! Where parsers are known to disagree (a part named twice over, text before the first boundary, a boundary that goes
//! on), the body is refused rather than read in a way that the provider may not share.

use std::ops::Range;

use memchr::memmem;

use super::{Scan, ScanError, choices};

/// The longest boundary, as RFC 2046 has it.
const MAX_BOUNDARY_BYTES: usize = 70;

/// The most bytes of one part's headers.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// The most parts of one body.
const MAX_PARTS: usize = 1_000;

/// Whether a `content-type` is that of a form.
pub(super) fn is_form_data(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("multipart/form-data")
}

pub(super) fn scan(content_type: &str, body: &[u8]) -> Result<Scan, ScanError> {
    let boundary = boundary(content_type)?;
    let mut model = None;
    let mut stream = None;
    let mut n = None;
    let mut prompt = None;
    for_each_part(&boundary, body, |name, content| {
        let field = match name {
            "model" => &mut model,
            "stream" => &mut stream,
            "n" => &mut n,
            "prompt" => &mut prompt,
            _ => return Ok(()),
        };
        match field.replace(content) {
            Some(_) => Err(invalid(format!("`{name}` stands twice"))),
            None => Ok(()),
        }
    })?;

    let text = |name: &str, span: &Option<Range<usize>>| -> Result<&str, ScanError> {
        let content = span.clone().map_or(&[][..], |span| &body[span]);
        std::str::from_utf8(content).map_err(|_| invalid(format!("`{name}` is not UTF-8")))
    };
    let model_text = text("model", &model)?;
    if model_text.contains(char::is_control) {
        return Err(ScanError::field("model", "must have no control characters"));
    }
    text("prompt", &prompt)?;
    let n_text = text("n", &n)?;
    Ok(Scan {
        model: Some(model_text.to_owned()).filter(|model| !model.is_empty()),
        stream: flag(text("stream", &stream)?)?,
        choices: if n_text.is_empty() { 1 } else { choices(n_text.parse().ok())? },
        model_span: model,
        words_span: prompt,
        multipart: true,
        ..Scan::default()
    })
}

/// A yes or no as form libraries write it.
fn flag(text: &str) -> Result<bool, ScanError> {
    match text {
        "true" | "True" | "1" => Ok(true),
        "" | "false" | "False" | "0" => Ok(false),
        _ => Err(ScanError::field("stream", "must be true or false")),
    }
}

/// Gives the name and the place of the content of each part.
fn for_each_part(
    boundary: &str,
    body: &[u8],
    mut part: impl FnMut(&str, Range<usize>) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let start = body.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(body.len());
    if !body[start..].starts_with(&delimiter.as_bytes()[2..]) {
        return Err(invalid("it does not begin with its boundary"));
    }
    let mut at = start + delimiter.len() - 2;
    for number in 0..MAX_PARTS {
        let Some(headers) = after_delimiter(body, at)? else {
            // RFC 2046, section 5.1.1: a multipart body has at least one part.
            return if number == 0 { Err(invalid("it has no parts")) } else { Ok(()) };
        };
        let (name, content) = part_head(body, headers)?;
        // One byte pair back, so that a boundary right behind the headers is seen and not taken for content.
        let search = content - 2;
        let end = search
            + finder.find(&body[search..]).ok_or_else(|| invalid("its closing boundary is missing"))?;
        if end < content {
            return Err(invalid(format!("the part at byte {headers} has no content")));
        }
        part(&name, content..end)?;
        at = end + delimiter.len();
    }
    Err(invalid(format!("it has more than {MAX_PARTS} parts")))
}

/// Where the part's headers begin behind a delimiter; `None` behind the last.
fn after_delimiter(body: &[u8], at: usize) -> Result<Option<usize>, ScanError> {
    let rest = &body[at..];
    if rest.starts_with(b"--") {
        return Ok(None);
    }
    let padding = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
    if rest[padding..].starts_with(b"\r\n") {
        return Ok(Some(at + padding + 2));
    }
    Err(invalid(format!("its boundary does not end its line at byte {at}")))
}

/// The name that a part's headers give, and where its content begins.
fn part_head(body: &[u8], headers: usize) -> Result<(String, usize), ScanError> {
    let nameless = || invalid(format!("the part at byte {headers} has no name"));
    let window = &body[headers..body.len().min(headers + MAX_HEADER_BYTES)];
    let length = memmem::find(window, b"\r\n\r\n")
        .ok_or_else(|| invalid(format!("the headers of the part at byte {headers} do not end")))?;
    let text = std::str::from_utf8(&window[..length])
        .map_err(|_| invalid(format!("the headers of the part at byte {headers} are not UTF-8")))?;
    let lines = text.split("\r\n");
    if lines
        .clone()
        .any(|line| line.is_empty() || line.starts_with([' ', '\t']) || line.contains(['\r', '\n']))
    {
        return Err(invalid(format!("the headers of the part at byte {headers} are not one on each line")));
    }
    let mut dispositions = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim_end().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let disposition = dispositions.next().ok_or_else(nameless)?;
    let (kind, parameters) = disposition.split_once(';').ok_or_else(nameless)?;
    if dispositions.next().is_some() || !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(nameless());
    }
    let mut names = parse_parameters(parameters).ok_or_else(nameless)?.into_iter().filter(|(key, _)| {
        let key = key.trim_end_matches('*');
        key.eq_ignore_ascii_case("name")
    });
    match (names.next(), names.next()) {
        (Some((key, name)), None) if !key.ends_with('*') => Ok((name, headers + length + 4)),
        _ => Err(nameless()),
    }
}

/// The boundary that a `content-type` names.
fn boundary(content_type: &str) -> Result<String, ScanError> {
    let parameters = content_type.split_once(';').map_or("", |(_, parameters)| parameters);
    parse_parameters(parameters)
        .into_iter()
        .flatten()
        .find(|(key, _)| key.eq_ignore_ascii_case("boundary"))
        .map(|(_, boundary)| boundary)
        .filter(|boundary| (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len()))
        .filter(|boundary| boundary.bytes().all(|byte| (b' '..0x7F).contains(&byte)))
        .ok_or_else(|| invalid("the content type names no valid boundary"))
}

/// Reads `key=value; key="va\"lue"`. `None` when it is not of this form.
fn parse_parameters(text: &str) -> Option<Vec<(&str, String)>> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = value.strip_prefix('"') {
            parse_quoted(quoted)?
        } else {
            let (value, after) = value.split_at(value.find(';').unwrap_or(value.len()));
            (value.trim_end().to_owned(), after)
        };
        parameters.push((key.trim(), value));
        let after = after.trim_start();
        rest = if after.is_empty() { after } else { after.strip_prefix(';')?.trim_start() };
    }
    Some(parameters)
}

/// Reads a quoted value up to its closing quote, and gives what stands behind it.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            char => value.push(char),
        }
    }
    None
}

fn invalid(why: impl Into<String>) -> ScanError {
    ScanError::InvalidMultipart(why.into())
}
