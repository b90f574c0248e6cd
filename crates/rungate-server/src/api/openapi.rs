//! The API description: every route of the server, generated from the handlers, committed as `openapi.json`.

use rungate_core::operation::Operation;
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use super::envelope::ErrorEnvelope;

/// Every handler of the control plane, one line each.
#[derive(utoipa::OpenApi)]
#[openapi(
    components(schemas(ErrorEnvelope)),
    paths(
        super::workspaces::list::list,
        super::workspaces::get::get,
        super::workspaces::update::update,
        super::workspaces::stats::stats,
        super::members::list::list,
        super::pats::list::list,
        super::pats::create::create,
        super::pats::update::update,
        super::pats::delete::delete,
        super::provider_keys::list::list,
        super::provider_keys::create::create,
        super::provider_keys::get::get,
        super::provider_keys::update::update,
        super::provider_keys::delete::delete,
        super::provider_keys::rotate::rotate,
        super::provider_keys::verify::verify,
        super::agents::list::list,
        super::agents::create::create,
        super::agents::effective_policy::effective_policy,
        super::agents::get::get,
        super::agents::update::update,
        super::agents::delete::delete,
        super::virtual_keys::list::list,
        super::virtual_keys::create::create,
        super::virtual_keys::get::get,
        super::virtual_keys::update::update,
        super::virtual_keys::delete::delete,
        super::virtual_keys::revoke::revoke,
        super::virtual_keys::rotate::rotate,
        super::models::list::list,
        super::policies::list::list,
        super::policies::create::create,
        super::policies::get::get,
        super::policies::update::update,
        super::policies::delete::delete,
        super::policies::versions::versions,
        super::policies::activate::activate,
        super::policies::evaluate::evaluate,
        super::policies::replay::replay,
        super::budgets::list::list,
        super::budgets::create::create,
        super::budgets::get::get,
        super::budgets::update::update,
        super::budgets::delete::delete,
        super::budgets::control::get,
        super::budgets::control::put,
        super::model_prices::list::list,
        super::model_prices::create::create,
        super::model_prices::get::get,
        super::model_prices::delete::delete,
        super::model_prices::resolve::resolve,
        super::model_prices::reprice::reprice,
        super::price_snapshots::list::list,
        super::price_snapshots::create::create,
        super::price_snapshots::get::get,
        super::price_snapshots::diff::diff,
        super::price_snapshots::activate::activate,
        super::requests::list::list,
        super::requests::get::get,
        super::requests::bodies::bodies,
        super::runs::list::list,
        super::runs::list::list_of_agent,
        super::runs::get::get,
        super::runs::timeline::timeline,
        super::runs::events::events,
        super::runs::end::end,
        super::checks::get::get,
        super::checks::resolve::resolve,
        super::erasures::create::create,
        super::sessions::list::list,
        super::sessions::get::get,
        super::rollups::get::get,
        super::rollups::properties::get,
        super::rollups::properties::put,
        super::webhooks::list::list,
        super::webhooks::create::create,
        super::webhooks::get::get,
        super::webhooks::update::update,
        super::webhooks::delete::delete,
        super::webhooks::rotate::rotate,
        super::webhooks::test::test,
        super::webhooks::deliveries::list,
        super::webhooks::redeliver::redeliver,
        super::analytics::health::health,
        super::analytics::request_log::request_log,
    )
)]
struct ControlPlane;

/// The routes of the data plane: method, path, what is asked, and what it is.
const DATA_PLANE: [(&str, &str, Operation, &str); 17] = [
    ("post", "/v1/chat/completions", Operation::ChatCompletions, "Chat completions, streamed or not"),
    ("post", "/v1/completions", Operation::Completions, "Legacy text completions"),
    ("post", "/v1/embeddings", Operation::Embeddings, "Embeddings"),
    ("post", "/v1/moderations", Operation::Moderations, "Moderations"),
    ("post", "/v1/responses", Operation::Responses, "Responses, streamed or not"),
    ("get", "/v1/responses/{id}", Operation::ResponseGet, "A stored response"),
    ("delete", "/v1/responses/{id}", Operation::ResponseDelete, "Delete a stored response"),
    ("post", "/v1/responses/{id}/cancel", Operation::ResponseCancel, "Cancel a response in the background"),
    (
        "get",
        "/v1/responses/{id}/input_items",
        Operation::ResponseInputItems,
        "What a stored response was asked",
    ),
    ("post", "/v1/messages", Operation::Messages, "Anthropic messages, streamed or not"),
    ("post", "/v1/messages/count_tokens", Operation::CountTokens, "Count the tokens of a message"),
    ("post", "/v1/images/generations", Operation::ImageGenerations, "Make images"),
    ("post", "/v1/images/edits", Operation::ImageEdits, "Edit images"),
    ("post", "/v1/images/variations", Operation::ImageVariations, "Vary images"),
    ("post", "/v1/audio/speech", Operation::Speech, "Read text aloud"),
    ("post", "/v1/audio/transcriptions", Operation::Transcriptions, "Transcribe sound"),
    ("post", "/v1/audio/translations", Operation::Translations, "Translate sound into English text"),
];

