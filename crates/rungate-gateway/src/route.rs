//! The routes of the data plane: the only list of them.

use http::Method;
use rungate_core::operation::Operation;

/// What a path of the data plane asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A call to a model.
    Call(Call),
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`; the id is still percent-encoded.
    Model(String),
    /// The path exists, the method does not; holds the value of `Allow`.
    MethodNotAllowed(&'static str),
    /// Not a path of the data plane.
    Unknown,
}

/// A call to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is asked.
    pub operation: Operation,
    /// The id in the path, for stored responses; still percent-encoded.
    pub path_id: Option<String>,
}

const CALLS: [(&str, Operation); 13] = [
    ("/v1/chat/completions", Operation::ChatCompletions),
    ("/v1/completions", Operation::Completions),
    ("/v1/embeddings", Operation::Embeddings),
    ("/v1/moderations", Operation::Moderations),
    ("/v1/responses", Operation::Responses),
    ("/v1/messages", Operation::Messages),
    ("/v1/messages/count_tokens", Operation::CountTokens),
    ("/v1/images/generations", Operation::ImageGenerations),
    ("/v1/images/edits", Operation::ImageEdits),
    ("/v1/images/variations", Operation::ImageVariations),
    ("/v1/audio/speech", Operation::Speech),
    ("/v1/audio/transcriptions", Operation::Transcriptions),
    ("/v1/audio/translations", Operation::Translations),
];

/// Finds the route of a request. Trailing slashes are not redirected: they are other paths.
pub fn find(method: &Method, path: &str) -> Route {
    if let Some((_, operation)) = CALLS.iter().find(|(known, _)| *known == path) {
        return match *method {
            Method::POST => Route::Call(Call { operation: *operation, path_id: None }),
            _ => Route::MethodNotAllowed("POST"),
        };
    }
    if path == "/v1/models" {
        return if method == Method::GET { Route::Models } else { Route::MethodNotAllowed("GET") };
    }
    if let Some(id) = path.strip_prefix("/v1/models/")
        && !id.is_empty()
    {
        return if method == Method::GET {
            Route::Model(id.to_owned())
        } else {
            Route::MethodNotAllowed("GET")
        };
    }
    match path.strip_prefix("/v1/responses/") {
        Some(rest) => stored_response(method, rest),
        None => Route::Unknown,
    }
}

fn stored_response(method: &Method, rest: &str) -> Route {
    let (id, action) = rest.split_once('/').map_or((rest, None), |(id, action)| (id, Some(action)));
    if id.is_empty() {
        return Route::Unknown;
    }
    let operation = match (action, method) {
        (None, &Method::GET) => Operation::ResponseGet,
        (None, &Method::DELETE) => Operation::ResponseDelete,
        (None, _) => return Route::MethodNotAllowed("DELETE, GET"),
        (Some("cancel"), &Method::POST) => Operation::ResponseCancel,
        (Some("cancel"), _) => return Route::MethodNotAllowed("POST"),
        (Some("input_items"), &Method::GET) => Operation::ResponseInputItems,
        (Some("input_items"), _) => return Route::MethodNotAllowed("GET"),
        _ => return Route::Unknown,
    };
    Route::Call(Call { operation, path_id: Some(id.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_methods() {
        let call = |operation, path_id: Option<&str>| {
            Route::Call(Call { operation, path_id: path_id.map(str::to_owned) })
        };
        assert_eq!(find(&Method::POST, "/v1/chat/completions"), call(Operation::ChatCompletions, None));
        assert_eq!(find(&Method::GET, "/v1/chat/completions"), Route::MethodNotAllowed("POST"));
        assert_eq!(find(&Method::POST, "/v1/chat/completions/"), Route::Unknown);
        assert_eq!(find(&Method::GET, "/v1/responses/resp_1"), call(Operation::ResponseGet, Some("resp_1")));
        assert_eq!(
            find(&Method::GET, "/v1/responses/resp_1/input_items"),
            call(Operation::ResponseInputItems, Some("resp_1"))
        );
        assert_eq!(find(&Method::PUT, "/v1/responses/resp_1"), Route::MethodNotAllowed("DELETE, GET"));
        assert_eq!(find(&Method::GET, "/v1/responses/"), Route::Unknown);
        assert_eq!(
            find(&Method::GET, "/v1/models/openai%2Fgpt-4o"),
            Route::Model("openai%2Fgpt-4o".to_owned())
        );
        assert_eq!(find(&Method::GET, "/v1/realtime"), Route::Unknown);
    }
}
