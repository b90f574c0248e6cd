//! The Responses API.

use serde::Deserialize;

use super::usage::OpenAi;
use super::{EventKind, NotTheFormat, ProviderError, Report, Text, json};
use crate::sse::Event;

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    object: Option<Text<'a>>,
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    output: Option<Vec<Item<'a>>>,
    #[serde(default)]
    usage: Option<OpenAi>,
    #[serde(default)]
    error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(default)]
    error: Option<ProviderError>,
}

/// Most deltas are text; some events carry objects under the same name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Delta<'a> {
    Text(#[serde(borrow)] Text<'a>),
    Other(serde::de::IgnoredAny),
}

/// Reads a whole answer. Lists of input items and confirmations of a deletion are objects without usage.
pub fn whole(body: &[u8], report: &mut Report) -> Result<(), NotTheFormat> {
    let response: Response<'_> = json(body)?;
    for item in response.output.iter().flatten() {
        for part in item.content.iter().flatten() {
            [&part.text, &part.refusal].into_iter().flatten().for_each(|text| report.text(text.as_str()));
        }
        if let Some(name) = &item.name {
            report.tool(name.as_str(), item.arguments.as_ref().map_or("", Text::as_str));
        }
    }
    read_head(&response, report);
    Ok(())
}

/// Reads one event.
pub fn event(event: &Event, report: &mut Report) -> Result<EventKind, NotTheFormat> {
    let mut read: StreamEvent<'_> = json(&event.data)?;
    if let Some(response) = &read.response {
        read_head(response, report);
    }
    match read.kind.as_str() {
        "response.completed" | "response.incomplete" => {
            report.complete = true;
            return Ok(EventKind::Terminator);
        }
        "response.failed" | "response.cancelled" => {
            let error = read.response.and_then(|response| response.error);
            report.error = Some(error.map(ProviderError::message).unwrap_or_default());
            return Ok(EventKind::Error);
        }
        "error" => {
            let message = read.message.map(|text| text.as_str().to_owned());
            report.error = message.or_else(|| read.error.take().map(ProviderError::message));
            return Ok(EventKind::Error);
        }
        _ => {}
    }
    let Some(Delta::Text(delta)) = &read.delta else { return Ok(EventKind::Content) };
    match read.kind.as_str() {
        "response.output_text.delta" | "response.refusal.delta" => report.text(delta.as_str()),
        kind if kind.contains("audio.delta") => {}
        _ => report.hidden(delta.as_str()),
    }
    Ok(EventKind::Content)
}

fn read_head(response: &Response<'_>, report: &mut Report) {
    report.named(response.model.as_ref().map(Text::as_str));
    let is_response = response.object.as_ref().is_some_and(|object| object.as_str() == "response");
    if let Some(id) = response.id.as_ref().filter(|_| is_response) {
        report.response_id = Some(id.as_str().to_owned());
    }
    if let Some(usage) = response.usage.as_ref().and_then(OpenAi::normal) {
        report.usage = Some(usage);
    }
}
