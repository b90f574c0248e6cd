mod properties;

use serde_json::{Value, json};

use super::*;
use crate::request::{Scan, scan};

const WINDOW: u64 = 100_000;
const OWN_LIMIT: u64 = 4_000;

fn price(value: Value) -> Price {
    serde_json::from_value(value).unwrap()
}

fn plain_price() -> Price {
    price(json!({"inputPerMTok": "1", "outputPerMTok": "10"}))
}

/// A model that is known well.
fn facts(price: &Price) -> Facts<'_> {
    Facts {
        name: "m",
        context_window: Some(WINDOW),
        max_output_tokens: Some(OWN_LIMIT),
        image_tokens: Some(IMAGE_TOKENS),
        completion_tokens: true,
        price: Some(price),
    }
}

/// A model of which nothing but its price is known.
fn unknown(price: &Price) -> Facts<'_> {
    Facts { context_window: None, max_output_tokens: None, image_tokens: None, ..facts(price) }
}

fn read(operation: Operation, body: &Value) -> Demand {
    let body = body.to_string();
    Demand::read(operation, &scan(operation, None, body.as_bytes()).unwrap(), body.as_bytes())
}

fn bound(operation: Operation, body: &Value) -> Bound {
    bound_at(operation, body, &facts(&plain_price()))
}

fn bound_at(operation: Operation, body: &Value, facts: &Facts<'_>) -> Bound {
    match read(operation, body).ceiling(facts) {
        Ceiling::Bounded(bound) => bound,
        other => panic!("{other:?} for {body}"),
    }
}

