"""Each SDK with a model of the other's provider: the answer is of the SDK's dialect, the row of the provider that served."""

import json

import anthropic
import openai
import pytest
from control import nano_usd

CLAUDE = "anthropic/claude-sonnet-5"
GPT = "openai/gpt-4o-mini"
HELLO = [{"role": "user", "content": "Say something about gateways."}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def found(stage, call):
    return lambda **facts: call.row(stage.open_key, agent=False, **facts)


def test_chat_with_a_model_of_anthropic(open_client, call, found):
    answer = open_client.chat.completions.create(model=CLAUDE, messages=HELLO, extra_headers=call.headers)
    assert answer.object == "chat.completion" and answer.choices[0].message.content
    tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    row = found(model="claude-sonnet-5", provider="anthropic", tokens=tokens, cost=nano_usd(*tokens, 2, 10))
    assert row["agentTrust"] == "system_derived"


def test_chat_streamed_from_anthropic(open_client, call, found):
    stream = open_client.chat.completions.create(
        model=CLAUDE, messages=HELLO, stream=True, stream_options={"include_usage": True}, extra_headers=call.headers
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    usage = chunks[-1].usage
    found(provider="anthropic", tokens=(usage.prompt_tokens, usage.completion_tokens))


def test_chat_tools_of_anthropic_over_two_turns(open_client, call, found):
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = open_client.chat.completions.create(
        model=CLAUDE, messages=messages, tools=tools, extra_headers=call.headers
    )
    assert first.choices[0].finish_reason == "tool_calls"
    (tool_call,) = first.choices[0].message.tool_calls
    assert "city" in json.loads(tool_call.function.arguments)
    messages += [
        first.choices[0].message,
        {"role": "tool", "tool_call_id": tool_call.id, "content": "18 degrees and sunny"},
    ]
    second = open_client.chat.completions.create(
        model=CLAUDE, messages=messages, tools=tools, extra_headers=call.headers
    )
    assert "18 degrees and sunny" in second.choices[0].message.content
    found(provider="anthropic")


@pytest.mark.parametrize("status", [400, 429, 500])
def test_errors_of_anthropic_in_the_shape_of_openai(open_client, call, found, status):
    with pytest.raises(openai.APIStatusError) as caught:
        open_client.chat.completions.create(
            model=f"{CLAUDE}+error={status}", messages=HELLO, extra_headers=call.headers
        )
    assert caught.value.status_code == status
    assert caught.value.body["message"] and "type" in caught.value.body
    assert found(outcome="upstream_failed")["provider"] == "anthropic"


def test_a_broken_stream_of_anthropic_raises_in_openais_sdk(open_client, call, found):
    with pytest.raises(openai.APIError):
        list(open_client.chat.completions.create(
            model=f"{CLAUDE}+cut=4", messages=HELLO, stream=True, extra_headers=call.headers))
    found(outcome="upstream_failed")


def test_what_cannot_be_translated_is_refused_by_name(open_client, call, found):
    with pytest.raises(openai.BadRequestError) as caught:
        open_client.chat.completions.create(model=CLAUDE, messages=HELLO, n=2, extra_headers=call.headers)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "n")
    found(outcome="refused")


def test_messages_with_a_model_of_openai(open_claude, call, found):
    answer = open_claude.messages.create(model=GPT, max_tokens=64, messages=HELLO, extra_headers=call.headers)
    assert answer.type == "message" and answer.content[0].text and answer.stop_reason == "end_turn"
    tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
    found(model="gpt-4o-mini", provider="openai", tokens=tokens, cost=nano_usd(*tokens, 0.15, 0.60))


def test_messages_streamed_from_openai(open_claude, call, found):
    with open_claude.messages.stream(
        model=GPT, max_tokens=64, messages=HELLO, extra_headers=call.headers
    ) as stream:
        final = stream.get_final_message()
    assert final.content[0].text and final.stop_reason == "end_turn"
    found(provider="openai", tokens=(final.usage.input_tokens, final.usage.output_tokens))


def test_messages_tools_of_openai_over_two_turns(open_claude, call, found):
    tools = [{"name": "get_weather", "input_schema": PARAMETERS}]
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = open_claude.messages.create(
        model=GPT, max_tokens=64, messages=messages, tools=tools, extra_headers=call.headers
    )
    assert first.stop_reason == "tool_use"
    (use,) = [block for block in first.content if block.type == "tool_use"]
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": use.id, "content": "18 degrees and sunny"}]},
    ]
    second = open_claude.messages.create(
        model=GPT, max_tokens=64, messages=messages, tools=tools, extra_headers=call.headers
    )
    assert "18 degrees and sunny" in second.content[0].text
    found(provider="openai")


def test_errors_of_openai_in_the_shape_of_anthropic(open_claude, call, found):
    with pytest.raises(anthropic.RateLimitError) as caught:
        open_claude.messages.create(
            model=f"{GPT}+error=429", max_tokens=64, messages=HELLO, extra_headers=call.headers
        )
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    found(outcome="upstream_failed")