/// Routes that need no credential, and the two lists of models.
const OTHERS: [(&str, &str, &str); 6] = [
    ("/v1/models", "Models", "The models that the key may use"),
    ("/v1/models/{id}", "Models", "One of them"),
    ("/healthz", "Operations", "Whether the process lives"),
    ("/readyz", "Operations", "Whether the journal is replayed and requests are served"),
    ("/metrics", "Operations", "Metrics in the Prometheus text format"),
    ("/openapi.json", "Operations", "This description"),
];

/// The whole description, OpenAPI 3.1.
pub fn document() -> Value {
    // The derived description is made of constants, so it is always JSON.
    let mut document = serde_json::to_value(ControlPlane::openapi()).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Rungate",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "The gateway that every AI agent run goes through. The data plane under /v1 takes virtual keys \
                        and speaks the OpenAI and Anthropic wire formats; the control plane under /api/v1 takes \
                        personal access tokens.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A virtual key or a personal access token" },
        "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same in the other header" },
    });
    document["security"] = json!([{ "token": [] }, { "apiKey": [] }]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (method, path, operation, summary) in DATA_PLANE {
            add(paths, path, method, call(path, operation, summary));
        }
        for (path, tag, summary) in OTHERS {
            add(paths, path, "get", plain(path, tag, summary));
        }
    }
    document
}

fn add(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let entry = paths.entry(path).or_insert_with(|| json!({}));
    entry[method] = operation;
}

/// A call to a model: its body and answer are the provider's own wire format, which is not repeated here.
fn call(path: &str, operation: Operation, summary: &str) -> Value {
    let mut call = json!({
        "tags": [format!("Data plane: {}", operation.kind().as_str())],
        "summary": summary,
        "parameters": path_parameters(path),
        "responses": {
            "200": { "description": "The provider's answer, in the client's wire format" },
            "4XX": { "description": "Refused; `rungate-error-code` names the code" },
            "5XX": { "description": "The provider or the gateway failed; `rungate-error-code` names the code" },
        },
    });
    if !operation.has_no_body() {
        let mut content = json!({ "application/json": { "schema": { "type": "object" } } });
        if operation.allows_multipart() {
            content["multipart/form-data"] = json!({ "schema": { "type": "object" } });
        }
        call["requestBody"] = json!({ "required": true, "content": content });
    }
    call
}

fn plain(path: &str, tag: &str, summary: &str) -> Value {
    let mut operation = json!({
        "tags": [tag],
        "summary": summary,
        "parameters": path_parameters(path),
        "responses": { "200": { "description": "As it says" } },
    });
    if tag == "Operations" {
        operation["security"] = json!([]);
    }
    operation
}

fn path_parameters(path: &str) -> Value {
    if !path.contains("{id}") {
        return json!([]);
    }
    json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_108_every_route_of_the_data_plane_is_described() {
        use http::Method;
        use rungate_gateway::route;
        let document = document();
        for (method, path, operation, _) in DATA_PLANE {
            assert!(document["paths"][path][method].is_object(), "{path}");
            let asked = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let found = route::find(&asked, &path.replace("{id}", "resp_1")).unwrap();
            assert!(matches!(found, route::Route::Call(call) if call.operation == operation), "{path}");
        }
    }

    #[test]
    fn w_108_the_committed_description_is_what_the_handlers_say() {
        let committed = include_str!("../../../../openapi.json");
        let expected = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        assert!(committed == expected, "write it anew: rungate openapi > openapi.json");
    }
}
