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
}

/// Why there is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
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
pub fn find(method: &Method, path: &str) -> Result<Route, NoRoute> {
    if let Some((_, operation)) = CALLS.iter().find(|(known, _)| *known == path) {
        return only(method, &Method::POST, "POST", || {
            Route::Call(Call { operation: *operation, path_id: None })
        });
    }
    if path == "/v1/models" {
        return only(method, &Method::GET, "GET", || Route::Models);
    }
    if let Some(id) = path.strip_prefix("/v1/models/")
        && !id.is_empty()
    {
        return only(method, &Method::GET, "GET", || Route::Model(id.to_owned()));
    }
    stored_response(method, path.strip_prefix("/v1/responses/").ok_or(NoRoute::Unknown)?)
}

fn only(
    method: &Method,
    allowed: &Method,
    allow: &'static str,
    route: impl FnOnce() -> Route,
) -> Result<Route, NoRoute> {
    if method == allowed { Ok(route()) } else { Err(NoRoute::MethodNotAllowed(allow)) }
}

fn stored_response(method: &Method, rest: &str) -> Result<Route, NoRoute> {
    let (id, action) = rest.split_once('/').map_or((rest, None), |(id, action)| (id, Some(action)));
    if id.is_empty() {
        return Err(NoRoute::Unknown);
    }
    let operation = match (action, method) {
        (None, &Method::GET) => Operation::ResponseGet,
        (None, &Method::DELETE) => Operation::ResponseDelete,
        (None, _) => return Err(NoRoute::MethodNotAllowed("DELETE, GET")),
        (Some("cancel"), &Method::POST) => Operation::ResponseCancel,
        (Some("cancel"), _) => return Err(NoRoute::MethodNotAllowed("POST")),
        (Some("input_items"), &Method::GET) => Operation::ResponseInputItems,
        (Some("input_items"), _) => return Err(NoRoute::MethodNotAllowed("GET")),
        _ => return Err(NoRoute::Unknown),
    };
    Ok(Route::Call(Call { operation, path_id: Some(id.to_owned()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_methods() {
        let call = |operation, path_id: Option<&str>| {
            Ok(Route::Call(Call { operation, path_id: path_id.map(str::to_owned) }))
        };
        assert_eq!(find(&Method::POST, "/v1/chat/completions"), call(Operation::ChatCompletions, None));
        assert_eq!(find(&Method::GET, "/v1/chat/completions"), Err(NoRoute::MethodNotAllowed("POST")));
        assert_eq!(find(&Method::POST, "/v1/chat/completions/"), Err(NoRoute::Unknown));
        assert_eq!(find(&Method::GET, "/v1/responses/resp_1"), call(Operation::ResponseGet, Some("resp_1")));
        assert_eq!(
            find(&Method::GET, "/v1/responses/resp_1/input_items"),
            call(Operation::ResponseInputItems, Some("resp_1"))
        );
        assert_eq!(find(&Method::PUT, "/v1/responses/resp_1"), Err(NoRoute::MethodNotAllowed("DELETE, GET")));
        assert_eq!(find(&Method::GET, "/v1/responses/"), Err(NoRoute::Unknown));
        assert_eq!(
            find(&Method::GET, "/v1/models/openai%2Fgpt-4o"),
            Ok(Route::Model("openai%2Fgpt-4o".to_owned()))
        );
        assert_eq!(find(&Method::GET, "/v1/realtime"), Err(NoRoute::Unknown));
    }
}
