"""Anthropic's SDK, its key in `x-api-key`."""

import anthropic
import pytest
from control import nano_usd

MODEL = "claude-sonnet-5"
HELLO = [{"role": "user", "content": "Say something about gateways."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def cost(usage):
    return nano_usd(usage.input_tokens, usage.output_tokens, 2, 10)


@pytest.fixture
def found(stage, call):
    """The row of the call by the key and agent of these tests."""
    return lambda **facts: call.row(stage.claude_key, agent=stage.claude, **facts)


def test_w_040_a_message_is_answered_priced_and_attributed(claude, call, found):
    raw = claude.messages.with_raw_response.create(
        model=MODEL, max_tokens=64, messages=HELLO, extra_headers=call.headers
    )
    answer = raw.parse()
    assert answer.content[0].type == "text" and answer.stop_reason == "end_turn"
    assert raw.headers["x-request-id"] == call.request_id
    tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
    row = found(model=MODEL, provider="anthropic", tokens=tokens, cost=cost(answer.usage))
    assert row["kind"] == "message"


def test_a_message_is_streamed(claude, call, found):
    with claude.messages.stream(model=MODEL, max_tokens=64, messages=HELLO, extra_headers=call.headers) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text
    row = found(tokens=(final.usage.input_tokens, final.usage.output_tokens), cost=cost(final.usage))
    assert row["stream"]


def test_tools_are_used_over_two_turns(claude, call, found):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = claude.messages.create(
        model=MODEL, max_tokens=64, messages=messages, tools=[WEATHER], extra_headers=call.headers
    )
    assert first.stop_reason == "tool_use"
    (use,) = [block for block in first.content if block.type == "tool_use"]
    assert use.name == "get_weather" and "city" in use.input
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": use.id, "content": "18 degrees and sunny"}]},
    ]
    second = claude.messages.create(
        model=MODEL, max_tokens=64, messages=messages, tools=[WEATHER], extra_headers=call.headers
    )
    assert "18 degrees and sunny" in second.content[0].text
    found(cost=cost(second.usage))


def test_tokens_are_counted_at_no_cost(claude, call, found):
    count = claude.messages.count_tokens(model=MODEL, messages=HELLO, extra_headers=call.headers)
    assert count.input_tokens > 0
    assert found()["costNanoUsd"] == "0"


def test_w_043_models_parse(claude):
    models = list(claude.models.list())
    assert "anthropic/claude-sonnet-5" in {model.id for model in models}
    model = claude.models.retrieve("anthropic/claude-sonnet-5")
    assert model.type == "model" and model.display_name and model.created_at


def test_a_bad_key_is_an_authentication_error(stage):
    with anthropic.Anthropic(base_url=stage.origin, api_key="vk-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert caught.value.body["error"]["type"] == "authentication_error"
    assert caught.value.body["request_id"] == caught.value.response.headers["alephant-id"]


def test_a_bearer_token_works_as_well(stage, call, found):
    with anthropic.Anthropic(base_url=stage.origin, auth_token=stage.claude_key, api_key=None, max_retries=0) as client:
        client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, extra_headers=call.headers)
    found(model=MODEL)


def test_an_unknown_model_is_a_not_found_error(claude, call, found):
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="unknown-model", max_tokens=64, messages=HELLO, extra_headers=call.headers)
    assert caught.value.body["error"]["type"] == "not_found_error"
    assert found(outcome="upstream_failed")["status"] == 404


def test_a_model_that_nobody_offers_is_refused(open_claude, stage, call):
    with pytest.raises(anthropic.NotFoundError) as caught:
        open_claude.messages.create(model="no-such-model", max_tokens=64, messages=HELLO, extra_headers=call.headers)
    assert caught.value.body["error"] == {
        "type": "not_found_error",
        "message": "No provider key of this workspace offers the model `no-such-model`.",
        "code": "model_not_found",
    }
    call.row(stage.open_key, agent=False, outcome="refused")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_w_048_errors_of_the_provider_come_through(claude, call, found, status, error, kind):
    with pytest.raises(error) as caught:
        claude.messages.create(
            model=f"{MODEL}+error={status}", max_tokens=64, messages=HELLO, extra_headers=call.headers
        )
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == kind
    assert found(outcome="upstream_failed")["costNanoUsd"] == "0"


@pytest.mark.parametrize("fault", ["cut=4", "close=4", "errorevent=4"])
def test_w_045_a_stream_that_fails_raises(claude, call, found, fault):
    with pytest.raises(anthropic.APIError):
        with claude.messages.stream(
            model=f"{MODEL}+{fault}", max_tokens=64, messages=HELLO, extra_headers=call.headers
        ) as stream:
            stream.until_done()
    assert found(outcome="upstream_failed")["errorCode"] == "upstream_stream_failed"