fn unbounded_field(operation: Operation, body: &Value, facts: &Facts<'_>) -> &'static str {
    match read(operation, body).ceiling(facts) {
        Ceiling::Unbounded { field, .. } => field,
        other => panic!("{other:?} for {body}"),
    }
}

fn chat(content: &Value) -> Value {
    json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": content}]})
}

#[test]
fn text_is_at_most_its_bytes_and_output_what_the_body_allows() {
    let body = chat(&json!("Grüße, 世界"));
    let bytes = body.to_string().len() as u64;
    let expected = Bound {
        input_tokens: bytes + 1_024,
        output_tokens: 10,
        cost: NanoUsd::from_nanos((i64::try_from(bytes).unwrap() + 1_024) * 1_000 + 10 * 10_000),
    };
    assert_eq!(bound(Operation::ChatCompletions, &body), expected);
    let long = chat(&json!("a".repeat(200_000)));
    assert_eq!(bound(Operation::ChatCompletions, &long).input_tokens, WINDOW, "no more than the window");
}

#[test]
fn output_is_bounded_by_the_limit_that_is_heeded_for_each_choice() {
    use Operation::{ChatCompletions, Completions, Messages, Responses};
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (operation, body, output) in [
        (ChatCompletions, json!({"messages": hi, "max_tokens": 7}), 7),
        (ChatCompletions, json!({"messages": hi, "max_tokens": 7, "n": 3}), 21),
        (ChatCompletions, json!({"messages": hi, "max_tokens": 7, "max_completion_tokens": 9}), 9),
        (ChatCompletions, json!({"messages": hi}), OWN_LIMIT),
        (ChatCompletions, json!({"messages": hi, "max_tokens": null}), OWN_LIMIT),
        (ChatCompletions, json!({"messages": hi, "max_tokens": "9"}), OWN_LIMIT),
        (ChatCompletions, json!({"messages": hi, "max_tokens": 1_000_000_000}), WINDOW),
        (ChatCompletions, json!({"messages": hi, "max_tokens": 5, "prediction": {"content": "ab"}}), 5 + 16),
        (Messages, json!({"messages": hi, "max_tokens": 8, "max_completion_tokens": 99}), 8),
        (Responses, json!({"input": "hi", "max_output_tokens": 6, "max_tokens": 99}), 6),
        (Completions, json!({"prompt": "hi", "max_tokens": 5, "n": 2, "best_of": 3}), 15),
        (Completions, json!({"prompt": ["a", "b"], "max_tokens": 5, "n": 2}), 20),
        (Completions, json!({"prompt": [1, 2, 3], "max_tokens": 5}), 5),
        (Completions, json!({"prompt": [[1, 2], [3]], "max_tokens": 5}), 10),
    ] {
        assert_eq!(bound(operation, &body).output_tokens, output, "{body}");
    }
    let free = price(json!({"inputPerMTok": "1", "outputPerMTok": "10"}));
    let deaf = Facts { completion_tokens: false, ..facts(&free) };
    let body = json!({"messages": hi, "max_completion_tokens": 9});
    assert_eq!(bound_at(ChatCompletions, &body, &deaf).output_tokens, OWN_LIMIT, "it is not heeded");
    let window_only = Facts { max_output_tokens: None, ..facts(&free) };
    assert_eq!(bound_at(ChatCompletions, &json!({"messages": hi}), &window_only).output_tokens, WINDOW);
    assert_eq!(unbounded_field(ChatCompletions, &json!({"messages": hi}), &unknown(&free)), "max_tokens");
    assert_eq!(unbounded_field(Responses, &json!({"input": "hi"}), &unknown(&free)), "max_output_tokens");
}

#[test]
fn an_image_is_what_models_document_wherever_it_stands() {
    let data = format!("data:image/png;base64,{}", "A".repeat(50_000));
    for part in [
        json!({"type": "image_url", "image_url": {"url": "https://h.example/a.png"}}),
        json!({"type": "image_url", "image_url": {"url": data}}),
        json!({"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}),
        json!({"type": "image", "source": {"type": "base64", "data": "A".repeat(50_000)}}),
    ] {
        let body = chat(&json!([{"type": "text", "text": "what?"}, part]));
        let input = bound(Operation::ChatCompletions, &body).input_tokens;
        assert!((IMAGE_TOKENS + 1_024..IMAGE_TOKENS + 1_400).contains(&input), "{input} for {part}");
    }
    let two = chat(&json!([{"type": "image", "source": 1}, {"type": "image", "source": 2}]));
    assert!(bound(Operation::Messages, &two).input_tokens > 2 * IMAGE_TOKENS);
    let price = plain_price();
    assert_eq!(unbounded_field(Operation::Messages, &two, &unknown(&price)), "image");
    let openai = crate::providers::find("openai").unwrap();
    let catalogue = crate::catalog::Catalogue::embedded().unwrap();
    let mini = Facts::new(openai, "gpt-4o-mini", catalogue.model("openai", "gpt-4o-mini"), Some(&price));
    assert!(bound_at(Operation::Messages, &two, &mini).input_tokens > 2 * 48_169);
}

#[test]
fn what_bytes_do_not_bound_is_bounded_by_the_window_or_not_at_all() {
    use Operation::{ChatCompletions, Messages, Responses};
    let part = |part: Value| chat(&json!([part]));
    let input = |input: Value| json!({"input": input, "max_output_tokens": 9});
    let price = plain_price();
    for (operation, field, body) in [
        (ChatCompletions, "messages", part(json!({"type": "input_audio", "input_audio": {"data": "AA"}}))),
        (ChatCompletions, "messages", part(json!({"type": "file", "file": {"file_id": "f"}}))),
        (ChatCompletions, "messages", part(json!({"type": "video_url", "video_url": {"url": "x"}}))),
        (ChatCompletions, "messages", part(json!({"t\u{79}pe": 5}))),
        (
            ChatCompletions,
            "messages",
            json!({"max_tokens": 9, "messages": [{"role": "assistant", "audio": {"id": "a"}}]}),
        ),
        (Messages, "messages", part(json!({"type": "document", "source": {"type": "base64", "data": "A"}}))),
        (Messages, "messages", part(json!({"type": "container_upload", "file_id": "f"}))),
        (Messages, "system", json!({"max_tokens": 9, "messages": [], "system": [{"type": "new"}]})),
        (Responses, "input", input(json!([{"type": "item_reference", "id": "m"}]))),
        (Responses, "input", input(json!([{"id": "m"}]))),
        (
            Responses,
            "input",
            input(json!([{"role": "user", "content": [{"type": "input_file", "file_url": "x"}]}])),
        ),
        (
            Responses,
            "previous_response_id",
            json!({"input": "a", "previous_response_id": "r", "max_output_tokens": 9}),
        ),
        (Responses, "conversation", json!({"input": "a", "conversation": "c", "max_output_tokens": 9})),
    ] {
        assert_eq!(bound(operation, &body).input_tokens, WINDOW, "{body}");
        assert_eq!(unbounded_field(operation, &body, &unknown(&price)), field, "{body}");
    }
    // An escape hides nothing.
    let hidden = br#"{"max_tokens":9,"messages":[{"role":"user","content":[{"t\u0079pe":"file"}]}]}"#;
    let demand = Demand::read(ChatCompletions, &scan(ChatCompletions, None, hidden).unwrap(), hidden);
    assert!(matches!(demand.ceiling(&unknown(&price)), Ceiling::Unbounded { field: "messages", .. }));
    for (operation, body) in [
        (Messages, part(json!({"type": "document", "source": {"type": "text", "data": "text"}}))),
        (
            Messages,
            part(json!({"type": "tool_use", "input": {"type": "file", "content": [{"type": "image"}]}})),
        ),
        (
            Responses,
            input(
                json!([{"role": "user", "content": "hi"}, {"type": "function_call_output", "output": "1"}]),
            ),
        ),
        (Responses, input(json!("plain"))),
    ] {
        assert!(bound_at(operation, &body, &unknown(&price)).input_tokens < 2_000, "{body}");
    }
    let mut deep = json!([{"type": "text"}]);
    for _ in 0..20 {
        deep = json!([{"type": "tool_result", "content": deep}]);
    }
    assert_eq!(bound(Messages, &chat(&deep)).input_tokens, WINDOW, "too deep to be looked into");
}

#[test]
fn what_the_provider_runs_is_not_bounded() {
    use Operation::{ChatCompletions, Messages, Responses};
    let price = plain_price();
    let with = |field: &str, value: Value| {
        let mut body = chat(&json!("hi"));
        body["input"] = json!("hi");
        body[field] = value;
        body
    };
    for (operation, field, body) in [
        (Responses, "tools", with("tools", json!([{"type": "web_search"}]))),
        (Responses, "tools", with("tools", json!([{"type": "function"}, {"type": "code_interpreter"}]))),
        (Responses, "prompt", with("prompt", json!({"id": "pmpt_1"}))),
        (Messages, "tools", with("tools", json!([{"type": "web_search_20250305", "max_uses": 3}]))),
        (Messages, "tools", with("tools", json!([{"type": "a_new_one"}]))),
        (Messages, "tools", with("tools", json!({}))),
        (Messages, "mcp_servers", with("mcp_servers", json!([]))),
        (
            Messages,
            "context_management",
            with("context_management", json!({"edits": [{"type": "compact_20260112"}]})),
        ),
        (ChatCompletions, "web_search_options", with("web_search_options", json!({}))),
        (ChatCompletions, "models", with("models", json!(["a", "b"]))),
    ] {
        assert_eq!(unbounded_field(operation, &body, &facts(&price)), field, "{body}");
        assert_eq!(read(operation, &body).fit(&facts(&price), NanoUsd::MAX), None);
    }
    let searching = Facts { name: "perplexity/sonar-pro", ..facts(&price) };
    assert_eq!(unbounded_field(ChatCompletions, &chat(&json!("hi")), &searching), "model");
    for (operation, body) in [
        (Responses, with("tools", json!([{"type": "function", "name": "f"}, {"type": "local_shell"}]))),
        (Messages, with("tools", json!([{"name": "f"}, {"type": "bash_20250124", "name": "bash"}]))),
        (Messages, with("context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]}))),
        (ChatCompletions, with("web_search_options", Value::Null)),
    ] {
        bound(operation, &body);
    }
    let twice = br#"{"messages":[],"max_tokens":1,"max_tokens":100000}"#;
    let demand = Demand::read(ChatCompletions, &scan(ChatCompletions, None, twice).unwrap(), twice);
    assert!(matches!(demand.ceiling(&facts(&price)), Ceiling::Unbounded { field: "body", .. }));
}

#[test]
fn the_dearest_kind_in_the_dearest_tier_is_charged() {
    let tiered = price(json!({
        "inputPerMTok": "1", "outputPerMTok": "10", "cachedInputPerMTok": "0.1", "cacheWritePerMTok": "1.25",
        "cacheWrite1hPerMTok": "2", "reasoningPerMTok": "12", "audioInputPerMTok": "40", "audioOutputPerMTok": "80",
        "tiers": [{"aboveInputTokens": 2_000, "inputPerMTok": "3"}, {"aboveInputTokens": 50_000, "inputPerMTok": "2"}],
    }));
    let kinds = |audio_input, audio_output, hour_cache| Kinds { audio_input, audio_output, hour_cache };
    let micro = |input: i64, output: i64| (Some(input), Some(output));
    assert_eq!(highest(&tiered, 2_000, kinds(false, false, false)), micro(1_250_000, 12_000_000));
    assert_eq!(highest(&tiered, 2_001, kinds(false, false, false)), micro(3_000_000, 12_000_000));
    assert_eq!(highest(&tiered, 90_000, kinds(false, false, false)), micro(3_000_000, 12_000_000));
    assert_eq!(highest(&tiered, 9, kinds(false, false, true)), micro(2_000_000, 12_000_000));
    assert_eq!(highest(&tiered, 9, kinds(true, true, true)), micro(40_000_000, 80_000_000));
    let tenths = price(json!({"inputPerMTok": "0.0001", "outputPerMTok": "0"}));
    let body = chat(&json!("hi"));
    let tokens = bound(Operation::ChatCompletions, &body).input_tokens;
    assert_ne!(tokens % 10, 0);
    let rounded_up = i64::try_from(tokens.div_ceil(10)).unwrap();
    assert_eq!(bound_at(Operation::ChatCompletions, &body, &facts(&tenths)).cost.nanos(), rounded_up);
    let no_output = price(json!({"inputPerMTok": "1"}));
    assert_eq!(
        read(Operation::ChatCompletions, &chat(&json!("hi"))).ceiling(&facts(&no_output)),
        Ceiling::Unpriced
    );
    let unpriced = Facts { price: None, ..facts(&no_output) };
    assert_eq!(read(Operation::ChatCompletions, &chat(&json!("hi"))).ceiling(&unpriced), Ceiling::Unpriced);
    let embedding = json!({"input": ["a", "b"], "model": "m"});
    assert_eq!(bound_at(Operation::Embeddings, &embedding, &facts(&no_output)).output_tokens, 0);
    let free = Demand::read(Operation::ResponseGet, &Scan::default(), b"").ceiling(&unpriced);
    assert_eq!(free, Ceiling::Bounded(Bound::default()));
}

#[test]
fn images_and_sound_are_bounded_by_their_units() {
    let per_image = price(json!({"perImage": "0.04"}));
    let two = json!({"prompt": "a cat", "n": 2});
    let generated = bound_at(Operation::ImageGenerations, &two, &unknown(&per_image));
    assert_eq!(generated.cost, NanoUsd::from_nanos(80_000_000));
    let by_token = price(json!({"inputPerMTok": "10", "outputPerMTok": "40"}));
    let named = Facts { name: "gpt-image-1.5", ..unknown(&by_token) };
    assert_eq!(bound_at(Operation::ImageGenerations, &two, &named).output_tokens, 2 * 6_540);
    assert_eq!(unbounded_field(Operation::ImageGenerations, &two, &unknown(&by_token)), "model");

    let form = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\nPNG\r\n\
        --x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nHat\r\n--x--";
    let read_form = |operation| {
        let scan = scan(operation, Some("multipart/form-data; boundary=x"), form).unwrap();
        Demand::read(operation, &scan, form)
    };
    let edit = read_form(Operation::ImageEdits);
    let Ceiling::Bounded(edited) = edit.ceiling(&Facts { image_tokens: Some(7_000), ..named }) else {
        panic!()
    };
    assert_eq!((edited.input_tokens, edited.output_tokens), (1_024 + 3 + 2 * 7_000, 6_540));

    let speech = json!({"model": "m", "voice": "v", "input": "Good morning"});
    let per_character = price(json!({"perMCharacters": "15"}));
    let spoken = bound_at(Operation::Speech, &speech, &unknown(&per_character)).cost;
    assert!((12 * 15_000..15 * 15_000).contains(&spoken.nanos()), "{spoken}");
    assert_eq!(unbounded_field(Operation::Speech, &speech, &unknown(&by_token)), "input");

    let transcription = read_form(Operation::Transcriptions);
    let per_minute = price(json!({"perAudioMinute": "0.006"}));
    assert!(matches!(transcription.ceiling(&facts(&per_minute)), Ceiling::Unbounded { field: "file", .. }));
    let Ceiling::Bounded(transcribed) = transcription.ceiling(&facts(&by_token)) else { panic!() };
    assert_eq!((transcribed.input_tokens, transcribed.output_tokens), (WINDOW, OWN_LIMIT));
}

#[test]
fn w_051_a_limit_that_fits_is_the_highest_that_does() {
    let price = plain_price();
    let facts = facts(&price);
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "n": 3});
    let demand = read(Operation::ChatCompletions, &body);
    let whole = bound(Operation::ChatCompletions, &body);
    assert_eq!(demand.fit(&facts, whole.cost), Some(OWN_LIMIT));
    assert_eq!(demand.fit(&facts, NanoUsd::MAX), Some(OWN_LIMIT));
    let input_only = NanoUsd::from_nanos(i64::try_from(whole.input_tokens).unwrap() * 1_000);
    assert_eq!(demand.fit(&facts, input_only), None, "not one token");
    assert_eq!(demand.fit(&facts, NanoUsd::from_nanos(-1)), None);
    assert_eq!(demand.fit(&facts, input_only + NanoUsd::from_nanos(30_000 * 55 + 29_999)), Some(55));
    assert_eq!(
        demand.fit(&unknown(&price), input_only + NanoUsd::from_nanos(30_000)),
        Some(1),
        "though it has none"
    );
    let embedding = read(Operation::Embeddings, &json!({"input": "a"}));
    assert_eq!(embedding.fit(&facts, NanoUsd::MAX), None);
}
