//! The routes, and whose dialect each speaks.

use std::fmt;

use http::Method;

/// Whose wire format an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

/// One route, without the id in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    Completions,
    Embeddings,
    Moderations,
    ResponseCreate,
    ResponseGet,
    ResponseDelete,
    ResponseCancel,
    ResponseInputItems,
    ImageGenerations,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
    Models,
    Model,
    Messages,
    CountTokens,
    /// Anything else, which is answered 404.
    Unknown,
}

impl Route {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 20] = [
        Self::Chat,
        Self::Completions,
        Self::Embeddings,
        Self::Moderations,
        Self::ResponseCreate,
        Self::ResponseGet,
        Self::ResponseDelete,
        Self::ResponseCancel,
        Self::ResponseInputItems,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Models,
        Self::Model,
        Self::Messages,
        Self::CountTokens,
        Self::Unknown,
    ];

    /// The route of a request, with the id that its path names (empty where there is none).
    pub fn find<'a>(method: &Method, path: &'a str) -> (Self, &'a str) {
        let Some(path) = path.strip_prefix("/v1/") else {
            return (Self::Unknown, "");
        };
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let route = match (method.as_str(), first, rest) {
            ("POST", "chat", "completions") => Self::Chat,
            ("POST", "completions", "") => Self::Completions,
            ("POST", "embeddings", "") => Self::Embeddings,
            ("POST", "moderations", "") => Self::Moderations,
            ("POST", "responses", "") => Self::ResponseCreate,
            ("POST", "messages", "") => Self::Messages,
            ("POST", "messages", "count_tokens") => Self::CountTokens,
            ("POST", "images", "generations") => Self::ImageGenerations,
            ("POST", "images", "edits") => Self::ImageEdits,
            ("POST", "images", "variations") => Self::ImageVariations,
            ("POST", "audio", "speech") => Self::Speech,
            ("POST", "audio", "transcriptions") => Self::Transcriptions,
            ("POST", "audio", "translations") => Self::Translations,
            ("GET", "models", "") => Self::Models,
            ("GET", "models", id) => return (Self::Model, id),
            (method, "responses", rest) => return Self::find_response(method, rest),
            _ => Self::Unknown,
        };
        (route, "")
    }

    fn find_response<'a>(method: &str, rest: &'a str) -> (Self, &'a str) {
        let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
        let route = match (method, action) {
            ("GET", "") if !id.is_empty() => Self::ResponseGet,
            ("DELETE", "") if !id.is_empty() => Self::ResponseDelete,
            ("POST", "cancel") => Self::ResponseCancel,
            ("GET", "input_items") => Self::ResponseInputItems,
            _ => Self::Unknown,
        };
        (route, id)
    }

    /// Whose wire format it has. The list of models has both; see `openai::models`.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "POST /v1/chat/completions",
            Self::Completions => "POST /v1/completions",
            Self::Embeddings => "POST /v1/embeddings",
            Self::Moderations => "POST /v1/moderations",
            Self::ResponseCreate => "POST /v1/responses",
            Self::ResponseGet => "GET /v1/responses/{id}",
            Self::ResponseDelete => "DELETE /v1/responses/{id}",
            Self::ResponseCancel => "POST /v1/responses/{id}/cancel",
            Self::ResponseInputItems => "GET /v1/responses/{id}/input_items",
            Self::ImageGenerations => "POST /v1/images/generations",
            Self::ImageEdits => "POST /v1/images/edits",
            Self::ImageVariations => "POST /v1/images/variations",
            Self::Speech => "POST /v1/audio/speech",
            Self::Transcriptions => "POST /v1/audio/transcriptions",
            Self::Translations => "POST /v1/audio/translations",
            Self::Models => "GET /v1/models",
            Self::Model => "GET /v1/models/{id}",
            Self::Messages => "POST /v1/messages",
            Self::CountTokens => "POST /v1/messages/count_tokens",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_index_the_list() {
        assert!(Route::ALL.iter().enumerate().all(|(index, route)| *route as usize == index));
    }

    #[test]
    fn paths_find_their_routes() {
        let find = |method: &str, path| Route::find(&method.parse().unwrap(), path);
        assert_eq!(find("POST", "/v1/chat/completions"), (Route::Chat, ""));
        assert_eq!(find("GET", "/v1/responses/resp_1"), (Route::ResponseGet, "resp_1"));
        assert_eq!(find("POST", "/v1/responses/resp_1/cancel"), (Route::ResponseCancel, "resp_1"));
        assert_eq!(find("GET", "/v1/models/a/b"), (Route::Model, "a/b"));
        assert_eq!(find("GET", "/v1/chat/completions").0, Route::Unknown);
        assert_eq!(find("GET", "/v1/responses").0, Route::Unknown);
        assert_eq!(find("POST", "/x").0, Route::Unknown);
    }
}
