//! OpenAI's wire formats.

use base64::Engine as _;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Provider, with_key};

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}})
}

#[tokio::test]
async fn chat_answers_with_predictable_usage() {
    let sim = Provider::start().await;
    let answer = sim.chat("gpt-4o-mini+tokens=7+cached=1+reasoning=3", json!({"n": 2})).await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"].as_array().unwrap().len(), 2);
    assert_eq!(body["choices"][1]["message"]["content"].as_str().unwrap().len(), 28);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 2);
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
    assert_eq!(body["usage"]["completion_tokens"], 17);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
    assert_eq!(body["x_sim"]["unknown"], true);
    for header in
        ["x-request-id", "openai-processing-ms", "openai-organization", "x-ratelimit-limit-requests"]
    {
        assert!(answer.headers.contains_key(header), "{header}");
    }
}

#[tokio::test]
async fn a_chat_stream_says_what_the_answer_says() {
    let sim = Provider::start().await;
    let whole = sim.chat("m", json!({})).await.json();
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let stream = sim.chat("m", more).await;
    let events = stream.events();
    assert_eq!(stream.joined("/choices/0/delta/content"), whole["choices"][0]["message"]["content"]);
    assert_eq!(events.last().unwrap(), "[DONE]");
    let usage = &events[events.len() - 2];
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    assert_eq!(events[events.len() - 3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(events[0].as_object().unwrap().contains_key("usage"));

    let without = sim.chat("m", json!({"stream": true})).await;
    assert!(!without.text().contains("\"usage\""));
}

#[tokio::test]
async fn the_callers_limit_cuts_the_answer() {
    let sim = Provider::start().await;
    let body = sim.chat("m", json!({"max_tokens": 3})).await.json();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn tools_are_called_and_their_results_quoted() {
    let sim = Provider::start().await;
    let body = sim.chat("m", json!({"tools": [tool()]})).await.json();
    let call = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "weather", "arguments": "{\"city\":\"sim\"}"}));
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");

    let stream = sim.chat("m", json!({"tools": [tool()], "stream": true})).await;
    assert_eq!(stream.joined("/choices/0/delta/tool_calls/0/function/arguments"), "{\"city\":\"sim\"}");

    let messages =
        json!([{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "c", "content": "rain"}]);
    let body = sim.chat("m", json!({"tools": [tool()], "messages": messages})).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], "The tool answered: rain");
}

#[tokio::test]
async fn structured_output_fits_its_schema() {
    let sim = Provider::start().await;
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let body = sim.chat("m", json!({"response_format": format})).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], "{\"ok\":true}");
}

#[tokio::test]
async fn text_completions_answer_each_prompt() {
    let sim = Provider::start().await;
    let body = json!({"model": "m+tokens=4", "prompt": ["abcd", "efgh"]});
    let body = sim.post("/v1/completions", &body).await.json();
    assert_eq!(body["choices"].as_array().unwrap().len(), 2);
    assert_eq!(body["usage"]["total_tokens"], 10);
    let stream = json!({"model": "m+tokens=4", "prompt": "abcd", "stream": true});
    let stream = sim.post("/v1/completions", &stream).await;
    assert_eq!(stream.joined("/choices/0/text"), body["choices"][0]["text"].as_str().unwrap());
}

#[tokio::test]
async fn embeddings_are_the_same_in_both_encodings() {
    let sim = Provider::start().await;
    let ask = |format| json!({"model": "m", "input": "abcde", "dimensions": 8, "encoding_format": format});
    let floats = sim.post("/v1/embeddings", &ask("float")).await.json();
    let base64 = sim.post("/v1/embeddings", &ask("base64")).await.json();
    let bytes = base64["data"][0]["embedding"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    let decoded: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(floats["data"][0]["embedding"], json!(decoded));
    assert_eq!(floats["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
}

#[tokio::test]
async fn responses_stream_the_documented_events() {
    let sim = Provider::start().await;
    let ask = json!({"model": "m+tokens=2", "input": "12345678", "stream": true});
    let stream = sim.post("/v1/responses", &ask).await;
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(stream.types(), expected);
    let events = stream.events();
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index));
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["usage"]["total_tokens"], 4);

    // What was stored is what was streamed, and is streamed again from where a client left off.
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(&sim.get(&path).await.json(), response);
    let rest = sim.get(&format!("{path}?stream=true&starting_after=7")).await;
    assert_eq!(rest.events(), events[8..]);
    assert_eq!(
        sim.get(&format!("{path}/input_items")).await.json()["data"][0]["content"][0]["text"],
        "12345678"
    );
    let delete = || with_key("DELETE", &path).body(Full::default()).unwrap();
    assert_eq!(sim.call(delete()).await.json()["deleted"], true);
    assert_eq!(sim.call(delete()).await.status, 404);
}

#[tokio::test]
async fn responses_call_functions() {
    let sim = Provider::start().await;
    let function = json!({"type": "function", "name": "weather", "parameters": {"properties": {"n": {"type": "integer"}}}});
    let ask = json!({"model": "m", "input": "hi", "tools": [function], "stream": true});
    let stream = sim.post("/v1/responses", &ask).await;
    let done =
        stream.events().into_iter().find(|e| e["type"] == "response.function_call_arguments.done").unwrap();
    assert_eq!(done["arguments"], "{\"n\":1}");

    let input = json!([{"type": "function_call_output", "call_id": "c", "output": "42"}]);
    let body =
        sim.post("/v1/responses", &json!({"model": "m", "input": input, "tools": ask["tools"]})).await.json();
    assert_eq!(body["output"][0]["content"][0]["text"], "The tool answered: 42");
}

#[tokio::test]
async fn background_responses_can_be_cancelled_and_unknown_ones_cannot_be_continued() {
    let sim = Provider::start().await;
    let queued =
        sim.post("/v1/responses", &json!({"model": "m", "input": "x", "background": true})).await.json();
    assert_eq!(queued["status"], "queued");
    let path = format!("/v1/responses/{}/cancel", queued["id"].as_str().unwrap());
    assert_eq!(sim.post(&path, &json!({})).await.json()["status"], "cancelled");

    let ask = json!({"model": "m", "input": "x", "previous_response_id": "resp_none"});
    let refused = sim.post("/v1/responses", &ask).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn images_audio_and_moderations_answer() {
    let sim = Provider::start().await;
    let image =
        sim.post("/v1/images/generations", &json!({"model": "gpt-image-1", "prompt": "abcd", "n": 2})).await;
    assert_eq!(image.json()["usage"]["total_tokens"], 545);
    assert_eq!(image.json()["data"].as_array().unwrap().len(), 2);

    let speech =
        sim.post("/v1/audio/speech", &json!({"model": "tts-1", "input": "12345678", "voice": "alloy"})).await;
    assert_eq!(speech.headers["content-type"], "audio/mpeg");
    assert_eq!(speech.frames.concat().len(), 128);

    let flagged = sim.post("/v1/moderations", &json!({"input": ["fine", "sim-flag"]})).await.json();
    assert_eq!(
        (&flagged["results"][0]["flagged"], &flagged["results"][1]["flagged"]),
        (&false.into(), &true.into())
    );

    let form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1+tokens=2\r\n--B\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nabc\r\n--B--\r\n";
    let request = with_key("POST", "/v1/audio/transcriptions");
    let request =
        request.header("content-type", "multipart/form-data; boundary=B").body(Full::from(form)).unwrap();
    let transcription = sim.call(request).await.json();
    assert_eq!(transcription["text"], "The sim ");
    assert_eq!(transcription["usage"], json!({"type": "duration", "seconds": 1}));
}
